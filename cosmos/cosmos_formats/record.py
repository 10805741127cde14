"""Keyring records (``cosmos.crypto.keyring.v1.Record``), byte-compatible with cosmos-sdk v0.53."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, Final, TypeAlias

from cosmos_formats import wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import FormatError, InvalidRecord
from cosmos_formats.hd import Bip44Path
from cosmos_formats.multisig import AnyPublicKey, pubkey_from_any
from cosmos_formats.quickclass import dataclass

_LAYOUT: Final = {1: wire.Kind.BYTES, **dict.fromkeys(range(2, 7), wire.Kind.MESSAGE)}
_ONE_MESSAGE: Final = {1: wire.Kind.MESSAGE}


@dataclass(frozen=True, slots=True)
class Local:
    """A key of the keyring itself.

    Attributes:
        private_key: The packed private key, as the SDK's file keyring keeps it; None for a key in a token.
    """

    kind: ClassVar[str] = "local"
    number: ClassVar[int] = 3

    private_key: AnyValue | None = field(default=None, repr=False)

    def encode(self) -> bytes:
        """Return the bytes of ``Record.Local``."""
        return b"" if self.private_key is None else wire.message_field(1, self.private_key.encode())

    def to_proto_json(self, *, reveal_private_key: bool = False) -> dict[str, object]:
        """Return the member ``local`` of the record; the private key is null unless ``reveal_private_key`` is set."""
        if self.private_key is None or not reveal_private_key:
            return {"priv_key": None}
        from binascii import b2a_base64

        key = wire.read(self.private_key.value, {1: wire.Kind.BYTES}).binary(1)
        text = b2a_base64(key, newline=False).decode("ascii")
        return {"priv_key": {"@type": self.private_key.type_url, "key": text}}


@dataclass(frozen=True, slots=True)
class Ledger:
    """A key on a Ledger device.

    Attributes:
        path: Where on the device.
    """

    kind: ClassVar[str] = "ledger"
    number: ClassVar[int] = 4

    path: Bip44Path

    def encode(self) -> bytes:
        """Return the bytes of ``Record.Ledger``."""
        return wire.message_field(1, self.path.encode())

    def to_proto_json(self, *, reveal_private_key: bool = False) -> dict[str, object]:
        """Return the member ``ledger`` of the record."""
        path = self.path
        return {
            "path": {
                "purpose": path.purpose,
                "coin_type": path.coin_type,
                "account": path.account,
                "change": path.change,
                "address_index": path.address_index,
            }
        }


@dataclass(frozen=True, slots=True)
class Multi:
    """A multisig key: nothing but its public key is kept."""

    kind: ClassVar[str] = "multi"
    number: ClassVar[int] = 5

    def encode(self) -> bytes:
        """Return the bytes of ``Record.Multi``: none."""
        return b""

    def to_proto_json(self, *, reveal_private_key: bool = False) -> dict[str, object]:
        """Return the member ``multi`` of the record."""
        return {}


@dataclass(frozen=True, slots=True)
class Offline:
    """A key whose private half is elsewhere: nothing but its public key is kept."""

    kind: ClassVar[str] = "offline"
    number: ClassVar[int] = 6

    def encode(self) -> bytes:
        """Return the bytes of ``Record.Offline``: none."""
        return b""

    def to_proto_json(self, *, reveal_private_key: bool = False) -> dict[str, object]:
        """Return the member ``offline`` of the record."""
        return {}


Item: TypeAlias = Local | Ledger | Multi | Offline


@dataclass(frozen=True, slots=True)
class Record:
    """What a keyring knows about one key.

    Attributes:
        name: The key's name (uid).
        public_key: Its public half.
        item: Where the private half is.
    """

    name: str
    public_key: AnyPublicKey
    item: Item

    @property
    def kind(self) -> str:
        """``local``, ``ledger``, ``multi`` or ``offline``, as the SDK's ``type`` of a key."""
        return self.item.kind

    def encode(self) -> bytes:
        """Return the record's bytes. They hold the private key if the record does.

        Raises:
            InvalidRecord: A name that UTF-8 cannot write.
        """
        try:
            name = wire.text_field(1, self.name)
        except FormatError as error:
            raise InvalidRecord(f"record: {error}") from error
        public_key = wire.message_field(2, self.public_key.to_any().encode())
        return name + public_key + wire.message_field(self.item.number, self.item.encode())

    @classmethod
    def decode(cls, data: bytes, *, check_point: bool = True) -> Record:
        """Read a record.

        Args:
            data: What :meth:`encode` returned, or what the SDK's keyring keeps.
            check_point: Check that the public key is a point on its curve. A store that reads back what it wrote
                itself may leave it out; it is most of the cost.

        Raises:
            InvalidRecord: Not the canonical encoding of a record, no or several items, or an invalid public key.
        """
        try:
            fields = wire.read(data, _LAYOUT)
            packed = fields.message(2)
            if packed is None:
                raise InvalidRecord("record without a public key")
            public_key = pubkey_from_any(AnyValue.decode(packed), check_point=check_point)
            return cls(fields.text(1), public_key, _item(fields))
        except InvalidRecord:
            raise
        except FormatError as error:
            raise InvalidRecord(f"record: {error}") from error

    def to_proto_json(self, *, reveal_private_key: bool = False) -> dict[str, object]:
        """Return the record as the SDK's JSON codec prints it, with original field names.

        Args:
            reveal_private_key: Include the private key of a local record; null otherwise.
        """
        return {
            "name": self.name,
            "pub_key": self.public_key.to_proto_json(),
            self.item.kind: self.item.to_proto_json(reveal_private_key=reveal_private_key),
        }


def _item(fields: wire.Fields) -> Item:
    present = [(number, data) for number in range(3, 7) if (data := fields.message(number)) is not None]
    if len(present) != 1:
        raise InvalidRecord("unrecognized record type" if not present else "record with several items")
    number, data = present[0]
    if number == Local.number:
        inner = wire.read(data, _ONE_MESSAGE).message(1)
        return Local(None if inner is None else AnyValue.decode(inner))
    if number == Ledger.number:
        inner = wire.read(data, _ONE_MESSAGE).message(1)
        if inner is None:
            raise InvalidRecord("ledger record without a path")
        return Ledger(Bip44Path.decode(inner))
    wire.read(data, {})
    return Multi() if number == Multi.number else Offline()
