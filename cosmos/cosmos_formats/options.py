"""The options of message types and fields that say how Cosmos encodes, signs and shows them.

They come from ``amino/amino.proto``, ``cosmos/msg/v1/msg.proto``, ``cosmos_proto/cosmos.proto`` and
``gogoproto/gogo.proto``. Which of these files a descriptor pool has differs, so the options are read off the wire by
their numbers rather than through registered extensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cosmos_formats.quickclass import dataclass
from cosmos_formats.wire import read_varint, skip_value

if TYPE_CHECKING:
    from cosmos_formats.schema import Descriptor, FieldDescriptor

AMINO_NAME: Final = 11110001
_AMINO_MESSAGE_ENCODING: Final = 11110002
_AMINO_ENCODING: Final = 11110003
_AMINO_FIELD_NAME: Final = 11110004
_AMINO_DONT_OMITEMPTY: Final = 11110005
_AMINO_ONEOF_NAME: Final = 11110006
_SIGNER: Final = 11110000
_INTERFACE: Final = 93001
_SCALAR: Final = 93002
_GOGO_NULLABLE: Final = 65001
_GOGO_CUSTOMTYPE: Final = 65003
_GOGO_STDTIME: Final = 65010


@dataclass(frozen=True, slots=True)
class MessageOptions:
    """Options of a message type; what is not set is empty.

    Attributes:
        amino_name: ``amino.name``.
        amino_encoding: ``amino.message_encoding``: ``key_field``, ``module_account``, ``threshold_string``, …
        signers: ``cosmos.msg.v1.signer``: names of the fields that hold the signers' addresses.
        interfaces: ``cosmos_proto.implements_interface``.
    """

    amino_name: str
    amino_encoding: str
    signers: tuple[str, ...]
    interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """Options of a field; what is not set is empty.

    Attributes:
        scalar: ``cosmos_proto.scalar``: ``cosmos.AddressString``, ``cosmos.Int``, ``cosmos.Dec``, …
        accepts: ``cosmos_proto.accepts_interface`` of an ``Any``.
        amino_encoding: ``amino.encoding``: ``legacy_coins``, ``inline_json``, …
        amino_name: ``amino.field_name``.
        amino_oneof_name: ``amino.oneof_name``.
        dont_omitempty: ``amino.dont_omitempty``.
        custom_type: ``gogoproto.customtype``: the Go type, such as ``cosmossdk.io/math.LegacyDec``.
        nullable: ``gogoproto.nullable``, True unless it is switched off.
        std_time: ``gogoproto.stdtime``: Go keeps a ``time.Time``, whose zero is the year 1.
    """

    scalar: str
    accepts: str
    amino_encoding: str
    amino_name: str
    amino_oneof_name: str
    dont_omitempty: bool
    custom_type: str
    nullable: bool
    std_time: bool


@lru_cache(maxsize=8192)
def message_options(descriptor: Descriptor) -> MessageOptions:
    """Return the options of a message type."""
    found = read_options(descriptor.GetOptions().SerializeToString())
    return MessageOptions(
        amino_name=_text(found, AMINO_NAME),
        amino_encoding=_text(found, _AMINO_MESSAGE_ENCODING),
        signers=_texts(found, _SIGNER),
        interfaces=_texts(found, _INTERFACE),
    )


@lru_cache(maxsize=65536)
def field_options(field: FieldDescriptor) -> FieldOptions:
    """Return the options of a field."""
    found = read_options(field.GetOptions().SerializeToString())
    return FieldOptions(
        scalar=_text(found, _SCALAR),
        accepts=_text(found, _INTERFACE),
        amino_encoding=_text(found, _AMINO_ENCODING),
        amino_name=_text(found, _AMINO_FIELD_NAME),
        amino_oneof_name=_text(found, _AMINO_ONEOF_NAME),
        dont_omitempty=_flag(found, _AMINO_DONT_OMITEMPTY, default=False),
        custom_type=_text(found, _GOGO_CUSTOMTYPE),
        nullable=_flag(found, _GOGO_NULLABLE, default=True),
        std_time=_flag(found, _GOGO_STDTIME, default=False),
    )


def read_options(data: bytes) -> Mapping[int, list[int | bytes]]:
    """Return all options of a serialised ``MessageOptions``, ``FieldOptions``, …: varints as int, the rest as bytes.

    Raises:
        InvalidProtobuf: Cut off, or with varints longer than needed.
    """
    found: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            value, at = read_varint(data, at)
            found.setdefault(tag >> 3, []).append(value)
        elif tag & 7 == 2:
            end = skip_value(data, at, 2)
            at = read_varint(data, at)[1]
            found.setdefault(tag >> 3, []).append(data[at:end])
            at = end
        else:
            at = skip_value(data, at, tag & 7)
    return found


def _texts(found: Mapping[int, list[int | bytes]], number: int) -> tuple[str, ...]:
    return tuple(value.decode("utf-8", "replace") for value in found.get(number, ()) if isinstance(value, bytes))


def _text(found: Mapping[int, list[int | bytes]], number: int) -> str:
    texts = _texts(found, number)
    return texts[-1] if texts else ""


def _flag(found: Mapping[int, list[int | bytes]], number: int, *, default: bool) -> bool:
    values = found.get(number)
    return default if not values else bool(values[-1])
