"""Single values between protobuf and JSON, as Go's libraries convert them.

Each function raises :class:`~cosmos_formats.protojson.text.Fault` for what the SDK would refuse.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from datetime import UTC, datetime, timedelta
from typing import Final

from cosmos_formats.protojson.text import Fault, Number

_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_GO_INTEGER: Final = re.compile(
    r"(?P<sign>[+-]?)(?:0[xX](?P<hex>(?:_?[0-9a-fA-F])+)|0[bB](?P<bin>(?:_?[01])+)|0[oO]?(?P<oct>(?:_?[0-7])+)"
    r"|(?P<dec>0|[1-9](?:_?[0-9])*))"
)
_BASES: Final = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_LONGEST_NUMBER: Final = 400
_BITS: Final = 256
_PRECISION: Final = 18
_DEC: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]{1,18}))?")
_DEC_LIMIT: Final = (1 << _BITS) * 10**_PRECISION - 1

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_FIRST_SECOND: Final = -62135596800
_LAST_SECOND: Final = 253402300799

_MAX_DURATION: Final = 315_576_000_000
_DURATION_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


# --- math.Int and math.LegacyDec -------------------------------------------------------------------------------------


def go_integer(text: str) -> int:
    """Read an integer as Go's ``big.Int`` does: decimal, or with the prefix of another base (``010`` is eight)."""
    found = _GO_INTEGER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if found is None:
        raise Fault(f"{text[:80]!r} is not an integer")
    base = found.lastgroup or "dec"
    number = int(found[base].replace("_", ""), _BASES[base])
    return -number if found["sign"] == "-" else number


def int_from_wire(text: str) -> str:
    """Return the JSON text of a ``math.Int``, "0" if it is absent."""
    return str(_in_bits(go_integer(text))) if text else "0"


def int_from_json(value: object) -> str:
    """Return the wire text of a ``math.Int``."""
    if type(value) is not str:
        raise Fault("must be an integer in a string")
    return str(_in_bits(go_integer(value)))


def dec_from_wire(text: str) -> str:
    """Return the JSON text of a ``math.LegacyDec``, which the wire has multiplied by 10¹⁸; zero if it is absent."""
    number = _in_dec(go_integer(text or "0"))
    digits = str(abs(number)).rjust(_PRECISION + 1, "0")
    return f"{'-' if number < 0 else ''}{digits[:-_PRECISION]}.{digits[-_PRECISION:]}"


def dec_from_json(value: object) -> str:
    """Return the wire text of a ``math.LegacyDec``."""
    if type(value) is not str:
        raise Fault("must be a decimal in a string")
    found = _DEC.fullmatch(value) if len(value) <= _LONGEST_NUMBER else None
    if found is None:
        raise Fault(f"{value[:80]!r} is not a decimal of at most {_PRECISION} places")
    sign, whole, places = found.groups()
    number = int(whole + (places or "").ljust(_PRECISION, "0"))
    return str(_in_dec(-number if sign else number))


def _in_bits(number: int) -> int:
    if number.bit_length() > _BITS:
        raise Fault(f"integer of more than {_BITS} bits")
    return number


def _in_dec(number: int) -> int:
    if abs(number) > _DEC_LIMIT:
        raise Fault("decimal out of range")
    return number


# --- numbers ---------------------------------------------------------------------------------------------------------


def integer(value: object, low: int, high: int) -> int:
    """Read an integer, as a number or in a string."""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise Fault(f"{_shown(value)} is not an integer")
    # The longest that fits has 20 digits; int() refuses thousands of them in its own words.
    number = int(value) if len(value) <= 20 else high + 1
    if not low <= number <= high:
        raise Fault(f"{value[:80]} is outside of {low} to {high}")
    return number


