"""The server over real pipes, with a dispatcher whose calls last as long as a test wants."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from keyring_bridge.config.model import RpcConfig
from keyring_bridge.watchdog import Watchdog
from keyring_plugin import jsontext
from keyring_plugin.connection import Connection
from keyring_plugin.framing import Frame, FrameReader
from keyring_plugin.server import Server

if TYPE_CHECKING:
    from keyring_plugin.jsonrpc import Call

SOON = 5.0
"""Longer than anything here takes, short enough to notice what never happens."""


class Calls:
    """Stands for the methods: ``echo`` answers at once, ``wait`` when the test lets it."""

    def __init__(self) -> None:
        self.begun: list[object] = []
        self.released: dict[object, threading.Event] = {}
        self.over = False
        self._lock = threading.Condition()

    def answer(self, call: Call, deadline: float) -> bytes:
        tag = call.id if call.id is not None else call.params
        if call.method == "wait":
            with self._lock:
                self.begun.append(tag)
                released = self.released.setdefault(str(tag), threading.Event())
                if self.over:
                    released.set()
                self._lock.notify_all()
            released.wait(30)
        if call.id is None:
            return b""
        return jsontext.encode({"jsonrpc": "2.0", "result": call.params or call.method, "id": call.id})

    def release(self, *tags: object) -> None:
        with self._lock:
            for tag in tags:
                self.released.setdefault(str(tag), threading.Event()).set()

    def release_all(self) -> None:
        """Let every call go, those to come too."""
        with self._lock:
            self.over = True
            for released in self.released.values():
                released.set()

    def wait_begun(self, count: int) -> None:
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.begun) >= count, SOON), self.begun


class Client:
    """The other end of the pipes."""

    def __init__(self, limits: RpcConfig) -> None:
        their_input, self.output = os.pipe()
        self.input, their_output = os.pipe()
        self.calls = Calls()
        self.over = threading.Event()
        self._reader = FrameReader(1 << 24)
        self._answers: list[Any] = []
        self.watchdog = Watchdog()
        self.server = Server(
            Connection(their_input, their_output),
            self.calls,  # type: ignore[arg-type]  # it has what the server uses of a dispatcher
            limits,
            self.watchdog,
            self.over.set,
        )
        self.server.start()

    def send(self, *messages: object) -> None:
        os.write(self.output, b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def send_raw(self, data: bytes) -> None:
        os.write(self.output, data)

    def ask(self, method: str, identifier: object = None, **params: object) -> None:
        message = {"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})}
        self.send(message if identifier is None else {**message, "id": identifier})

    def answer(self) -> Any:
        """The next answer, whichever it is."""
        while True:
            event = self._reader.next_event()
            if isinstance(event, Frame):
                return json.loads(event.body)
            assert event is None
            self._reader.feed(read_in_time(self.input))

    def answers(self, count: int) -> dict[object, Any]:
        """The next answers by id."""
        return {answer["id"]: answer for answer in (self.answer() for _ in range(count))}

    def silent(self, seconds: float = 0.15) -> bool:
        """Whether nothing comes for a while."""
        return self._reader.next_event() is None and not readable(self.input, seconds)


def readable(descriptor: int, seconds: float) -> bool:
    import select

    return bool(select.select([descriptor], [], [], seconds)[0])


def read_in_time(descriptor: int) -> bytes:
    assert readable(descriptor, SOON), "no answer"
    return os.read(descriptor, 65536)


def code(answer: Any) -> str:
    return str(answer["error"]["data"]["code"])


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.005)


def alive() -> int:
    return sum(thread.name.startswith("rpc") for thread in threading.enumerate())


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def begin(**limits: Any) -> Client:
        clients.append(Client(RpcConfig(**limits)))
        return clients[-1]

    yield begin
    for client in clients:
        client.calls.release_all()
        os.close(client.output)
        assert client.over.wait(SOON)
        client.server.drain(SOON)
        client.watchdog.close()
        os.close(client.input)
    until(lambda: alive() == 0)


def test_requests_are_served_side_by_side_and_answered_when_done(start: Callable[..., Client]) -> None:
    client = start()
    for number in range(4):
        client.ask("wait", number)
    client.calls.wait_begun(4)
    client.ask("echo", "now")
    assert client.answer()["id"] == "now"
    for number in (2, 0, 3, 1):
        client.calls.release(number)
        assert client.answer() == {"jsonrpc": "2.0", "result": "wait", "id": number}


def test_one_request_at_a_time_needs_few_threads(start: Callable[..., Client]) -> None:
    client = start()
    for number in range(100):
        client.ask("echo", number)
        assert client.answer()["id"] == number
    # Two take turns; a third is there if an answer was read before its thread was back.
    assert alive() <= 3


def test_no_more_than_the_workers_are_served_and_the_rest_waits_its_turn(start: Callable[..., Client]) -> None:
    client = start(workers=2)
    for number in range(5):
        client.ask("wait", number)
    client.calls.wait_begun(2)
    assert client.silent()
    assert set(client.calls.begun) == {0, 1}
    client.calls.release(1)
    assert client.answer()["id"] == 1
    client.calls.wait_begun(3)
    assert client.calls.begun[2:] == [2]
    client.calls.release(0, 2, 3, 4)
    assert set(client.answers(4)) == {0, 2, 3, 4}
    assert alive() <= 3


def test_what_is_too_much_is_refused_at_once(start: Callable[..., Client]) -> None:
    client = start(workers=1, max_in_flight=3)
    for number in range(5):
        client.ask("wait", number)
    refused = client.answers(2)
    assert {key: code(answer) for key, answer in refused.items()} == {3: "overloaded", 4: "overloaded"}
    assert refused[3]["error"]["data"]["retryable"] is True
    client.calls.release(0, 1, 2)
    assert set(client.answers(3)) == {0, 1, 2}
    client.ask("echo", 5)
    assert client.answer()["id"] == 5


def test_a_ping_is_answered_when_all_places_are_taken(start: Callable[..., Client]) -> None:
    client = start(workers=1, max_in_flight=1)
    client.ask("wait", 1)
    client.calls.wait_begun(1)
    client.ask("bridge.ping", 2)
    assert client.answer()["id"] == 2
    client.ask("bridge.ping", 1)
    assert code(client.answer()) == "duplicate_id"
    client.calls.release(1)
    assert client.answer()["id"] == 1


def test_a_batch_of_nothing_but_refusals(start: Callable[..., Client]) -> None:
    client = start()
    for _ in range(20):
        client.send([1, 2])
        assert [code(answer) for answer in client.answer()] == ["malformed_request"] * 2
    assert client.silent()


def test_a_deadline_is_kept_while_the_call_hangs_and_the_next_request_works(start: Callable[..., Client]) -> None:
    client = start(workers=1)
    begin = time.monotonic()
    client.ask("wait", 1, deadline_ms=100)
    client.ask("echo", 2)
    late = client.answer()
    assert code(late) == "deadline_exceeded"
    assert late["id"] == 1
    assert 0.1 <= time.monotonic() - begin < 2
    assert client.answer()["id"] == 2
    client.calls.release(1)
    assert client.silent()


def test_threads_that_hang_are_replaced_and_end_when_they_return(start: Callable[..., Client]) -> None:
    client = start(workers=2, max_in_flight=16)
    for number in range(6):
        client.ask("wait", number, deadline_ms=100)
    assert {code(answer) for answer in client.answers(6).values()} == {"deadline_exceeded"}
    client.ask("echo", 6)
    assert client.answer()["id"] == 6
    client.calls.release(*range(6))
    until(lambda: alive() <= 3)
    for number in range(10, 20):
        client.ask("echo", number)
    assert len(client.answers(10)) == 10


def test_threads_that_hang_count_as_in_flight(start: Callable[..., Client]) -> None:
    client = start(workers=2, max_in_flight=2)
    for number in range(2):
        client.ask("wait", number, deadline_ms=60)
    assert len(client.answers(2)) == 2
    client.ask("echo", 2)
    assert code(client.answer()) == "overloaded"
    client.calls.release(0)
    until(lambda: client.server._stray == 1)
    client.ask("echo", 3)
    assert client.answer()["result"] == "echo"


def test_a_deadline_counts_from_arrival_also_in_the_queue(start: Callable[..., Client]) -> None:
    client = start(workers=1)
    client.ask("wait", 1)
    client.calls.wait_begun(1)
    client.ask("wait", 2, deadline_ms=100)
    late = client.answer()
    assert (late["id"], code(late)) == (2, "deadline_exceeded")
    client.calls.release(1)
    assert client.answer()["id"] == 1
    assert client.calls.begun == [1]


def test_cancelling(start: Callable[..., Client]) -> None:
    client = start(workers=1)
    client.ask("wait", "running")
    client.calls.wait_begun(1)
    client.ask("wait", "queued")
    for identifier in ("queued", "unknown", "running"):
        client.ask("$/cancelRequest", None, id=identifier)
    answers = client.answers(2)
    assert {key: code(answer) for key, answer in answers.items()} == {"queued": "cancelled", "running": "cancelled"}
    client.ask("echo", "next")
    assert client.answer()["id"] == "next"
    client.calls.release("running", "queued")
    assert client.silent()
    assert client.calls.begun == ["running"]


@pytest.mark.parametrize("params", [None, {}, {"id": None}, {"id": [1]}, [], {"ids": 1}, [1, 2]])
def test_cancellations_that_mean_nothing_are_ignored(start: Callable[..., Client], params: object) -> None:
    client = start()
    client.send({"jsonrpc": "2.0", "method": "$/cancelRequest", **({} if params is None else {"params": params})})
    client.ask("echo", 1)
    assert client.answer()["id"] == 1


def test_a_batch(start: Callable[..., Client]) -> None:
    client = start()
    client.send(
        [
            {"jsonrpc": "2.0", "method": "echo", "id": 1},
            {"jsonrpc": "2.0", "method": "echo"},
            {"jsonrpc": "1.0", "method": "echo", "id": 2},
            7,
            {"jsonrpc": "2.0", "method": "echo", "id": 1},
            {"jsonrpc": "2.0", "method": "echo", "id": "three", "params": [3]},
        ]
    )
    answers = client.answer()
    assert [answer["id"] for answer in answers] == [1, 2, None, None, "three"]
    assert [answer.get("result") for answer in answers] == ["echo", None, None, None, [3]]
    assert [code(answer) for answer in answers if "error" in answer] == [
        "malformed_request",
        "malformed_request",
        "duplicate_id",
    ]


def test_batches_without_answers(start: Callable[..., Client]) -> None:
    client = start(max_batch=2)
    client.send([{"jsonrpc": "2.0", "method": "echo"}] * 2)
    assert client.silent()
    client.send([], [{"jsonrpc": "2.0", "method": "echo", "id": 1}] * 3)
    assert [code(client.answer()) for _ in range(2)] == ["malformed_request", "batch_too_large"]


def test_a_batch_has_its_shortest_deadline_and_keeps_what_was_done(start: Callable[..., Client]) -> None:
    client = start()
    client.send(
        [
            {"jsonrpc": "2.0", "method": "echo", "id": 1, "params": {"deadline_ms": 60_000}},
            {"jsonrpc": "2.0", "method": "wait", "id": 2, "params": {"deadline_ms": 100}},
            {"jsonrpc": "2.0", "method": "wait", "id": 3},
        ]
    )
    answers = {answer["id"]: answer for answer in client.answer()}
    assert "result" in answers[1]
    assert [code(answers[key]) for key in (2, 3)] == ["deadline_exceeded"] * 2
    client.calls.release(2)
    assert client.silent()
    assert client.calls.begun == [2]


def test_a_request_of_a_batch_can_be_withdrawn_until_it_begins(start: Callable[..., Client]) -> None:
    client = start()
    client.send([{"jsonrpc": "2.0", "method": "wait", "id": number} for number in (1, 2, 3)])
    client.calls.wait_begun(1)
    for number in (1, 3):
        client.ask("$/cancelRequest", None, id=number)
    client.ask("echo", "after")
    assert client.answer()["id"] == "after"
    client.calls.release(1, 2, 3)
    answers = client.answer()
    assert [answer.get("result") for answer in answers] == ["wait", "wait", None]
    assert code(answers[2]) == "cancelled"


def test_an_id_that_is_under_way_is_refused_without_touching_the_first(start: Callable[..., Client]) -> None:
    client = start()
    client.ask("wait", 1)
    client.calls.wait_begun(1)
    client.ask("wait", 1)
    refused = client.answer()
    assert (refused["id"], code(refused)) == (None, "duplicate_id")
    client.ask("echo", "1")
    assert client.answer()["id"] == "1"
    client.calls.release(1)
    assert client.answer() == {"jsonrpc": "2.0", "result": "wait", "id": 1}
    client.ask("echo", 1)
    assert client.answer()["result"] == "echo"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{", "parse_error"),
        (b'{"jsonrpc": "2.0", "method": "echo", "id": 1', "parse_error"),
        (b"\xff\xfe\xfd", "parse_error"),
        (b'{"jsonrpc":"2.0","method":"echo","params":[NaN],"id":1}', "parse_error"),
        (b'{"jsonrpc":"2.0","method":"echo","id":1,"id":2}', "parse_error"),
        (b"[" * 5000, "parse_error"),
        (b"x" * 3000, "frame_too_large"),
        (b"null", "malformed_request"),
        (b"{}", "malformed_request"),
        (b'{"method":"echo","params":[],"id":1}', "malformed_request"),
    ],
)
def test_bad_messages_are_answered_and_the_next_one_works(
    start: Callable[..., Client], line: bytes, expected: str
) -> None:
    client = start(max_frame_bytes=2048 if expected == "frame_too_large" else 1 << 20)
    client.send_raw(line + b"\n")
    assert code(client.answer()) == expected
    client.ask("echo", "next")
    assert client.answer()["id"] == "next"


def test_bytes_after_which_no_frame_can_be_found_end_the_connection(start: Callable[..., Client]) -> None:
    client = start()
    client._reader = FrameReader(1 << 20)
    client.send_raw(b"Content-Length: 2\r\n\r\n{}Content-Length: x\r\n\r\n")
    assert [code(client.answer()) for _ in range(2)] == ["malformed_request", "parse_error"]
    assert client.over.wait(SOON)


def test_answers_come_in_the_framing_of_the_first_message(start: Callable[..., Client]) -> None:
    client = start()
    client._reader = FrameReader(1 << 20)
    body = b'{"jsonrpc":"2.0","method":"echo","id":1}'
    client.send_raw(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    assert client.answer()["id"] == 1
    assert client._reader.framing == "content-length"


def test_the_end_of_the_input_lets_everything_finish(start: Callable[..., Client]) -> None:
    client = start()
    client.ask("wait", 1)
    client.calls.wait_begun(1)
    output, client.output = client.output, os.open(os.devnull, os.O_WRONLY)
    os.close(output)
    assert client.over.wait(SOON)
    drained: list[bool] = []
    drain = threading.Thread(target=lambda: drained.append(client.server.drain()))
    drain.start()
    assert client.silent()
    client.calls.release(1)
    assert client.answer()["id"] == 1
    drain.join(SOON)
    assert drained == [True]


def test_a_last_request_without_line_break_counts(start: Callable[..., Client]) -> None:
    client = start()
    client.send_raw(b'{"jsonrpc":"2.0","method":"echo","id":1}')
    assert client.silent(0.05)
    output, client.output = client.output, os.open(os.devnull, os.O_WRONLY)
    os.close(output)
    assert client.answer()["id"] == 1


def test_a_client_that_no_longer_reads_ends_the_connection(start: Callable[..., Client]) -> None:
    client = start()
    client.ask("wait", 1)
    client.calls.wait_begun(1)
    os.close(client.input)
    client.calls.release(1)
    assert client.over.wait(SOON)
    client.input = os.open(os.devnull, os.O_RDONLY)


def test_draining_answers_what_is_left(start: Callable[..., Client]) -> None:
    client = start(workers=1)
    client.ask("wait", "hangs")
    client.calls.wait_begun(1)
    client.ask("wait", "queued")
    drained: list[bool] = []
    drain = threading.Thread(target=lambda: drained.append(client.server.drain(0.3)))
    drain.start()
    until(lambda: client.server._stopping)
    client.ask("echo", "new")
    answers = client.answers(3)
    assert {key: code(answer) for key, answer in answers.items()} == dict.fromkeys(
        ["hangs", "queued", "new"], "shutting_down"
    )
    drain.join(SOON)
    assert drained == [False]
    client.calls.release("hangs")


def test_a_fault_of_the_server_itself_ends_the_connection(
    start: Callable[..., Client], capfd: pytest.CaptureFixture[str]
) -> None:
    client = start()

    def broken(call: Call, deadline: float) -> bytes:
        raise RuntimeError("PIN 648219")

    client.calls.answer = broken  # type: ignore[method-assign]
    client.ask("echo", 1, deadline_ms=50)
    assert client.over.wait(SOON)
    assert code(client.answer()) == "deadline_exceeded"
    assert "648219" not in capfd.readouterr().err


def test_many_requests_at_once_are_all_answered(start: Callable[..., Client]) -> None:
    client = start(max_in_flight=10_000)
    count = 2000
    sender = threading.Thread(target=lambda: [client.ask("echo", number) for number in range(count)])
    sender.start()
    assert set(client.answers(count)) == set(range(count))
    sender.join()
    assert alive() <= 9
