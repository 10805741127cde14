"""``keyring-plugin`` as a thin relay: bytes between its client and the agent.

A chain's command starts it for one signature and waits for it, so it imports next to nothing: no ``json``, no
``socket``, nothing of ours that imports more. What it promises its client:

* Whole messages go to the agent, and whole answers come back; an answer that was cut off is not passed on.
* When the agent ends, every request that was under way is answered with ``peer_failed``, and none is sent again: it may
  have signed. The next request is sent to the agent that is there by then; without one it is answered the same way.
* The end of the input is passed on, and the relay ends when the agent has answered everything.
* After a signal the agent finishes what it has, and what comes meanwhile is answered with ``shutting_down``.
"""

from __future__ import annotations

import os
import select
import sys

from keyring_plugin.agent import place
from keyring_plugin.agent.frames import Frames
from keyring_plugin.agent.ledger import Ledger, entry_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from keyring_plugin.agent.ledger import Entry

_INPUT, _OUTPUT = 0, 1
_CHUNK = 65536
_PIECE = 4096
"""What a pipe takes without blocking whenever it takes anything (PIPE_BUF)."""

_FULL = 1 << 20
"""Bytes on the way to one side beyond which the other one is not read."""

DRAIN_SECONDS = 12.0
"""How long a signal waits for the agent's answers."""

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


def relay() -> int | None:
    """Serve standard input and output through the agent.

    Returns:
        The exit status, or None if no agent can be used; then nothing was read and nothing written.
    """
    if place.wanted() == "off":
        return None
    agent: _socket.socket | None
    try:
        agent = connect() if _have_streams() else None
    except place.UnsafePlace as unsafe:
        sys.stderr.write(f"keyring-plugin: the agent's socket is not used: {unsafe}\n")
        return None
    except OSError:
        agent = None
    if agent is None:
        agent = _started() if place.wanted() == "start" else None
    if agent is None:
        return None
    _harden()
    return _Relay(agent).run()


def connect() -> _socket.socket | None:
    """Connect to the agent and look who it is; None if there is none.

    Raises:
        UnsafePlace: Somebody else is or could be behind the socket.
        OSError: No agent listens there.
    """
    import _socket

    path = place.socket_path()
    try:
        folder = place.open_folder(path)
    except OSError:
        return None
    try:
        if not place.check_socket(folder, os.path.basename(path)):
            return None
        if place.PLACE_VARIABLE not in os.environ:
            told = place.told_configuration(folder)
            if told is not None and told != place.own_configuration():
                raise place.UnsafePlace(f"it is of an agent with another configuration, {told}")
        agent = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            agent.connect(place.address(folder, path))
            # struct ucred: pid, uid, gid.
            credentials = agent.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
            owner = int.from_bytes(credentials[4:8], sys.byteorder)
            if owner not in (os.geteuid(), 0):
                raise place.UnsafePlace(f"the socket belongs to the user with id {owner}")
        except BaseException:
            agent.close()
            raise
    finally:
        os.close(folder)
    return agent


def _have_streams() -> bool:
    try:
        os.fstat(_INPUT)
        os.fstat(_OUTPUT)
    except OSError:
        return False
    return True


def _started() -> _socket.socket | None:
    """Start an agent and connect to it; None if that is not possible, which is told."""
    if not _have_streams():
        return None
    from keyring_bridge.errors import BridgeError
    from keyring_plugin.agent.control import connected

    try:
        connected(None).close()
        return connect()
    except (BridgeError, OSError, place.UnsafePlace) as error:
        sys.stderr.write(f"keyring-plugin: no agent was started: {error}\n")
        return None


def _harden() -> None:
    """As :func:`keyring_bridge.secrets.harden_process`, without that package: keys that are imported pass through."""
    import ctypes
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


