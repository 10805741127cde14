"""A lock that many readers share and one writer has alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from keyring_bridge.errors import DeadlineExceeded


class ReadWriteLock:
    """Readers wait while somebody writes or waits to write; a writer waits for the readers that are there.

    Not reentrant. Modules are made for several threads, but not every one keeps a search from seeing half of an object
    that another session is just making: SoftHSM2 2.6.1 answers such a search with errors, or with wrong objects.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._readers = 0
        self._writers_waiting = 0
        self._writing = False

    @contextmanager
    def reading(self, seconds: float) -> Iterator[None]:
        """Hold the lock together with other readers.

        Raises:
            DeadlineExceeded: It could not be had within ``seconds``.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._writing and not self._writers_waiting, seconds):
                raise DeadlineExceeded("the token is busy with a change")
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def writing(self, seconds: float) -> Iterator[None]:
        """Hold the lock alone (errors as :meth:`reading`)."""
        with self._changed:
            self._writers_waiting += 1
            try:
                if not self._changed.wait_for(lambda: not self._writing and not self._readers, seconds):
                    raise DeadlineExceeded("the token is busy with other operations")
                self._writing = True
            finally:
                self._writers_waiting -= 1
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
