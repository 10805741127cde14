"""Shared secrets (ECDH) that a token computes, held in memory that is wiped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.errors import InvalidRequest, ProviderError
from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.faults import RECOVERABLE, TokenFault, binding
from keyring_bridge.providers.pkcs11.points import encode_point, uncompressed
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    import pkcs11.types

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.providers.pkcs11.cryptoki import Cryptoki
    from keyring_bridge.providers.pkcs11.objects import PrivateKey


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
    from keyring_bridge.providers import private_keys

    with private_keys.generate(KeyType.X25519) as probe:
        private_keys.shared_secret(KeyType.X25519, probe, peer).wipe()


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
