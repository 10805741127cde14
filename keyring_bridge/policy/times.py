"""Times of the week."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from cosmos_formats.quickclass import dataclass

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(
    r"(?:([A-Za-z]{3})(?:-([A-Za-z]{3}))? )?([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])(?: ([A-Za-z0-9_+/-]+))?"
)


@dataclass(frozen=True, slots=True)
class Window:
    """A time of some days of the week, from its first minute until before its last one.

    A window that ends before it begins goes on after midnight.

    Attributes:
        text: As it is written, such as ``mon-fri 08:00-18:00 Europe/Berlin``.
        days: Days on which it begins, 0 for Monday.
        begin: Minutes since midnight.
        end: Minutes since midnight, at most 1440.
        zone: Where the clock stands.
    """

    text: str
    days: frozenset[int]
    begin: int
    end: int
    zone: tzinfo

    @classmethod
    def of(cls, text: str) -> Window:
        """Read ``[DAY[-DAY]] HH:MM-HH:MM [ZONE]``; without days it is every day, without a zone UTC.

        Raises:
            ValueError: It is something else.
        """
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError(
                f"{text[:60]!r} is no time: write it as 'mon-fri 08:00-18:00' or '22:00-06:00 Europe/Berlin'"
            )
        first, last, *clock, zone = form.groups()
        begin, end = int(clock[0]) * 60 + int(clock[1]), int(clock[2]) * 60 + int(clock[3])
        if begin >= 1440 or end > 1440 or begin == end:
            raise ValueError(f"{text!r}: a time is between 00:00 and 24:00, and its end is not its beginning")
        return cls(text, _days(text, first, last), begin, end, _zone(text, zone))

    def contains(self, moment: datetime) -> bool:
        """Tell whether a moment (aware of its zone) is in the window."""
        local = moment.astimezone(self.zone)
        day, minute = local.weekday(), local.hour * 60 + local.minute
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        return (day in self.days and minute >= self.begin) or ((day - 1) % 7 in self.days and minute < self.end)

    def __str__(self) -> str:
        return self.text


def _days(text: str, first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    named = [day.lower() for day in (first, last or first)]
    if not set(named) <= set(_DAYS):
        raise ValueError(f"{text!r}: the days are {', '.join(_DAYS)}")
    begin, end = (_DAYS.index(day) for day in named)
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))


def _zone(text: str, name: str | None) -> tzinfo:
    if name is None or name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"{text!r}: this machine knows no time zone {name!r}") from None
