"""Private keys in buffers: their public halves, and the amino form that armor and old keyrings keep.

A private key is 32 bytes: a scalar, big-endian, 1 … n-1 (the secp256 curves), or a seed (ed25519, RFC 8032). It goes
from the caller's buffer straight into libsecp256k1 or OpenSSL, which clear what they copied; no Python integer, text or
``bytes`` is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from cosmos_formats.curves import SECP256K1, SECP256R1
from cosmos_formats.errors import InvalidKey
from cosmos_formats.pubkeys import ETH_TYPE_URLS, TYPE_URLS, KeyType, PublicKey
from cosmos_formats.wipeable import wipe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LENGTH: Final = 32
"""Of a private key of any type, in bytes."""

_ORDER: Final = {
    KeyType.SECP256K1: SECP256K1.n.to_bytes(LENGTH),
    KeyType.SECP256R1: SECP256R1.n.to_bytes(LENGTH),
}

# A PrivateKeyInfo (RFC 5958) around an ECPrivateKey (RFC 5915) without its public half, up to the scalar: what OpenSSL
# takes from a buffer.
_R1_DER: Final = bytes.fromhex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420")

AMINO_PREFIXES: Final[Mapping[bytes, str]] = {
    bytes.fromhex("e1b0f79b"): TYPE_URLS[KeyType.SECP256K1],
    bytes.fromhex("a3288910"): TYPE_URLS[KeyType.ED25519],
    bytes.fromhex("fcd2efcc"): ETH_TYPE_URLS[0],
    bytes.fromhex("2a5ece93"): ETH_TYPE_URLS[1],
    bytes.fromhex("773b3886"): ETH_TYPE_URLS[2],
    bytes.fromhex("439faa4f"): ETH_TYPE_URLS[3],
}
"""Type URL of the public key by the first bytes of the private one (of ``tendermint/PrivKeySecp256k1`` and so on)."""

TYPE_OF: Final[Mapping[str, KeyType]] = {
    TYPE_URLS[KeyType.SECP256K1]: KeyType.SECP256K1,
    TYPE_URLS[KeyType.ED25519]: KeyType.ED25519,
    **dict.fromkeys(ETH_TYPE_URLS, KeyType.ETH_SECP256K1),
}
"""Key type by the type URL of the public key, of the keys whose private halves Cosmos' own formats keep."""

PRIVATE_TYPES: Final[Mapping[str, str]] = {url.removesuffix("PubKey") + "PrivKey": url for url in TYPE_OF}
"""Type URL of the public key by that of the private one, such as ``/cosmos.crypto.secp256k1.PrivKey``."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key and its public half, which was computed from it.

    Attributes:
        public_key: What the secret gives.
        secret: 32 bytes. The caller wipes them.
    """

    public_key: PublicKey
    secret: bytearray = field(repr=False)

    @property
    def key_type(self) -> KeyType:
        """What kind of key it is."""
        return self.public_key.key_type

    def wipe(self) -> None:
        """Overwrite the secret with zeros."""
        wipe(self.secret)


def public_half(key_type: KeyType, secret: bytearray, url: str = "") -> PublicKey:
    """Return the public half of a private key.

    Args:
        key_type: What kind of key it is.
        secret: 32 bytes; see the module's text. It stays as it is.
        url: Type URL of the public key if it is not the usual one.

    Raises:
        InvalidKey: A wrong length, or out of range.
    """
    if len(secret) != LENGTH:
        raise InvalidKey(f"a {key_type} private key has {LENGTH} bytes, not {len(secret)}")
    order = _ORDER.get(key_type.curve)
    # Of equal lengths, bytes compare as the numbers do.
    if order is not None and not bytes(LENGTH) < secret < order:
        raise InvalidKey(f"the {key_type} private key is out of range")
    return PublicKey(key_type, _public_bytes(key_type, secret), url)


def opened(
    key_type: KeyType, secret: bytearray, *, url: str = "", public_half_given: bytes | bytearray | None = None
) -> PrivateKey:
    """Return a private key with its public half, or wipe it.

    Args:
        key_type: What kind of key it is.
        secret: 32 bytes, which the result holds from now on.
        url: Type URL of the public key if it is not the usual one.
        public_half_given: What stood beside the secret; it must be its public half.

    Raises:
        InvalidKey: Not a private key, or another's public half. ``secret`` is wiped.
    """
    try:
        public_key = public_half(key_type, secret, url)
        if public_half_given is not None and public_key.data != public_half_given:
            raise InvalidKey(f"the {key_type} private key does not belong to the public key beside it")
    except BaseException:
        wipe(secret)
        raise
    return PrivateKey(public_key, secret)


def from_amino(data: bytearray | memoryview) -> PrivateKey:
    """Read a private key in amino: four bytes for its type, the length, the key (ed25519: seed and public half).

    Raises:
        InvalidKey: An unknown type, a wrong length, or not a key.
    """
    url = AMINO_PREFIXES.get(bytes(data[:4]))
    if url is None:
        raise InvalidKey("a private key of an unknown type")
    key_type = TYPE_OF[url]
    size = stored_length(key_type)
    if len(data) != 5 + size or data[4] != size:
        raise InvalidKey(f"a {key_type} private key of a wrong length")
    with memoryview(data)[5:] as view:
        return from_stored(key_type, view, url)


def stored_length(key_type: KeyType) -> int:
    """Return how many bytes Cosmos keeps of a private key: 64 of ed25519 (seed, then public half), else 32."""
    return 2 * LENGTH if key_type is KeyType.ED25519 else LENGTH


def from_stored(key_type: KeyType, data: bytearray | memoryview, url: str = "") -> PrivateKey:
    """Read the bytes that Cosmos keeps of a private key (:func:`stored_length`).

    Raises:
        InvalidKey: A wrong length, not a key, or an ed25519 seed beside another's public half.
    """
    if len(data) != stored_length(key_type):
        raise InvalidKey(f"a {key_type} private key has {stored_length(key_type)} bytes here, not {len(data)}")
    with memoryview(data) as view:
        public = bytes(view[LENGTH:]) if key_type is KeyType.ED25519 else None
        return opened(key_type, bytearray(view[:LENGTH]), url=url, public_half_given=public)


def _public_bytes(key_type: KeyType, secret: bytearray) -> bytes:
    if key_type.curve is KeyType.SECP256K1:
        from cosmos_formats.hd_keys import public_point

        return public_point(secret)
    if key_type is KeyType.ED25519:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    if key_type is KeyType.SECP256R1:
        point = _public_r1(secret)
        # OpenSSL frees a number unwiped; one more of the same length takes its place.
        _public_r1((SECP256R1.n - 1).to_bytes(LENGTH))
        return point
    raise InvalidKey(f"{key_type} private keys are in none of Cosmos' formats")


def _public_r1(secret: bytes | bytearray) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

    document = bytearray(_R1_DER + bytes(LENGTH))
    try:
        with memoryview(document) as view:
            view[len(_R1_DER) :] = secret
        key = cast("EllipticCurvePrivateKey", load_der_private_key(document, None))
        return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    finally:
        wipe(document)
