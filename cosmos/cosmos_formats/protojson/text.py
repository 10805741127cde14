"""JSON text: strict reading, and writing with the escapes of Go's ``encoding/json``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Final, NoReturn

from cosmos_formats.errors import FormatError

MAX_NESTING: Final = 128
"""How deep objects and arrays of a document may be nested."""

# Brackets, and strings to skip those in them. Possessive, and a string may lack its end: one pass, whatever comes.
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{\]}]', re.DOTALL)
_HTML: Final = re.compile("[<>&\u2028\u2029]")


class InvalidTxJson(FormatError):
    """JSON that is not a transaction, or whatever message it should be.

    Args:
        reason: What is wrong.
        path: Where, from the outermost member inwards; numbers are places in a list.

    Attributes:
        path: As text, such as ``body.messages[0].amount``; empty for the whole document.
    """

    code = "tx_json_invalid"

    def __init__(self, reason: str, path: Sequence[str | int] = ()) -> None:
        self.path = _path_text(path)
        super().__init__(f"{self.path}: {reason}" if self.path else reason)


class Fault(Exception):
    """A value that cannot be converted; collects its path on the way out and becomes :class:`InvalidTxJson`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str | int] = []

    def at(self, part: str | int) -> Fault:
        """Note one more part of the path, from the inside out."""
        self.path.append(part)
        return self

    def error(self) -> InvalidTxJson:
        """Return the error for the caller."""
        return InvalidTxJson(self.reason, self.path[::-1])


class Number(str):
    """A number of a document, as it is written there."""

    __slots__ = ()


class Raw(str):
    """JSON text that is written into a document as it is."""

    __slots__ = ()


def parse(text: str | bytes) -> object:
    """Read a document.

    Args:
        text: One JSON value, in UTF-8 if it is bytes, at most :data:`MAX_NESTING` deep.

    Returns:
        What :mod:`json` returns, but with numbers as :class:`Number`.

    Raises:
        InvalidTxJson: Not such a document, or an object with a member twice.
    """
    try:
        content = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise InvalidTxJson(f"not UTF-8 (byte {error.start})") from None
    _check_nesting(content)
    try:
        return _DECODER.decode(content)
    except json.JSONDecodeError as error:
        raise InvalidTxJson(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except Fault as fault:
        raise fault.error() from None


def dumps(value: object, *, ascii_only: bool = False) -> str:
    """Write a value as Go's ``json.Marshal`` would, on one line and without spaces.

    Args:
        value: As :func:`cosmos_formats.protojson.encode` returns it: members stay in their order.
        ascii_only: Escape everything outside of ASCII, and DEL. The document says the same, and no terminal acts on it.
    """
    out: list[str] = []
    _write(value, out.append, _quote_ascii if ascii_only else quote)
    return "".join(out)


def quote(text: str) -> str:
    """Return a string as Go writes it: ``<``, ``>``, ``&``, U+2028 and U+2029 are escaped, other scripts are not."""
    quoted = encode_basestring(text)
    return _HTML.sub(_escape, quoted) if _HTML.search(quoted) else quoted


def go_float(value: float) -> str:
    """Return a finite number as Go's ``encoding/json`` writes a float64: exponents below 1e-6 and from 1e21 on."""
    text = repr(value).removesuffix(".0")
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    if 1e-6 <= abs(value) < 1e21:
        from decimal import Decimal

        return f"{Decimal(text):f}"
    number = int(exponent)
    return f"{mantissa}e{'-' if number < 0 else '+'}{abs(number)}"


def _write(value: object, put, escaped) -> None:  # type: ignore[no-untyped-def]  # two callables of one str each
    if isinstance(value, str):
        put(value if isinstance(value, (Raw, Number)) else escaped(value))
    elif value is None:
        put("null")
    elif isinstance(value, bool):
        put("true" if value else "false")
    elif isinstance(value, int):
        put(str(value))
    elif isinstance(value, float):
        put(go_float(value))
    elif isinstance(value, dict):
        mark = "{"
        for name, member in value.items():
            put(mark)
            put(escaped(name))
            put(":")
            _write(member, put, escaped)
            mark = ","
        put("}" if value else "{}")
    elif isinstance(value, (list, tuple)):
        mark = "["
        for item in value:
            put(mark)
            _write(item, put, escaped)
            mark = ","
        put("]" if value else "[]")
    else:
        _refuse(value)


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def _quote_ascii(text: str) -> str:
    quoted = encode_basestring_ascii(text).replace("\x7f", "\\u007f")
    return _HTML.sub(_escape, quoted) if _HTML.search(quoted) else quoted


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _check_nesting(text: str) -> None:
    # Before anything parses it: the standard parser calls itself for every level.
    if text.count("{") + text.count("[") <= MAX_NESTING:
        return
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
        if depth > MAX_NESTING:
            raise InvalidTxJson(f"nested more than {MAX_NESTING} deep")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Fault(f"the member {name[:80]!r} is there twice")
            seen.add(name)
    return members


def _constant(name: str) -> NoReturn:
    raise Fault(f"not JSON: {name} is no number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=Number, parse_float=Number, parse_constant=_constant
)


def _path_text(path: Sequence[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part[:80]}"
    return text.removeprefix(".")
