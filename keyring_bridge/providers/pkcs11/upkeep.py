"""The thread that logs an idle token out and keeps a busy one awake."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyring_bridge.providers.pkcs11.connection import Connection


class Upkeep:
    """Watches one connection until it is closed.

    Args:
        connection: What to watch.
        idle_timeout: Seconds without an operation after which ``on_idle`` is called; 0 for never.
        keepalive: Seconds between two signs of life; 0 for none.
        on_idle: Called when the connection was idle for too long.
        on_dead: Called when the token does not hold the login any more.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        idle_timeout: float,
        keepalive: float,
        on_idle: Callable[[Connection], None],
        on_dead: Callable[[Connection], None],
    ) -> None:
        self._connection = connection
        self._idle_timeout = idle_timeout
        self._keepalive = keepalive
        self._on_idle = on_idle
        self._on_dead = on_dead
        self._stopped = threading.Event()
        if idle_timeout or keepalive:
            # A daemon, because a token that hangs must not keep the process from ending.
            threading.Thread(target=self._run, name="pkcs11-upkeep", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end; does not wait for it."""
        self._stopped.set()

    def _run(self) -> None:
        next_sign_of_life = time.monotonic() + self._keepalive
        while not self._stopped.wait(self._pause(next_sign_of_life)):
            with contextlib.suppress(Exception):
                if self._idle_timeout and self._idle_for() >= self._idle_timeout:
                    self._on_idle(self._connection)
                    return
                if self._keepalive and time.monotonic() >= next_sign_of_life:
                    next_sign_of_life = time.monotonic() + self._keepalive
                    if not self._connection.check():
                        self._on_dead(self._connection)
                        return

    def _idle_for(self) -> float:
        if self._connection.pool.busy:
            return 0.0
        return time.monotonic() - self._connection.last_used

    def _pause(self, next_sign_of_life: float) -> float:
        pauses = []
        if self._idle_timeout:
            pauses.append(self._idle_timeout - self._idle_for())
        if self._keepalive:
            pauses.append(next_sign_of_life - time.monotonic())
        return max(0.01, min(pauses))
