"""The counters of limits in a SQLite file, shared by all processes of one machine.

The file is never synced, and need not be: it serves one boot of the machine, whose id is in its name. What a killed
process wrote is there for the others. After a power cut, a restart of the machine or the loss of the file there is a
new one, and each counter begins with what the audit log says was signed in its time; the same holds for a counter that
a new policy asks for. So the one durable write of a signature is its intent, and the counters follow from the intents.

Time is the machine's own since its start (``CLOCK_BOOTTIME``), suspension included: nobody changes it by setting the
clock.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.errors import StoreFailed
from keyring_bridge.store.counters import SECOND, Charge, Full, Taken, from_history, give_back, take
from keyring_bridge.store.database import Database
from keyring_bridge.store.schema import LIMITS

if TYPE_CHECKING:
    from sqlite3 import Connection

    from keyring_bridge.store.base import History

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_clock() -> int:
    """Return nanoseconds since the machine was started."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class LimitCounters:
    """Counters in a file. For threads and processes; not to be used after a fork.

    Args:
        stem: Path of the file, to whose name the id of the boot is added.
        clock: Nanoseconds that never go back, the same for all processes.
    """

    def __init__(self, stem: Path, clock: Callable[[], int] = boot_clock) -> None:
        self._stem = stem
        self._clock = clock
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._path = stem
        self._inode = 0
        self._closed = False

    def take(self, charges: Sequence[Charge], history: History) -> tuple[Taken, ...] | Full:
        """See :meth:`keyring_bridge.store.base.Store.reserve`."""
        with self._opened().changing() as connection:
            now = self._clock()
            changed = []
            for charge in charges:
                state = _state(connection, charge.counter)
                if state is None:
                    state = from_history(_on_our_clock(history(charge), now), charge, now)
                after = take(state, charge, now)
                if isinstance(after, Full):
                    return after
                changed.append((charge.counter, after))
            connection.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", changed)
        return tuple(Taken(charge, now) for charge in charges)

    def give_back(self, taken: Iterable[Taken]) -> None:
        """See :meth:`keyring_bridge.store.base.Store.give_back`."""
        with self._opened().changing() as connection:
            now = self._clock()
            for one in taken:
                after = give_back(_state(connection, one.charge.counter), one, now)
                if after is not None:
                    connection.execute("UPDATE counters SET state = ? WHERE counter = ?", (after, one.charge.counter))

    def close(self) -> None:
        """Close the file. May be called twice."""
        with self._lock:
            self._closed = True
            if self._database is not None:
                self._database.close()

    def _opened(self) -> Database:
        with self._lock:
            if self._closed:
                raise StoreFailed(f"{LIMITS.what} is closed")
            # Whoever counts in a file that was removed would count alone.
            if self._database is not None and self._is_in_place():
                return self._database
            if self._database is not None:
                self._database.close()
                self._database = None
            self._path = self._stem.with_name(f"{self._stem.name}-{_boot_id()}.sqlite")
            new = not self._path.exists()
            self._database = Database(self._path, LIMITS)
            self._inode = self._path.stat().st_ino
            if new:
                self._remove_old()
            return self._database

    def _is_in_place(self) -> bool:
        try:
            return os.stat(self._path).st_ino == self._inode
        except OSError:
            return False

    def _remove_old(self) -> None:
        """Remove the files of earlier boots."""
        for old in self._stem.parent.glob(f"{self._stem.name}-*.sqlite*"):
            if not old.name.startswith(self._path.name):
                with suppress(OSError):
                    old.unlink()


def _state(connection: Connection, counter: str) -> str | None:
    row = connection.execute("SELECT state FROM counters WHERE counter = ?", (counter,)).fetchone()
    return None if row is None else str(row[0])


def _on_our_clock(events: Iterable[tuple[float, int]], now: int) -> Iterable[tuple[int, int]]:
    """Turn how long ago something was into a moment of the counters' clock, which may be before its beginning."""
    return ((now - int(age * SECOND), amount) for age, amount in events)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreFailed(
            "limits cannot be counted: the system does not tell when it was started", detail=str(error)
        ) from error
