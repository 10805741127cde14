"""Unix sockets, with a look at who is on the other side."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from keyring_bridge.errors import PeerFailed
from keyring_plugin.connection import Connection

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred of Linux


def connect(path: str | Path) -> Connection:
    """Connect to a socket of this user's or root's.

    Raises:
        PeerFailed: Nobody listens there, or it belongs to somebody else.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.connect(os.fspath(path))
            owner = peer_uid(stream)
            if owner is None:
                owner = os.stat(path, follow_symlinks=False).st_uid
            if owner not in (os.getuid(), 0):
                raise PeerFailed(f"the socket belongs to the user with id {owner}")
            descriptor = stream.detach()
    except OSError as error:
        raise PeerFailed(f"no bridge listens on {path}: {error.strerror or error}") from None
    return Connection(descriptor, descriptor)


def peer_uid(stream: socket.socket) -> int | None:
    """Return the user id of the process at the other end, or None where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _, uid, _ = _CREDENTIALS.unpack(stream.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return int(uid)
