"""The journal of a migration: what was planned and done, so that any interruption can be continued. No secrets.

One file for each source and destination, JSON Lines, 0600. What must be on disk before the token is touched is synced:
the plan, with the id that each key will have in the token. All later lines tell what the token and the store show as
well; they are written at once, which survives a killed process, and synced at the end. After a power cut that took
some of them, a second run finds the key in the token or the record in the store.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from keyring_bridge.migrate.errors import JournalDamaged, MigrationBusy
from keyring_bridge.migrate.history import History

FOLDER = "migrations"
_VERSION = 1
_LARGEST = 256 << 20
_READER_SECONDS = 0.5
"""Longest wait for a reader that looks whether a process is at work."""


def journal_id(identity: str, provider: str) -> str:
    """Return the name of the migration of a source into a provider: 16 hexadecimal digits."""
    return sha256(f"{identity}\n{provider}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


class Journal:
    """One migration's journal, open for writing; only one process has it open.

    Attributes:
        id: Names the migration.
        history: What the lines say so far.
    """

    def __init__(self, identifier: str, path: Path, descriptor: int, history: History) -> None:
        self.id = identifier
        self.path = path
        self.history = history
        self._descriptor = descriptor

    @classmethod
    @contextmanager
    def open(cls, state_dir: Path, identifier: str) -> Iterator[Journal]:
        """Open a migration's journal, new or continued. A line that a killed process left unfinished is cut off.

        Raises:
            MigrationBusy: Another process has it.
            JournalDamaged: It cannot be read.
        """
        from keyring_bridge.config.files import private_dir

        path = private_dir(state_dir / FOLDER) / f"{identifier}.jsonl"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_APPEND, 0o600)
        try:
            _lock(descriptor)
            content = _read_all(descriptor)
            whole = content[: content.rfind(b"\n") + 1]
            if len(whole) < len(content):
                os.ftruncate(descriptor, len(whole))
            yield cls(identifier, path, descriptor, _fold(whole, path))
        finally:
            os.close(descriptor)

    def note(self, event: str, fields: Mapping[str, object], *, durable: bool = False) -> None:
        """Append one line; with ``durable`` it is on disk, with its folder, when this returns."""
        line = {"v": _VERSION, "event": event, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}
        data = json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self.history.fold(line)
        if durable:
            self.sync()

    def sync(self) -> None:
        """Make everything that was noted durable."""
        os.fdatasync(self._descriptor)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: Path) -> tuple[History, bool]:
    """Return what a journal says, and whether a process is at work; nothing is changed.

    Raises:
        JournalDamaged: It cannot be read.
        OSError: It cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            busy = False
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        except BlockingIOError:
            busy = True
        content = _read_all(descriptor)
        return _fold(content[: content.rfind(b"\n") + 1], path), busy
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    give_up = time.monotonic() + _READER_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise MigrationBusy("another process works at this migration") from None
            time.sleep(0.01)


def _read_all(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    if size > _LARGEST:
        raise JournalDamaged("the migration's journal is larger than any that is written")
    return os.pread(descriptor, size, 0)


def _fold(content: bytes, path: Path) -> History:
    history = History()
    for number, line in enumerate(content.splitlines(), 1):
        try:
            fields = json.loads(line)
            if fields["v"] != _VERSION:
                raise ValueError("another version")
            history.fold(fields)
        except (ValueError, KeyError, TypeError) as error:
            raise JournalDamaged("the migration's journal is damaged", detail=f"{path}:{number}: {error}") from None
    return history
