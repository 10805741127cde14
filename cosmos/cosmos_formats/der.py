"""Just enough DER (X.690) to look into a document before a library reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cosmos_formats.errors import FormatError

_INTEGER: Final = 0x02
_SEQUENCE: Final = 0x30


class InvalidDer(FormatError):
    """Bytes that are not the DER they should be."""

    code = "invalid_der"


@dataclass(frozen=True, slots=True)
class Element:
    """One value.

    Attributes:
        tag: Its identifier octet.
        content: Its content octets.
    """

    tag: int
    content: bytes


def elements(data: bytes) -> list[Element]:
    """Return the values that follow one another, such as those inside of a SEQUENCE.

    Raises:
        InvalidDer: Cut off, or a length that is indefinite or of more than four octets.
    """
    found = []
    at = 0
    while at < len(data):
        tag, size, at = data[at], _octet(data, at + 1), at + 2
        if size > 0x80 and size <= 0x84:
            count = size - 0x80
            size = int.from_bytes(data[at : at + count])
            at += count
        elif size >= 0x80:
            raise InvalidDer("a length that is indefinite or too long")
        if at + size > len(data):
            raise InvalidDer("an element is cut off")
        found.append(Element(tag, data[at : at + size]))
        at += size
    return found


def inside(element: Element) -> list[Element]:
    """Return what a SEQUENCE holds.

    Raises:
        InvalidDer: Not one, or not DER inside.
    """
    if element.tag != _SEQUENCE:
        raise InvalidDer("not a SEQUENCE")
    return elements(element.content)


def integer(element: Element) -> int:
    """Return the value of an INTEGER.

    Raises:
        InvalidDer: Not one, negative, or of more than eight octets.
    """
    if element.tag != _INTEGER or not 1 <= len(element.content) <= 8 or element.content[0] & 0x80:
        raise InvalidDer("not a small positive INTEGER")
    return int.from_bytes(element.content)


def _octet(data: bytes, at: int) -> int:
    if at >= len(data):
        raise InvalidDer("an element is cut off")
    return data[at]
