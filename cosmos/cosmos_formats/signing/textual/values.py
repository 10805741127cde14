"""How SIGN_MODE_TEXTUAL writes single values (ADR-050, annex 1).

Equal to the value renderers of ``x/tx/signing/textual`` v0.14 and the formatting of ``cosmossdk.io/math`` v1.5, with
what they refuse and what they let pass. Numbers that come as text stay text, so no length of theirs is a risk.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from cosmos_formats.errors import InvalidSignDoc

PRECISION: Final = 18
"""Decimal places of the SDK's decimals."""

_MAX_SHOWN_BYTES: Final = 35
"""Longer byte strings are shown by their hash."""

_DIGITS: Final = re.compile(r"[0-9]+")
_WHOLE: Final = re.compile(r"([+-]?)([0-9]+)")
_DAY: Final = 86_400
_NANOS: Final = 10**9
_MAX_DURATION: Final = 315_576_000_000
"""Seconds of 10,000 years, the limit of ``google.protobuf.Duration``."""

# Go counts days from the first of March of the year -292277022400, in unsigned 64 bits of seconds.
_GO_FIRST_YEAR: Final = 292_277_022_400
_DAYS_OF_400_YEARS: Final = 146_097
_GO_FIRST_SECOND: Final = _DAY * (
    _GO_FIRST_YEAR // 400 * _DAYS_OF_400_YEARS + 306 + 1969 * 365 + 1969 // 4 - 1969 // 100 + 1969 // 400
)
"""Seconds from there to 1970."""


def integer(text: str) -> str:
    """Return an integer with its thousands separated, such as ``-1'234'567``.

    Args:
        text: Decimal digits after an optional minus sign, of any length; leading zeros are dropped.

    Raises:
        InvalidSignDoc: Other text. Several zeros are among it, as in the SDK.
    """
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    if len(digits) > 1:
        digits = digits.lstrip("0")
    if not _DIGITS.fullmatch(digits):
        raise InvalidSignDoc(f"{text[:100]!r} is not an integer")
    head = len(digits) % 3
    groups = [digits[:head]] if head else []
    groups += [digits[at : at + 3] for at in range(head, len(digits), 3)]
    return sign + "'".join(groups)


def decimal(text: str) -> str:
    """Return a decimal with its thousands separated and without zeros at the end, such as ``1'234.5``.

    Args:
        text: An integer as :func:`integer` takes it, and a point with digits behind it if there is one.

    Raises:
        InvalidSignDoc: Other text.
    """
    whole, point, fraction = text.partition(".")
    formatted = integer(whole)
    fraction = fraction.rstrip("0")
    if not point or not fraction:
        return formatted
    if not _DIGITS.fullmatch(fraction):
        raise InvalidSignDoc(f"{text[:100]!r} is not a decimal")
    return f"{formatted}.{fraction}"


def decimal_field(text: str) -> str:
    """Return the value of a ``cosmos.Dec`` field as :func:`decimal` writes it.

    Args:
        text: What the field holds: the decimal multiplied by 10¹⁸ or, if there is a point in it, the decimal itself.

    Raises:
        InvalidSignDoc: Other text.
    """
    if "." in text:
        return decimal(text)
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise InvalidSignDoc(f"{text[:100]!r} is not a decimal")
    digits = match[2].lstrip("0")
    if not digits:
        return "0"
    return decimal(("-" if match[1] == "-" else "") + with_point(digits))


def with_point(digits: str) -> str:
    """Return digits with a point before the last 18 of them."""
    digits = digits.zfill(PRECISION + 1)
    return f"{digits[:-PRECISION]}.{digits[-PRECISION:]}"


def data(value: bytes) -> str:
    """Return bytes as groups of four upper-case hexadecimal digits; beyond 35 bytes their SHA-256."""
    if len(value) > _MAX_SHOWN_BYTES:
        return "SHA-256=" + _groups(hashlib.sha256(value).digest())
    return _groups(value)


def _groups(value: bytes) -> str:
    text = value.hex().upper()
    return " ".join([text[at : at + 4] for at in range(0, len(text), 4)])


def timestamp(seconds: int, nanos: int) -> str:
    """Return a time in UTC as RFC 3339, with as many decimal places as it needs.

    Args:
        seconds: Since 1970, 64 bits with a sign. As in Go, years beyond 9999 and before 0 are written out, and what is
            out of Go's range comes round from the other end.
        nanos: Nanoseconds to add, 32 bits with a sign.
    """
    extra, nanos = divmod(nanos, _NANOS)
    since_start = (seconds + extra + _GO_FIRST_SECOND) % 2**64
    days, second = divmod(since_start, _DAY)
    year, month, day = _date(days)
    fraction = f".{nanos:09}".rstrip("0") if nanos else ""
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return f"{'-' * (year < 0)}{abs(year):04}-{month:02}-{day:02}T{clock}{fraction}Z"


def _date(days: int) -> tuple[int, int, int]:
    """Return the date of a day that is counted from Go's first one.

    Years begin in March here: then leap days come last, and the months' lengths follow one formula.
    """
    cycle, day = divmod(days, _DAYS_OF_400_YEARS)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    year += 400 * cycle - _GO_FIRST_YEAR
    return (year, month + 3, day + 1) if month < 10 else (year + 1, month - 9, day + 1)


def duration(seconds: int, nanos: int) -> str:
    """Return a duration in days, hours, minutes and seconds, such as ``1 day, 0 hours, 2.5 seconds``.

    Units between the largest and the smallest that are not zero are written out.

    Args:
        seconds: Whole seconds.
        nanos: Nanoseconds, of the same sign.

    Raises:
        InvalidSignDoc: More than 10,000 years, a second or more in ``nanos``, or two signs.
    """
    if abs(seconds) > _MAX_DURATION or abs(nanos) >= _NANOS or seconds * nanos < 0:
        raise InvalidSignDoc(f"{seconds} seconds and {nanos} nanoseconds are not a valid duration")
    sign = "-" if seconds < 0 or nanos < 0 else ""
    seconds, nanos = abs(seconds), abs(nanos)
    days, hours, minutes, rest = seconds // _DAY, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60
    parts = []
    if days:
        parts.append(_count(days, "day"))
    if hours or (parts and (minutes or rest or nanos)):
        parts.append(_count(hours, "hour"))
    if minutes or (parts and (rest or nanos)):
        parts.append(_count(minutes, "minute"))
    if nanos:
        parts.append(f"{rest}{f'.{nanos:09}'.rstrip('0')} seconds")
    elif rest:
        parts.append(_count(rest, "second"))
    return sign + (", ".join(parts) or "0 seconds")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
