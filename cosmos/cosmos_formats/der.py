"""Just enough DER (X.690) to read private keys. Values are views of the document: nothing of it is copied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cosmos_formats.errors import FormatError

BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
_INTEGER: Final = 0x02
_NAME: Final = 0x06
_SEQUENCE: Final = 0x30


class InvalidDer(FormatError):
    """Bytes that are not the DER they should be."""

    code = "invalid_der"


@dataclass(frozen=True, slots=True)
class Element:
    """One value.

    Attributes:
        tag: Its identifier octet.
        content: Its content octets, a view of the document.
    """

    tag: int
    content: memoryview = field(repr=False)


def elements(data: bytes | bytearray | memoryview) -> list[Element]:
    """Return the values that follow one another, such as those inside of a SEQUENCE.

    Raises:
        InvalidDer: Cut off, or a length that is indefinite or of more than four octets.
    """
    view = memoryview(data)
    found = []
    at = 0
    while at < len(view):
        tag, size, at = view[at], _octet(view, at + 1), at + 2
        if size > 0x80 and size <= 0x84:
            count = size - 0x80
            size = int.from_bytes(view[at : at + count])
            at += count
        elif size >= 0x80:
            raise InvalidDer("a length that is indefinite or too long")
        if at + size > len(view):
            raise InvalidDer("an element is cut off")
        found.append(Element(tag, view[at : at + size]))
        at += size
    return found


def inside(element: Element, tag: int = _SEQUENCE) -> list[Element]:
    """Return what a SEQUENCE holds, or a value of another tag that is made of values.

    Raises:
        InvalidDer: Not one, or not DER inside.
    """
    return elements(content(element, tag))


def content(element: Element, tag: int) -> memoryview:
    """Return the content of a value that must be of this tag.

    Raises:
        InvalidDer: It is not.
    """
    if element.tag != tag:
        raise InvalidDer(f"a value of tag {element.tag:#x}, not {tag:#x}")
    return element.content


def name(element: Element) -> bytes:
    """Return the content of an OBJECT IDENTIFIER.

    Raises:
        InvalidDer: Not one.
    """
    return bytes(content(element, _NAME))


def bits(element: Element, tag: int = BIT_STRING) -> bytes:
    """Return a BIT STRING of whole bytes, such as a public key.

    Raises:
        InvalidDer: Not one.
    """
    octets = bytes(content(element, tag))
    if octets[:1] != b"\0":
        raise InvalidDer("a BIT STRING that is not of whole bytes")
    return octets[1:]


def integer(element: Element) -> int:
    """Return the value of an INTEGER.

    Raises:
        InvalidDer: Not one, negative, or of more than eight octets.
    """
    octets = content(element, _INTEGER)
    if not 1 <= len(octets) <= 8 or octets[0] & 0x80:
        raise InvalidDer("not a small positive INTEGER")
    return int.from_bytes(octets)


def is_integer(element: Element) -> bool:
    """Tell whether a value is an INTEGER."""
    return element.tag == _INTEGER


def _octet(view: memoryview, at: int) -> int:
    if at >= len(view):
        raise InvalidDer("an element is cut off")
    return view[at]
