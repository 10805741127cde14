"""What the SDK's keyring keeps under a key's name, of any version: its record and, apart from it, its private key.

SDK 0.46 and later keep a protobuf ``Record``; earlier ones amino (:mod:`cosmos_formats.legacy_amino`). Both come out as
a :class:`KeyringEntry`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cosmos_formats import private_keys, wire
from cosmos_formats.errors import InvalidRecord
from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey
from cosmos_formats.pubkeys import KeyType
from cosmos_formats.record import Ledger, Local, Record
from cosmos_formats.wipeable import wipe

if TYPE_CHECKING:
    from cosmos_formats.hd import Bip44Path

_RECORD_TAG: Final = b"\x0a"
_NAMELESS_TAG: Final = b"\x12"
"""A Record begins with its name, or with its public key if the name is empty."""


@dataclass(frozen=True, slots=True)
class KeyringEntry:
    """A key of a keyring.

    Attributes:
        record: All that is public. A local record holds no private key here, as that of a key in a token.
        private_key: 32 bytes, a scalar or an ed25519 seed, whose public half is the record's public key; None unless
            the record is local. The caller wipes it.
        legacy: It was kept in amino, by SDK 0.45 or earlier.
    """

    record: Record
    private_key: bytearray | None = field(repr=False)
    legacy: bool = False

    @property
    def name(self) -> str:
        """The key's name, as it stands inside."""
        return self.record.name

    @property
    def kind(self) -> str:
        """``local``, ``ledger``, ``multi`` or ``offline``."""
        return self.record.kind

    @property
    def public_key(self) -> AnyPublicKey:
        """The public half."""
        return self.record.public_key

    @property
    def key_type(self) -> str:
        """``secp256k1``, ``ed25519``, ``multisig`` and so on."""
        key = self.record.public_key
        return "multisig" if isinstance(key, MultisigPublicKey) else str(key.key_type)

    @property
    def address(self) -> bytes:
        """The address, 20 bytes (32 for secp256r1)."""
        return self.record.public_key.address

    @property
    def path(self) -> Bip44Path | None:
        """Where on the device a ledger key is; None for others."""
        return self.record.item.path if isinstance(self.record.item, Ledger) else None

    def wipe(self) -> None:
        """Overwrite the private key with zeros."""
        if self.private_key is not None:
            wipe(self.private_key)


def decode(data: bytearray) -> KeyringEntry:
    """Read what a keyring keeps under ``<name>.info``.

    Args:
        data: An item's data. It stays as it is; the caller wipes it.

    Raises:
        InvalidRecord: Neither a record nor an amino one, or one that no SDK writes.
        InvalidKey: A private key of an unknown type, out of range, or not that of the record's public key.
    """
    # An amino record begins with its length, and none is as short as 10 or 18 bytes.
    if data[:1] == _RECORD_TAG or data[:1] == _NAMELESS_TAG:
        entry = _decode_record(data)
    else:
        from cosmos_formats import legacy_amino

        entry = legacy_amino.decode(data)
    if not isinstance(entry.public_key, MultisigPublicKey) and entry.public_key.key_type is KeyType.X25519:
        raise InvalidRecord("record of a key that has no address")
    return entry


def _decode_record(data: bytearray) -> KeyringEntry:
    try:
        fields = wire.locate(data)
        if Local.number not in fields:
            return KeyringEntry(Record.decode(bytes(data)), None)
        start, end = fields[Local.number]
        inner = wire.locate(data, start, end)
        public = b"".join(
            wire.message_field(number, bytes(data[begin:stop]) if number != Local.number else b"")
            for number, (begin, stop) in fields.items()
        )
        record = Record.decode(public)
        if not inner:
            return KeyringEntry(record, None)
        if set(inner) != {1}:
            raise InvalidRecord("local record with unknown fields")
        private = _packed_key(data, *inner[1])
    except InvalidRecord:
        raise
    except wire.InvalidProtobuf as error:
        raise InvalidRecord(f"record: {error}") from error
    return entry_of(record, private)


def entry_of(record: Record, private: private_keys.PrivateKey, *, legacy: bool = False) -> KeyringEntry:
    """Return the entry of a local record and its private key, or wipe the key.

    Raises:
        InvalidRecord: The key is not that of the record.
    """
    if private.public_key != record.public_key:
        private.wipe()
        raise InvalidRecord("record whose private key does not belong to its public key")
    return KeyringEntry(record, private.secret, legacy)


def _packed_key(data: bytearray, start: int, end: int) -> private_keys.PrivateKey:
    """Read an ``Any`` with a private key, between two offsets."""
    packed = wire.locate(data, start, end)
    if set(packed) != {1, 2}:
        raise InvalidRecord("local record without a private key")
    url = private_keys.PRIVATE_TYPES.get(bytes(data[slice(*packed[1])]).decode("utf-8", "replace"))
    if url is None:
        raise InvalidRecord("local record with a private key of an unknown type")
    message = wire.locate(data, *packed[2])
    if set(message) != {1}:
        raise InvalidRecord("local record with a malformed private key")
    with memoryview(data)[slice(*message[1])] as view:
        return private_keys.from_stored(private_keys.TYPE_OF[url], view, url)


def decode_address_item(data: bytes | bytearray) -> str:
    """Read what a keyring keeps under ``<hex address>.address``: the item key ``<name>.info`` of the key.

    Raises:
        InvalidRecord: Not UTF-8, or no such item key.
    """
    try:
        text = bytes(data).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRecord("address item that is not UTF-8") from None
    if not text.endswith(".info") or len(text) > 4096:
        raise InvalidRecord("address item that does not name a key's item")
    return text
