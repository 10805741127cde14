"""What limits count with: buckets of tokens and sliding windows. Pure: no storage, no clock.

Times are nanoseconds of a clock that never goes back while the machine runs. A counter's state is a short text.

**Bucket.** It holds ``size`` tokens and gets one back every ``seconds / units``. The state is the moment at which it
would be full again; so in any time t at most ``size + t · units / seconds`` tokens are taken.

**Window.** What was taken is added up in slots of a sixtieth of the window. All slots that begin less than the window
and one slot ago count, so that in no window more than ``size`` is taken; something may count for one slot too long.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from cosmos_formats.quickclass import dataclass

SECOND: Final = 1_000_000_000
SLOTS: Final = 60


@dataclass(frozen=True, slots=True)
class Charge:
    """What one signature takes from one counter.

    Attributes:
        counter: Names the counter; another limit, key or caller has another name.
        limit: The limit's name, for refusals.
        kind: How it counts.
        size: Tokens in the bucket, or the most in a window.
        units: Tokens that a bucket gets in ``seconds``; of no meaning for a window.
        seconds: Length of the window, or the time of ``units``.
        amount: What is taken, at least 1.
        fingerprint: Key whose signatures count; None for all keys.
        callers: Callers whose signatures count; None for all.
        denom: What is counted of each signature; None for the signatures themselves.
    """

    counter: str
    limit: str
    kind: Literal["bucket", "window"]
    size: int
    units: int
    seconds: int
    amount: int
    fingerprint: str | None = None
    callers: frozenset[str] | None = None
    denom: str | None = None

    @property
    def step(self) -> int:
        """Nanoseconds until a bucket gets a token back, or the length of a window's slot; rounded up."""
        return -(-self.seconds * SECOND // (self.units if self.kind == "bucket" else SLOTS))


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken from a counter, to be given back.

    Attributes:
        charge: As it was asked for.
        time: When.
    """

    charge: Charge
    time: int


@dataclass(frozen=True, slots=True)
class Full:
    """A counter from which no more can be taken now.

    Attributes:
        charge: What was asked for.
        wait: Nanoseconds until it can be taken, if nobody takes anything meanwhile; None if it never can.
    """

    charge: Charge
    wait: int | None


def take(state: str | None, charge: Charge, now: int) -> str | Full:
    """Return a counter's state after something was taken from it; ``state`` is None for a new one."""
    if charge.amount > charge.size:
        return Full(charge, None)
    if charge.kind == "bucket":
        full_at = max(int(state or 0), now) + charge.amount * charge.step
        wait = full_at - charge.size * charge.step - now
        return str(full_at) if wait <= 0 else Full(charge, wait)
    slots = _current(_slots(state), charge, now)
    over = sum(slots.values()) + charge.amount - charge.size
    if over > 0:
        return Full(charge, _until_free(slots, charge, now, over))
    return _text(_added(slots, charge, now))


def give_back(state: str | None, taken: Taken, now: int) -> str | None:
    """Return a counter's state after something was given back.

    A bucket may have got the token back already, from the time that went by: only what is certainly missing is added,
    so that nothing can be taken twice.
    """
    charge = taken.charge
    if state is None:
        return None
    if charge.kind == "bucket":
        return str(int(state) - max(0, charge.amount * charge.step - (now - taken.time)))
    slots = _slots(state)
    slot = taken.time // charge.step
    if slot in slots:
        slots[slot] = max(0, slots[slot] - charge.amount)
    return _text(slots)


def from_history(events: Iterable[tuple[int, int]], charge: Charge, now: int) -> str:
    """Return the state of a counter from which was taken before it was kept.

    Args:
        events: When, and how much, oldest first. It may be more than the counter allows.
        charge: What counts.
        now: The moment; nothing counts as later.
    """
    if charge.kind == "bucket":
        full_at = 0
        for time, amount in events:
            full_at = max(full_at, min(time, now)) + amount * charge.step
        return str(full_at)
    slots: dict[int, int] = {}
    for time, amount in events:
        slot = min(time, now) // charge.step
        slots[slot] = slots.get(slot, 0) + amount
    return _text(_current(slots, charge, now))


def _current(slots: dict[int, int], charge: Charge, now: int) -> dict[int, int]:
    first = now // charge.step - SLOTS
    return {slot: amount for slot, amount in slots.items() if slot >= first and amount}


def _added(slots: dict[int, int], charge: Charge, now: int) -> dict[int, int]:
    slot = now // charge.step
    slots[slot] = slots.get(slot, 0) + charge.amount
    return slots


def _until_free(slots: dict[int, int], charge: Charge, now: int, over: int) -> int:
    for slot in sorted(slots):
        over -= slots[slot]
        if over <= 0:
            return (slot + SLOTS + 1) * charge.step - now
    raise AssertionError("more was over than there is")


def _slots(state: str | None) -> dict[int, int]:
    pairs = (pair.partition(":") for pair in (state or "").split(",") if pair)
    return {int(slot): int(amount) for slot, _, amount in pairs}


def _text(slots: dict[int, int]) -> str:
    return ",".join(f"{slot}:{amount}" for slot, amount in slots.items() if amount)
