"""One connection to the agent: who is there, and what becomes of their requests."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from keyring_bridge.errors import BridgeError, PinRequired
from keyring_plugin.agent.gate import DEVICE_METHODS
from keyring_plugin.dispatch import Dispatcher, error_response
from keyring_plugin.server import Server
from keyring_plugin.service import Peer, Session
from keyring_plugin.sockets import SocketConnection

if TYPE_CHECKING:
    import socket

    from keyring_bridge.config.model import RpcConfig
    from keyring_bridge.secrets import SecretBytes
    from keyring_bridge.watchdog import Watchdog
    from keyring_plugin.agent.gate import Gate
    from keyring_plugin.jsonrpc import Call
    from keyring_plugin.service import Control, Service
    from keyring_plugin.sockets import Credentials


_RESULT = b'{"jsonrpc":"2.0","result":'


class GatedDispatcher(Dispatcher):
    """A dispatcher whose calls to devices pass the gate.

    Args:
        session: The connection's view of the bridge.
        gate: Shared by all connections.
    """

    def __init__(self, session: Session, gate: Gate) -> None:
        super().__init__(session)
        self._gate = gate

    def answer(self, call: Call, deadline: float) -> bytes:
        """As the base class."""
        if call.method not in DEVICE_METHODS:
            return super().answer(call, deadline)
        try:
            inside = self._gate.enter(deadline)
        except BridgeError as error:
            return b"" if call.is_notification else error_response(error, call.id)
        done = False
        try:
            answer = super().answer(call, deadline)
            done = answer.startswith(_RESULT)
            return answer
        finally:
            self._gate.leave(inside, done=done)


class Client:
    """One connection being served.

    Args:
        stream: Owned by this object from now on.
        who: What the kernel says of the other end.
        service: The bridge.
        agent: The agent itself, for the methods about it.
        gate: Shared by all clients.
        limits: How much is taken on from one client.
        watchdog: Shared by all clients.
        gone: Called once, when everything was answered and the connection is closed.
    """

    def __init__(
        self,
        stream: socket.socket,
        who: Credentials,
        *,
        service: Service,
        agent: Control,
        gate: Gate,
        limits: RpcConfig,
        watchdog: Watchdog,
        gone: Callable[[Client], None],
    ) -> None:
        self._connection = SocketConnection(stream)
        self._gone = gone
        self._over_lock = threading.Lock()
        self._is_over = False
        session = Session(service, peer(who), agent, self._take_secret)
        self.server = Server(self._connection, GatedDispatcher(session, gate), limits, watchdog, self._over)

    def start(self) -> None:
        """Begin to serve."""
        self.server.start()

    def end(self, seconds: float) -> None:
        """Answer what was taken on, refuse what comes, and close."""
        self.server.drain(seconds)
        self._over()

    def _over(self) -> None:
        with self._over_lock:
            if self._is_over:
                return
            self._is_over = True
        threading.Thread(target=self._finish, name="agent-end", daemon=True).start()

    def _finish(self) -> None:
        self._connection.finish_reading()
        self.server.drain()
        self._connection.wait_read()
        self._connection.close()
        self._gone(self)

    def _take_secret(self) -> SecretBytes | None:
        descriptor = self._connection.take_descriptor()
        if descriptor is None:
            return None
        from keyring_bridge.secrets.reading import read_stream

        try:
            return read_stream(descriptor, "PIN", first_line=False)
        except OSError:
            raise PinRequired("no PIN: the descriptor that came along cannot be read") from None
        finally:
            os.close(descriptor)


def peer(who: Credentials) -> Peer:
    """Return the caller of a connection: its user for policy, and hints for the audit log.

    A relay is only a pipe, so its parent is told too: the command that asks.
    """
    hints = [("transport", "agent"), ("pid", str(who.pid)), *_executable("exe", who.pid)]
    parent = _parent(who.pid)
    if parent > 1:
        hints += [("parent", str(parent)), *_executable("parent_exe", parent)]
    return Peer(f"uid:{who.uid}", tuple(hints))


def _executable(name: str, pid: int) -> list[tuple[str, str]]:
    with suppress(OSError):  # another user's process, one that hides, or no /proc
        return [(name, os.readlink(f"/proc/{pid}/exe"))]
    return []


def _parent(pid: int) -> int:
    with (
        suppress(OSError, ValueError, IndexError),
        open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat,
    ):
        # The program's name, in brackets, may have spaces; state and parent follow.
        return int(stat.read().rpartition(")")[2].split()[1])
    return 0
