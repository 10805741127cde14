"""The file under an audit log: opened safely, locked, appended to, and watched for what must not happen to it.

Processes exclude each other with ``flock`` on the log itself. Threads share one open file, which ``flock`` does not
tell apart: the caller holds a mutex of its own around :meth:`LogFile.lock` and :meth:`LogFile.unlock`.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

from keyring_bridge.audit.entry import EMPTY, Head, NotAnEntry, scan
from keyring_bridge.audit.recovery import MAX_TORN_BYTES, is_tear
from keyring_bridge.errors import AuditCorrupt, AuditFailed, InsecureFile
from keyring_bridge.locking import lock, unlock

LOCK_SECONDS = 10.0
_FIRST_WINDOW = 4096
_MARK_BYTES = 80


class End(NamedTuple):
    """Where the chain of a file ends.

    Attributes:
        head: Its last entry.
        offset: Where that entry ends, its line feed included.
        torn: Bytes that follow, left by a dead writer.
        open_line: The last entry lacks its line feed.
    """

    head: Head
    offset: int
    torn: bytes
    open_line: bool

    @property
    def size(self) -> int:
        """Size of a file that ends so."""
        return self.offset + len(self.torn)


NOTHING = End(EMPTY, 0, b"", open_line=False)


class LogFile:
    """An audit log opened for appending.

    Args:
        path: The file; it is made, 0600, if there is none. Its folder is made 0700.

    Raises:
        AuditFailed: It cannot be opened.
        InsecureFile: It is no regular file, or others may write to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.fd = _open(path)
        except OSError as error:
            raise _failed("the audit log cannot be opened", path, error) from error
        try:
            status = os.fstat(self.fd)
            check_file(status, path)
        except BaseException:
            os.close(self.fd)
            raise
        self._name = os.fspath(path)
        self._identity = (status.st_dev, status.st_ino)
        self._mark = (b"", 0)

    def lock(self, seconds: float | None = None) -> None:
        """Keep other processes from appending.

        Args:
            seconds: How long to wait for one that does; :data:`LOCK_SECONDS` if None.

        Raises:
            AuditFailed: Another process has held the lock for so long.
        """
        seconds = LOCK_SECONDS if seconds is None else seconds
        try:
            locked = lock(self.fd, seconds)
        except OSError as error:
            raise _failed("the audit log cannot be locked", self.path, error) from error
        if not locked:
            raise _failed(f"another process has held the audit log for {seconds:.0f} seconds", self.path)

    def unlock(self) -> None:
        """Let others append."""
        unlock(self.fd)

    def catch_up(self, known: End) -> End:
        """Return where the chain ends now. The lock is held.

        Args:
            known: Where it ended when this process last looked; :data:`NOTHING` at first.

        Raises:
            AuditFailed: The file was replaced, cut or rewritten since then.
            AuditCorrupt: What others appended is no continuation.
        """
        try:
            status = os.stat(self._name)
            if (status.st_dev, status.st_ino) != self._identity:
                raise _failed("the audit log was replaced by another file", self.path)
            size, known_size = status.st_size, known.size
            if size < known_size:
                raise _failed("the audit log was cut short", self.path)
            mark, mark_at = self._mark
            if os.pread(self.fd, len(mark), mark_at) != mark:
                raise _failed("the audit log was rewritten", self.path)
            if size == known_size:
                return known
            end = find_end(self.fd, size)
            if end.head.seq < known.head.seq or end.offset < known.offset:
                raise _failed("the audit log was rewritten", self.path)
            length = min(_MARK_BYTES, end.offset)
            self._set_mark(os.pread(self.fd, length, end.offset - length), end.offset)
            return end
        except OSError as error:
            raise _failed("the audit log cannot be read, or is no longer in its place", self.path, error) from error

    def append(self, known: End, data: bytes, head: Head) -> End:
        """Write whole lines at the end, in one call, and return where the chain ends then. The lock is held.

        Args:
            known: Where the chain ends.
            data: What to write.
            head: The last entry in ``data``.

        Raises:
            AuditFailed: Not all of it was written.
        """
        try:
            written = os.write(self.fd, data)
        except OSError as error:
            raise _failed("the audit log cannot be written", self.path, error) from error
        if written != len(data):
            raise _failed("the audit log cannot be written", self.path, f"only {written} of {len(data)} bytes")
        offset = known.size + len(data)
        self._set_mark(data[-_MARK_BYTES:], offset)
        return End(head, offset, b"", open_line=False)

    def _set_mark(self, last: bytes, offset: int) -> None:
        """Note the last bytes before ``offset``: whoever rewrites the file changes them."""
        # One assignment: an interrupt must not leave half of it.
        self._mark = (last, offset - len(last))

    def size(self) -> int:
        """Return how many bytes are in the file now.

        Raises:
            OSError: The file system does not tell.
        """
        return os.fstat(self.fd).st_size

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


def find_end(fd: int, size: int) -> End:
    """Find the last entry in the first ``size`` bytes of a file, reading backwards.

    Raises:
        AuditCorrupt: After the last entry stands something that no dying writer leaves.
        OSError: The file cannot be read.
    """
    window = _FIRST_WINDOW
    while True:
        start = max(0, size - window)
        data = os.pread(fd, size - start, start)
        if len(data) != size - start:
            raise OSError(errno.EIO, "short read")
        found = _last_entry(data, whole_file=start == 0)
        if found is not None:
            head, offset, open_line = found
            return _end(head, start + offset, data[offset:], open_line)
        if start == 0:
            return _end(EMPTY, 0, data, open_line=False)
        if window > MAX_TORN_BYTES:
            raise AuditCorrupt(f"the audit log has no entry in its last {window} bytes", hint=CORRUPT_HINT)
        window *= 4


CORRUPT_HINT = "look at it with `hsm audit verify`; move it to a safe place to begin a new one"


def _last_entry(data: bytes, *, whole_file: bool) -> tuple[Head, int, bool] | None:
    """Return the last entry in ``data``, where it ends, and whether it lacks its line feed."""
    stop = len(data)
    while stop > 0:
        text_stop = stop - 1 if data[stop - 1] == 0x0A else stop
        start = data.rfind(b"\n", 0, text_stop) + 1
        if start == 0 and not whole_file:
            return None
        try:
            frame = scan(data[start:text_stop])
        except NotAnEntry:
            stop = start
        else:
            return Head(frame.seq, frame.hash), stop, text_stop == stop
    return None


def _end(head: Head, offset: int, torn: bytes, open_line: bool) -> End:
    if not is_tear(torn):
        raise AuditCorrupt("the audit log ends with something that is not an entry", hint=CORRUPT_HINT)
    return End(head, offset, torn, open_line)


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, flags | os.O_CREAT, 0o600)
    try:
        _sync_directory(path.parent)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def check_file(status: os.stat_result, path: Path) -> None:
    """Check that a log is a regular file of this user or of root that nobody else can write.

    Raises:
        InsecureFile: It is not.
    """
    if not stat.S_ISREG(status.st_mode):
        raise InsecureFile("the audit log is not a regular file", detail=str(path))
    if status.st_uid not in (0, os.geteuid()):
        raise InsecureFile(
            f"the audit log belongs to uid {status.st_uid}, neither to this user nor to root", detail=str(path)
        )
    if status.st_mode & 0o022:
        raise InsecureFile("others may write to the audit log", hint="chmod 600", detail=str(path))


def _failed(message: str, path: Path, cause: OSError | str = "") -> AuditFailed:
    reason = cause.strerror if isinstance(cause, OSError) else cause
    return AuditFailed(message, detail=f"{path}: {reason}" if reason else str(path))
