"""Canonical protobuf for the few messages that are read on every start.

Importing ``google.protobuf`` costs tens of milliseconds, and keys, records and sign documents need five of its
messages. This module reads and writes them with a *layout* that names the fields. Reading is strict: it accepts exactly
the bytes that a canonical proto3 writer produces (ADR-027: fields in ascending order, shortest varints, defaults left
out), so for every message ``write(read(data)) == data``.

It is not a protobuf library: fixed-width types, groups, packed lists and maps are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from cosmos_formats.errors import FormatError

_WIRE_VARINT = 0
_WIRE_LEN = 2
_FIXED = {1: 8, 5: 4}
_ONE_BYTE = [bytes([value]) for value in range(0x80)]


class InvalidProtobuf(FormatError):
    """Bytes that are not the canonical encoding of the message they should be."""

    code = "invalid_protobuf"


class Kind(IntEnum):
    """How a field of a layout is written."""

    VARINT = 0
    """Unsigned integer or bool; zero is left out."""
    BYTES = 1
    """Bytes or string; an empty one is left out."""
    MESSAGE = 2
    """Message with presence: an empty one is written, an absent one is not."""
    REPEATED = 3
    """List of messages, strings or byte strings."""


class Fields:
    """The fields of one message, by number.

    Args:
        values: Varints as int, the rest as bytes; repeated ones as a list.
    """

    __slots__ = ("_values",)

    def __init__(self, values: dict[int, int | bytes | list[bytes]]) -> None:
        self._values = values

    def varint(self, number: int) -> int:
        """Return an unsigned integer, 0 if absent."""
        value = self._values.get(number, 0)
        return value if isinstance(value, int) else 0

    def binary(self, number: int) -> bytes:
        """Return a byte string, empty if absent."""
        value = self._values.get(number, b"")
        return value if isinstance(value, bytes) else b""

    def text(self, number: int) -> str:
        """Return a string, empty if absent.

        Raises:
            InvalidProtobuf: It is not UTF-8.
        """
        try:
            return self.binary(number).decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidProtobuf(f"field {number} is not UTF-8") from None

    def message(self, number: int) -> bytes | None:
        """Return the bytes of a message, None if absent."""
        value = self._values.get(number)
        return value if isinstance(value, bytes) else None

    def repeated(self, number: int) -> tuple[bytes, ...]:
        """Return the elements of a list, in their order."""
        value = self._values.get(number, [])
        return tuple(value) if isinstance(value, list) else ()


# A name of the module is found quicker than a member of the class.
_VARINT, _BYTES, _REPEATED = Kind.VARINT, Kind.BYTES, Kind.REPEATED


def read(data: bytes, layout: Mapping[int, Kind]) -> Fields:
    """Read a message.

    Args:
        data: Its bytes.
        layout: All fields it may have.

    Raises:
        InvalidProtobuf: Truncated, not canonical, or with a field that the layout does not have.
    """
    values: dict[int, int | bytes | list[bytes]] = {}
    at = 0
    last = 0
    size = len(data)
    while at < size:
        tag = data[at]
        at += 1
        if tag > 0x7F:  # most varints are one byte: reading those here takes half the time
            tag, at = read_varint(data, at - 1)
        number = tag >> 3
        kind = layout.get(number)
        if kind is None:
            raise InvalidProtobuf(f"unknown field {number}")
        if tag & 7 != (_WIRE_VARINT if kind is _VARINT else _WIRE_LEN):
            raise InvalidProtobuf(f"field {number} has wire type {tag & 7}")
        if number < last or (number == last and kind is not _REPEATED):
            raise InvalidProtobuf(f"field {number} is repeated or out of order")
        last = number
        if at < size and data[at] <= 0x7F:
            value = data[at]
            at += 1
        else:
            value, at = read_varint(data, at)
        if kind is _VARINT:
            if value == 0:
                raise InvalidProtobuf(f"field {number} spells out its default")
            values[number] = value
            continue
        end = at + value
        if end > size:
            raise InvalidProtobuf(f"field {number} is cut off")
        content = data[at:end]
        at = end
        if kind is _REPEATED:
            items = values.setdefault(number, [])
            if isinstance(items, list):
                items.append(content)
        elif kind is _BYTES and value == 0:
            raise InvalidProtobuf(f"field {number} spells out its default")
        else:
            values[number] = content
    return Fields(values)


def locate(data: bytes | bytearray, start: int = 0, end: int | None = None) -> dict[int, tuple[int, int]]:
    """Find the fields of a message that holds a secret, without making copies of them.

    Args:
        data: Where the message is.
        start: Its first byte.
        end: Behind its last byte; the end of ``data`` if None.

    Returns:
        By number where the content of each field begins and ends.

    Raises:
        InvalidProtobuf: Cut off, a varint in it, or fields that are repeated or out of order.
    """
    end = len(data) if end is None else end
    found: dict[int, tuple[int, int]] = {}
    last = 0
    while start < end:
        tag, start = read_varint(data, start)
        size, start = read_varint(data, start)
        if tag & 7 != _WIRE_LEN or tag >> 3 <= last:
            raise InvalidProtobuf(f"field {tag >> 3} is out of order or has wire type {tag & 7}")
        last = tag >> 3
        if size > end - start:
            raise InvalidProtobuf(f"field {last} is cut off")
        found[last] = (start, start + size)
        start += size
    return found


def read_varint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Read an unsigned varint of at most 64 bits in its shortest form.

    Args:
        data: Where it is.
        at: Offset of its first byte.

    Returns:
        The value and the offset behind it.

    Raises:
        InvalidProtobuf: Cut off, longer than needed, or too large.
    """
    value = shift = 0
    size = len(data)
    while at < size:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise InvalidProtobuf("varint longer than needed")
            if value >> 64:
                raise InvalidProtobuf("varint of more than 64 bits")
            return value, at
        shift += 7
        if shift > 63:
            break
    raise InvalidProtobuf("varint is cut off or too long")


