"""One message of a client, from its arrival to the one moment at which it is answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from keyring_bridge.errors import InvalidRequest
from keyring_plugin.dispatch import error_response
from keyring_plugin.jsonrpc import Batch, Call, Refusal, RequestId, calls_of
from keyring_plugin.method import DEADLINE, DEADLINE_TYPE

if TYPE_CHECKING:
    from keyring_bridge.errors import BridgeError
    from keyring_bridge.watchdog import Watch


class Exchange:
    """A request or a batch under way.

    Rules, which :class:`keyring_plugin.server.Server` keeps under its lock:

    * It is settled once, by whoever comes first: the thread that served it, the watchdog at its deadline, a
      ``$/cancelRequest``, or the end of the server. Whoever settled it writes the answer.
    * A thread that serves it after it was settled is *stray*: it may sit in a device's library for good. What it
      brings back is dropped.

    Args:
        message: A call, or a batch.
        deadline: Moment of ``time.monotonic()`` at which it is answered at the latest. A batch is answered as one,
            so the earliest of its calls' deadlines is that of all.
    """

    __slots__ = ("_answers", "_calls", "_is_batch", "deadline", "running", "settled", "stray", "watch")

    def __init__(self, message: Call | Batch, deadline: float) -> None:
        items = message.items if isinstance(message, Batch) else (message,)
        self._is_batch = isinstance(message, Batch)
        self._calls = [item if isinstance(item, Call) else None for item in items]
        self._answers = [error_response(item.error, item.id) if isinstance(item, Refusal) else None for item in items]
        self.deadline = deadline
        self.running = False
        self.settled = False
        self.stray = False
        self.watch: Watch | None = None

    @property
    def is_batch(self) -> bool:
        """Whether the answer is an array."""
        return self._is_batch

    @property
    def ids(self) -> Iterator[RequestId]:
        """The ids of its calls."""
        return (call.id for call in self._calls if call is not None and call.id is not None)

    def todo(self) -> Iterator[tuple[int, Call]]:
        """Yield what is still to be served, with its place; stops when the exchange was settled meanwhile."""
        for place, call in enumerate(self._calls):
            if self.settled:
                return
            if call is not None and self._answers[place] is None:
                yield place, call

    def put(self, place: int, answer: bytes) -> None:
        """Keep the answer of one call; empty for a notification."""
        self._answers[place] = answer

    def withdraw(self, identifier: RequestId, error: BridgeError) -> None:
        """Answer a call that was not begun yet with ``error``; one that is being served is answered when it is done."""
        for place, call in enumerate(self._calls):
            if call is not None and call.id == identifier and self._answers[place] is None:
                self._answers[place] = error_response(error, identifier)

    def answer(self, rest: BridgeError | None = None) -> bytes:
        """Return the answer as JSON; empty if there is nothing to answer.

        Args:
            rest: What calls without an answer are answered with.
        """
        answers = []
        for call, answer in zip(self._calls, self._answers, strict=True):
            if answer is not None:
                answers.append(answer)
            elif call is not None and call.id is not None and rest is not None:
                answers.append(error_response(rest, call.id))
        answers = [answer for answer in answers if answer]
        if not self._is_batch:
            return answers[0] if answers else b""
        return b"[" + b",".join(answers) + b"]" if answers else b""


def deadline_of(message: Call | Batch, usual: float) -> float:
    """Return the moment of ``time.monotonic()`` at which a message must be answered.

    Args:
        message: What has just come. Of a batch the shortest deadline counts.
        usual: Seconds that a call has if it does not say so itself.
    """
    return time.monotonic() + min((_seconds(call, usual) for call in calls_of(message)), default=usual)


def _seconds(call: Call, usual: float) -> float:
    if isinstance(call.params, dict) and DEADLINE in call.params:
        # If it is none, the check of the method's parameters will say so.
        with suppress(InvalidRequest):
            return DEADLINE_TYPE.read(call.params[DEADLINE]) / 1000
    return usual
