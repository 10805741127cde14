"""Private keys in this process's memory: checking, using and making them.

For the software provider, and for keys on their way into a token. Every private key is 32 bytes in a buffer that is
wiped: a scalar, big-endian, 1 … n-1 (secp256k1, secp256r1), a seed (ed25519, RFC 8032), or a scalar as RFC 7748 has it
(x25519). It goes from the buffer straight into libsecp256k1 or OpenSSL, whose code runs in constant time and clears
what it copied; no Python integer or ``bytes`` is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cosmos_formats.curves import SECP256K1, SECP256R1
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signature import der_to_rs
from keyring_bridge.errors import InvalidKey, InvalidRequest
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurve, EllipticCurvePrivateKey

LENGTH: Final = 32
"""Of a private key of any type, in bytes."""

ORDER: Final = {
    KeyType.SECP256K1: SECP256K1.n.to_bytes(LENGTH),
    KeyType.SECP256R1: SECP256R1.n.to_bytes(LENGTH),
}
"""Orders of the groups whose scalars have a range, 32 bytes."""

# A PKCS#8 PrivateKeyInfo (RFC 5958) around an ECPrivateKey (RFC 5915) without its public half, up to the scalar.
_PKCS8: Final = {
    KeyType.SECP256K1: bytes.fromhex("303e020100301006072a8648ce3d020106052b8104000a042730250201010420"),
    KeyType.SECP256R1: bytes.fromhex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420"),
}


def generate(key_type: KeyType) -> SecretBytes:
    """Return a new private key from the system's random numbers."""
    while True:
        secret = SecretBytes.random(LENGTH)
        if _in_range(key_type, secret.reveal()):
            return secret
        secret.wipe()


def check(key_type: KeyType, secret: SecretBytes) -> None:
    """Make sure that ``secret`` can be a private key. Tokens don't: they take zero, the order, and wrong lengths.

    Raises:
        InvalidKey: A wrong length, or out of range.
    """
    if len(secret) != LENGTH:
        raise InvalidKey(f"a {key_type} private key has {LENGTH} bytes, not {len(secret)}")
    if not _in_range(key_type, secret.reveal()):
        raise InvalidKey(f"the {key_type} private key is out of range")


def public_key_for(key_type: KeyType, secret: SecretBytes) -> PublicKey:
    """Check a private key and return its public half.

    Raises:
        InvalidKey: A wrong length, or out of range.
    """
    check(key_type, secret)
    value = secret.reveal()
    if key_type is KeyType.ED25519:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        data = Ed25519PrivateKey.from_private_bytes(value).public_key().public_bytes_raw()
    elif key_type is KeyType.X25519:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        data = X25519PrivateKey.from_private_bytes(value).public_key().public_bytes_raw()
    elif key_type.curve is KeyType.SECP256K1:
        # OpenSSL takes twenty times as long.
        from cosmos_formats.hd_keys import public_point

        data = public_point(value)
    else:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = _sec1(key_type, value).public_key()
        data = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return PublicKey(key_type, data)


def sign(key_type: KeyType, secret: SecretBytes, payload: bytes) -> bytes:
    """Sign a digest of 32 bytes (ECDSA, nonce by RFC 6979) or a message (ed25519).

    Returns:
        64 bytes: r‖s or R‖S.

    Raises:
        InvalidRequest: The key does not sign, or the payload is not a digest.
    """
    value = secret.reveal()
    if key_type is KeyType.ED25519:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(value).sign(payload)
    if key_type is KeyType.X25519:
        raise InvalidRequest("an x25519 key does not sign")
    if len(payload) != 32:
        raise InvalidRequest(f"a digest to sign has 32 bytes, not {len(payload)}")
    if key_type.curve is KeyType.SECP256K1:
        return _sign_secp256k1(value, payload)
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    der = _sec1(key_type, value).sign(payload, ECDSA(Prehashed(SHA256()), deterministic_signing=True))
    return der_to_rs(der, key_type)


def shared_secret(key_type: KeyType, secret: SecretBytes, peer: PublicKey) -> SecretBytes:
    """Return what the key and a peer's public key have in common: 32 bytes, the raw x coordinate (ECDH, RFC 7748).

    Raises:
        InvalidRequest: The peer's key is of another curve, or the curve's keys only sign.
        InvalidKey: The peer's key is off the curve, or gives no usable secret (a point of small order).
    """
    if peer.key_type is not key_type:
        raise InvalidRequest(f"the peer's key must be {key_type}, not {peer.key_type}")
    if key_type is KeyType.ED25519:
        raise InvalidRequest("an ed25519 key does not compute shared secrets")
    value = secret.reveal()
    try:
        if key_type is KeyType.X25519:
            from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

            other = X25519PublicKey.from_public_bytes(peer.data)
            return SecretBytes(X25519PrivateKey.from_private_bytes(value).exchange(other))
        from cryptography.hazmat.primitives.asymmetric.ec import ECDH, EllipticCurvePublicKey

        point = EllipticCurvePublicKey.from_encoded_point(_curve(key_type), peer.data)
        return SecretBytes(_sec1(key_type, value).exchange(ECDH(), point))
    except ValueError:
        raise InvalidKey("the peer's public key gives no usable shared secret") from None


def _in_range(key_type: KeyType, value: bytearray) -> bool:
    order = ORDER.get(key_type.curve)
    # Of equal lengths, bytes compare as the numbers do.
    return order is None or bytes(LENGTH) < value < order


def _curve(key_type: KeyType) -> EllipticCurve:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.SECP256K1() if key_type.curve is KeyType.SECP256K1 else ec.SECP256R1()


def _sec1(key_type: KeyType, value: bytearray) -> EllipticCurvePrivateKey:
    """Hand a scalar to OpenSSL as a document: its other way takes a Python integer, which could not be wiped."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    prefix = _PKCS8[key_type.curve]
    with SecretBytes(bytearray(len(prefix) + LENGTH)) as document:
        buffer = document.reveal()
        buffer[: len(prefix)] = prefix
        buffer[len(prefix) :] = value
        key = load_der_private_key(buffer, None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError("a PKCS#8 document of an EC key was read as something else")
    return key


def _sign_secp256k1(value: bytearray, digest: bytes) -> bytes:
    # coincurve's PrivateKey copies the key into bytes, which cannot be wiped, so its binding is called directly.
    from coincurve._libsecp256k1 import ffi, lib  # type: ignore[import-not-found]  # a compiled module without stubs
    from coincurve.context import GLOBAL_CONTEXT

    context = GLOBAL_CONTEXT.ctx
    signature = ffi.new("secp256k1_ecdsa_signature *")
    if not lib.secp256k1_ecdsa_sign(context, signature, digest, ffi.from_buffer(value), ffi.NULL, ffi.NULL):
        raise InvalidKey("the secp256k1 private key is out of range")
    compact = ffi.new("unsigned char[64]")
    lib.secp256k1_ecdsa_signature_serialize_compact(context, compact, signature)
    return bytes(ffi.buffer(compact))
