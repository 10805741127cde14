"""The memory of nonces."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from keyring_bridge.store import NONCES_KEPT
from keyring_bridge.store.nonces import TRIM_EVERY
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


def test_the_last_ten_thousand_are_kept_and_not_many_more(store: SqliteStore, path: Path) -> None:
    fill(store, 0, 5, OTHER_KEY)
    repeated = number(0)
    fill(store, 0, NONCES_KEPT // 2)
    # The first one is used again, over its digest: that makes it one of the newest.
    assert store.note_nonce(KEY, repeated, repeated)
    fill(store, NONCES_KEPT // 2, NONCES_KEPT // 2 + 3 * TRIM_EVERY)
    assert not store.note_nonce(KEY, repeated, b"x" * 32)
    oldest_kept = 3 * TRIM_EVERY
    assert not store.note_nonce(KEY, number(oldest_kept), b"x" * 32)
    assert store.note_nonce(KEY, number(1), b"x" * 32)
    for value in range(5):
        assert not store.note_nonce(OTHER_KEY, number(value), b"x" * 32)


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
