"""The file of limits as a store has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyring_bridge.errors import StoreFailed
from keyring_bridge.store import limits
from keyring_bridge.store.counters import Charge, Full
from keyring_bridge.store.limits import LimitCounters
from keyring_bridge.store.sqlite import SqliteStore

ONE = Charge("a", "a", "bucket", 1, 1, 1000, 1)
TWO = Charge("b", "b", "window", 2, 0, 1000, 1)


def nothing(_: Charge) -> list[tuple[float, int]]:
    return []


def test_all_are_taken_or_none(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "store.sqlite") as store:
        taken = store.reserve([TWO, ONE], nothing)
        assert not isinstance(taken, Full)
        full = store.reserve([TWO, ONE], nothing)
        assert isinstance(full, Full)
        assert full.charge is ONE
        # The refusal took nothing from the other counter, so it has one left.
        assert not isinstance(store.reserve([TWO], nothing), Full)
        assert isinstance(store.reserve([TWO], nothing), Full)
        store.give_back(taken)
        assert not isinstance(store.reserve([TWO, ONE], nothing), Full)


def test_two_stores_share_what_is_taken(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "store.sqlite") as one, SqliteStore(tmp_path / "store.sqlite") as other:
        assert not isinstance(one.reserve([ONE], nothing), Full)
        assert isinstance(other.reserve([ONE], nothing), Full)


def test_history_is_asked_once_for_each_counter(tmp_path: Path) -> None:
    asked: list[str] = []

    def history(charge: Charge) -> list[tuple[float, int]]:
        asked.append(charge.counter)
        return [(10.0, 1)]

    with SqliteStore(tmp_path / "store.sqlite") as store:
        assert not isinstance(store.reserve([TWO], history), Full)
        assert isinstance(store.reserve([TWO], history), Full)
        assert isinstance(store.reserve([ONE], history), Full)
    assert asked == ["b", "a"]


def test_a_history_that_cannot_be_read_takes_nothing(tmp_path: Path) -> None:
    def broken(_: Charge) -> list[tuple[float, int]]:
        raise StoreFailed("no")

    with SqliteStore(tmp_path / "store.sqlite") as store:
        with pytest.raises(StoreFailed):
            store.reserve([ONE], broken)
        assert not isinstance(store.reserve([ONE], nothing), Full)


def test_another_boot_begins_with_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tmp_path / "boot"
    first.write_text("one\n")
    monkeypatch.setattr(limits, "_BOOT_ID", first)
    counters = LimitCounters(tmp_path / "limits")
    assert not isinstance(counters.take([ONE], nothing), Full)
    counters.close()
    first.write_text("two\n")
    counters = LimitCounters(tmp_path / "limits")
    assert isinstance(counters.take([ONE], lambda _: [(1.0, 1)]), Full)
    counters.close()
    assert {path.name for path in tmp_path.glob("limits-*.sqlite")} == {"limits-two.sqlite"}


def test_a_machine_that_does_not_tell_its_boot_counts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_BOOT_ID", tmp_path / "none")
    with SqliteStore(tmp_path / "store.sqlite") as store, pytest.raises(StoreFailed, match="when it was started"):
        store.reserve([ONE], nothing)


@pytest.mark.parametrize("used", [False, True])
def test_a_closed_store_counts_nothing(tmp_path: Path, used: bool) -> None:
    store = SqliteStore(tmp_path / "store.sqlite")
    if used:
        store.reserve([ONE], nothing)
    store.close()
    with pytest.raises(StoreFailed):
        store.reserve([TWO], nothing)


def test_the_file_is_private(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "store.sqlite") as store:
        store.reserve([ONE], nothing)
        for path in tmp_path.glob("store-limits-*"):
            assert path.stat().st_mode & 0o777 == 0o600
