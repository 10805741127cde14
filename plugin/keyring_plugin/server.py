"""Serves one connection: requests side by side, each answered once and in time.

Threads take turns at reading (leader and followers). The one whose turn it is reads a message, hands the turn on, and
serves the message itself, so a request never waits for another thread to be woken. Up to ``workers`` messages are
served at a time, further ones wait in a queue, and beyond ``max_in_flight`` they are refused: the leader never serves
when all places are taken, so cancellations and refusals are always read.

A call into a device's library cannot be interrupted. When a deadline passes, the client gets its answer from the
watchdog, and the thread goes *stray*: it no longer counts as a worker, another takes its place, and it ends when the
library lets it go. Stray threads count as in flight, so their number is limited too.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from keyring_bridge.errors import BridgeError, Cancelled, DeadlineExceeded, InvalidRequest, Overloaded
from keyring_plugin import jsontext
from keyring_plugin.dispatch import Dispatcher, error_response, internal_error
from keyring_plugin.errors import DuplicateId, ParseError, ShuttingDown
from keyring_plugin.exchange import Exchange, deadline_of
from keyring_plugin.framing import Damage, FrameReader, Framing, frame
from keyring_plugin.jsonrpc import Batch, Call, Refusal, RequestId, calls_of, read_message
from keyring_plugin.protocol import CANCEL, HANDSHAKE, METHODS, PING

if TYPE_CHECKING:
    from keyring_bridge.config.model import RpcConfig
    from keyring_bridge.watchdog import Watchdog
    from keyring_plugin.connection import Connection

AT_ONCE = frozenset({HANDSHAKE, PING})
"""Methods that touch no device and no disk. The leader answers them itself, also when all places are taken."""


class Server:
    """One connection being served.

    Args:
        connection: The bytes.
        dispatcher: Answers calls.
        limits: How much is taken on.
        watchdog: Notices deadlines; may be shared with other connections.
        over: Called from any thread, perhaps more than once, when the client is gone.
    """

    def __init__(
        self,
        connection: Connection,
        dispatcher: Dispatcher,
        limits: RpcConfig,
        watchdog: Watchdog,
        over: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._dispatcher = dispatcher
        self._limits = limits
        self._watchdog = watchdog
        self._reader = FrameReader(limits.max_frame_bytes)
        self._at_end = False
        self._over = over
        self._turn = threading.Lock()
        self._write_lock = threading.Lock()
        # What follows is guarded by this lock.
        self._changed = threading.Condition(threading.Lock())
        self._stopping = False
        self._open: set[Exchange] = set()
        self._by_id: dict[RequestId, Exchange] = {}
        self._queue: deque[Exchange] = deque()
        self._threads = 0
        self._serving = 0
        self._stray = 0

    # --- for the program around it -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to read and serve, on threads of its own."""
        self._add_thread(None)

    def drain(self, seconds: float | None = None) -> bool:
        """Take on nothing new, and wait until everything that was taken on is answered.

        What comes meanwhile, and what is left when the time is over, is answered with ``shutting_down``.

        Args:
            seconds: How long to wait; None for as long as the deadlines allow.

        Returns:
            Whether no thread is left in a device's library.
        """
        with self._changed:
            self._stopping = True
            self._changed.wait_for(lambda: not self._open, seconds)
            left = list(self._open)
        for exchange in left:
            self._abandon(exchange, ShuttingDown("the server is ending; the audit log has the outcome"))
        with self._changed:
            return self._serving == 0 and self._stray == 0

    # --- threads -------------------------------------------------------------------------------------------------

    def _add_thread(self, exchange: Exchange | None) -> None:
        with self._changed:
            self._threads += 1
        try:
            threading.Thread(target=self._run, args=(exchange,), name="rpc", daemon=True).start()
        except RuntimeError:
            # No more threads to be had: those there are go on.
            with self._changed:
                self._threads -= 1
            if exchange is not None:
                self._abandon(exchange, Overloaded("no thread could be started"))
                with self._changed:
                    self._stray -= 1

    def _run(self, exchange: Exchange | None) -> None:
        try:
            while True:
                exchange = exchange or self._lead()
                if exchange is None:
                    return
                self._serve(exchange)
                exchange, surplus = self._finish(exchange)
                if surplus:
                    return
        except BaseException as error:  # a fault of this module must not leave a client waiting
            internal_error(error)
            self._over()

    def _lead(self) -> Exchange | None:
        """Take the turn, read until there is something to serve, and hand the turn on; None at the end."""
        with self._turn:
            while True:
                message = self._receive()
                if message is None:
                    self._over()
                    return None
                exchange, alone = self._admit(message)
                if exchange is not None:
                    break
        if alone:
            self._add_thread(None)
        return exchange

    def _serve(self, exchange: Exchange) -> None:
        for place, call in exchange.todo():
            exchange.put(place, self._dispatcher.answer(call, exchange.deadline))
        with self._changed:
            if exchange.settled:
                return
            self._settle(exchange)
        self._send(exchange.answer())

    def _finish(self, exchange: Exchange) -> tuple[Exchange | None, bool]:
        """Give a served exchange's place away.

        Returns:
            The next one from the queue, and whether this thread is one too many.
        """
        with self._changed:
            if exchange.stray:
                self._stray -= 1
                surplus = self._threads > self._limits.workers + 1
                self._threads -= surplus
                return None, surplus
            self._close(exchange)
            if self._queue:
                return self._from_queue(), False
            self._serving -= 1
            return None, False

    # --- reading -------------------------------------------------------------------------------------------------

    def _receive(self) -> Call | Batch | None:
        """Read the next message that is one; answer whatever is none. Returns None at the end of the stream."""
        while True:
            event = self._reader.next_event()
            if event is None:
                if self._at_end:
                    return None
                data = self._connection.read()
                self._at_end = not data
                self._reader.feed(data)
            elif isinstance(event, Damage):
                self._at_end |= event.final
                self._send(error_response(event.error, None))
            else:
                message = self._read(event.body)
                if isinstance(message, Refusal):
                    self._send(error_response(message.error, message.id))
                    continue
                cancellations = [call for call in calls_of(message) if call.method == CANCEL and call.is_notification]
                for call in cancellations:
                    self._cancel(call)
                if message not in cancellations:
                    return message

    def _read(self, body: bytes) -> Call | Batch | Refusal:
        try:
            value = jsontext.parse(body, self._limits.max_depth)
        except ParseError as error:
            return Refusal(error)
        return read_message(value, self._limits.max_batch)

    def _admit(self, message: Call | Batch) -> tuple[Exchange | None, bool]:
        """Take a message on.

        Returns:
            The exchange to be served now, or None if it was queued or refused; and whether nobody is left to read.
        """
        deadline = deadline_of(message, self._limits.deadline_seconds)
        with self._changed:
            unique = self._without_duplicates(message)
            if isinstance(unique, Refusal):
                answer = error_response(unique.error, unique.id)
            elif self._stopping:
                answer = self._refuse(unique, ShuttingDown("the server is ending and takes no new requests"))
            elif isinstance(unique, Call) and unique.method in AT_ONCE:
                answer = None
            elif len(self._open) + self._stray >= self._limits.max_in_flight:
                answer = self._refuse(unique, Overloaded("too many requests are under way"))
            else:
                return self._open_exchange(Exchange(unique, deadline))
        if answer is None and isinstance(unique, Call):
            answer = self._dispatcher.answer(unique, deadline)
        self._send(answer or b"")
        return None, False

    def _refuse(self, message: Call | Batch, error: BridgeError) -> bytes:
        return Exchange(message, 0).answer(error)

    def _open_exchange(self, exchange: Exchange) -> tuple[Exchange | None, bool]:
        self._open.add(exchange)
        for identifier in exchange.ids:
            self._by_id[identifier] = exchange
        exchange.watch = self._watchdog.begin(exchange.deadline, lambda: self._expire(exchange))
        if self._serving >= self._limits.workers:
            self._queue.append(exchange)
            return None, False
        exchange.running = True
        self._serving += 1
        return exchange, self._threads == self._serving + self._stray

    def _without_duplicates(self, message: Call | Batch) -> Call | Batch | Refusal:
        """Refuse calls whose id another one has that is under way; null as id keeps the two answers apart."""
        if isinstance(message, Call):
            return _duplicate(message.id) if message.id in self._by_id else message
        seen: set[RequestId] = set()
        items: list[Call | Refusal] = []
        for item in message.items:
            if isinstance(item, Call) and item.id is not None:
                items.append(_duplicate(item.id) if item.id in seen or item.id in self._by_id else item)
                seen.add(item.id)
            else:
                items.append(item)
        return Batch(tuple(items))

    # --- settling ------------------------------------------------------------------------------------------------

    def _settle(self, exchange: Exchange) -> None:
        exchange.settled = True
        for identifier in exchange.ids:
            self._by_id.pop(identifier, None)
        if exchange.watch is not None:
            self._watchdog.end(exchange.watch)

    def _close(self, exchange: Exchange) -> None:
        self._open.discard(exchange)
        if self._stopping and not self._open:
            self._changed.notify_all()

    def _from_queue(self) -> Exchange:
        exchange = self._queue.popleft()
        exchange.running = True
        return exchange

    def _expire(self, exchange: Exchange) -> None:
        error = DeadlineExceeded("the deadline passed; if a device was asked, the audit log has the outcome")
        late = threading.Thread(target=self._abandon, args=(exchange, error), name="rpc-late", daemon=True)
        # The watchdog is shared; a client that does not read its answers must not hold it up.
        try:
            late.start()
        except RuntimeError:
            self._abandon(exchange, error)

    def _cancel(self, call: Call) -> None:
        try:
            identifier = METHODS[CANCEL].read_params(call.params)["id"]
        except InvalidRequest:
            return  # a notification is never answered
        if not isinstance(identifier, int | str):
            return
        error = Cancelled("cancelled; if a device was asked before, the audit log has the outcome")
        with self._changed:
            exchange = self._by_id.get(identifier)
            if exchange is not None and exchange.is_batch:
                exchange.withdraw(identifier, error)
                return
        if exchange is not None:
            self._abandon(exchange, error)

    def _abandon(self, exchange: Exchange, error: BridgeError) -> None:
        """Answer an exchange with an error, whether it is being served, waits, or was answered this moment."""
        replacement = None
        with self._changed:
            if exchange.settled:
                return
            self._settle(exchange)
            if exchange.running:
                exchange.stray = True
                self._stray += 1
                if self._queue:
                    replacement = self._from_queue()
                else:
                    self._serving -= 1
            else:
                self._queue.remove(exchange)
        self._send(exchange.answer(error))
        with self._changed:
            self._close(exchange)
        if replacement is not None:
            self._add_thread(replacement)

    def _send(self, answer: bytes) -> None:
        if not answer:
            return
        framed = frame(answer, self._reader.framing or Framing.NEWLINE)
        with self._write_lock:
            try:
                self._connection.write(framed)
            except OSError:
                self._over()


def _duplicate(identifier: RequestId | None) -> Refusal:
    shown = jsontext.encode(identifier).decode("ascii")
    return Refusal(DuplicateId(f"a request with the id {shown} is under way"))
