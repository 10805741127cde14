"""A client's side of a connection: calls from many threads, answers matched by id.

There is no reading thread. Of the threads that wait for an answer one reads, and delivers to the others what is
theirs; when it has its own, the next one reads. So a program with one call at a time never switches threads.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from keyring_bridge.errors import BridgeError, DeadlineExceeded, PeerFailed
from keyring_plugin import jsontext
from keyring_plugin.errors import ParseError, from_wire
from keyring_plugin.framing import Damage, FrameReader, Framing, frame
from keyring_plugin.method import DEADLINE
from keyring_plugin.protocol import CANCEL

if TYPE_CHECKING:
    from keyring_plugin.connection import Connection

MAX_ANSWER_BYTES = 256 << 20
MAX_ANSWER_DEPTH = 128
GRACE_SECONDS = 2.0
"""How much longer than its deadline a call waits for the server to say that the deadline passed."""


class _Waiter:
    """One call that waits. ``wake`` is locked while there is nothing to wake up for."""

    __slots__ = ("answer", "done", "failure", "wake", "woken")

    def __init__(self) -> None:
        self.wake = threading.Lock()
        self.wake.acquire()
        self.woken = False
        self.done = False
        self.answer: object = None
        self.failure: BridgeError | None = None


class Channel:
    """Calls over one connection.

    Args:
        connection: Owned by the channel from now on.
        framing: How messages are set apart, in both directions.
        why: Says why the stream ended, when it did: ``the plugin ended with exit status 1``.
    """

    def __init__(
        self, connection: Connection, framing: Framing = Framing.NEWLINE, why: Callable[[], str] | None = None
    ) -> None:
        self._connection = connection
        self._framing = framing
        self._why = why
        self._reader = FrameReader(MAX_ANSWER_BYTES, framing)
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)
        self._write_lock = threading.Lock()
        # What follows is guarded by this lock.
        self._lock = threading.Condition(threading.Lock())
        self._waiting: dict[int, _Waiter] = {}
        self._has_reader = False
        self._next_id = 1
        self._ended = ""

    def call(self, method: str, params: Mapping[str, object], seconds: float) -> object:
        """Call a method and wait for its answer.

        Args:
            method: Its name.
            params: By name; what JSON can carry.
            seconds: The deadline. The server is told of it.

        Returns:
            The result.

        Raises:
            BridgeError: The error the server answered with, as its own class.
            DeadlineExceeded: There was no answer in time.
            PeerFailed: The server is gone or broke the protocol. Whether it did what was asked is not known.
        """
        waiter = _Waiter()
        with self._lock:
            if self._ended:
                raise PeerFailed(self._ended)
            identifier, self._next_id = self._next_id, self._next_id + 1
            self._waiting[identifier] = waiter
        told = {**params, DEADLINE: max(1, round(seconds * 1000))}
        try:
            self._send({"jsonrpc": "2.0", "id": identifier, "method": method, "params": told})
            answered = self._wait(waiter, time.monotonic() + seconds + GRACE_SECONDS)
        finally:
            with self._lock:
                self._waiting.pop(identifier, None)
                if not self._has_reader:
                    self._wake_one()
        if not answered:
            self.notify(CANCEL, {"id": identifier})
            raise DeadlineExceeded(f"the server did not answer {method} in time")
        if waiter.failure is not None:
            raise waiter.failure
        return waiter.answer

    def notify(self, method: str, params: Mapping[str, object]) -> None:
        """Send a notification; nothing tells whether it arrived."""
        self._send({"jsonrpc": "2.0", "method": method, "params": dict(params)})

    def finish(self) -> None:
        """Tell the server that nothing more comes. Calls under way still get their answers."""
        with self._write_lock:
            self._connection.finish_writing()

    def has_ended(self) -> bool:
        """Tell whether no call can succeed any more, as far as that can be seen without making one."""
        with self._lock:
            if not self._ended and not self._has_reader and not self._waiting and self._poll.poll(0):
                # Between calls there is nothing to read but the end, and answers that nobody waits for any more.
                data = self._connection.read()
                if data:
                    self._reader.feed(data)
                else:
                    self._end("the server closed the connection")
            return bool(self._ended)

    def abandon(self) -> None:
        """Let go of the channel in a process that was forked: its bytes are the parent's."""
        self._lock = threading.Condition(threading.Lock())
        self._has_reader = False
        self._ended = "the connection belongs to the process that made it"
        self._waiting.clear()

    def close(self) -> None:
        """End the channel; calls that still wait fail. Wait for the other side to end before (:meth:`finish`)."""
        with self._lock:
            self._end("the client was closed")
            # The descriptor must not be closed under a thread that reads it: its number may be given away at once.
            self._lock.wait_for(lambda: not self._has_reader, GRACE_SECONDS)
            if not self._has_reader:
                self._connection.close()

    # --- waiting -------------------------------------------------------------------------------------------------

    def _wait(self, waiter: _Waiter, until: float) -> bool:
        """Wait for a call's answer, reading whenever nobody else does; False if it did not come in time."""
        while True:
            with self._lock:
                waiter.woken = False
                if waiter.done:
                    return True
                reads = not self._has_reader
                self._has_reader = True
            if reads:
                try:
                    self._read_for(waiter, until)
                finally:
                    with self._lock:
                        self._has_reader = False
                        self._lock.notify_all()
            else:
                waiter.wake.acquire(timeout=max(0.0, until - time.monotonic()))
            if time.monotonic() >= until:
                with self._lock:
                    return waiter.done

    def _wake_one(self) -> None:
        """Make one waiting call look whether it should read."""
        for waiter in self._waiting.values():
            if not waiter.woken:
                self._wake(waiter)
                return

    def _wake(self, waiter: _Waiter) -> None:
        if not waiter.woken and waiter.wake.locked():
            waiter.woken = True
            waiter.wake.release()

    def _read_for(self, waiter: _Waiter, until: float) -> None:
        """Read and deliver until ``waiter`` has its answer, the time is over, or the stream ended."""
        while not waiter.done:
            event = self._reader.next_event()
            if event is not None:
                self._deliver(event.error if isinstance(event, Damage) else self._parse(event.body))
                continue
            left = until - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                return
            data = self._connection.read()
            if not data:
                with self._lock:
                    self._end(self._why() if self._why is not None else "the server closed the connection")
                return
            self._reader.feed(data)

    def _parse(self, body: bytes) -> object:
        try:
            return jsontext.parse(body, MAX_ANSWER_DEPTH)
        except ParseError as error:
            return error

    def _deliver(self, message: object) -> None:
        with self._lock:
            if not isinstance(message, dict) or ("result" in message) == ("error" in message):
                self._end("the server sent something that does not follow the protocol")
                return
            failure = from_wire(message["error"]) if "error" in message else None
            identifier = message.get("id")
            if identifier is None and failure is not None:
                # The server could not tell which request it was, so it may be any of those that wait.
                for one in list(self._waiting.values()):
                    self._finish(one, None, from_wire(message["error"]))
                self._waiting.clear()
                return
            waiter = self._waiting.pop(identifier, None) if isinstance(identifier, int) else None
            if waiter is not None:
                self._finish(waiter, message.get("result"), failure)

    def _finish(self, waiter: _Waiter, answer: object, failure: BridgeError | None) -> None:
        waiter.answer, waiter.failure, waiter.done = answer, failure, True
        self._wake(waiter)

    def _end(self, reason: str) -> None:
        """Fail every call, those that wait and those to come."""
        if not self._ended:
            self._ended = reason
        for waiter in self._waiting.values():
            self._finish(waiter, None, PeerFailed(self._ended))
        self._waiting.clear()

    def _send(self, message: Mapping[str, object]) -> None:
        framed = frame(jsontext.encode(message), self._framing)
        try:
            with self._write_lock:
                self._connection.write(framed)
        except OSError:
            # The reader finds the end of the stream too, and then knows more about it.
            return
