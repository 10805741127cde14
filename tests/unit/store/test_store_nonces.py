"""The memory of nonces."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from keyring_bridge.errors import StoreFailed
from keyring_bridge.store import NONCES_KEPT
from keyring_bridge.store.nonce_file import SLOTS
from keyring_bridge.store.nonces import OPEN_FILES
from keyring_bridge.store.sqlite import SqliteStore

KEY, OTHER_KEY = "ab" * 32, "cd" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(path) as store:
        yield store


def number(value: int) -> bytes:
    return sha256(value.to_bytes(8, "big")).digest()


def test_a_nonce_over_another_digest_is_found(store: SqliteStore, path: Path) -> None:
    assert store.note_nonce(KEY, number(1), b"d" * 32)
    assert not store.note_nonce(KEY, number(1), b"e" * 32)
    # Also by another process, later, and again.
    with SqliteStore(path) as other:
        assert not other.note_nonce(KEY, number(1), b"e" * 32)
    assert not store.note_nonce(KEY, number(1), b"e" * 32)


@pytest.mark.parametrize("changed", range(32))
def test_digests_that_differ_in_one_byte_are_different(store: SqliteStore, path: Path, changed: int) -> None:
    """A caller of blind signing chooses them, so they need not look random."""
    digest = b"d" * changed + b"e" + b"d" * (31 - changed)
    assert store.note_nonce(KEY, number(1), b"d" * 32)
    assert not store.note_nonce(KEY, number(1), digest)
    with SqliteStore(path) as other:
        assert not other.note_nonce(KEY, number(1), digest)


def test_a_deterministic_signer_may_repeat_itself(store: SqliteStore) -> None:
    for _ in range(3):
        assert store.note_nonce(KEY, number(1), b"d" * 32)
    assert not store.note_nonce(KEY, number(1), b"e" * 32)


def test_keys_are_apart(store: SqliteStore) -> None:
    assert store.note_nonce(KEY, number(1), b"d" * 32)
    assert store.note_nonce(OTHER_KEY, number(1), b"e" * 32)
    assert not store.note_nonce(OTHER_KEY, number(1), b"d" * 32)


def fill(store: SqliteStore, first: int, count: int, key: str = KEY) -> None:
    for value in range(first, first + count):
        assert store.note_nonce(key, number(value), number(value))


@pytest.mark.parametrize("reopened", [False, True])
def test_the_last_ten_thousand_are_kept_and_not_many_more(store: SqliteStore, path: Path, reopened: bool) -> None:
    fill(store, 0, 5, OTHER_KEY)
    repeated = number(0)
    fill(store, 0, NONCES_KEPT // 2)
    # The first one is used again, over its digest: that makes it one of the newest.
    assert store.note_nonce(KEY, repeated, repeated)
    fill(store, NONCES_KEPT // 2, NONCES_KEPT // 2 + 800)
    # The last ten thousand are this one again, and 9,999 others.
    oldest_kept = 800 + 1
    asked = SqliteStore(path) if reopened else store
    assert not asked.note_nonce(KEY, repeated, b"x" * 32)
    assert not asked.note_nonce(KEY, number(oldest_kept), b"x" * 32)
    assert asked.note_nonce(KEY, number(oldest_kept - 2), b"x" * 32)
    for value in range(5):
        assert not asked.note_nonce(OTHER_KEY, number(value), b"x" * 32)
    asked.close()
    assert (path.parent / "store-nonces" / KEY).stat().st_size == 64 * (1 + SLOTS)


@pytest.mark.parametrize("between", [0, 1, SLOTS - 1, SLOTS, SLOTS + 1])
def test_what_another_process_noted_is_known(store: SqliteStore, path: Path, between: int) -> None:
    fill(store, 0, 3)
    with SqliteStore(path) as other:
        fill(other, 3, between)
    assert store.note_nonce(KEY, number(9_999_999), b"d" * 32)
    if between:
        assert not store.note_nonce(KEY, number(2 + between), b"x" * 32)
        assert not store.note_nonce(KEY, number(max(3, 2 + between - (SLOTS - 2))), b"x" * 32)


def test_only_some_files_stay_open(store: SqliteStore) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for value in range(OPEN_FILES + 20):
        assert store.note_nonce(f"{value:064x}", number(value), b"d" * 32)
    assert len(os.listdir("/proc/self/fd")) - before <= OPEN_FILES
    for value in range(OPEN_FILES + 20):
        assert not store.note_nonce(f"{value:064x}", number(value), b"x" * 32)


HEADER = 64


@pytest.mark.parametrize("kept", [0, 10, HEADER, HEADER + 30])
def test_a_file_that_was_begun_is_continued(store: SqliteStore, path: Path, kept: int) -> None:
    """A killed process or a full disk leaves it so; nobody was told that anything was noted."""
    file = path.parent / "store-nonces" / KEY
    fill(store, 0, 1)
    os.truncate(file, kept)
    with SqliteStore(path) as other:
        fill(other, 5, 2)
        assert not other.note_nonce(KEY, number(5), b"x" * 32)
    assert file.stat().st_size == HEADER + 2 * 64


@pytest.mark.parametrize(
    ("harm", "match"),
    [
        (lambda data: b"SQLite format 3\0" + data[16:], "another program"),
        (lambda data: data[:22] + b"1" + data[23:], "another release"),
        (lambda data: data[:24] + bytes(32) + data[56:], "damaged"),
        (lambda data: data[:70] + bytes([data[70] ^ 1]) + data[71:], "damaged"),
        (lambda data: data[:HEADER] + data[HEADER + 64 :] + data[HEADER : HEADER + 64], "damaged"),
        (lambda data: data[:HEADER] + b"\xff" * 192, "damaged"),
    ],
)
def test_a_file_that_was_changed(store: SqliteStore, path: Path, harm: Callable[[bytes], bytes], match: str) -> None:
    fill(store, 0, 3)
    file = path.parent / "store-nonces" / KEY
    changed = harm(file.read_bytes())
    file.write_bytes(changed)
    with SqliteStore(path) as other, pytest.raises(StoreFailed, match=match) as caught:
        other.note_nonce(KEY, number(9), b"x" * 32)
    assert str(path.parent) not in str(caught.value)
    assert str(file) in (caught.value.detail or "")
    assert file.read_bytes() == changed


def test_slots_that_a_power_cut_took_are_empty(store: SqliteStore, path: Path) -> None:
    fill(store, 0, 6)
    file = path.parent / "store-nonces" / KEY
    data = file.read_bytes()
    file.write_bytes(data[: HEADER + 64] + bytes(3 * 64) + data[HEADER + 4 * 64 :])
    with SqliteStore(path) as other:
        assert not other.note_nonce(KEY, number(5), b"x" * 32)
        assert not other.note_nonce(KEY, number(0), b"x" * 32)
        assert other.note_nonce(KEY, number(2), b"x" * 32)


def test_a_closed_memory(path: Path) -> None:
    store = SqliteStore(path)
    fill(store, 0, 1)
    store.close()
    with pytest.raises(StoreFailed, match="closed"):
        fill(store, 1, 1)


def test_a_forked_child_notes_nothing(store: SqliteStore) -> None:
    fill(store, 0, 1)
    child = os.fork()
    if child == 0:
        try:
            fill(store, 1, 1)
        except StoreFailed:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_threads(store: SqliteStore) -> None:
    found: list[bool] = []

    def work(thread: int) -> None:
        found.extend(store.note_nonce(KEY, number(value), bytes([thread]) * 32) for value in range(200))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each nonce is good for exactly one of the four digests.
    assert found.count(True) == 200
