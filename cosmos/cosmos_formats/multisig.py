"""Threshold public keys of the SDK (``LegacyAminoPubKey``), and dispatch over all kinds of public keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, TypeAlias

from cosmos_formats import wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import InvalidKey
from cosmos_formats.pubkeys import PublicKey, require_members
from cosmos_formats.quickclass import dataclass
from cosmos_formats.wire import InvalidProtobuf

TYPE_URL: Final = "/cosmos.crypto.multisig.LegacyAminoPubKey"

MAX_DEPTH: Final = 8
"""How deep multisig keys may be nested. Nobody nests them twice; the limit ends hostile input early."""

_AMINO_PREFIX: Final = bytes.fromhex("22c1f7e2")
_LAYOUT: Final = {1: wire.Kind.VARINT, 2: wire.Kind.REPEATED}


@dataclass(frozen=True, slots=True)
class MultisigPublicKey:
    """A key of which ``threshold`` out of ``keys`` must sign.

    Attributes:
        threshold: 1 to the number of keys.
        keys: The members, in the order their signatures come in. A key may stand there more than once, and may be a
            multisig key itself; each must have an amino form, because the address is made of it.
    """

    threshold: int
    keys: tuple[AnyPublicKey, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= len(self.keys):
            raise InvalidKey(f"multisig threshold {self.threshold} of {len(self.keys)} keys")
        if self.depth > MAX_DEPTH:
            raise InvalidKey(f"multisig keys nested more than {MAX_DEPTH} deep")
        for key in self.keys:
            key.to_amino()

    @property
    def depth(self) -> int:
        """1 for a key without multisig members, 2 if one of them is a multisig key, and so on."""
        return 1 + max((key.depth for key in self.keys if isinstance(key, MultisigPublicKey)), default=0)

    @property
    def address(self) -> bytes:
        """The address, 20 bytes: the first of the SHA-256 of the amino form."""
        return hashlib.sha256(self.to_amino()).digest()[:20]

    @property
    def type_url(self) -> str:
        """Type URL of the protobuf message that holds the key."""
        return TYPE_URL

    def members(self) -> Iterator[PublicKey]:
        """Yield the keys that sign for it, those of nested multisig keys in their places."""
        for key in self.keys:
            if isinstance(key, MultisigPublicKey):
                yield from key.members()
            else:
                yield key

    def to_any(self) -> AnyValue:
        """Return the key as the SDK packs it into records and signer infos."""
        members = b"".join(wire.message_field(2, key.to_any().encode()) for key in self.keys)
        return AnyValue(TYPE_URL, wire.varint_field(1, self.threshold) + members)

    @classmethod
    def from_any(cls, packed: AnyValue, *, check_point: bool = True) -> MultisigPublicKey:
        """Read a packed key.

        Args:
            packed: The ``Any``.
            check_point: See :meth:`cosmos_formats.pubkeys.PublicKey.from_any`.

        Raises:
            InvalidKey: Another type, not the canonical encoding, or not a key.
        """
        if packed.type_url != TYPE_URL:
            raise InvalidKey(f"{packed.type_url[:100]!r} is not a multisig public key")
        return _from_any(packed, check_point, MAX_DEPTH)

    def to_proto_json(self) -> dict[str, object]:
        """Return ``{"@type", "threshold", "public_keys"}``, as the SDK's commands print keys."""
        return {
            "@type": TYPE_URL,
            "threshold": self.threshold,
            "public_keys": [key.to_proto_json() for key in self.keys],
        }

    @classmethod
    def from_proto_json(cls, value: object) -> MultisigPublicKey:
        """Read what :meth:`to_proto_json` returns.

        Raises:
            InvalidKey: Other members, or not a key.
        """
        return _from_proto_json(value, MAX_DEPTH)

    def to_amino(self) -> bytes:
        """Return the amino bytes: four bytes for the type, then the threshold and the members' amino bytes."""
        members = b"".join(wire.message_field(2, key.to_amino()) for key in self.keys)
        return _AMINO_PREFIX + wire.varint_field(1, self.threshold) + members

    @classmethod
    def from_amino(cls, data: bytes) -> MultisigPublicKey:
        """Read what :meth:`to_amino` returns.

        Raises:
            InvalidKey: Another type or not a key.
        """
        return _from_amino(data, MAX_DEPTH)


