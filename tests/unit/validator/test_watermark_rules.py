"""The rules against signing twice that are ours alone; FilePV's are held by tests/interop/test_filepv_answers.py."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.privval.canonical import vote_sign_bytes
from keyring_bridge.validator.errors import ConsensusRefused, DoubleSign, HeightTooFar
from keyring_bridge.validator.watermark import HIGHEST, Limits, Place, Request, Step, Watermark, decide
from tests.consensus import BLOCK_A, BLOCK_B, CHAIN, EARLY, FRESH, LATE, NOW, precommit, vote

if TYPE_CHECKING:
    from cosmos_formats.privval.messages import SignVoteRequest


def request(asked: SignVoteRequest) -> Request:
    return Request.of_vote(CHAIN, asked.vote, skip_extension_signing=asked.skip_extension_signing)


def taken(asked: SignVoteRequest, signature: bytes = b"") -> Watermark:
    asks = request(asked)
    return Watermark(asks.place, asks.sign_bytes, signature, NOW)


def test_a_new_place_is_taken_with_the_bytes_asked_for() -> None:
    decision = decide(FRESH, request(vote(7, 2)), Limits(), NOW + 5)
    assert decision.is_new
    assert decision.mark == Watermark(Place(7, 2, Step.PREVOTE), vote_sign_bytes(CHAIN, vote(7, 2).vote), b"", NOW + 5)
    assert decision.timestamp == EARLY


def test_after_a_crash_the_stored_bytes_count() -> None:
    mark = taken(vote(7, when=EARLY))
    decision = decide(mark, request(vote(7, when=LATE)), Limits(), NOW)
    assert (decision.is_new, decision.mark, decision.timestamp) == (False, mark, EARLY)
    with pytest.raises(DoubleSign, match="error signing vote: conflicting data"):
        decide(mark, request(vote(7, block=BLOCK_B)), Limits(), NOW)


def test_nothing_is_signed_at_a_place_of_which_nobody_knows_what_was_signed() -> None:
    mark = Watermark(Place(7, 0, Step.PREVOTE), moment=NOW)
    with pytest.raises(DoubleSign, match="no SignBytes found"):
        decide(mark, request(vote(7)), Limits(), NOW)
    assert decide(mark, request(precommit(7)), Limits(), NOW).is_new


def test_another_chains_message_at_the_same_place_conflicts() -> None:
    other = Request.of_vote("another-chain", vote(7).vote)
    with pytest.raises(DoubleSign):
        decide(taken(vote(7)), other, Limits(), NOW)


@pytest.mark.parametrize(
    ("elapsed", "height", "signed"),
    [
        (0, 1100, True),
        (0, 1101, False),
        (249, 1101, False),
        (250, 1101, True),
        (60_000, 1340, True),
        (60_000, 1341, False),
        (-3_600_000, 1100, True),  # a clock that went back
        (-3_600_000, 1101, False),
    ],
)
def test_heights_that_a_chain_cannot_have_reached(elapsed: int, height: int, signed: bool) -> None:
    mark = taken(vote(100))
    if signed:
        assert decide(mark, request(vote(height)), Limits(), NOW + elapsed).is_new
        return
    with pytest.raises(HeightTooFar) as caught:
        decide(mark, request(vote(height)), Limits(), NOW + elapsed)
    assert str(caught.value) == f"error signing vote: height {height} is too far above the last height 100"


def test_a_clock_that_was_set_back_and_then_right_allows_no_more() -> None:
    hour = 3_600_000
    mark = decide(taken(vote(100)), request(vote(101)), Limits(), NOW - hour).mark
    assert mark.moment == NOW
    with pytest.raises(HeightTooFar):
        decide(mark, request(vote(1102)), Limits(), NOW)


def test_a_forged_request_does_not_use_up_all_heights() -> None:
    with pytest.raises(HeightTooFar):
        decide(taken(vote(100)), request(vote(HIGHEST)), Limits(), NOW)
    assert decide(taken(vote(100)), request(vote(HIGHEST)), Limits(jump=None), NOW).is_new


def test_the_last_height_to_be_signed() -> None:
    limits = Limits(max_height=100)
    assert decide(FRESH, request(vote(100)), limits, NOW).is_new
    with pytest.raises(HeightTooFar, match="above the last one"):
        decide(FRESH, request(vote(101)), limits, NOW)
    # What was signed is told again.
    assert not decide(taken(vote(101), b"s"), request(vote(101)), limits, NOW).is_new


def test_negative_rounds() -> None:
    with pytest.raises(ConsensusRefused, match="negative round"):
        decide(FRESH, request(vote(1, -1)), Limits(), NOW)


def test_which_extensions_are_signed() -> None:
    from cosmos_formats.privval.model import NIL

    def asks(asked: SignVoteRequest) -> tuple[bool, bool]:
        made = request(asked)
        return made.extension is not None, made.extension_misplaced

    assert asks(precommit(1)) == (True, False)  # an empty one too
    assert asks(precommit(1, extension=b"e")) == (True, False)
    assert asks(precommit(1, block=NIL)) == (False, False)
    assert asks(precommit(1, block=NIL, extension=b"e")) == (False, True)
    assert asks(vote(1)) == (False, False)
    assert asks(vote(1, extension=b"e")) == (False, True)
    for extension in (b"", b"e"):
        for block in (BLOCK_A, NIL):
            assert asks(precommit(1, block=block, extension=extension, skip_extension_signing=True)) == (False, False)


@pytest.mark.parametrize(
    "change",
    [
        {"place": Place(-1, 0, 0)},
        {"place": Place(1 << 63, 0, 0)},
        {"place": Place(0, -1, 0)},
        {"place": Place(0, 1 << 31, 0)},
        {"place": Place(0, 0, 4)},
        {"signature": b"s"},
        {"moment": -1},
    ],
)
def test_watermarks_that_cannot_be(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"range|nothing"):
        replace(FRESH, **change)  # type: ignore[arg-type]  # fields of several types