class _Relay:
    """One run of it.

    Args:
        agent: A connection to the agent.
    """

    def __init__(self, agent: _socket.socket) -> None:
        self._agent: _socket.socket | None = agent
        self._requests = Frames()
        self._answers = Frames()
        self._ledger = Ledger()
        self._to_agent = bytearray()
        self._to_client = bytearray()
        self._input_open = True
        self._told_end = False
        self._ending = 0.0
        self._waking = self._catch_signals()
        self._poll = select.poll()
        self._poll.register(self._waking, select.POLLIN)
        self._poll.register(agent.fileno(), select.POLLIN)

    def run(self) -> int:
        """Relay until client or agent is done; return the exit status."""
        while self._input_open or self._agent is not None or self._to_client:
            self._watch()
            ready = dict(self._poll.poll(self._patience()))
            if self._ending and not self._patience():
                self._drop_agent("peer_failed")
            if self._waking in ready:
                self._end_soon()
            if ready.get(_OUTPUT, 0) and not self._write(ready[_OUTPUT]):
                return 0  # nobody reads the answers
            if self._agent is not None and self._agent.fileno() in ready:
                self._from_agent(ready[self._agent.fileno()])
            if _INPUT in ready:
                self._from_client()
            self._to_the_agent()
            if self._ending and self._agent is None:
                self._input_open = False
        return 0

    # --- what there is to wait for -------------------------------------------------------------------------------

    def _watch(self) -> None:
        poll = self._poll
        if self._input_open and len(self._to_agent) < _FULL and len(self._to_client) < _FULL:
            poll.register(_INPUT, select.POLLIN)
        else:
            self._forget(_INPUT)
        # Without events this still tells when nobody reads the answers any more.
        poll.register(_OUTPUT, select.POLLOUT if self._to_client else 0)
        if self._agent is not None:
            events = select.POLLIN if len(self._to_client) < _FULL else 0
            poll.register(self._agent.fileno(), events | (select.POLLOUT if self._to_agent else 0))

    def _forget(self, descriptor: int) -> None:
        try:
            self._poll.unregister(descriptor)
        except KeyError:
            return

    def _patience(self) -> int | None:
        """Milliseconds to wait; None for ever."""
        if not self._ending:
            return None
        from time import monotonic

        return max(0, int((self._ending - monotonic()) * 1000))

    # --- client to agent -----------------------------------------------------------------------------------------

    def _from_client(self) -> None:
        try:
            data = os.read(_INPUT, _CHUNK)
        except OSError:
            data = b""
        if data:
            messages = self._requests.feed(data)
        else:
            self._input_open = False
            self._forget(_INPUT)
            rest = self._requests.rest()
            messages = [rest] if rest else []
        for message in messages:
            self._ask(message)

    def _ask(self, message: bytes) -> None:
        if self._ending:
            self._refuse("shutting_down", entry_of(message))
        elif self._agent is None and not self._reconnect():
            self._refuse("no_agent", entry_of(message))
        else:
            self._ledger.asked(message)
            self._to_agent += message

    def _to_the_agent(self) -> None:
        if self._agent is None:
            return
        import _socket

        try:
            while self._to_agent:
                sent = self._agent.send(self._to_agent, _socket.MSG_DONTWAIT)
                del self._to_agent[:sent]
        except BlockingIOError:
            return
        except OSError:
            self._to_agent.clear()  # it is gone; its end will be read
        if (not self._input_open or self._ending) and not self._told_end:
            self._told_end = True
            try:
                self._agent.shutdown(_socket.SHUT_WR)
            except OSError:
                return

    def _reconnect(self) -> bool:
        """Connect to an agent that was started again."""
        try:
            self._agent = connect()
        except (OSError, place.UnsafePlace):
            self._agent = None
        if self._agent is None:
            return False
        self._answers = Frames()
        return True

    # --- agent to client -----------------------------------------------------------------------------------------

    def _from_agent(self, events: int) -> None:
        if self._agent is None or not events & (select.POLLIN | _GONE):
            return
        try:
            data = self._agent.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            self._drop_agent("peer_failed")
            return
        for message in self._answers.feed(data):
            self._ledger.answered(message)
            self._to_client += message

    def _drop_agent(self, reason: str) -> None:
        """Let go of an agent that ended, and answer what it did not."""
        if self._agent is not None:
            self._forget(self._agent.fileno())
            self._agent.close()
            self._agent = None
        self._to_agent.clear()
        self._refuse(reason, self._ledger.take_open())

    def _write(self, events: int) -> bool:
        """Write what a pipe takes without blocking; False if its other end is closed."""
        if not self._to_client:
            return not events & _GONE
        try:
            written = os.write(_OUTPUT, self._to_client[:_PIECE])
        except OSError:
            return False
        del self._to_client[:written]
        return True

    def _refuse(self, reason: str, entries: list[Entry]) -> None:
        if entries:
            from keyring_plugin.agent.refusals import answers

            by_length = bool(self._requests.by_length)
            self._to_client += b"".join(answers(entries, reason, by_length=by_length))

    # --- signals -------------------------------------------------------------------------------------------------

    def _catch_signals(self) -> int:
        """Let signals write to a pipe; return its other end."""
        import _signal  # type: ignore[import-not-found]  # the module ``signal`` makes enumerations first

        waking, wake = os.pipe()

        def note(number: int, _: object) -> None:
            os.write(wake, bytes([number]))

        for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
            _signal.signal(number, note)
        return waking

    def _end_soon(self) -> None:
        import _signal
        from time import monotonic

        os.read(self._waking, 1)
        for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
            _signal.signal(number, _signal.SIG_DFL)  # a second one ends the process at once
        self._ending = monotonic() + DRAIN_SECONDS
