"""JSON inside JSON: the messages of contracts, which the SDK passes through as text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

_STRING_OR_SPACE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|[ \t\r\n]+', re.DOTALL)
_HTML: Final = re.compile("[<>&\u2028\u2029]")
_SPACE: Final = re.compile(r"[ \t\r\n]*+")
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)


def compact(text: str) -> str:
    """Return valid JSON text as Go's ``json.Compact`` with HTML escapes writes it; strings keep their own escapes."""
    bare = _STRING_OR_SPACE.sub(lambda found: found[0] if found[0].startswith('"') else "", text)
    return _HTML.sub(lambda found: f"\\u{ord(found[0]):04x}", bare)


def text_at(text: str, path: Sequence[str | int]) -> str:
    """Return the text of one value of a document.

    Args:
        text: A document that parses and has no member twice.
        path: Names of members and places in lists, from the outside in; the value is there.
    """
    at = _skip(text, 0)
    for part in path:
        at = _enter(text, at, part)
    return text[at : _DECODER.raw_decode(text, at)[1]]


def _enter(text: str, at: int, part: str | int) -> int:
    """Return the offset of a member's or item's value, in the object or list that starts at an offset."""
    place = 0
    at = _skip(text, at + 1)
    while True:
        name: object = place
        if isinstance(part, str):
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        if name == part:
            return at
        at = _skip(text, _DECODER.raw_decode(text, at)[1])
        at = _skip(text, at + 1)  # the comma: what is looked for is there
        place += 1


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
