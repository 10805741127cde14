"""States of other signers, read and written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cosmos_formats import sign_state
from cosmos_formats.privval.canonical import vote_sign_bytes
from cosmos_formats.privval.model import NIL
from keyring_bridge.validator.state_formats import InvalidState, StateFormat, read, write
from keyring_bridge.validator.watermark import HIGHEST, HIGHEST_ROUND, Limits, Place, Request, Watermark, decide
from tests.consensus import CHAIN, EARLY, LATE, NOW, precommit, vote

VALIDATORS = Path(__file__).parents[3] / "fixtures" / "validators" / "ed25519"
SIGNED = Watermark(Place(5, 1, 2), vote_sign_bytes(CHAIN, vote(5, 1).vote), b"s" * 64, NOW)
RESERVED = replace(SIGNED, signature=b"")
FORMATS = list(StateFormat)


@pytest.mark.parametrize("name", ["fresh", "propose", "prevote_nil", "precommit"])
def test_states_that_cometbft_wrote(name: str) -> None:
    content = (VALIDATORS / f"state_{name}.json").read_bytes()
    mark = read(content, StateFormat.FILEPV, CHAIN, NOW)
    assert write(mark, StateFormat.FILEPV) == content
    assert (mark.moment, bool(mark.signature)) == (NOW, name != "fresh")


@pytest.mark.parametrize("form", [StateFormat.FILEPV, StateFormat.HORCRUX])
def test_what_was_signed_goes_there_and_back(form: StateFormat) -> None:
    assert read(write(SIGNED, form), form, CHAIN, NOW) == SIGNED


def test_horcrux_has_the_round_as_text() -> None:
    assert b'"round": "1"' in write(SIGNED, StateFormat.HORCRUX)
    assert b'"round": 1' in write(SIGNED, StateFormat.FILEPV)


@pytest.mark.parametrize("form", [StateFormat.FILEPV, StateFormat.HORCRUX])
def test_what_was_reserved_is_not_signed_again_elsewhere(form: StateFormat) -> None:
    there = read(write(RESERVED, form), form, CHAIN, NOW)
    assert there == Watermark(SIGNED.place, moment=NOW)


@pytest.mark.parametrize("mark", [SIGNED, RESERVED])
def test_tmkms_keeps_the_block_and_nothing_more_is_signed_there(mark: Watermark) -> None:
    content = write(mark, StateFormat.TMKMS)
    assert mark.sign_bytes
    assert b'"step":1' in content
    assert b"a" * 32 in bytes.fromhex(content.decode().partition('"hash":"')[2][:64])
    there = read(content, StateFormat.TMKMS, CHAIN, NOW)
    assert there == Watermark(SIGNED.place, moment=NOW)
    for when in (EARLY, LATE):
        with pytest.raises(Exception, match="no SignBytes found"):
            decide(there, Request.of_vote(CHAIN, vote(5, 1, when=when).vote), Limits(), NOW)
    assert decide(there, Request.of_vote(CHAIN, precommit(5, 1).vote), Limits(), NOW).is_new


def test_a_place_without_a_block_is_the_next_one_in_tmkms() -> None:
    there = read(write(Watermark(Place(5, 1, 2), moment=NOW), StateFormat.TMKMS), StateFormat.TMKMS, CHAIN, NOW)
    assert there.place == Place(5, 1, 3)
    with pytest.raises(InvalidState):
        write(Watermark(Place(HIGHEST, HIGHEST_ROUND, 3), moment=NOW), StateFormat.TMKMS)


def test_a_vote_for_nil_in_tmkms() -> None:
    mark = Watermark(Place(5, 1, 2), vote_sign_bytes(CHAIN, vote(5, 1, block=NIL).vote), b"s" * 64, NOW)
    assert b'"block_id":null' in write(mark, StateFormat.TMKMS)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"height":"1","round":0}', b'{"height":"-1","round":0,"step":1}']
)
def test_what_is_no_state(form: StateFormat, content: bytes) -> None:
    with pytest.raises(InvalidState):
        read(content, form, CHAIN, NOW)


def test_states_that_contradict_themselves() -> None:
    def state(place: Place, sign_bytes: bytes) -> bytes:
        return sign_state.write(sign_state.SignState(*place, b"s" * 64, sign_bytes))

    for place in (Place(6, 1, 2), Place(5, 0, 2), Place(5, 1, 3), Place(5, 1, 1)):
        with pytest.raises(InvalidState, match="numbers"):
            read(state(place, SIGNED.sign_bytes), StateFormat.FILEPV, CHAIN, NOW)
    with pytest.raises(InvalidState, match="testchain-1"):
        read(state(SIGNED.place, SIGNED.sign_bytes), StateFormat.FILEPV, "another", NOW)
    for wrong in (SIGNED.sign_bytes[:-1], SIGNED.sign_bytes + b"\0", b"\0"):
        with pytest.raises(InvalidState):
            read(state(SIGNED.place, wrong), StateFormat.FILEPV, CHAIN, NOW)
