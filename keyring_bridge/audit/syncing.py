"""Making appended bytes durable: one sync for everybody who waits, and a late one for what nobody waits for."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable


class GroupSync:
    """Shares syncs between threads.

    Whoever needs bytes on disk and finds no sync under way becomes the leader and syncs for all that was written until
    then; whoever comes while a sync is under way waits, because that one may have begun too early, and the first to
    wake leads the next.

    After a failure nothing is synced again: the kernel forgets which pages were lost, so a repeated sync may succeed
    falsely.

    Args:
        sync: Makes everything that was written so far durable, or raises.

    Attributes:
        syncs: How often ``sync`` succeeded.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._lock = threading.Lock()
        self._turn = threading.Condition(self._lock)
        self._leading = False
        self._waiting = 0
        self._written = 0
        self._synced = 0
        self._failed = False
        self.syncs = 0

    def wrote(self, end: int) -> None:
        """Note that bytes up to offset ``end`` were written. Calls must not overlap, nor go backwards."""
        self._written = end

    def flush(self) -> None:
        """Make everything that was written durable (as :meth:`wait`)."""
        self.wait(self._written)

    def wait(self, end: int) -> None:
        """Return once all bytes before offset ``end`` are durable.

        Raises:
            OSError: The sync failed, or one failed before.
        """
        leading = False
        try:
            with self._lock:
                while True:
                    if self._synced >= end:
                        return
                    if self._failed:
                        raise OSError(errno.EIO, "an earlier sync failed")
                    if not self._leading:
                        break
                    self._waiting += 1
                    self._turn.wait()
                    self._waiting -= 1
                self._leading = leading = True
                target = self._written
            self._sync()
        except BaseException:
            if leading:
                with self._lock:
                    self._failed = True
                    self._leading = False
                    self._turn.notify_all()
            raise
        with self._lock:
            self._synced = target
            self.syncs += 1
            self._leading = False
            if self._waiting:
                self._turn.notify_all()


class Flusher:
    """A thread for entries that nobody waits for: it writes them after a moment, and syncs them within a second.

    It sleeps while nothing is due. The moment lets a busy log's next intent take them along, which costs less than
    waking up for each.

    Args:
        write: Writes what is due; must not raise.
        sync: Makes it durable; must not raise.
        write_after: How many seconds entries may gather.
        sync_after: How many more seconds until they are synced.
    """

    def __init__(
        self,
        write: Callable[[], None],
        sync: Callable[[], None],
        write_after: float = 0.005,
        sync_after: float = 0.8,
    ) -> None:
        self._write = write
        self._sync = sync
        self._write_after = write_after
        self._sync_after = sync_after
        self._due = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def due(self) -> None:
        """Ask for a write and a sync. Callers must exclude each other."""
        if not self._due.is_set():
            # In this order an interrupt leaves no request that nobody serves.
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="audit-flusher", daemon=True)
                thread.start()
                self._thread = thread
            self._due.set()

    def close(self) -> None:
        """Stop the thread without a last write or sync."""
        self._closing.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        sync_at: float | None = None
        while True:
            if self._due.wait(None if sync_at is None else sync_at - time.monotonic()):
                self._closing.wait(self._write_after)
                self._due.clear()
                # Looked at after the clearing, which may have swallowed the wake-up of close().
                if self._closing.is_set():
                    return
                self._write()
                if sync_at is None:
                    sync_at = time.monotonic() + self._sync_after
            if sync_at is not None and time.monotonic() >= sync_at:
                self._sync()
                sync_at = None