def floating(value: object) -> float:
    """Read a floating-point number, as a number or in a string."""
    if isinstance(value, str):
        if not isinstance(value, Number) and value in ("NaN", "Infinity", "-Infinity"):
            return float(value)
        if re.fullmatch(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", value):
            number = float(value)
            if number not in (float("inf"), float("-inf")):
                return number
    raise Fault(f"{_shown(value)} is not a number")


def float_to_json(value: float) -> float | str:
    """Return a floating-point number, or its name if it is not finite."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


# --- bytes -----------------------------------------------------------------------------------------------------------


def base64_text(data: bytes) -> str:
    """Return bytes in base64."""
    return b2a_base64(data, newline=False).decode("ascii")


def base64_bytes(value: object) -> bytes:
    """Read base64 with padding; line breaks in it are skipped, as Go does."""
    if type(value) is not str:
        raise Fault("must be bytes in base64")
    try:
        return a2b_base64(value.replace("\r", "").replace("\n", ""), strict_mode=True)
    except ValueError:
        raise Fault("is not base64") from None


# --- times -----------------------------------------------------------------------------------------------------------


def timestamp_to_json(seconds: int, nanos: int) -> str:
    """Return a time in RFC 3339, UTC, with 0, 3, 6 or 9 digits behind the seconds."""
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND or not 0 <= nanos < 10**9:
        raise Fault("time out of range")
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y}".rjust(4, "0") + f"{moment:-%m-%dT%H:%M:%S}{_fraction(nanos)}Z"


def timestamp_from_json(value: object) -> tuple[int, int]:
    """Read a time in RFC 3339; digits behind the ninth are dropped."""
    found = _RFC3339.fullmatch(value) if type(value) is str else None
    if found is None:
        raise Fault(f"{_shown(value)} is not a time in RFC 3339")
    year, month, day, hour, minute, second = (int(found[number]) for number in range(1, 7))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise Fault(f"{_shown(value)} is not a time: {error}") from None
    difference = moment - _EPOCH
    seconds = difference.days * 86400 + difference.seconds
    zone = found[8]
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 24 or minutes > 59:
            raise Fault(f"{_shown(value)} is not a time: no such zone")
        seconds -= (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        raise Fault("time out of range")
    return seconds, int((found[7] or "0")[:9].ljust(9, "0"))


def duration_to_json(seconds: int, nanos: int) -> str:
    """Return a duration in seconds, with 0, 3, 6 or 9 digits behind the point."""
    if abs(seconds) > _MAX_DURATION or abs(nanos) >= 10**9 or seconds * nanos < 0:
        raise Fault("duration out of range")
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}{_fraction(abs(nanos))}s"


def duration_from_json(value: object) -> tuple[int, int]:
    """Read a duration in Go's notation, such as ``1.5s`` or ``1h30m``; returns seconds and nanoseconds."""
    text = value if type(value) is str and len(value) <= _LONGEST_NUMBER else ""
    rest = text[1:] if text[:1] in ("+", "-") else text
    total = 0 if rest else -1
    while rest and rest != "0" and total >= 0:
        found = _DURATION_PART.match(rest)
        if found is None or not (found[1] or found[2]):
            total = -1
            break
        unit = _UNITS[found[3]]
        fraction = found[2] or ""
        # Go computes fractions in floating point, and so does this.
        total += int(found[1] or "0") * unit + int(float(int(fraction or "0")) * (float(unit) / 10 ** len(fraction)))
        rest = rest[found.end() :]
    limit = (1 << 63) - (0 if text.startswith("-") else 1)
    if not 0 <= total <= limit:
        raise Fault(f"{_shown(value)} is not a duration")
    seconds, nanos = divmod(total, 10**9)
    return (-seconds, -nanos) if text.startswith("-") else (seconds, nanos)


def _fraction(nanos: int) -> str:
    if nanos == 0:
        return ""
    digits = f"{nanos:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f".{digits}"


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return value[:80] if isinstance(value, Number) else repr(value[:80])
    return {bool: "a truth value", dict: "an object", list: "a list"}.get(type(value), type(value).__name__)
