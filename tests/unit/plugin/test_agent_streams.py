"""What a relay knows of the streams between its client and the agent."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyring_plugin.agent import frames
from keyring_plugin.agent.frames import Frames, body_of
from keyring_plugin.agent.ledger import SETTLE_BYTES, Ledger
from keyring_plugin.agent.refusals import answers
from keyring_plugin.framing import Frame, FrameReader, Framing, frame

BODIES = st.lists(
    st.binary(min_size=1, max_size=40).filter(lambda body: b"\n" not in body and body.strip()), max_size=6
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(places)]


@given(BODIES, st.sampled_from(Framing), st.lists(st.integers(0, 10_000), max_size=8))
def test_messages_stay_whole_however_they_come(bodies: list[bytes], framing: Framing, cuts: list[int]) -> None:
    sent = [frame(b"{" + body, framing) for body in bodies]
    cutter, found = Frames(), []
    for piece in pieces(b"".join(sent), cuts):
        found += cutter.feed(piece)
    assert found == sent
    assert cutter.rest() == b""
    assert [body_of(message).strip(b"\n") for message in found] == [b"{" + body for body in bodies]


@given(st.binary(max_size=300), st.lists(st.integers(0, 10_000), max_size=8))
def test_nothing_is_lost_of_any_bytes(data: bytes, cuts: list[int]) -> None:
    cutter, passed = Frames(), b""
    for piece in pieces(data, cuts):
        passed += b"".join(cutter.feed(piece))
    passed += cutter.rest()
    assert passed.lstrip() == data.lstrip()


@given(st.binary(max_size=300))
def test_the_server_finds_in_what_was_passed_what_it_would_have_found(data: bytes) -> None:
    def events(chunks: list[bytes]) -> list[object]:
        reader, found = FrameReader(100), []
        for chunk in [*chunks, b""]:
            reader.feed(chunk)
            while (event := reader.next_event()) is not None:
                found.append(event.body if isinstance(event, Frame) else str(event.error))
        return found

    cutter = Frames()
    chunks = [chunk for chunk in [*cutter.feed(data), cutter.rest()] if chunk] if data else []
    assert events(chunks) == events([data] if data else [])


def test_what_is_too_long_passes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "LIMIT", 100)
    for long in (b"{" + b"x" * 500 + b"\n", b"Content-Length: 500\r\n\r\n" + b"x" * 500):
        cutter, passed = Frames(), b""
        for start in range(0, len(long), 50):
            passed += b"".join(cutter.feed(long[start : start + 50]))
            assert len(cutter._buffer) <= 150
        assert passed == long
        following = frame(b"{}", Framing.CONTENT_LENGTH if cutter.by_length else Framing.NEWLINE)
        assert cutter.feed(following) == [following]


# --- the ledger ------------------------------------------------------------------------------------------------------


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def request(identifier: object, **more: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": identifier, "method": "bridge.ping", **more}


def left(ledger: Ledger) -> list[tuple[list[str | int], bool]]:
    return [(entry.ids, entry.batch) for entry in ledger.take_open()]


def test_what_was_not_answered_is_left() -> None:
    ledger = Ledger()
    for value in (request(1), request("two"), [request(3), request(4)], {"jsonrpc": "2.0", "method": "m"}, 7, [8]):
        ledger.asked(line(value))
    ledger.asked(b"nonsense\n")
    ledger.asked(b"Content-Length: 34\r\n\r\n" + line(request(5)))
    ledger.answered(line({"jsonrpc": "2.0", "id": "two", "result": 1}))
    ledger.answered(line({"jsonrpc": "2.0", "id": None, "error": {}}))
    assert left(ledger) == [([1], False), ([3, 4], True), ([5], False)]
    assert left(ledger) == []


def test_a_batch_is_answered_as_one() -> None:
    ledger = Ledger()
    ledger.asked(line([request(1), request(2)]))
    ledger.asked(line(request(3)))
    ledger.answered(line([{"id": 2, "result": 0}, {"id": 1, "result": 0}]))
    assert left(ledger) == [([3], False)]


def test_an_id_may_be_used_again() -> None:
    ledger = Ledger()
    for _ in range(3):
        ledger.asked(line(request(1)))
        ledger.answered(line({"id": 1, "result": 0}))
    ledger.asked(line(request(1)))
    assert left(ledger) == [([1], False)]
    ledger.asked(line(request(1)))
    assert left(ledger) == [([1], False)]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30))
def test_asked_and_answered_in_any_order(steps: list[tuple[int, bool]]) -> None:
    ledger, open_ = Ledger(), set()
    for identifier, asks in steps:
        if asks and identifier not in open_:
            ledger.asked(line(request(identifier)))
            open_.add(identifier)
        elif not asks and identifier in open_:
            ledger.answered(line({"id": identifier, "result": 0}))
            open_.discard(identifier)
    assert {identifier for ids, _ in left(ledger) for identifier in ids} == open_


def test_it_does_not_grow_with_what_was_answered() -> None:
    ledger = Ledger()
    ledger.asked(line(request("first")))
    for number in range(30):
        ledger.asked(line(request(number, params={"pad": "x" * 100_000})))
        ledger.answered(line({"id": number, "result": 0}))
    assert ledger._size <= SETTLE_BYTES
    assert sum(map(len, ledger._asked)) <= SETTLE_BYTES
    assert left(ledger) == [(["first"], False)]


@pytest.mark.parametrize("by_length", [False, True])
def test_refusals_follow_the_protocol(by_length: bool) -> None:
    from keyring_plugin.agent.ledger import entry_of
    from keyring_plugin.errors import from_wire

    entries = [entry for value in (request(1), [request("a"), request("b")]) for entry in entry_of(line(value))]
    for reason, code in (
        ("peer_failed", "peer_failed"),
        ("no_agent", "peer_failed"),
        ("shutting_down", "shutting_down"),
    ):
        single, batch = (json.loads(body_of(answer)) for answer in answers(entries, reason, by_length=by_length))
        assert (single["id"], [each["id"] for each in batch]) == (1, ["a", "b"])
        for each in (single, *batch):
            assert from_wire(each["error"]).code == code
