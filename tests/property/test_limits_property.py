"""No sequence of reservations, by however many processes, takes more than a limit allows."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from keyring_bridge.store.counters import SECOND, Charge, Full, Taken, from_history, give_back, take
from tests.limit_worker import charge

Event = tuple[int, int]
"""When, and how much."""


def most_in_bucket(events: list[Event], size: int, units: int, seconds: int) -> bool:
    """Whether in every span of time no more was taken than a full bucket and what came back meanwhile."""
    events = sorted(events)
    for first in range(len(events)):
        total = 0
        for time, amount in events[first:]:
            total += amount
            if (total - size) * seconds * SECOND > units * (time - events[first][0]):
                return False
    return True


def most_in_window(events: list[Event], size: int, seconds: int) -> bool:
    """Whether no window of so many seconds has more."""
    return all(
        sum(amount for time, amount in events if start <= time < start + seconds * SECOND) <= size
        for start, _ in events
    )


def within(events: list[Event], one: Charge) -> bool:
    """Whether what was taken from a counter is what it allows."""
    if one.kind == "bucket":
        return most_in_bucket(events, one.size, one.units, one.seconds)
    return most_in_window(events, one.size, one.seconds)


charges = st.one_of(
    st.builds(
        lambda size, more, seconds, amount: charge("bucket", size, size + more, seconds, min(size, amount)),
        st.integers(1, 6),
        st.integers(0, 6),
        st.integers(1, 100),
        st.integers(1, 3),
    ),
    st.builds(
        lambda size, seconds, amount: charge("window", size, 0, seconds, min(size, amount)),
        st.integers(1, 10**30),
        st.integers(1, 100),
        st.integers(1, 10**30),
    ),
)
gaps = st.one_of(st.just(0), st.integers(0, 10 * SECOND), st.integers(0, 200 * SECOND))


@given(charges, st.lists(st.tuples(gaps, st.booleans()), min_size=1, max_size=40), st.integers(0, 40))
def test_one_counter(one: Charge, steps: list[tuple[int, bool]], lost_at: int) -> None:
    """In whatever rhythm something is taken and given back, and wherever the state is made anew from the history."""
    now, state = 5 * SECOND, None
    held: list[Taken] = []
    for number, (gap, back) in enumerate(steps):
        now += gap
        if number == lost_at:
            state = from_history([(taken.time, one.amount) for taken in held], one, now)
        after = take(state, one, now)
        if isinstance(after, Full):
            assert after.wait is not None
            assert after.wait > 0
            # At the time that is told it can be taken, and in a bucket not a nanosecond earlier.
            assert not isinstance(take(state, one, now + after.wait), Full)
            if one.kind == "bucket":
                assert isinstance(take(state, one, now + after.wait - 1), Full)
            continue
        state = after
        held.append(Taken(one, now))
        if back and len(held) % 2:
            state = give_back(state, held.pop(len(held) // 2), now + gap // 2)
            now += gap // 2
        assert within([(taken.time, one.amount) for taken in held], one)


@given(charges, st.lists(gaps, min_size=1, max_size=40))
def test_what_is_free_is_given(one: Charge, steps: list[int]) -> None:
    """A refusal is right: with it the limit would be exceeded, but for the one slot that counts too long."""
    now, state = 5 * SECOND, None
    events: list[Event] = []
    for gap in steps:
        now += gap
        after = take(state, one, now)
        if isinstance(after, Full):
            longer = one if one.kind == "bucket" else charge("window", one.size, 0, one.seconds * 2, one.amount)
            assert not within([*events, (now, one.amount)], longer)
        else:
            state = after
            events.append((now, one.amount))


PROCESSES = 8


class Process:
    """A worker in a process of its own."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._path = ""

    def open(self, path: str) -> None:
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.limit_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).resolve().parents[2],
                env={"PYTHONPATH": ":".join(sys.path)},
            )
        self._path = path
        self.send({"open": path})
        self.answer()

    def send(self, command: dict[str, Any]) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(command) + "\n")
        self._child.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self._child is not None
        assert self._child.stdout is not None
        return dict(json.loads(self._child.stdout.readline()))

    def kill(self) -> None:
        """SIGKILL, and a new process in its place."""
        self.end()
        self.open(self._path)

    def end(self) -> None:
        if self._child is not None:
            self._child.kill()
            with self._child:
                pass
            self._child = None