AnyPublicKey: TypeAlias = PublicKey | MultisigPublicKey


def pubkey_from_any(packed: AnyValue, *, check_point: bool = True) -> AnyPublicKey:
    """Read a packed public key of any kind.

    Args:
        packed: The ``Any``.
        check_point: See :meth:`cosmos_formats.pubkeys.PublicKey.from_any`.

    Raises:
        InvalidKey: An unknown type, not the canonical encoding, or not a key.
    """
    return _member_from_any(packed, check_point, MAX_DEPTH)


def pubkey_from_proto_json(value: object) -> AnyPublicKey:
    """Read a public key of any kind from proto-JSON.

    Raises:
        InvalidKey: An unknown type, other members, or not a key.
    """
    return _member_from_proto_json(value, MAX_DEPTH)


def pubkey_from_amino(data: bytes) -> AnyPublicKey:
    """Read a public key of any kind from amino bytes.

    Raises:
        InvalidKey: An unknown type or not a key.
    """
    return _member_from_amino(data, MAX_DEPTH)


def _descend(levels: int) -> int:
    if levels <= 0:
        raise InvalidKey(f"multisig keys nested more than {MAX_DEPTH} deep")
    return levels - 1


def _member_from_any(packed: AnyValue, check_point: bool, levels: int) -> AnyPublicKey:
    if packed.type_url == TYPE_URL:
        return _from_any(packed, check_point, levels)
    return PublicKey.from_any(packed, check_point=check_point)


def _from_any(packed: AnyValue, check_point: bool, levels: int) -> MultisigPublicKey:
    levels = _descend(levels)
    try:
        fields = wire.read(packed.value, _LAYOUT)
        members = [AnyValue.decode(member) for member in fields.repeated(2)]
    except InvalidProtobuf as error:
        raise InvalidKey(f"multisig public key: {error}") from error
    keys = tuple(_member_from_any(member, check_point, levels) for member in members)
    return MultisigPublicKey(fields.varint(1), keys)


def _member_from_proto_json(value: object, levels: int) -> AnyPublicKey:
    if isinstance(value, dict) and value.get("@type") == TYPE_URL:
        return _from_proto_json(value, levels)
    return PublicKey.from_proto_json(value)


def _from_proto_json(value: object, levels: int) -> MultisigPublicKey:
    levels = _descend(levels)
    members = require_members(value, "@type", "threshold", "public_keys")
    threshold, keys = members["threshold"], members["public_keys"]
    if members["@type"] != TYPE_URL:
        raise InvalidKey("not a multisig public key")
    if not isinstance(threshold, int) or isinstance(threshold, bool) or not isinstance(keys, list):
        raise InvalidKey("a multisig public key has a number as threshold and a list of public keys")
    return MultisigPublicKey(threshold, tuple(_member_from_proto_json(key, levels) for key in keys))


def _member_from_amino(data: bytes, levels: int) -> AnyPublicKey:
    if data[:4] == _AMINO_PREFIX:
        return _from_amino(data, levels)
    return PublicKey.from_amino(data)


def _from_amino(data: bytes, levels: int) -> MultisigPublicKey:
    levels = _descend(levels)
    if data[:4] != _AMINO_PREFIX:
        raise InvalidKey("not an amino multisig public key")
    try:
        fields = wire.read(data[4:], _LAYOUT)
    except InvalidProtobuf as error:
        raise InvalidKey(f"amino multisig public key: {error}") from error
    return MultisigPublicKey(fields.varint(1), tuple(_member_from_amino(key, levels) for key in fields.repeated(2)))
