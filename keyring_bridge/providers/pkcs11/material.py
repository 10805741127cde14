"""Private key material on its way into or out of a token: checked, and held in memory that is wiped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import InvalidKey, InvalidRequest, ProviderError
from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.faults import RECOVERABLE, TokenFault, binding
from keyring_bridge.providers.pkcs11.points import encode_point, uncompressed
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    import pkcs11.types

    from keyring_bridge.providers.pkcs11.cryptoki import Cryptoki
    from keyring_bridge.providers.pkcs11.objects import PrivateKey

# Orders of the groups (SEC 2, 2.4.1 and 2.4.2).
_ORDERS = {
    KeyType.SECP256K1: 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141,
    KeyType.SECP256R1: 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551,
}


def public_key_for(key_type: KeyType, secret: SecretBytes) -> PublicKey:
    """Check a private key and compute its public half. Tokens check neither length nor range.

    Args:
        key_type: Its curve.
        secret: 32 bytes: a scalar, big-endian, 1 … n-1 (SEC 1 curves), or a seed (ed25519), or a scalar as RFC 7748
            has it (x25519).

    Raises:
        InvalidKey: A wrong length, or out of range.
    """
    if len(secret) != 32:
        raise InvalidKey(f"a {key_type} private key has 32 bytes, not {len(secret)}")
    value = secret.reveal()
    if key_type in _ORDERS:
        number = int.from_bytes(value)
        if not 0 < number < _ORDERS[key_type]:
            raise InvalidKey(f"the {key_type} private key is out of range")
        return _sec1_public(key_type, number)
    return _25519_public(key_type, value)


def _sec1_public(key_type: KeyType, number: int) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    curve = ec.SECP256K1() if key_type is KeyType.SECP256K1 else ec.SECP256R1()
    public = ec.derive_private_key(number, curve).public_key()
    return PublicKey(key_type, public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


def _25519_public(key_type: KeyType, value: bytearray) -> PublicKey:
    if key_type is KeyType.ED25519:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return PublicKey(key_type, Ed25519PrivateKey.from_private_bytes(value).public_key().public_bytes_raw())
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return PublicKey(key_type, X25519PrivateKey.from_private_bytes(value).public_key().public_bytes_raw())


def shared_secret(session: pkcs11.types.Session, cryptoki: Cryptoki, key: PrivateKey, peer: PublicKey) -> SecretBytes:
    """Compute the 32 bytes shared between a key in the token and a peer's public key (CKM_ECDH1_DERIVE, no KDF).

    Raises:
        InvalidRequest: The peer's key is of another curve.
        InvalidKey: The peer's key is not a point that can be used.
        TokenFault: The token cannot derive with this key.
    """
    if peer.key_type is not key.key_type:
        raise InvalidRequest(f"the peer's key must be {key.key_type}, not {peer.key_type}")
    _check_order(peer)
    # The standard wants the raw point and lets tokens take DER, too; some take nothing else.
    points = (uncompressed(peer), encode_point(peer))
    try:
        secret = _derive(session, cryptoki, key, points[0])
    except TokenFault as fault:
        if fault.rv in RECOVERABLE or fault.rv in (codes.KEY_FUNCTION_NOT_PERMITTED, codes.MECHANISM_INVALID):
            raise
        secret = _derive(session, cryptoki, key, points[1])
    if len(secret) != 32:
        secret.wipe()
        raise ProviderError("the token derived a secret of another length")
    return secret


def _check_order(peer: PublicKey) -> None:
    """Refuse an x25519 point of small order, with which everybody shares the same secret (RFC 7748, 6.1)."""
    if peer.key_type is not KeyType.X25519:
        return
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(peer.data))
    except ValueError as error:
        raise InvalidKey("the peer's public key gives no usable shared secret") from error


def _derive(session: pkcs11.types.Session, cryptoki: Cryptoki, key: PrivateKey, point: bytes) -> SecretBytes:
    from pkcs11 import KDF, Attribute, Mechanism
    from pkcs11 import KeyType as TokenKeyType

    if not hasattr(key.found, "derive_key"):
        raise TokenFault(codes.KEY_FUNCTION_NOT_PERMITTED, "C_DeriveKey")
    handle: int = session.handle  # type: ignore[attr-defined]  # its stubs leave it out
    with binding("C_DeriveKey"):
        derived = key.found.derive_key(
            TokenKeyType.GENERIC_SECRET,
            256,
            store=False,
            capabilities=0,
            mechanism=Mechanism.ECDH1_DERIVE,
            mechanism_param=(KDF.NULL, None, point),
            template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
        )
    try:
        return SecretBytes(cryptoki.read_attribute(handle, derived.handle, Attribute.VALUE))
    finally:
        with binding("C_DestroyObject"):
            derived.destroy()