@contextmanager
def processes() -> Iterator[list[Process]]:
    made = [Process() for _ in range(PROCESSES)]
    try:
        yield made
    finally:
        for one in made:
            one.end()


class Machine(RuleBasedStateMachine):
    """Eight processes share one file of limits; time goes on, processes die, the file is lost."""

    workers: ClassVar[list[Process]]

    @initialize(limits=st.lists(charges, min_size=1, max_size=3, unique_by=lambda one: one.counter))
    def begin(self, limits: list[Charge]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="limits-"))
        self.limits = limits
        self.now = 5 * SECOND
        self.number = 0
        self.taken: dict[int, tuple[int, int]] = {}
        for worker in self.workers:
            worker.open(str(self.folder / "limits"))

    def command(self) -> dict[str, Any]:
        self.number += 1
        take = [[one.kind, one.size, one.units, one.seconds, one.amount] for one in self.limits]
        return {"take": take, "id": self.number, **self.where()}

    def where(self) -> dict[str, Any]:
        return {"now": self.now, "log": str(self.folder / "log")}

    @rule(who=st.lists(st.integers(0, PROCESSES - 1), min_size=1, max_size=PROCESSES, unique=True))
    def take_at_once(self, who: list[int]) -> None:
        """All of them are told before anybody answers."""
        asked = []
        for number in who:
            command = self.command()
            self.workers[number].send(command)
            asked.append((number, int(command["id"])))
        for number, identifier in asked:
            if self.workers[number].answer()["taken"]:
                self.taken[identifier] = (self.now, number)

    @rule(seconds=gaps)
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(which=st.integers(0, 63))
    def return_one(self, which: int) -> None:
        """By a number, because what processes took at once differs between runs, and what is drawn must not."""
        held = sorted(identifier for identifier in self.taken if identifier > 0)
        if not held:
            return
        identifier = held[which % len(held)]
        _, number = self.taken.pop(identifier)
        self.workers[number].send({"give_back": identifier, **self.where()})
        self.workers[number].answer()

    @rule(number=st.integers(0, PROCESSES - 1))
    def kill_while_it_takes(self, number: int) -> None:
        """Nobody knows whether it took something, so that counts for neither side."""
        self.workers[number].send(self.command())
        self.workers[number].kill()
        self.taken = {identifier: one for identifier, one in self.taken.items() if one[1] != number} | {
            # What it held stays taken; only the process that could give it back is gone.
            -identifier: (one[0], -1)
            for identifier, one in self.taken.items()
            if one[1] == number
        }

    @rule()
    def lose_the_file(self) -> None:
        """As a restart of the machine does: the counters begin with what the log says."""
        for path in self.folder.glob("limits-*"):
            path.unlink()

    @invariant()
    def nothing_is_exceeded(self) -> None:
        for one in getattr(self, "limits", ()):
            events = [(time, one.amount) for time, _ in self.taken.values()]
            assert within(events, one), (one, events)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)


def test_eight_processes() -> None:
    with processes() as workers:
        Machine.workers = workers
        run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis does not type it
            Machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None)
        )


def test_the_checks_see_what_is_too_much() -> None:
    assert most_in_window([(0, 5), (10 * SECOND, 5)], 9, 10)
    assert not most_in_window([(0, 5), (10 * SECOND - 1, 5)], 9, 10)
    assert most_in_bucket([(0, 1), (0, 1), (5 * SECOND, 1)], 2, 2, 10)
    assert not most_in_bucket([(0, 1), (0, 1), (5 * SECOND - 1, 1)], 2, 2, 10)
