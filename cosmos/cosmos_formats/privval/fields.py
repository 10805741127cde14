"""Protobuf as nodes write it, read as they read it.

:mod:`cosmos_formats.wire` accepts canonical bytes only, which suits what is stored and signed. A request of a node is
neither: what counts is the message that it says, from which sign bytes are made anew. So fields that are unknown here
are passed over, as a later node may send more; but a known field of another type, or written twice, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from cosmos_formats import wire
from cosmos_formats.wire import InvalidProtobuf

_MASK: Final = (1 << 64) - 1
_HIGHEST_NUMBER: Final = (1 << 29) - 1


class Kind(IntEnum):
    """The types of fields in the protocol's messages."""

    INT64 = 0
    INT32 = 1
    UINT32 = 2
    BOOL = 3
    BYTES = 4
    TEXT = 5
    MESSAGE = 6
    SFIXED64 = 7


_WIRE_TYPES: Final = {Kind.BYTES: 2, Kind.TEXT: 2, Kind.MESSAGE: 2, Kind.SFIXED64: 1}


class Fields:
    """The fields of one message, by number; absent ones have their default."""

    __slots__ = ("_numbers", "_strings")

    def __init__(self, numbers: dict[int, int], strings: dict[int, bytes]) -> None:
        self._numbers = numbers
        self._strings = strings

    def number(self, field: int) -> int:
        """Return an integer."""
        return self._numbers.get(field, 0)

    def binary(self, field: int) -> bytes:
        """Return a byte string."""
        return self._strings.get(field, b"")

    def text(self, field: int) -> str:
        """Return a string."""
        return self._strings.get(field, b"").decode("utf-8")

    def message(self, field: int) -> bytes | None:
        """Return the bytes of a message, None if it is absent."""
        return self._strings.get(field)

    def present(self) -> list[int]:
        """Return which fields are there, in the order of their numbers."""
        return sorted([*self._numbers, *self._strings])


def read(data: bytes, layout: Mapping[int, Kind]) -> Fields:
    """Read a message.

    Args:
        data: Its bytes.
        layout: The fields that matter.

    Raises:
        InvalidProtobuf: Cut off, a group, a known field of a wrong type or written twice, a number out of its type's
            range, text that is not UTF-8.
    """
    numbers: dict[int, int] = {}
    strings: dict[int, bytes] = {}
    at, size = 0, len(data)
    while at < size:
        tag, at = wire.read_varint(data, at)
        field, wire_type = tag >> 3, tag & 7
        if not 1 <= field <= _HIGHEST_NUMBER:
            raise InvalidProtobuf(f"field number {field}")
        kind = layout.get(field)
        if kind is None:
            at = wire.skip_value(data, at, wire_type)
            continue
        if wire_type != _WIRE_TYPES.get(kind, 0):
            raise InvalidProtobuf(f"field {field} has wire type {wire_type}")
        if field in numbers or field in strings:
            raise InvalidProtobuf(f"field {field} is there twice")
        if wire_type == 2:
            length, at = wire.read_varint(data, at)
            content = data[at : at + length]
            if len(content) != length:
                raise InvalidProtobuf(f"field {field} is cut off")
            if kind is Kind.TEXT:
                _check_text(field, content)
            strings[field] = content
            at += length
        elif wire_type == 1:
            if at + 8 > size:
                raise InvalidProtobuf(f"field {field} is cut off")
            numbers[field] = int.from_bytes(data[at : at + 8], "little", signed=True)
            at += 8
        else:
            value, at = wire.read_varint(data, at)
            numbers[field] = _in_range(field, kind, value)
    return Fields(numbers, strings)


def _check_text(field: int, content: bytes) -> None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidProtobuf(f"field {field} is not UTF-8") from None


def _in_range(field: int, kind: Kind, value: int) -> int:
    if kind in (Kind.INT64, Kind.INT32) and value >> 63:
        value -= 1 << 64
    if (
        (kind is Kind.INT32 and not -1 << 31 <= value < 1 << 31)
        or (kind is Kind.UINT32 and value >> 32)
        or (kind is Kind.BOOL and value > 1)
    ):
        raise InvalidProtobuf(f"field {field} is out of range")
    return value


def integer(field: int, value: int) -> bytes:
    """Encode a signed or unsigned integer or a bool; nothing if it is zero."""
    return wire.varint_field(field, value & _MASK)


def fixed(field: int, value: int) -> bytes:
    """Encode an sfixed64; nothing if it is zero."""
    return bytes([field << 3 | 1]) + value.to_bytes(8, "little", signed=True) if value else b""