def skip_value(data: bytes, at: int, wire_type: int) -> int:
    """Return the offset behind a value of any wire type but groups.

    Raises:
        InvalidProtobuf: Cut off, or a group.
    """
    if wire_type == _WIRE_VARINT:
        return read_varint(data, at)[1]
    if wire_type == _WIRE_LEN:
        size, at = read_varint(data, at)
        end = at + size
    elif wire_type in _FIXED:
        end = at + _FIXED[wire_type]
    else:
        raise InvalidProtobuf(f"wire type {wire_type}")
    if end > len(data):
        raise InvalidProtobuf("a field is cut off")
    return end


def varint(value: int) -> bytes:
    """Encode an unsigned integer of at most 64 bits.

    Raises:
        InvalidProtobuf: Negative or too large.
    """
    if 0 <= value <= 0x7F:  # most are, and each message has dozens
        return _ONE_BYTE[value]
    if not 0 <= value < 1 << 64:
        raise InvalidProtobuf("integer outside of 64 unsigned bits")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint_field(number: int, value: int) -> bytes:
    """Encode an unsigned integer or bool field; nothing if it is zero."""
    return varint(number << 3 | _WIRE_VARINT) + varint(value) if value else b""


def bytes_field(number: int, value: bytes) -> bytes:
    """Encode a byte string field; nothing if it is empty."""
    return message_field(number, value) if value else b""


def text_field(number: int, value: str) -> bytes:
    """Encode a string field; nothing if it is empty.

    Raises:
        InvalidProtobuf: It has lone surrogates, which UTF-8 cannot write.
    """
    try:
        return bytes_field(number, value.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidProtobuf(f"field {number} cannot be written as UTF-8") from None


def message_field(number: int, value: bytes) -> bytes:
    """Encode a message field, or one element of a list; written even if it is empty."""
    return varint(number << 3 | _WIRE_LEN) + varint(len(value)) + value
