"""Canonical JSON text: keys sorted, no spaces, and escapes as Go's ``encoding/json`` writes them.

Numbers with a fraction exist in JSON that a message carries along (``amino.encoding = "inline_json"``); Go reads and
writes them as 64-bit floats.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, Final, TypeAlias

from cosmos_formats.errors import InvalidSignDoc

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH: Final = 64
"""How deep objects and lists may be nested; ten packed messages inside each other need some forty levels."""

# These stand only inside strings, where Go keeps them from being taken for HTML or, in JavaScript, for line ends.
_ESCAPED: Final = (
    ("&", "\\u0026"),
    ("<", "\\u003c"),
    (">", "\\u003e"),
    ("\u2028", "\\u2028"),
    ("\u2029", "\\u2029"),
)
_LONGEST_NUMBER: Final = 24
_SMALLEST_PLAIN: Final = 1e-6
_LARGEST_PLAIN: Final = 1e21


def canonical(value: JsonValue) -> bytes:
    """Return the canonical text of a JSON value, UTF-8.

    Raises:
        InvalidSignDoc: It is nested more than 64 deep, or holds text that UTF-8 cannot write or a number that JSON
            cannot.
    """
    text = _write(value, MAX_DEPTH)
    for character, escape in _ESCAPED:
        text = text.replace(character, escape)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidSignDoc("the document has text that UTF-8 cannot write") from None


def read(text: str, *, floats: bool) -> JsonValue:
    """Read JSON as Go does: a key that stands twice has its last value.

    Args:
        text: The JSON text.
        floats: Read all numbers as 64-bit floats, as Go does for a value of no declared type. Otherwise only whole
            numbers are read, and as what they are.

    Raises:
        InvalidSignDoc: It is not JSON, is nested too deep for the interpreter, or has a number that is too long or that
            ``floats`` rules out.
    """
    decoder = _FLOATS if floats else _WHOLE
    try:
        value: JsonValue = decoder.decode(text)
    except RecursionError:
        raise InvalidSignDoc("the JSON is nested too deep") from None
    except json.JSONDecodeError as error:
        raise InvalidSignDoc(f"not JSON: {error.msg} at character {error.pos}") from None
    return value


def _write(value: Any, depth: int) -> str:
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is dict or kind is list:
        if depth == 0:
            raise InvalidSignDoc(f"the JSON is nested more than {MAX_DEPTH} deep")
        if kind is list:
            return "[" + ",".join([_write(one, depth - 1) for one in value]) + "]"
        members = [f"{encode_basestring(key)}:{_write(value[key], depth - 1)}" for key in sorted(value)]
        return "{" + ",".join(members) + "}"
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    return _float_text(value) if kind is float else str(value)


def _float_text(value: float) -> str:
    """Return the shortest decimal that reads back as the same float, in the form that Go chooses."""
    if not isfinite(value):
        raise InvalidSignDoc("the document has a number that JSON cannot write")
    shortest = repr(value)
    if value and not _SMALLEST_PLAIN <= abs(value) < _LARGEST_PLAIN:
        return shortest.replace("e-0", "e-")
    from decimal import Decimal

    return format(Decimal(shortest), "f").removesuffix(".0")


def _read_float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise InvalidSignDoc("the JSON has a number that is out of range")
    return value


def _read_whole(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise InvalidSignDoc("the JSON has a number that is too long")
    return int(text)


def _refuse_number(text: str) -> float:
    raise InvalidSignDoc("the JSON has a number that is not a whole one")


# The decoders keep no state between calls, and making one takes longer than reading a short text.
_FLOATS: Final = json.JSONDecoder(parse_float=_read_float, parse_int=_read_float, parse_constant=_refuse_number)
_WHOLE: Final = json.JSONDecoder(parse_float=_refuse_number, parse_int=_read_whole, parse_constant=_refuse_number)
