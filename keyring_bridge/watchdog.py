"""Notices operations that outlive their deadline.

A PKCS#11 call that hangs cannot be interrupted. What can be done in time is to say so: when the deadline of an
operation passes, its ``expired`` callback runs once, on the watchdog's thread, while the call still hangs. The
operation itself learns of it when the call returns, and discards what came back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

POLL_SECONDS = 0.05


class Watch:
    """One watched operation. ``fired`` is true once the deadline passed before :meth:`Watchdog.end`."""

    __slots__ = ("deadline", "expired", "fired")

    def __init__(self, deadline: float, expired: Callable[[], object]) -> None:
        self.deadline = deadline
        self.expired = expired
        self.fired = False


class Watchdog:
    """A thread that sleeps while nothing is under way and otherwise looks at the deadlines every 50 ms."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._lock = threading.Lock()
        self._busy = threading.Event()
        self._ending = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def begin(self, deadline: float, expired: Callable[[], object]) -> Watch:
        """Watch an operation until :meth:`end`.

        Args:
            deadline: Moment of ``time.monotonic()``.
            expired: Called at most once, from another thread, after the deadline.
        """
        watch = Watch(deadline, expired)
        with self._lock:
            self._watches.add(watch)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="bridge-watchdog", daemon=True)
                self._thread.start()
        if not self._busy.is_set():
            self._busy.set()
        return watch

    def end(self, watch: Watch) -> bool:
        """Stop watching. Returns True if the operation ended in time."""
        with self._lock:
            self._watches.discard(watch)
            return not watch.fired

    def close(self) -> None:
        """Stop the thread. Watches whose deadline has passed expire first; others that are under way are forgotten.

        A process often ends just because a deadline passed, before the thread has looked.
        """
        with self._lock:
            self._closed = True
            late = self._late()
            self._watches.clear()
        self._busy.set()
        self._ending.set()
        _expire(late)
        if self._thread is not None:
            self._thread.join(timeout=1)

    def _run(self) -> None:
        while not self._closed:
            with self._lock:
                late = self._late()
                if not self._watches and not self._closed:
                    self._busy.clear()
            _expire(late)
            self._busy.wait()
            self._ending.wait(POLL_SECONDS)

    def _late(self) -> list[Watch]:
        """Take out the watches whose deadline has passed; the lock is held."""
        now = time.monotonic()
        late = [watch for watch in self._watches if watch.deadline <= now]
        for watch in late:
            watch.fired = True
            self._watches.discard(watch)
        return late


def _expire(late: list[Watch]) -> None:
    for watch in late:
        # A callback that fails must not end the watch over all other operations.
        with suppress(Exception):
            watch.expired()
