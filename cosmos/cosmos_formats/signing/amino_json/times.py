"""``google.protobuf.Timestamp`` and ``Duration`` in amino JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from cosmos_formats.errors import InvalidSignDoc

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_NANOS: Final = 10**9
_TIME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z")
# The SDK turns durations into 64-bit nanoseconds and takes a second less than would fit.
_MOST_SECONDS: Final = (2**63 - 1) // _NANOS - 1
_LEAST_NANOS: Final = -(2**63)


def timestamp_text(seconds: int, nanos: int) -> str:
    """Return a time as RFC 3339 in UTC, the fraction without trailing zeros.

    Raises:
        InvalidSignDoc: It is not in the years 1 to 9999, or the nanoseconds are not in [0, 10⁹).
    """
    if not 0 <= nanos < _NANOS:
        raise InvalidSignDoc("a time has nanoseconds that are out of range")
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise InvalidSignDoc("a time is not in the years 1 to 9999") from None
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{moment.replace(tzinfo=None).isoformat()}{fraction}Z"


def read_timestamp(text: str) -> tuple[int, int] | None:
    """Return seconds and nanoseconds of a text as :func:`timestamp_text` writes it; None if it is another one."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    moment, fraction = found.groups()
    try:
        seconds = (datetime.fromisoformat(moment).replace(tzinfo=UTC) - _EPOCH) // _SECOND
    except ValueError:
        return None
    nanos = int((fraction or "").ljust(9, "0"))
    return (seconds, nanos) if timestamp_text(seconds, nanos) == text else None


def duration_text(seconds: int, nanos: int) -> str:
    """Return a duration as decimal nanoseconds.

    Raises:
        InvalidSignDoc: They do not fit in 64 bits.
    """
    total = seconds * _NANOS + nanos
    if seconds > _MOST_SECONDS or total < _LEAST_NANOS:
        raise InvalidSignDoc("a duration does not fit in 64 bits of nanoseconds")
    return str(total)


def split_nanos(total: int) -> tuple[int, int]:
    """Return the seconds and nanoseconds of a duration, both with its sign."""
    seconds, nanos = divmod(abs(total), _NANOS)
    return (seconds, nanos) if total >= 0 else (-seconds, -nanos)
