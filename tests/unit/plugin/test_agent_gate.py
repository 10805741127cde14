"""Who may use devices, and when: without devices, with threads."""

from __future__ import annotations

import threading
import time

import pytest

from keyring_bridge.errors import DeadlineExceeded, PinRequired
from keyring_bridge.secrets import SecretBytes
from keyring_plugin.agent.desk import PinDesk
from keyring_plugin.agent.gate import DEVICE_METHODS, Gate, Pass
from keyring_plugin.methods import HANDLERS

SOON = 5.0


def later(seconds: float = SOON) -> float:
    return time.monotonic() + seconds


class Waiter:
    """A thread that wants to go in."""

    def __init__(self, gate: Gate, deadline: float) -> None:
        self.inside: Pass | None = None
        self.error: Exception | None = None
        self._gate = gate
        self._thread = threading.Thread(target=self._go, args=(deadline,))
        self._thread.start()

    def _go(self, deadline: float) -> None:
        try:
            self.inside = self._gate.enter(deadline)
        except Exception as error:
            self.error = error

    def done(self) -> Waiter:
        self._thread.join(SOON)
        assert not self._thread.is_alive()
        return self

    @property
    def waits(self) -> bool:
        self._thread.join(0.1)
        return self._thread.is_alive()


def queued(gate: Gate, count: int) -> None:
    end = later()
    while len(gate._queue) < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_the_methods_are_methods() -> None:
    assert set(HANDLERS) >= DEVICE_METHODS
    assert {name for name in HANDLERS if "sign" in name.lower()} <= DEVICE_METHODS
    assert not {name for name in DEVICE_METHODS if name.startswith("agent.")}


def test_so_many_go_in_and_the_others_wait_in_their_order() -> None:
    gate = Gate(2)
    first, second = gate.enter(later()), gate.enter(later())
    waiting = []
    for number in range(3):
        waiting.append(Waiter(gate, later()))
        queued(gate, number + 1)
    assert gate.under_way == 5
    gate.leave(second)
    assert waiting[0].done().inside
    assert waiting[1].waits
    gate.leave(first)
    assert waiting[1].done().inside
    assert waiting[2].waits
    for waiter in waiting:
        inside = waiter.done().inside
        assert inside is not None
        gate.leave(inside)
    assert (gate.under_way, gate.passed) == (0, 5)


def test_nobody_overtakes_those_who_wait() -> None:
    gate = Gate(1)
    first = gate.enter(later())
    early = Waiter(gate, later())
    queued(gate, 1)
    late = Waiter(gate, later())
    queued(gate, 2)
    gate.leave(first)
    assert early.done().inside
    assert late.waits
    gate.leave(early.inside)  # type: ignore[arg-type]  # it is inside
    assert late.done().inside


def test_whoever_hangs_gives_the_place_up_at_the_deadline() -> None:
    gate = Gate(1)
    hung = gate.enter(later(0.3))
    begin = time.monotonic()
    waiter = Waiter(gate, later()).done()
    assert waiter.inside
    assert 0.2 < time.monotonic() - begin < 2
    # When it comes back at last, it takes nobody's place along.
    gate.leave(hung)
    third = Waiter(gate, later())
    assert third.waits
    gate.leave(waiter.inside)
    assert third.done().inside


def test_waiting_ends_with_the_deadline() -> None:
    gate = Gate(1)
    first = gate.enter(later())
    waiter = Waiter(gate, later(0.2)).done()
    assert isinstance(waiter.error, DeadlineExceeded)
    assert gate.under_way == 1
    gate.leave(first)
    gate.leave(gate.enter(later()))


def test_held_it_lets_nobody_in() -> None:
    gate = Gate(1)
    quiet = threading.Event()
    first = gate.enter(later())
    waiter = Waiter(gate, later())
    queued(gate, 1)
    gate.hold(quiet.set)
    assert isinstance(waiter.done().error, PinRequired)
    with pytest.raises(PinRequired):
        gate.enter(later())
    assert not quiet.wait(0.1)
    gate.leave(first)
    assert quiet.wait(SOON)
    assert gate.under_way == 0
    gate.release()
    gate.leave(gate.enter(later()), done=True)
    assert gate.done == 1


def test_unlocked_in_time_nothing_happens_when_it_gets_quiet() -> None:
    gate = Gate(1)
    quiet = threading.Event()
    inside = gate.enter(later())
    gate.hold(quiet.set)
    gate.release()
    gate.leave(inside)
    assert not quiet.wait(0.1)


def test_idleness_counts_from_the_last_one() -> None:
    gate = Gate(1)
    inside = gate.enter(later())
    time.sleep(0.05)
    assert gate.idle_seconds() == 0.0
    gate.leave(inside)
    time.sleep(0.05)
    assert 0.04 < gate.idle_seconds() < 1


def test_many_threads_never_exceed_the_places() -> None:
    gate = Gate(3)
    inside, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            mine = gate.enter(later(30))
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0)
            with lock:
                inside -= 1
            gate.leave(mine)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert 1 <= most <= 3
    assert (gate.passed, gate.under_way) == (600, 0)


def test_a_pin_is_there_for_one_login_of_one_thread() -> None:
    desk = PinDesk()
    pin = SecretBytes(b"73915508")
    with desk.holding(pin):
        elsewhere: list[Exception] = []

        def ask() -> None:
            try:
                desk.prompt("PIN: ")
            except PinRequired as error:
                elsewhere.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        assert len(elsewhere) == 1
        assert desk.prompt("PIN: ") is pin
        with pytest.raises(PinRequired):
            desk.prompt("PIN again: ")
        assert desk.asked == "PIN again: "
    assert pin.wiped


def test_a_pin_that_nobody_asked_for_is_wiped() -> None:
    desk = PinDesk()
    pin = SecretBytes(b"73915508")
    with pytest.raises(RuntimeError), desk.holding(pin):
        raise RuntimeError
    assert pin.wiped
    assert desk.asked is None
