"""Reading an audit log without checking its chain: the last entries, all of them, or those still open.

Readers take the shared lock just long enough to learn how long the log is, so they never see half of an entry that is
being written, and never hold up a writer.
"""

from __future__ import annotations

import fcntl
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cosmos_formats.quickclass import dataclass
from keyring_bridge.audit.entry import INTENT_SUFFIX, MAX_LINE_BYTES, Entry, NotAnEntry, parse
from keyring_bridge.errors import AuditFailed

_BLOCK = 64 * 1024
_LOCK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that is not an entry: torn by a writer that died, or edited. The verifier tells which.

    Attributes:
        offset: Where it begins in the file.
        size: Its length in bytes.
        reason: What is wrong with it.
    """

    offset: int
    size: int
    reason: str


@contextmanager
def open_log(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a log for reading; yields the file and the size that it has now.

    Raises:
        AuditFailed: It cannot be opened.
    """
    try:
        file = path.open("rb", buffering=1 << 20)
    except OSError as error:
        raise AuditFailed("the audit log cannot be opened", detail=f"{path}: {error.strerror}") from error
    with file:
        yield file, _size(file.fileno())


def _size(fd: int) -> int:
    """Return the size of the log between two entries, or as it is where the lock cannot be had."""
    give_up = time.monotonic() + _LOCK_SECONDS
    while time.monotonic() < give_up:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.001)
            continue
        except OSError:
            break
        try:
            return os.fstat(fd).st_size
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
    return os.fstat(fd).st_size


def lines(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """Yield the lines between two offsets with their line feeds; a line that is too long comes in pieces."""
    file.seek(start)
    left = stop - start
    while left > 0:
        line = file.readline(min(left, MAX_LINE_BYTES + 1))
        if not line:
            return
        left -= len(line)
        yield line


def read(path: Path, start: int = 0) -> Iterator[tuple[int, Entry | Damaged]]:
    """Yield what is in a log now, each with the offset after it; pass the last one as ``start`` to follow the log.

    Raises:
        AuditFailed: The log cannot be opened or read.
    """
    with open_log(path) as (file, size):
        offset = start
        try:
            for line in lines(file, start, size):
                item = _item(line, offset)
                offset += len(line)
                yield offset, item
        except OSError as error:
            raise AuditFailed("the audit log cannot be read", detail=f"{path}: {error.strerror}") from error


def tail(path: Path, count: int) -> list[Entry | Damaged]:
    """Return the last ``count`` lines, oldest first.

    Raises:
        AuditFailed: The log cannot be opened or read.
    """
    if count <= 0:
        return []
    with open_log(path) as (file, size):
        start, data = size, b""
        try:
            while start > 0 and data.count(b"\n", 0, len(data) - 1) < count:
                step = min(start, max(_BLOCK, len(data)))
                start -= step
                data = os.pread(file.fileno(), step, start) + data
        except OSError as error:
            raise AuditFailed("the audit log cannot be read", detail=f"{path}: {error.strerror}") from error
    found: list[Entry | Damaged] = []
    offset = start
    for line in io.BytesIO(data):
        found.append(_item(line, offset))
        offset += len(line)
    return found[-count:]


def outstanding(path: Path) -> list[Entry]:
    """Return the intents without an outcome, oldest first: operations under way, or cut off by a crash.

    Each of them counts as carried out.

    Raises:
        AuditFailed: The log cannot be opened or read.
    """
    still_open: dict[int, Entry] = {}
    for _, item in read(path):
        if isinstance(item, Damaged):
            continue
        if item.of is not None:
            still_open.pop(item.of, None)
        elif item.kind.endswith(INTENT_SUFFIX):
            still_open[item.seq] = item
    return list(still_open.values())


def _item(line: bytes, offset: int) -> Entry | Damaged:
    text = line.removesuffix(b"\n")
    try:
        return parse(text)
    except NotAnEntry as error:
        return Damaged(offset, len(line), str(error))
