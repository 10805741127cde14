"""The watchdog fires once, in time, and not for what ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from keyring_bridge.watchdog import Watchdog

if TYPE_CHECKING:
    import pytest


def test_fires_once_after_the_deadline() -> None:
    dog = Watchdog()
    fired: list[float] = []
    seen = threading.Event()

    def expired() -> None:
        fired.append(time.monotonic())
        seen.set()

    deadline = time.monotonic() + 0.1
    watch = dog.begin(deadline, expired)
    assert seen.wait(5)
    time.sleep(0.15)
    assert dog.end(watch) is False
    assert len(fired) == 1
    assert fired[0] >= deadline
    dog.close()


def test_an_operation_that_ends_is_left_alone() -> None:
    dog = Watchdog()
    watch = dog.begin(time.monotonic() + 0.1, lambda: fired.append(1))
    fired: list[int] = []
    assert dog.end(watch) is True
    time.sleep(0.3)
    assert fired == []
    dog.close()


def test_wakes_again_after_an_idle_time() -> None:
    dog = Watchdog()
    assert dog.end(dog.begin(time.monotonic() + 9, lambda: None))
    time.sleep(0.3)
    seen = threading.Event()
    dog.begin(time.monotonic(), seen.set)
    assert seen.wait(5)
    dog.close()


def test_close_ends_the_thread_and_may_come_twice() -> None:
    before = set(threading.enumerate())
    dog = Watchdog()
    dog.begin(time.monotonic() + 60, lambda: None)
    (thread,) = set(threading.enumerate()) - before
    dog.close()
    dog.close()
    assert not thread.is_alive()


def test_close_tells_what_is_late_and_forgets_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # Between two looks of its thread, which is what a process has that ends because a deadline passed.
    monkeypatch.setattr("keyring_bridge.watchdog.POLL_SECONDS", 30.0)
    told: list[str] = []
    dog = Watchdog()
    dog.begin(time.monotonic() + 60, lambda: told.append("in time"))
    time.sleep(0.2)
    late = dog.begin(time.monotonic(), lambda: told.append("late"))
    dog.close()
    assert told == ["late"]
    assert dog.end(late) is False


def test_close_does_not_wait_for_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyring_bridge.watchdog.POLL_SECONDS", 600.0)
    before = set(threading.enumerate())
    dog = Watchdog()
    dog.begin(time.monotonic() + 60, lambda: None)
    (thread,) = set(threading.enumerate()) - before
    dog.close()
    assert not thread.is_alive(), "close() gave it a second, and it slept on"
