"""Work ahead of its turn: in order, bounded, and nothing that was opened is left open."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from keyring_bridge.migrate.pool import ahead


def test_results_come_in_order_and_few_wait() -> None:
    lock = threading.Lock()
    begun: list[int] = []

    def work(item: int) -> int:
        with lock:
            begun.append(item)
        return item * item

    most = 0
    for taken, (item, result) in enumerate(ahead(work, range(50), look_ahead=3)):
        assert (item, result) == (taken, taken * taken)
        most = max(most, len(begun) - taken)
    assert sorted(begun) == list(range(50))
    assert most <= 5


def test_who_stops_early_leaves_nothing_open() -> None:
    lock = threading.Lock()
    opened: set[int] = set()

    def work(item: int) -> int:
        with lock:
            opened.add(item)
        return item

    with closing(ahead(work, range(50), look_ahead=3, discard=opened.discard)) as results:
        item, _ = next(results)
        opened.discard(item)
    assert opened == set()


def test_an_error_is_raised_at_its_turn_and_the_rest_is_given_up() -> None:
    lock = threading.Lock()
    opened: set[int] = set()

    def work(item: int) -> int:
        if item == 2:
            raise ValueError("two")
        with lock:
            opened.add(item)
        return item

    seen: list[int] = []

    def take() -> None:
        with closing(ahead(work, range(50), look_ahead=3, discard=opened.discard)) as results:
            for item, _ in results:
                seen.append(item)
                opened.discard(item)

    with pytest.raises(ValueError, match="two"):
        take()
    assert seen == [0, 1]
    assert opened == set()
