"""The client's side of a connection, against a server that does as the test says."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from keyring_bridge.errors import BridgeError, DeadlineExceeded, KeyNotFound, PeerFailed
from keyring_plugin import channel as channel_module
from keyring_plugin.channel import Channel
from keyring_plugin.connection import Connection
from keyring_plugin.errors import ParseError, to_wire
from keyring_plugin.framing import Frame, FrameReader, Framing, frame


class Wire:
    """A channel and the socket at its other end."""

    def __init__(self, framing: Framing = Framing.NEWLINE) -> None:
        ours, self.peer = socket.socketpair()
        self.peer.settimeout(5)
        descriptor = ours.detach()
        self.channel = Channel(Connection(descriptor, descriptor), framing, lambda: "the test closed it")
        self.framing = framing
        self._reader = FrameReader(1 << 20, framing)

    def request(self) -> Any:
        while not isinstance(event := self._reader.next_event(), Frame):
            self._reader.feed(self.peer.recv(65536))
        return json.loads(event.body)

    def answer(self, identifier: object, result: object) -> None:
        self.send({"jsonrpc": "2.0", "id": identifier, "result": result})

    def send(self, message: object) -> None:
        self.peer.sendall(frame(json.dumps(message).encode(), self.framing))

    def serve(self, handle: Callable[[Any], None], count: int) -> threading.Thread:
        thread = threading.Thread(target=lambda: [handle(self.request()) for _ in range(count)])
        thread.start()
        return thread


@pytest.fixture(params=list(Framing))
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    made = Wire(request.param)
    yield made
    made.peer.close()
    made.channel.close()


def test_a_call_says_its_deadline_and_gets_its_answer(wire: Wire) -> None:
    seen: list[Any] = []

    def handle(request: Any) -> None:
        seen.append(request)
        wire.answer(request["id"], {"it": "is"})

    thread = wire.serve(handle, 1)
    assert wire.channel.call("keyring.key", {"uid": "a"}, 2.5) == {"it": "is"}
    thread.join()
    assert seen == [{"jsonrpc": "2.0", "id": 1, "method": "keyring.key", "params": {"uid": "a", "deadline_ms": 2500}}]


def test_errors_come_as_their_class(wire: Wire) -> None:
    error = to_wire(KeyNotFound("a.info: key not found"))
    thread = wire.serve(lambda request: wire.send({"jsonrpc": "2.0", "id": request["id"], "error": error}), 1)
    with pytest.raises(KeyNotFound, match=r"a\.info: key not found"):
        wire.channel.call("keyring.key", {"uid": "a"}, 2)
    thread.join()


def test_answers_out_of_order_reach_their_threads(wire: Wire) -> None:
    count, held = 24, []

    def handle(request: Any) -> None:
        held.append(request)
        if len(held) == 8:
            for late in reversed(held):
                wire.answer(late["id"], late["params"]["n"] * 10)
            held.clear()

    thread = wire.serve(handle, count)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda n: wire.channel.call("m", {"n": n}, 10), range(count))
        assert list(answers) == [n * 10 for n in range(count)]
    thread.join()


def test_one_thread_that_has_its_answer_lets_the_next_read(wire: Wire) -> None:
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(wire.channel.call, "m", {"n": n}, 10) for n in range(3)]
        requests = {request["params"]["n"]: request["id"] for request in (wire.request() for _ in range(3))}
        for n in (0, 1, 2):
            wire.answer(requests[n], n)
            assert calls[n].result(5) == n


def test_answers_to_nobody_are_ignored(wire: Wire) -> None:
    def handle(request: Any) -> None:
        for other in (999, "x", None, 1.5, request["id"]):
            wire.answer(other, other)

    thread = wire.serve(handle, 1)
    assert wire.channel.call("m", {}, 2) == 1
    thread.join()


def test_no_answer_in_time_is_cancelled(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "GRACE_SECONDS", 0.1)
    begin = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        wire.channel.call("m", {}, 0.05)
    assert time.monotonic() - begin < 2
    first = wire.request()
    assert wire.request() == {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": first["id"]}}
    wire.answer(first["id"], "too late")
    thread = wire.serve(lambda request: wire.answer(request["id"], "in time"), 1)
    assert wire.channel.call("m", {}, 2) == "in time"
    thread.join()


def test_a_reader_that_gives_up_leaves_another_one_reading(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "GRACE_SECONDS", 0.05)
    with ThreadPoolExecutor(2) as pool:
        impatient = pool.submit(wire.channel.call, "m", {}, 0.05)
        wire.request()
        patient = pool.submit(wire.channel.call, "m", {}, 5)
        request = wire.request()
        with pytest.raises(DeadlineExceeded):
            impatient.result(5)
        wire.answer(request["id"], "here")
        assert patient.result(5) == "here"


def test_the_end_of_the_stream_fails_everyone(wire: Wire) -> None:
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(wire.channel.call, "m", {}, 20) for _ in range(5)]
        for _ in calls:
            wire.request()
        wire.peer.close()
        for call in calls:
            with pytest.raises(PeerFailed, match="the test closed it"):
                call.result(5)
    with pytest.raises(PeerFailed, match="the test closed it"):
        wire.channel.call("m", {}, 20)


@pytest.mark.parametrize(
    "message", [7, [], {}, {"id": 1}, {"id": 1, "result": 1, "error": {}}, [{"id": 1, "result": 1}], "text"]
)
def test_a_server_that_breaks_the_protocol(wire: Wire, message: object) -> None:
    thread = wire.serve(lambda _: wire.send(message), 1)
    with pytest.raises(PeerFailed, match="does not follow the protocol"):
        wire.channel.call("m", {}, 2)
    thread.join()


@pytest.mark.parametrize("line", [b"hello\n", b'{"id":1,"result":NaN}\n', b"\xff\n"])
def test_a_server_that_sends_no_json(line: bytes) -> None:
    wire = Wire()
    thread = wire.serve(lambda _: wire.peer.sendall(line), 1)
    with pytest.raises(PeerFailed, match="does not follow the protocol"):
        wire.channel.call("m", {}, 2)
    thread.join()
    wire.peer.close()
    wire.channel.close()


def test_an_error_for_nobody_in_particular_is_everybodys(wire: Wire) -> None:
    error = to_wire(ParseError("not JSON"))
    thread = wire.serve(lambda _: wire.send({"jsonrpc": "2.0", "id": None, "error": error}), 1)
    with pytest.raises(ParseError):
        wire.channel.call("m", {}, 2)
    thread.join()
    thread = wire.serve(lambda request: wire.answer(request["id"], "fine again"), 1)
    assert wire.channel.call("m", {}, 2) == "fine again"
    thread.join()


def test_closing_fails_who_waits(wire: Wire) -> None:
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(wire.channel.call, "m", {}, 20)
        wire.request()
        wire.channel.finish()
        assert wire.peer.recv(1) == b""
        wire.peer.close()
        wire.channel.close()
        with pytest.raises(PeerFailed):
            call.result(5)
    wire.channel.close()


def test_many_threads_and_a_server_that_dies(wire: Wire) -> None:
    outcomes: list[object] = []

    def run() -> None:
        while True:
            try:
                outcomes.append(wire.channel.call("m", {}, 20))
            except BridgeError as error:
                outcomes.append(type(error))
                return

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for number in range(300):
        wire.answer(wire.request()["id"], number)
    wire.peer.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert sorted(each for each in outcomes if isinstance(each, int)) == list(range(300))
    assert [each for each in outcomes if not isinstance(each, int)] == [PeerFailed] * 10
