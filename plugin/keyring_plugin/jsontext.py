"""JSON for a protocol that guards keys: one text has one meaning, and reading it costs no more than its size.

RFC 8259, restricted to I-JSON (RFC 7493): no duplicate members, no NaN or infinity, no lone surrogates. Depth is
limited before the parser, which recurses, sees the text.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from keyring_plugin.errors import ParseError

# A string that is not closed runs to the end of the text: every quotation mark is looked at once, so a hostile text
# costs no more than its length. The possessive quantifiers keep the matcher from storing places to go back to.
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(data: bytes, max_depth: int) -> object:
    """Read one JSON text.

    Args:
        data: UTF-8, without a byte order mark.
        max_depth: Most arrays and objects around one value.

    Raises:
        ParseError: Says which rule is broken.
    """
    # Counting all brackets takes a microsecond and settles nearly every message.
    if data.count(b"{") + data.count(b"[") > max_depth:
        _check_depth(data, max_depth)
    try:
        value: object = _DECODER.decode(data.decode("utf-8"))
        if _SURROGATE_ESCAPE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"not UTF-8 at byte {error.start}") from None
    except UnicodeEncodeError:
        raise ParseError("a text holds half of a surrogate pair") from None
    except json.JSONDecodeError as error:
        raise ParseError(f"not JSON: {error.msg} at character {error.pos}") from None
    except ValueError:
        # The interpreter's own limit on the digits of a number.
        raise ParseError("a number has too many digits") from None
    except RecursionError:
        raise ParseError("nested too deeply") from None
    return value


def encode(value: object) -> bytes:
    """Return ``value`` as JSON on one line, in ASCII.

    Raises:
        TypeError: It holds something that JSON has no form for.
        ValueError: It holds a NaN or an infinity, or itself.
    """
    return _ENCODER.encode(value).encode("ascii")


def _check_depth(data: bytes, max_depth: int) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(data):
        first = data[match.start()]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                raise ParseError(f"nested more than {max_depth} deep")
        elif first in b"]}":
            depth -= 1


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ParseError("an object has a member twice")
    return members


def _constant(text: str) -> NoReturn:
    raise ParseError(f"{text} is no number of JSON")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ParseError("a number is out of range")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant, parse_float=_number)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
