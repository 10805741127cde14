"""Secrets that several threads use, from unlocking to wiping."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self


class Held(ABC):
    """Secrets that a provider holds while it is unlocked.

    They are wiped when they were retired and the last operation that uses them has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._last_used = time.monotonic()
        self._retired = threading.Event()

    @abstractmethod
    def _wipe(self) -> None:
        """Overwrite everything. Called with the lock held; may be called again."""

    def enter(self) -> bool:
        """Begin an operation; False if the secrets were retired."""
        with self._lock:
            if self._retired.is_set():
                return False
            self._users += 1
            return True

    def leave(self) -> None:
        """End an operation."""
        with self._lock:
            self._users -= 1
            self._last_used = time.monotonic()
            self._wipe_if_done()

    def retire(self) -> None:
        """Let nobody enter any more, and wipe everything as soon as nobody is inside."""
        with self._lock:
            self._retired.set()
            self._wipe_if_done()

    def watch(self, idle_timeout: float, on_idle: Callable[[Self], None]) -> None:
        """Call ``on_idle`` once, in a thread of its own, when nobody has used the secrets for so many seconds."""

        def run() -> None:
            while not self._retired.wait(max(0.01, idle_timeout - self._idle_for())):
                if self._idle_for() >= idle_timeout:
                    on_idle(self)
                    return

        threading.Thread(target=run, name="provider-idle", daemon=True).start()

    def _idle_for(self) -> float:
        with self._lock:
            return 0.0 if self._users else time.monotonic() - self._last_used

    def _wipe_if_done(self) -> None:
        if self._retired.is_set() and self._users == 0:
            self._wipe()
