"""How the values that are not messages are written in amino JSON, and read back.

Each kind of value is a :class:`Scalar`: one function for each way. They are chosen by a field's protobuf type, and by
its options ``cosmos_proto.scalar`` and ``amino.encoding``, which ``plan`` knows about.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.signing.amino_json.text import JsonValue, canonical, read

_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,99}")
_DECIMAL: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,99})\.([0-9]{18})")
_PRECISION: Final = 18
_LARGEST_INT: Final = 2**256 - 1
_REPLACED: Final = "\ufffd".encode()
_FIRST_INEXACT: Final = 2**53
_LARGEST_DEC: Final = 2**256 * 10**_PRECISION - 1


class Mismatch(Exception):
    """A JSON value that is not what the encoder writes for the field it stands in."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A kind of value.

    Attributes:
        encode: From the protobuf value; raises InvalidSignDoc for what the SDK refuses.
        decode: To the protobuf value; raises Mismatch.
    """

    encode: Callable[[Any], JsonValue]
    decode: Callable[[JsonValue], Any]


def refused(reason: str) -> Scalar:
    """Return the kind of values that amino JSON cannot write."""

    def encode(value: object) -> JsonValue:
        raise InvalidSignDoc(reason)

    def decode(value: JsonValue) -> object:
        raise Mismatch(reason)

    return Scalar(encode, decode)


def _same(value: Any) -> Any:
    return value


def whole(text: JsonValue) -> int:
    """Read a whole number in canonical decimal text of at most 100 digits.

    Raises:
        Mismatch: It is anything else.
    """
    if type(text) is not str or not _WHOLE.fullmatch(text):
        raise Mismatch("not a whole number")
    return int(text)


def _text(value: JsonValue) -> str:
    if type(value) is not str:
        raise Mismatch("not a text")
    return value


def _flag(value: JsonValue) -> bool:
    if type(value) is not bool:
        raise Mismatch("neither true nor false")
    return value


def _number(low: int, high: int) -> Callable[[JsonValue], int]:
    def decode(value: JsonValue) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Mismatch("not a number of 32 bits")
        return value

    return decode


def _quoted_number(low: int, high: int) -> Callable[[JsonValue], int]:
    def decode(value: JsonValue) -> int:
        number = whole(value)
        if not low <= number <= high:
            raise Mismatch("not a number of 64 bits")
        return number

    return decode


def base64_text(data: bytes) -> str:
    """Return bytes in base64 with padding."""
    return b2a_base64(data, newline=False).decode("ascii")


def _read_base64(value: JsonValue) -> bytes:
    if value is None:  # absent bytes that may not be left out
        return b""
    try:
        return a2b_base64(_text(value), strict_mode=True)
    except (Base64Error, ValueError):
        raise Mismatch("not base64") from None


def _wire_int(text: str, largest: int) -> int:
    # Go would read 0x10, 010 (as 8) and 1_0 too. No writer makes them, and who reads 010 should not sign 8.
    if not _WHOLE.fullmatch(text) or abs(number := int(text)) > largest:
        raise InvalidSignDoc("an integer or decimal is out of range or not in canonical form")
    return number


def _ascii(data: bytes) -> str:
    return data.decode("ascii", "replace")


def _dec_text(text: str) -> str:
    """Return a decimal, which the wire has multiplied by 10¹⁸."""
    number = _wire_int(text or "0", _LARGEST_DEC)
    digits = str(abs(number)).rjust(_PRECISION + 1, "0")
    return f"{'-' if number < 0 else ''}{digits[:-_PRECISION]}.{digits[-_PRECISION:]}"


def _read_dec(value: JsonValue) -> str:
    if value == "0":  # an absent one; a zero has its 18 decimals
        return ""
    found = _DECIMAL.fullmatch(_text(value))
    if found is None:
        raise Mismatch("not a decimal")
    sign, before, after = found.groups()
    return str(int(sign + before + after))


def _number_text(text: str) -> str:
    return str(_wire_int(text or "0", _LARGEST_DEC))


def _inline(data: bytes) -> JsonValue:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidSignDoc("a message carries JSON that is not UTF-8") from None
    return read(text, floats=True)


def _read_inline(value: JsonValue) -> bytes:
    data = canonical(value)
    # Go reads other numbers as 64-bit floats and broken characters as U+FFFD: several messages give such a document.
    if _REPLACED in data or not _exact(value):
        raise Mismatch("JSON that Go may have changed")
    return data


def _exact(value: JsonValue) -> bool:
    if type(value) is int:
        return abs(value) < _FIRST_INEXACT
    if type(value) is dict:
        return all(map(_exact, value.values()))
    return all(map(_exact, value)) if type(value) is list else True


TEXT: Final = Scalar(_same, _text)
BOOL: Final = Scalar(_same, _flag)
BYTES: Final = Scalar(base64_text, _read_base64)
INT32: Final = Scalar(_same, _number(-(2**31), 2**31 - 1))
UINT32: Final = Scalar(_same, _number(0, 2**32 - 1))
INT64: Final = Scalar(str, _quoted_number(-(2**63), 2**63 - 1))
UINT64: Final = Scalar(str, _quoted_number(0, 2**64 - 1))
# The SDK writes an Int that is a string as it stands, whatever it is, if its Go type is a string too.
ANY_INT_TEXT: Final = Scalar(lambda value: value or "0", _text)
INT_TEXT: Final = Scalar(lambda value: str(_wire_int(value or "0", _LARGEST_INT)), lambda value: str(whole(value)))
INT_BYTES: Final = Scalar(
    lambda value: str(_wire_int(_ascii(value) or "0", _LARGEST_INT)),
    lambda value: str(whole(value)).encode("ascii"),
)
DEC_TEXT: Final = Scalar(_dec_text, _read_dec)
DEC_BYTES: Final = Scalar(lambda value: _dec_text(_ascii(value)), lambda value: _read_dec(value).encode("ascii"))
NUMBER_TEXT: Final = Scalar(_number_text, _text)
NUMBER_BYTES: Final = Scalar(lambda value: base64_text(_number_text(_ascii(value)).encode("ascii")), _read_base64)
"""Numbers to Go that amino JSON takes for texts or bytes, as they are on the wire."""
INLINE_JSON: Final = Scalar(_inline, _read_inline)
"""JSON in a bytes field, which becomes a part of the document."""

NO_FLOATS: Final = refused("amino JSON cannot write floating-point numbers")
NO_MAPS: Final = refused("amino JSON cannot write maps")
NO_GROUPS: Final = refused("amino JSON cannot write groups")
