"""One SQLite file: opened safely, migrated, shared by threads, with every failure as one error."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.errors import StoreFailed
from keyring_bridge.store.files import check_file

if TYPE_CHECKING:
    import sqlite3

    from keyring_bridge.store.schema import Schema

BUSY_SECONDS = 10.0

# SQLite's primary result codes (sqlite.org/rescode.html) as numbers: loading sqlite3 for their names takes 6 ms.
_BUSY, _CORRUPT, _NOTADB = 5, 11, 26
_REASONS = {
    _BUSY: f"is held by another process for more than {BUSY_SECONDS:.0f} seconds",
    6: "is held by another operation",
    3: "cannot be opened",
    8: "cannot be written: it is read-only",
    10: "cannot be read or written: the storage failed",
    _CORRUPT: "is damaged",
    13: "cannot be written: the storage is full",
    14: "cannot be opened",
    _NOTADB: "is damaged, or no store at all",
}


class Database:
    """A connection that threads take turns with. Not to be used after a fork.

    The file and what SQLite keeps beside it (``-wal``, ``-shm``) are 0600.

    Args:
        path: The file; made if missing, in a folder that exists.
        schema: What must be in it; an older version is migrated.

    Raises:
        StoreFailed: The file is damaged, another program's, of a newer version, or cannot be opened.
        InsecureFile: It is no regular file, or others may write to it.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        import sqlite3

        self._path = path
        self._schema = schema
        self._lock = threading.Lock()
        self._process = os.getpid()
        # Where the schema itself is damaged, sqlite3 fails to decode SQLite's message about it.
        self._errors = (sqlite3.Error, UnicodeDecodeError)
        try:
            _prepare(path, schema)
        except OSError as error:
            raise StoreFailed(f"{schema.what} cannot be opened", detail=f"{path}: {error.strerror}") from error
        with self._failures():
            # SQLite's own statement cache makes repeated execute() calls skip parsing.
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=32
            )
        try:
            with self._failures():
                self._check_owner()
                self._use_wal()
                self._connection.execute(f"PRAGMA synchronous = {schema.synchronous}")
                self._connection.execute("PRAGMA trusted_schema = OFF")
                self._migrate()
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for single statements, each of which is its own transaction."""
        with self._lock, self._failures():
            self._check_process()
            yield self._connection

    def version(self) -> int:
        """Return a number that changes when another connection or process commits; the quick way to look.

        SQLite's ``data_version`` does not count what this connection changes.
        """
        with self._lock:
            self._check_process()
            try:
                return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            except self._errors as error:
                raise self._failed(error) from error

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection inside one write transaction, which is rolled back if the body raises."""
        with self._lock, self._failures():
            self._check_process()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def close(self) -> None:
        """Close the connection. May be called twice."""
        with self._lock:
            if os.getpid() == self._process:
                self._connection.close()

    def damaged(self, what: str, error: Exception) -> StoreFailed:
        """Return the error for a row that cannot be read."""
        return StoreFailed(
            f"{self._schema.what} is damaged: {what}", hint=self._schema.lost_hint, detail=f"{self._path}: {error}"
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error | UnicodeDecodeError) -> StoreFailed:
        code = _code(error)
        reason = _REASONS.get(code, "failed")
        hint = self._schema.lost_hint if code in (_CORRUPT, _NOTADB) else None
        return StoreFailed(f"{self._schema.what} {reason}", hint=hint, detail=f"{self._path}: {error}")

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise StoreFailed(f"{self._schema.what} was opened before a fork")

    def _check_owner(self) -> None:
        # One transaction: another process may be making the tables at this moment.
        self._connection.execute("BEGIN")
        try:
            (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (application,) = self._connection.execute("PRAGMA application_id").fetchone()
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        finally:
            self._roll_back()
        if application == self._schema.application_id:
            if version > self._schema.version:
                raise StoreFailed(
                    f"{self._schema.what} was written by a newer release (its version is {version}, "
                    f"this release knows up to {self._schema.version})",
                    hint="use that release, or a newer one",
                    detail=str(self._path),
                )
            return
        if application != 0 or version != 0 or tables != 0:
            raise StoreFailed(
                f"the file named as {self._schema.what} belongs to another program", detail=str(self._path)
            )

    def _use_wal(self) -> None:
        # Two processes that switch a new file at the same time get BUSY without SQLite's own waiting.
        give_up = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                (mode,) = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except self._errors as error:
                if _code(error) != _BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(0.005)
        if mode != "wal":
            raise StoreFailed(
                f"{self._schema.what} is on a file system without shared memory", detail=f"{self._path}: {mode}"
            )

    def _migrate(self) -> None:
        if self._version() == self._schema.version:
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been quicker.
            missing = self._schema.migrations[self._version() :]
            for statements in missing:
                for statement in statements:
                    self._connection.execute(statement)
            if missing:
                self._connection.execute(f"PRAGMA application_id = {self._schema.application_id}")
                self._connection.execute(f"PRAGMA user_version = {self._schema.version}")
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _version(self) -> int:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)


def _code(error: sqlite3.Error | UnicodeDecodeError) -> int:
    """Return the primary result code; Python's own errors, such as a closed connection's, have none."""
    if isinstance(error, UnicodeDecodeError):
        return _CORRUPT
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _prepare(path: Path, schema: Schema) -> None:
    """Make the file 0600 before SQLite would make it after the umask; SQLite's companions inherit the mode."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        check_file(path.lstat(), path, schema.what)
        return
    os.close(fd)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
