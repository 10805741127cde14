"""Unix sockets, with a look at who is on the other side."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from keyring_bridge.errors import PeerFailed
from keyring_plugin.agent import place
from keyring_plugin.connection import CHUNK_BYTES, Connection

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred of Linux
_MOST_DESCRIPTORS = 4
_LAST_READ_SECONDS = 2.0


class Credentials(NamedTuple):
    """Who the kernel says is at the other end; -1 for a process that cannot be seen from here."""

    pid: int
    uid: int


class SocketConnection(Connection):
    """A connected unix socket, over which descriptors can travel beside the bytes.

    Args:
        stream: Owned by this object from now on.
    """

    def __init__(self, stream: socket.socket) -> None:
        super().__init__(stream.fileno(), stream.fileno())
        self._stream = stream
        self._received: deque[int] = deque()
        self._to_send: int | None = None
        self._at_end = threading.Event()

    def read(self) -> bytes:
        """As the base class; descriptors that come along are kept for :meth:`take_descriptor`."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._stream, CHUNK_BYTES, _MOST_DESCRIPTORS)
        except OSError:
            data, descriptors = b"", []
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
            self._received.append(descriptor)
        while len(self._received) > 1:  # one request has one
            os.close(self._received.popleft())
        if not data:
            self._at_end.set()
        return data

    def write(self, data: bytes) -> None:
        """As the base class; a descriptor that waits to be sent goes with the first byte."""
        descriptor, self._to_send = self._to_send, None
        if descriptor is not None:
            sent = socket.send_fds(self._stream, [data], [descriptor])
            data = data[sent:]
        if data:
            self._stream.sendall(data)

    def send_descriptor(self, descriptor: int) -> None:
        """Let a descriptor travel with the next write; it stays open here."""
        self._to_send = descriptor

    def take_descriptor(self) -> int | None:
        """Return the descriptor that came last, for the caller to close; None if there is none."""
        try:
            return self._received.pop()
        except IndexError:
            return None

    def finish_writing(self) -> None:
        """As the base class."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_WR)

    def finish_reading(self) -> None:
        """Let whoever reads here find the end of the stream."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close the socket, after :meth:`read` has found its end if somebody is still reading. May be called twice."""
        if self._stream.fileno() >= 0:
            self._stream.close()
        while (descriptor := self.take_descriptor()) is not None:
            os.close(descriptor)

    def wait_read(self) -> None:
        """Wait until the end of the stream was read: the descriptor must not be closed under a thread that reads it."""
        self._at_end.wait(_LAST_READ_SECONDS)


def connect(path: str | Path) -> SocketConnection:
    """Connect to a socket of this user's or root's.

    Raises:
        PeerFailed: Nobody listens there, or it belongs to somebody else, or could be replaced or reached by others.
    """
    path = os.path.abspath(path)
    try:
        folder = place.open_folder(path)
        try:
            place.check_socket(folder, os.path.basename(path))
            stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                stream.connect(place.address(folder, path))
                owner = peer_uid(stream)
                if owner not in (os.geteuid(), 0, None):
                    raise PeerFailed(f"the socket belongs to the user with id {owner}")
            except BaseException:
                stream.close()
                raise
        finally:
            os.close(folder)
    except place.UnsafePlace as unsafe:
        raise PeerFailed(f"the socket {path} is not safe to use: {unsafe}") from None
    except OSError as error:
        raise PeerFailed(f"no bridge listens on {path}: {error.strerror or error}") from None
    return SocketConnection(stream)


def credentials(stream: socket.socket) -> Credentials | None:
    """Return who is at the other end, or None where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    pid, uid, _ = _CREDENTIALS.unpack(stream.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return Credentials(pid, uid)


def peer_uid(stream: socket.socket) -> int | None:
    """Return the user id of the process at the other end, or None where the system does not tell."""
    found = credentials(stream)
    return None if found is None else found.uid
