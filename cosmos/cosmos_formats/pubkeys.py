"""Public keys, the three forms Cosmos writes them in, and the addresses they have."""

from __future__ import annotations

import hashlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final

from cosmos_formats import curves, wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import InvalidKey
from cosmos_formats.hashes import adr028, hash160, keccak256
from cosmos_formats.quickclass import dataclass
from cosmos_formats.wire import InvalidProtobuf


class KeyType(StrEnum):
    """The kinds of keys of this project: a curve, and how messages are hashed and addresses made.

    ``eth_secp256k1`` is secp256k1 as Ethereum uses it: Keccak-256 instead of SHA-256, and Ethereum's addresses.
    ``x25519`` keys encrypt; they have no address.
    """

    SECP256K1 = "secp256k1"
    ED25519 = "ed25519"
    SECP256R1 = "secp256r1"
    X25519 = "x25519"
    ETH_SECP256K1 = "eth_secp256k1"

    @property
    def curve(self) -> KeyType:
        """The plain key type on the same curve, which is what a token knows."""
        return KeyType.SECP256K1 if self is KeyType.ETH_SECP256K1 else self


TOKEN_TYPES: Final = tuple(dict.fromkeys(key_type.curve for key_type in KeyType))
"""The key types that tokens know: one for each curve."""

_LENGTH: Final = {
    KeyType.SECP256K1: 33,
    KeyType.SECP256R1: 33,
    KeyType.ED25519: 32,
    KeyType.X25519: 32,
    KeyType.ETH_SECP256K1: 33,
}

_WEIERSTRASS: Final = {
    KeyType.SECP256K1: curves.SECP256K1,
    KeyType.SECP256R1: curves.SECP256R1,
    KeyType.ETH_SECP256K1: curves.SECP256K1,
}

TYPE_URLS: Final[Mapping[KeyType, str]] = {
    KeyType.SECP256K1: "/cosmos.crypto.secp256k1.PubKey",
    KeyType.ED25519: "/cosmos.crypto.ed25519.PubKey",
    KeyType.SECP256R1: "/cosmos.crypto.secp256r1.PubKey",
    # The SDK has no such key; records of x25519 keys never leave this project.
    KeyType.X25519: "/keyring_bridge.crypto.x25519.PubKey",
    KeyType.ETH_SECP256K1: "/ethermint.crypto.v1.ethsecp256k1.PubKey",
}
"""Type URL of each kind of public key; of several, the usual one."""

ETH_TYPE_URLS: Final = (
    TYPE_URLS[KeyType.ETH_SECP256K1],
    "/cosmos.evm.crypto.v1.ethsecp256k1.PubKey",
    "/injective.crypto.v1beta1.ethsecp256k1.PubKey",
    "/stratos.crypto.v1.ethsecp256k1.PubKey",
)
"""The names that chains have given the one kind of message for eth_secp256k1 keys."""

_KEY_TYPES: Final = {
    **{url: key_type for key_type, url in TYPE_URLS.items()},
    **dict.fromkeys(ETH_TYPE_URLS, KeyType.ETH_SECP256K1),
}

_AMINO_NAMES: Final[Mapping[str, tuple[str, bytes]]] = {
    TYPE_URLS[KeyType.SECP256K1]: ("tendermint/PubKeySecp256k1", bytes.fromhex("eb5ae987")),
    TYPE_URLS[KeyType.ED25519]: ("tendermint/PubKeyEd25519", bytes.fromhex("1624de64")),
    ETH_TYPE_URLS[0]: ("ethermint/PubKeyEthSecp256k1", bytes.fromhex("f3b3cd03")),
    ETH_TYPE_URLS[1]: ("os/PubKeyEthSecp256k1", bytes.fromhex("5d7423df")),
    ETH_TYPE_URLS[2]: ("injective/PubKeyEthSecp256k1", bytes.fromhex("1bf78b67")),
    ETH_TYPE_URLS[3]: ("stratos/PubKeyEthSecp256k1", bytes.fromhex("e77e4a59")),
}
"""By type URL the name in amino JSON, and the four bytes that amino makes of it."""

