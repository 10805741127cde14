"""What the audit log says was signed: what a limit's counter begins with.

An intent counts unless its outcome says that nothing was signed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from keyring_bridge.audit.entry import Entry, NotAnEntry, parse
from keyring_bridge.audit.reader import lines, open_log
from keyring_bridge.errors import AuditFailed
from keyring_bridge.limits import NOT_SIGNED, SPEND

if TYPE_CHECKING:
    from pathlib import Path

    from keyring_bridge.store.counters import Charge

_TIME = re.compile(rb'^\{"v":1,"seq":[0-9]+,"time":"([^"]{26})Z"')
_BLOCK = 256 * 1024


def signed_since(path: Path, since: datetime, charge: Charge) -> list[tuple[datetime, int]]:
    """Return when something was signed, and how much of it counts, oldest first.

    Args:
        path: The audit log; one that is not there has nothing in it.
        since: Earlier entries do not count.
        charge: Says which signatures count, and what of them.

    Raises:
        AuditFailed: The log cannot be read.
    """
    found: dict[int, tuple[datetime, int]] = {}
    if not path.exists():
        return []
    with open_log(path) as (file, size):
        try:
            for line in lines(file, _offset(file, size, since), size):
                if b'"kind":"sign.' in line:
                    _count(line, since, charge, found)
        except OSError as error:
            raise AuditFailed("the audit log cannot be read", detail=f"{path}: {error.strerror}") from error
    return list(found.values())


def _count(line: bytes, since: datetime, charge: Charge, found: dict[int, tuple[datetime, int]]) -> None:
    try:
        entry = parse(line.removesuffix(b"\n"))
    except NotAnEntry:
        return
    if entry.kind == "sign.outcome":
        if entry.fields.get("result") in NOT_SIGNED and entry.of is not None:
            found.pop(entry.of, None)
        return
    time = datetime.fromisoformat(entry.time)
    if entry.kind != "sign.intent" or time < since or not _concerns(entry, charge):
        return
    amount = _amount(entry, charge)
    if amount:
        found[entry.seq] = (time, amount)


def _concerns(entry: Entry, charge: Charge) -> bool:
    fields = entry.fields
    return (charge.fingerprint is None or fields.get("fingerprint") == charge.fingerprint) and (
        charge.callers is None or fields.get("caller") in charge.callers
    )


def _amount(entry: Entry, charge: Charge) -> int:
    if charge.denom is None:
        return 1
    spend = entry.fields.get(SPEND)
    text = spend.get(charge.denom) if isinstance(spend, dict) else None
    return int(text) if isinstance(text, str) and text.isdigit() else 0


def _offset(file: BinaryIO, size: int, since: datetime) -> int:
    """Return an offset before the first entry that is not earlier than ``since``, by bisection.

    Where the clock was set back some entries stand out of order; an hour more is read for their sake.
    """
    early = since.timestamp() - 3600
    low, high = 0, size
    while high - low > _BLOCK:
        middle = (low + high) // 2
        time = _time_after(file, middle, high)
        if time is not None and time.timestamp() < early:
            low = middle
        else:
            high = middle
    if low == 0:
        return 0
    file.seek(low)
    return low + len(file.readline())


def _time_after(file: BinaryIO, offset: int, stop: int) -> datetime | None:
    """Return the time of the first entry that begins after an offset and before ``stop``."""
    file.seek(offset)
    file.readline()
    while file.tell() < stop:
        form = _TIME.match(file.readline())
        if form is not None:
            return datetime.fromisoformat(form[1].decode("ascii")).replace(tzinfo=UTC)
    return None
