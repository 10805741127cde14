"""Screens, what SIGN_MODE_TEXTUAL shows and signs, and the bytes they are written in (ADR-050).

The bytes are CBOR (RFC 8949) in its deterministic form: ``{1: [screen, …]}``, each screen a map of ``1`` title, ``2``
content, ``3`` indent and ``4`` expert, from which empty values are left out. Reading accepts exactly what writing
produces, so ``encode_screens(decode_screens(data)) == data``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cosmos_formats.errors import InvalidSignDoc

MAX_SCREENS: Final = 100_000
"""Most screens of one document; a person reads a few dozen."""

MAX_BYTES: Final = 16 << 20
"""Most bytes of one document."""

MAX_INDENT: Final = 0xFFFF
"""Deepest indentation."""

_UINT: Final = 0 << 5
_TEXT: Final = 3 << 5
_ARRAY: Final = 4 << 5
_MAP: Final = 5 << 5
_TRUE: Final = b"\xf5"
_SIZE_OF_ARGUMENT: Final = {24: 1, 25: 2, 26: 4, 27: 8}

_TITLE, _CONTENT, _INDENT, _EXPERT = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Screen:
    """One thing to show.

    Attributes:
        title: What the content is; may be empty. Text from the transaction is in it as it came.
        content: What to show. Text from the transaction is in it as it came, control characters too.
        indent: How far it is indented, 0 for the outermost level.
        expert: Shown only to those who ask for everything.
    """

    title: str
    content: str
    indent: int = 0
    expert: bool = False


def encode_screens(screens: Iterable[Screen]) -> bytes:
    """Return the sign bytes for screens.

    Raises:
        InvalidSignDoc: Text that UTF-8 cannot write, an indentation below 0 or above :data:`MAX_INDENT`, more than
            :data:`MAX_SCREENS` screens, or more than :data:`MAX_BYTES` bytes.
    """
    encoded = [_encode_screen(screen) for screen in screens]
    if len(encoded) > MAX_SCREENS:
        raise InvalidSignDoc(f"more than {MAX_SCREENS} screens")
    data = b"".join((_head(_MAP, 1), _head(_UINT, 1), _head(_ARRAY, len(encoded)), *encoded))
    if len(data) > MAX_BYTES:
        raise InvalidSignDoc(f"the screens take more than {MAX_BYTES} bytes")
    return data


def decode_screens(data: bytes) -> tuple[Screen, ...]:
    """Read sign bytes.

    Raises:
        InvalidSignDoc: Not exactly what :func:`encode_screens` writes, or larger than it writes.
    """
    if len(data) > MAX_BYTES:
        raise InvalidSignDoc(f"the screens take more than {MAX_BYTES} bytes")
    reader = _Reader(data)
    if reader.head(_MAP) != 1 or reader.head(_UINT) != 1:
        raise InvalidSignDoc("not the screens of SIGN_MODE_TEXTUAL")
    count = reader.head(_ARRAY)
    if count > MAX_SCREENS:
        raise InvalidSignDoc(f"more than {MAX_SCREENS} screens")
    screens = tuple([reader.screen() for _ in range(count)])
    reader.finish()
    return screens


def _encode_screen(screen: Screen) -> bytes:
    if not 0 <= screen.indent <= MAX_INDENT:
        raise InvalidSignDoc(f"a screen is indented by {screen.indent}, which is not from 0 to {MAX_INDENT}")
    entries = []
    if screen.title:
        entries.append(_head(_UINT, _TITLE) + _text(screen.title))
    if screen.content:
        entries.append(_head(_UINT, _CONTENT) + _text(screen.content))
    if screen.indent:
        entries.append(_head(_UINT, _INDENT) + _head(_UINT, screen.indent))
    if screen.expert:
        entries.append(_head(_UINT, _EXPERT) + _TRUE)
    return _head(_MAP, len(entries)) + b"".join(entries)


def _text(text: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidSignDoc("a screen has text that UTF-8 cannot write") from None
    return _head(_TEXT, len(data)) + data


def _head(major: int, argument: int) -> bytes:
    """Return the first bytes of an item: its major type and its value, count or length, as short as possible."""
    if argument < 24:
        return bytes((major | argument,))
    for info, size in _SIZE_OF_ARGUMENT.items():
        if argument >> (8 * size) == 0:
            return bytes((major | info,)) + argument.to_bytes(size)
    raise InvalidSignDoc("a number of more than 64 bits")


class _Reader:
    """Reads items of one document in their order."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def screen(self) -> Screen:
        title = content = ""
        indent = 0
        expert = False
        last = 0
        for _ in range(self.head(_MAP)):
            key = self.head(_UINT)
            if key <= last:
                raise InvalidSignDoc("the parts of a screen are repeated or out of order")
            last = key
            if key == _TITLE:
                title = self._some_text()
            elif key == _CONTENT:
                content = self._some_text()
            elif key == _INDENT:
                indent = self.head(_UINT)
                if not 0 < indent <= MAX_INDENT:
                    raise InvalidSignDoc(f"an indentation of {indent} is written out")
            elif key == _EXPERT:
                if self._take(1) != _TRUE:
                    raise InvalidSignDoc("a screen's expert mark is not true")
                expert = True
            else:
                raise InvalidSignDoc(f"a screen has an unknown part {key}")
        return Screen(title, content, indent, expert)

    def head(self, major: int) -> int:
        """Return the value, count or length of an item that must be of a major type."""
        first = self._take(1)[0]
        if first & 0xE0 != major:
            raise InvalidSignDoc(f"byte {self._at - 1} starts another type of item than a screen has there")
        argument = first & 0x1F
        size = _SIZE_OF_ARGUMENT.get(argument)
        if size is None:
            if argument > 23:
                raise InvalidSignDoc("an item of indefinite or reserved length")
            return argument
        value = int.from_bytes(self._take(size))
        if value < 24 or (size > 1 and value >> (4 * size) == 0):
            raise InvalidSignDoc("a number longer than needed")
        return value

    def finish(self) -> None:
        if self._at != len(self._data):
            raise InvalidSignDoc("bytes behind the screens")

    def _some_text(self) -> str:
        size = self.head(_TEXT)
        if size == 0:
            raise InvalidSignDoc("an empty text is written out")
        try:
            return self._take(size).decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidSignDoc("a screen's text is not UTF-8") from None

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise InvalidSignDoc("the screens are cut off")
        taken = self._data[self._at : end]
        self._at = end
        return taken