_LAYOUT: Final = {1: wire.Kind.BYTES}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key.

    The constructor checks length and form. That the point is on its curve is checked by every parser here, and by
    :meth:`require_on_curve` for keys that were built from parts.

    Attributes:
        key_type: What kind of key it is.
        data: 33 bytes, compressed (SEC 1), on the secp256 curves; 32 bytes for ed25519 (RFC 8032) and x25519.
        url: The type URL if it is not the usual one (:data:`ETH_TYPE_URLS`), else empty. Two keys that differ in it are
            two keys: a chain knows one of the names.
    """

    key_type: KeyType
    data: bytes
    url: str = ""

    def __post_init__(self) -> None:
        if self.url:
            if _key_type(self.url) is not self.key_type:
                raise InvalidKey(f"{self.url!r} is not the type of a {self.key_type} public key")
            if self.url == TYPE_URLS[self.key_type]:
                object.__setattr__(self, "url", "")
        if len(self.data) != _LENGTH[self.key_type]:
            raise InvalidKey(f"{self.key_type} public key of {len(self.data)} bytes, expected {_LENGTH[self.key_type]}")
        if _LENGTH[self.key_type] == 33 and self.data[0] not in (2, 3):
            raise InvalidKey(f"{self.key_type} public key is not in compressed form")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of ``data``, 64 lower-case hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def address(self) -> bytes:
        """The address: 20 bytes, but 32 (ADR-028) for secp256r1.

        Raises:
            InvalidKey: An x25519 key, which has none.
        """
        if self.key_type is KeyType.SECP256K1:
            return hash160(self.data)
        if self.key_type is KeyType.ED25519:
            return hashlib.sha256(self.data).digest()[:20]
        if self.key_type is KeyType.SECP256R1:
            return adr028(self.type_url[1:], self.data)
        if self.key_type is KeyType.ETH_SECP256K1:
            return _eth_address(self.data)
        raise InvalidKey(f"{self.key_type} keys have no address")

    @property
    def type_url(self) -> str:
        """Type URL of the protobuf message that holds the key."""
        return self.url or TYPE_URLS[self.key_type]

    @property
    def plain(self) -> PublicKey:
        """The key as a token knows it: an eth_secp256k1 key as a secp256k1 key, any other as it is."""
        return PublicKey(KeyType.SECP256K1, self.data) if self.key_type is KeyType.ETH_SECP256K1 else self

    def hash(self, message: bytes) -> bytes:
        """Return what an ECDSA signature of this key over a message signs: SHA-256, or Keccak-256 for eth_secp256k1.

        Raises:
            InvalidKey: The key signs no digests.
        """
        if self.key_type is KeyType.ETH_SECP256K1:
            return keccak256(message)
        if self.key_type not in _WEIERSTRASS:
            raise InvalidKey(f"{self.key_type} keys do not sign digests")
        return hashlib.sha256(message).digest()

    def require_on_curve(self) -> PublicKey:
        """Return the key itself if its bytes are a point on its curve.

        Raises:
            InvalidKey: They are not.
        """
        if not _on_curve(self.key_type, self.data):
            raise InvalidKey(f"{self.key_type} public key is not a point on the curve")
        return self

    # --- protobuf ------------------------------------------------------------------------------------------------

    def to_any(self) -> AnyValue:
        """Return the key as the SDK packs it into records and signer infos."""
        return AnyValue(self.type_url, wire.bytes_field(1, self.data))

    @classmethod
    def from_any(cls, packed: AnyValue, *, check_point: bool = True) -> PublicKey:
        """Read a packed key.

        Args:
            packed: The ``Any``.
            check_point: Check that the point is on the curve; off for bytes that were checked when they were stored.

        Raises:
            InvalidKey: An unknown type, not the canonical encoding, or not a key.
        """
        key_type = _key_type(packed.type_url)
        try:
            data = wire.read(packed.value, _LAYOUT).binary(1)
        except InvalidProtobuf as error:
            raise InvalidKey(f"{key_type} public key: {error}") from error
        key = cls(key_type, data, packed.type_url)
        return key.require_on_curve() if check_point else key

    # --- proto-JSON ----------------------------------------------------------------------------------------------

    def to_proto_json(self) -> dict[str, object]:
        """Return ``{"@type": type URL, "key": base64}``, as the SDK's commands print keys."""
        return {"@type": self.type_url, "key": b2a_base64(self.data, newline=False).decode("ascii")}

    @classmethod
    def from_proto_json(cls, value: object) -> PublicKey:
        """Read what :meth:`to_proto_json` returns.

        Raises:
            InvalidKey: Other members, an unknown type, not base64, or not a key.
        """
        members = require_members(value, "@type", "key")
        key_type = _key_type(members["@type"])
        return cls(key_type, _unbase64(members["key"]), str(members["@type"])).require_on_curve()

    # --- legacy amino --------------------------------------------------------------------------------------------

    @property
    def amino_name(self) -> str | None:
        """The key's type in amino JSON, such as ``tendermint/PubKeySecp256k1``; None if it has no amino form."""
        known = _AMINO_NAMES.get(self.type_url)
        return None if known is None else known[0]

    def to_amino(self) -> bytes:
        """Return the amino bytes: four bytes for the type, the length, the key.

        Raises:
            InvalidKey: A type that the SDK never registered with amino (secp256r1, x25519).
        """
        known = _AMINO_NAMES.get(self.type_url)
        if known is None:
            raise InvalidKey(f"{self.key_type} public keys have no amino form")
        return known[1] + bytes((len(self.data),)) + self.data

    @classmethod
    def from_amino(cls, data: bytes) -> PublicKey:
        """Read what :meth:`to_amino` returns.

        Raises:
            InvalidKey: An unknown type or not a key.
        """
        for url, (_, prefix) in _AMINO_NAMES.items():
            if data[:4] == prefix:
                key_type = _KEY_TYPES[url]
                if len(data) < 5 or data[4] != _LENGTH[key_type] or len(data) != 5 + data[4]:
                    raise InvalidKey(f"amino {key_type} public key of a wrong length")
                return cls(key_type, data[5:], url).require_on_curve()
        raise InvalidKey("not an amino public key of a known type")

    # --- SEC 1 ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_uncompressed(cls, key_type: KeyType, data: bytes) -> PublicKey:
        """Compress a point in uncompressed form (SEC 1, section 2.3.3).

        Args:
            key_type: A type on a secp256 curve.
            data: 65 bytes: 04, x, y.

        Raises:
            InvalidKey: Another form or length, another kind of key, or a point off the curve.
        """
        curve = _WEIERSTRASS.get(key_type)
        if curve is None:
            raise InvalidKey(f"{key_type} public keys have no uncompressed form")
        if len(data) != 65 or data[0] != 4:
            raise InvalidKey(f"{key_type} public key is not in uncompressed form")
        x, y = data[1:33], data[33:]
        if not curve.has_point(int.from_bytes(x), int.from_bytes(y)):
            raise InvalidKey(f"{key_type} public key is not a point on the curve")
        return cls(key_type, bytes((2 + (y[-1] & 1),)) + x)


