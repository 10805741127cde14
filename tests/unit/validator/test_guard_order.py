"""The order of things around a consensus signature."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cosmos_formats.privval.canonical import extension_sign_bytes, vote_sign_bytes
from cosmos_formats.privval.model import BlockId
from cosmos_formats.verify import verify
from keyring_bridge.errors import SignatureRejected
from keyring_bridge.validator.errors import ConsensusRefused, HeightTooFar, WatermarkFailed, WatermarkMoved
from keyring_bridge.validator.guard import Guard
from keyring_bridge.validator.watermark import Limits, Watermark
from tests.consensus import (
    BLOCK_B,
    CHAIN,
    EARLY,
    LATE,
    NOW,
    Device,
    MemoryStore,
    new_file,
    open_file,
    precommit,
    proposal,
    vote,
)

DEVICE = Device()


class Gone(Exception):
    """The device is not there."""


def gone(message: bytes) -> bytes:
    raise Gone


def guard(store: MemoryStore) -> Guard:
    return Guard(store, DEVICE.public_key, CHAIN)


def test_what_a_node_gets() -> None:
    device = Device()
    asked = precommit(5, 1, extension=b"extension")
    given = guard(MemoryStore()).vote(asked, device, NOW)
    assert given.extension == b""
    assert (given.block_id, given.timestamp) == (asked.vote.block_id, EARLY)
    assert verify(device.public_key, vote_sign_bytes(CHAIN, asked.vote), given.signature)
    assert verify(device.public_key, extension_sign_bytes(CHAIN, asked.vote), given.extension_signature)


def test_the_place_is_taken_before_the_device_is_asked() -> None:
    store = MemoryStore()
    seen: list[Watermark] = []

    def look(message: bytes) -> bytes:
        seen.append(store.mark)
        return DEVICE(message)

    guard(store).vote(vote(5), look, NOW)
    assert [mark.sign_bytes for mark in seen] == [vote_sign_bytes(CHAIN, vote(5).vote)]


def test_a_device_that_fails_leaves_the_place_taken_by_these_bytes() -> None:
    store = MemoryStore()
    with pytest.raises(Gone):
        guard(store).vote(vote(5, when=EARLY), gone, NOW)
    with pytest.raises(ConsensusRefused, match="conflicting data"):
        guard(store).vote(vote(5, block=BLOCK_B), DEVICE, NOW)
    device = Device()
    given = guard(store).vote(vote(5, when=LATE), device, NOW)
    assert given.timestamp == EARLY
    assert device.signed == [vote_sign_bytes(CHAIN, vote(5, when=EARLY).vote)]


def test_a_kept_signature_is_not_made_again() -> None:
    store, device = MemoryStore(), Device()
    first = guard(store).vote(vote(5), device, NOW)
    assert guard(store).vote(vote(5, when=LATE), gone, NOW) == first


def test_only_the_extension_is_signed_again() -> None:
    store = MemoryStore()
    first = guard(store).vote(precommit(5, extension=b"one"), DEVICE, NOW)
    device = Device()
    second = guard(store).vote(precommit(5, extension=b"two"), device, NOW)
    assert device.signed == [extension_sign_bytes(CHAIN, precommit(5, extension=b"two").vote)]
    assert second.signature == first.signature
    assert second.extension_signature != first.extension_signature


def test_a_kept_signature_that_is_none_is_made_again() -> None:
    store = MemoryStore()
    first = guard(store).vote(vote(5), DEVICE, NOW)
    store.keep(store.mark, b"x" * 64)
    assert guard(store).vote(vote(5), DEVICE, NOW) == first


@pytest.mark.parametrize("asked", [vote(5), precommit(5)])
def test_what_is_no_signature_does_not_leave(asked: object) -> None:
    for wrong in (Device(b"w" * 32), lambda message: b"", lambda message: bytes(64), lambda message: DEVICE(b"other")):
        store = MemoryStore()
        with pytest.raises(SignatureRejected):
            guard(store).vote(asked, wrong, NOW)  # type: ignore[arg-type]  # a request for a vote
        assert store.mark.signature == b""


def test_other_chains() -> None:
    for chain in ("", "testchain-2", "testchain-1 "):
        with pytest.raises(ConsensusRefused, match=r"^unable to sign vote$"):
            guard(MemoryStore()).vote(vote(5, chain_id=chain), gone, NOW)
        with pytest.raises(ConsensusRefused, match=r"^unable to sign proposal$"):
            guard(MemoryStore()).proposal(proposal(5, chain=chain), gone, NOW)


def test_limits_hold_unless_they_are_given() -> None:
    with pytest.raises(HeightTooFar):
        guard(MemoryStore()).vote(vote(1001), gone, NOW)
    Guard(MemoryStore(), DEVICE.public_key, CHAIN, Limits(jump=2000)).vote(vote(1001), DEVICE, NOW)


def test_a_store_that_fails_keeps_the_device_out_of_it(tmp_path: Path) -> None:
    file = open_file(new_file(tmp_path))
    file.close()
    with pytest.raises(WatermarkFailed):
        Guard(file, DEVICE.public_key, CHAIN).vote(vote(5), gone, NOW)


def test_threads_take_turns() -> None:
    """Six ask for six blocks at the same place: one gets its signature, and the device does one thing at a time."""
    store, device, busy = MemoryStore(), Device(), threading.Lock()
    shared, ready = guard(store), threading.Barrier(6)

    def careful(message: bytes) -> bytes:
        assert busy.acquire(blocking=False)
        try:
            return device(message)
        finally:
            busy.release()

    def ask(number: int) -> bytes:
        ready.wait()
        try:
            return shared.vote(vote(5, block=BlockId(bytes([number]) * 32, 1, bytes(32))), careful, NOW).signature
        except ConsensusRefused as refused:
            assert str(refused) == "error signing vote: conflicting data"  # noqa: PT017 - the others must succeed
            return b""

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert len(device.signed) == 1
    assert sorted(map(len, answers)) == [0, 0, 0, 0, 0, 64]


class Racing(MemoryStore):
    """Another process takes a place in between, each time that one is reserved here."""

    def __init__(self, *others: Watermark) -> None:
        super().__init__()
        self.others = list(others)

    def reserve(self, expected: Watermark, new: Watermark) -> None:
        if self.others:
            self.mark = self.others.pop(0)
        super().reserve(expected, new)


def test_whoever_comes_second_answers_from_what_the_first_stored() -> None:
    first, second = MemoryStore(), MemoryStore()
    guard(first).vote(vote(5, when=EARLY), DEVICE, NOW)
    racing = Racing(first.mark)
    assert guard(racing).vote(vote(5, when=LATE), gone, NOW).timestamp == EARLY
    guard(second).vote(vote(5, block=BLOCK_B), DEVICE, NOW)
    with pytest.raises(ConsensusRefused, match="conflicting data"):
        guard(Racing(second.mark)).vote(vote(5), gone, NOW)


def test_a_race_that_does_not_end() -> None:
    marks = []
    for height in range(1, 10):
        store = MemoryStore()
        guard(store).vote(vote(height), DEVICE, NOW)
        marks.append(store.mark)
    with pytest.raises(WatermarkMoved):
        guard(Racing(*marks)).vote(vote(50), gone, NOW)
