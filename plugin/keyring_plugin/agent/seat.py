"""An agent's place: its folder, the lock that keeps it the only one there, and the socket that it listens on.

A seat is taken in this order: folder (made as 0700, or refused), lock, socket. The lock belongs to the process and ends
with it, however it ends. Whoever has the lock may remove a socket that is there: nobody listens on it any more.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from keyring_bridge.errors import InsecureFile
from keyring_plugin.agent import place
from keyring_plugin.agent.errors import AgentFailed, AgentRunning

_FIRST_PASSED = 3
"""The first descriptor that systemd passes (SD_LISTEN_FDS_START)."""

_BACKLOG = 256


class Seat:
    """A place that is ours.

    Attributes:
        path: Of the socket.
        listener: Listens on it.

    Args:
        path: Where the socket is to be; if systemd passed one, that is taken instead.
        configuration: The configuration that this agent uses, for relays to compare.

    Raises:
        AgentRunning: Another agent has the lock.
        InsecureFile: Others have access to the place, or something else is there.
        AgentFailed: The socket cannot be made.
    """

    def __init__(self, path: str, configuration: str) -> None:
        passed = _passed_socket()
        self.path = path if passed is None else passed.getsockname()
        self._own = passed is None
        try:
            if self._own:
                from keyring_bridge.config.files import make_folders

                make_folders(Path(self.path).parent)
            self._folder = place.open_folder(self.path)
            self._name = os.path.basename(self.path)
            self._lock = self._take_lock()
            there = place.check_socket(self._folder, self._name)
            self.listener = passed if passed is not None else self._listen(there)
            found = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
            if found.st_mode & 0o077:
                raise place.UnsafePlace(f"others have access to the socket (mode {stat.S_IMODE(found.st_mode):04o})")
            self._inode = found.st_ino
            self._tell(configuration)
        except place.UnsafePlace as unsafe:
            raise InsecureFile(f"no agent can run at {self.path}: {unsafe}") from None
        except OSError as error:
            raise AgentFailed(f"no agent can run at {self.path}: {error.strerror or error}") from None

    def leave(self) -> None:
        """Let no more clients come; the lock stays until the process ends."""
        if self._own:
            with suppress(OSError):
                if os.stat(self._name, dir_fd=self._folder, follow_symlinks=False).st_ino == self._inode:
                    os.unlink(self._name, dir_fd=self._folder)
            with suppress(OSError):
                os.unlink(place.TOLD_NAME, dir_fd=self._folder)
        self.listener.close()

    def _take_lock(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(f"{self._name}.lock", flags, 0o600, dir_fd=self._folder)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise AgentRunning(f"an agent runs already at {self.path}") from None
        return lock

    def _listen(self, there: bool) -> socket.socket:
        if there:
            os.unlink(self._name, dir_fd=self._folder)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(place.address(self._folder, self.path))
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
        return listener

    def _tell(self, configuration: str) -> None:
        from keyring_bridge.config import write_atomic

        write_atomic(
            Path(place.address(self._folder, os.path.join(os.path.dirname(self.path), place.TOLD_NAME))),
            os.fsencode(configuration),
        )


def _passed_socket() -> socket.socket | None:
    """Return the listening socket that systemd passed (sd_listen_fds), None if it passed none.

    Raises:
        InsecureFile: What was passed is no listening unix socket with a path.
    """
    process, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()):
        return None
    if count != "1":
        raise InsecureFile("systemd passed more than one socket, or none")
    try:
        os.set_inheritable(_FIRST_PASSED, False)
        passed = socket.socket(fileno=_FIRST_PASSED)
        listening = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise InsecureFile(f"what systemd passed is no socket ({error.strerror})") from None
    kind = (passed.family, passed.type, bool(listening))
    if kind != (socket.AF_UNIX, socket.SOCK_STREAM, True) or not os.path.isabs(passed.getsockname() or ""):
        raise InsecureFile("what systemd passed is not a listening unix socket with a path")
    return passed
