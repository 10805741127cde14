"""Who may use devices now: nobody while the agent is locked, and only so many requests at once.

One gate serves all connections. Requests that find no place wait in the order in which they came; a connection has only
so many under way (:mod:`keyring_plugin.server`), so nobody can fill the queue alone. A place is given until the
request's deadline: what sits in a device that hangs has been answered by then, and must not keep others out.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from keyring_bridge.errors import DeadlineExceeded, PinRequired

UNLOCK_HINT = "`keyring-plugin agent unlock` unlocks the agent"

DEVICE_METHODS = frozenset(
    {
        "bridge.unlock",
        "keyring.importPrivKey",
        "keyring.importPrivKeyHex",
        "keyring.newAccount",
        "keyring.newMnemonic",
        "keyring.rename",
        "keyring.sign",
        "keyring.signArbitrary",
        "keyring.signByAddress",
        "keyring.signDigest",
    }
)
"""Methods that pass the gate. The others read and write records, or ask devices for what they tell everybody."""


def locked_error() -> PinRequired:
    """Return what requests are answered with while the agent is locked."""
    return PinRequired("the agent is locked", hint=UNLOCK_HINT)


class Pass:
    """One request inside, until its deadline."""

    __slots__ = ("deadline", "given", "wake")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.given = False
        self.wake = threading.Lock()


class Gate:
    """The gate.

    Args:
        places: Requests inside at the same time.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._held = False
        self._inside: set[Pass] = set()
        self._holders: set[Pass] = set()
        self._queue: deque[Pass] = deque()
        self._last_used = time.monotonic()
        self._when_quiet: Callable[[], object] | None = None
        self.passed = 0
        """Requests that went through so far."""
        self.done = 0
        """Those of them that succeeded."""

    # --- requests ------------------------------------------------------------------------------------------------

    def enter(self, deadline: float) -> Pass:
        """Go in, after waiting for a place; :meth:`leave` gives it back.

        Args:
            deadline: Moment of ``time.monotonic()``.

        Raises:
            PinRequired: The agent is locked.
            DeadlineExceeded: There was no place in time.
        """
        mine = Pass(deadline)
        with self._lock:
            if self._held:
                raise locked_error()
            self._inside.add(mine)
            if not self._queue and len(self._holders) < self._places:
                self._holders.add(mine)
                return mine
            mine.wake.acquire()
            self._queue.append(mine)
            self._give_places()
        self._wait(mine)
        return mine

    def leave(self, mine: Pass, *, done: bool = False) -> None:
        """Come out again.

        Args:
            mine: What :meth:`enter` returned.
            done: Whether a device did what it was asked for.
        """
        with self._lock:
            self._inside.discard(mine)
            self._holders.discard(mine)
            if self._queue:
                self._give_places()
            self._last_used = time.monotonic()
            self.passed += 1
            self.done += done
            quiet = None if self._inside else self._when_quiet
            if quiet is not None:
                self._when_quiet = None
        if quiet is not None:
            threading.Thread(target=quiet, name="agent-lock", daemon=True).start()

    def _wait(self, mine: Pass) -> None:
        while True:
            with self._lock:
                until = min((each.deadline for each in self._holders), default=mine.deadline)
            mine.wake.acquire(timeout=max(0.0, min(until, mine.deadline) - time.monotonic()))
            with self._lock:
                self._give_places()
                if mine.given and not self._held:
                    return
                late = time.monotonic() >= mine.deadline
                if late or self._held:
                    self._inside.discard(mine)
                    self._holders.discard(mine)
                    if not mine.given:
                        self._queue.remove(mine)
                    self._give_places()
                    raise DeadlineExceeded("the deadline passed before a device was asked") if late else locked_error()

    def _give_places(self) -> None:
        now = time.monotonic()
        if len(self._holders) >= self._places:
            self._holders = {each for each in self._holders if each.deadline > now}
        while self._queue and len(self._holders) < self._places:
            following = self._queue.popleft()
            following.given = True
            self._holders.add(following)
            following.wake.release()

    # --- the agent -----------------------------------------------------------------------------------------------

    @property
    def held(self) -> bool:
        """Whether the agent is locked until somebody unlocks it."""
        return self._held

    @property
    def under_way(self) -> int:
        """Requests inside or waiting."""
        return len(self._inside)

    def idle_seconds(self) -> float:
        """Return for how long nobody was inside; 0 while somebody is."""
        with self._lock:
            return 0.0 if self._inside else time.monotonic() - self._last_used

    def touch(self) -> None:
        """Count this moment as use."""
        with self._lock:
            self._last_used = time.monotonic()

    def hold(self, when_quiet: Callable[[], object]) -> None:
        """Let nobody in from now on; run ``when_quiet`` when everybody who is inside has come out."""
        with self._lock:
            self._held = True
            for waiting in self._queue:
                waiting.wake.release()
            self._when_quiet = when_quiet if self._inside else None

    def release(self) -> None:
        """Let requests in again."""
        with self._lock:
            self._held = False
            self._when_quiet = None
            self._last_used = time.monotonic()
