"""Verification of signatures, as the chain does it.

secp256k1 goes through libsecp256k1 (``coincurve``), several times faster than OpenSSL; the other curves through
``cryptography``. Parsed keys are kept, because a bridge verifies with the same few keys all day.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from cosmos_formats.errors import InvalidKey, InvalidSignature
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signature import is_low_s, rs_to_der

if TYPE_CHECKING:
    import coincurve
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify(public_key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature over a message is good.

    Args:
        public_key: secp256k1 and secp256r1 (ECDSA over the SHA-256 of the message), eth_secp256k1 (over its Keccak-256)
            or ed25519 (RFC 8032).
        message: The sign bytes, unhashed.
        signature: r‖s, or R‖S for ed25519. Anything but 64 bytes, numbers out of range and high s are bad signatures.

    Raises:
        InvalidKey: The key does not sign, or is not on its curve.
    """
    if public_key.key_type is KeyType.ED25519:
        return _verify_ed25519(public_key, message, signature)
    return verify_digest(public_key, public_key.hash(message), signature)


def verify_digest(public_key: PublicKey, digest: bytes, signature: bytes) -> bool:
    """As :func:`verify`, with the message already hashed.

    Args:
        public_key: One on a secp256 curve.
        digest: 32 bytes.
        signature: r‖s.

    Raises:
        InvalidKey: Another kind of key, or one off its curve.
        InvalidSignature: The digest is not 32 bytes long.
    """
    if public_key.key_type.curve not in (KeyType.SECP256K1, KeyType.SECP256R1):
        raise InvalidKey(f"{public_key.key_type} keys do not sign digests")
    if len(digest) != 32:
        raise InvalidSignature(f"digest of {len(digest)} bytes, expected 32")
    try:
        if not is_low_s(signature, public_key.key_type):
            return False
        der = rs_to_der(signature, public_key.key_type)
    except InvalidSignature:
        return False
    if public_key.key_type.curve is KeyType.SECP256K1:
        return bool(_secp256k1(public_key.data).verify(der, digest, None))
    return _verify_secp256r1(public_key, digest, der)


def _verify_secp256r1(public_key: PublicKey, digest: bytes, der: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature as Bad
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        _secp256r1(public_key.data).verify(der, digest, ECDSA(Prehashed(SHA256())))
    except Bad:
        return False
    return True


def _verify_ed25519(public_key: PublicKey, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature as Bad

    public_key.require_on_curve()
    try:
        _ed25519(public_key.data).verify(signature, message)
    except Bad:
        return False
    return True


@lru_cache(maxsize=1024)
def _secp256k1(data: bytes) -> coincurve.PublicKey:
    import coincurve

    try:
        return coincurve.PublicKey(data)
    except ValueError:
        raise InvalidKey("secp256k1 public key is not a point on the curve") from None


@lru_cache(maxsize=1024)
def _secp256r1(data: bytes) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), data)
    except ValueError:
        raise InvalidKey("secp256r1 public key is not a point on the curve") from None


@lru_cache(maxsize=1024)
def _ed25519(data: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(data)
