"""Who must come together: groups of shares, how many of each, how many groups (SLIP-39).

Written ``2of3`` for one group; ``2: ops=2of3 board=1of1 far=3of5`` for several, of which two are needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from keyring_bridge.ceremony.errors import SchemeInvalid

MOST: Final = 16
"""Groups in a scheme, and shares in a group (SLIP-39)."""

ONLY_GROUP: Final = "share"
"""Name of the group where there is one."""

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?")
_COUNT: Final = re.compile(r"([1-9][0-9]?)of([1-9][0-9]?)")


@dataclass(frozen=True, slots=True)
class Group:
    """One group.

    Attributes:
        name: Lower-case letters, digits, ``-`` and ``_`` inside; at most 32 characters.
        threshold: How many of its shares are needed.
        count: How many it has.
    """

    name: str
    threshold: int
    count: int

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SchemeInvalid("the name of a group has lower-case letters, digits, - and _, at most 32 of them")
        if not 1 <= self.threshold <= self.count <= MOST:
            raise SchemeInvalid(f"{self.threshold}of{self.count}: a group has 1 to {MOST} shares, and needs no more")
        if self.threshold == 1 and self.count > 1:
            # Every share would be the same words; SLIP-39 forbids it.
            raise SchemeInvalid(
                f"1of{self.count} would be {self.count} copies of one share",
                hint="write 1of1 and copy the share, or make several groups of 1of1",
            )

    def __str__(self) -> str:
        return f"{self.name}={self.threshold}of{self.count}"

    @property
    def members(self) -> tuple[str, ...]:
        """The names of its shares: ``ops-1``, ``ops-2`` and so on."""
        return tuple(f"{self.name}-{number}" for number in range(1, self.count + 1))


@dataclass(frozen=True, slots=True)
class Scheme:
    """All groups.

    Attributes:
        threshold: How many groups are needed.
    """

    threshold: int
    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= len(self.groups) <= MOST:
            raise SchemeInvalid(f"a scheme has 1 to {MOST} groups, and needs no more than it has")
        members = self.members
        if len(set(members)) != len(members):
            raise SchemeInvalid("two shares would have the same name; name the groups otherwise")

    def __str__(self) -> str:
        return f"{self.threshold}: {' '.join(map(str, self.groups))}"

    @property
    def members(self) -> tuple[str, ...]:
        """The names of all shares, group by group."""
        return tuple(member for group in self.groups for member in group.members)

    @classmethod
    def parse(cls, text: str) -> Scheme:
        """Read what was written (errors: SchemeInvalid).

        Args:
            text: ``2of3``, or ``2: ops=2of3 board=1of1``; the groups are parted by spaces or commas.
        """
        head, colon, rest = text.partition(":")
        if not colon:
            threshold, count = _count(head.strip())
            return cls(1, (Group(ONLY_GROUP, threshold, count),))
        needed = head.strip()
        if not re.fullmatch(r"[1-9][0-9]?", needed):
            raise SchemeInvalid("before the colon stands how many groups are needed", hint=_FORMS)
        groups = []
        for word in rest.replace(",", " ").split():
            name, equals, counts = word.partition("=")
            if not equals:
                raise SchemeInvalid("a group is written name=2of3", hint=_FORMS)
            groups.append(Group(name, *_count(counts)))
        return cls(int(needed), tuple(groups))


_FORMS: Final = "2of3, or 2: ops=2of3 board=1of1"


def _count(text: str) -> tuple[int, int]:
    found = _COUNT.fullmatch(text)
    if found is None:
        raise SchemeInvalid("how many shares are needed of how many is written 2of3", hint=_FORMS)
    return int(found[1]), int(found[2])