@lru_cache(maxsize=1024)
def _on_curve(key_type: KeyType, data: bytes) -> bool:
    curve = _WEIERSTRASS.get(key_type)
    if curve is not None:
        return curve.has_x(int.from_bytes(data[1:]))
    if key_type is KeyType.ED25519:
        return curves.is_edwards25519_point(data)
    return True  # every 32 bytes are an x25519 public key (RFC 7748)


@lru_cache(maxsize=1024)
def _eth_address(data: bytes) -> bytes:
    import coincurve

    try:
        point = coincurve.PublicKey(data).format(compressed=False)
    except ValueError:
        raise InvalidKey("eth_secp256k1 public key is not a point on the curve") from None
    return keccak256(point[1:])[12:]


def _key_type(type_url: object) -> KeyType:
    key_type = _KEY_TYPES.get(type_url) if isinstance(type_url, str) else None
    if key_type is None:
        raise InvalidKey(f"{str(type_url)[:100]!r} is not a known type of public key")
    return key_type


def require_members(value: object, *names: str) -> dict[str, object]:
    """Return a JSON object that has exactly the members ``names``.

    Raises:
        InvalidKey: Not an object, or one with other members.
    """
    if not isinstance(value, dict) or set(value) != set(names):
        raise InvalidKey(f"a public key in JSON has the members {', '.join(names)} and no others")
    return value


def _unbase64(value: object) -> bytes:
    if not isinstance(value, str):
        raise InvalidKey("the key must be base64 text")
    try:
        data = a2b_base64(value)
    except ValueError:
        raise InvalidKey("the key is not base64") from None
    if b2a_base64(data, newline=False).decode("ascii") != value:
        raise InvalidKey("the key is not canonical base64")
    return data
