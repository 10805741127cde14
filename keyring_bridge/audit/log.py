"""The audit log as the bridge writes it.

Rules:

* An intent is on disk before :meth:`AuditLog.intend` returns. Intents of several threads share a sync.
* An outcome is appended together with the next intent or after some milliseconds, whichever comes first, and synced
  with the next intent or within a second. So a killed process may lose the outcomes of its last milliseconds, and a
  power cut those of the last second. An intent without an outcome counts as carried out.
* **Poisoning.** After a write or sync that failed, or when the file was replaced, cut or rewritten under the writer,
  this process writes nothing more: every later intent raises :class:`~keyring_bridge.errors.AuditFailed` until a
  restart. A sync is not tried again, because it may then succeed although the data is gone.
* Several processes may write to one log. Each takes the file's lock, reads what the others appended, and continues.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cosmos_formats.quickclass import dataclass
from keyring_bridge.audit.entry import (
    INTENT_SUFFIX,
    OUTCOME_SUFFIX,
    RECOVERY,
    Head,
    check_identifier,
    check_kind,
    encode_fields,
    seal,
)
from keyring_bridge.audit.logfile import NOTHING, End, LogFile
from keyring_bridge.audit.recovery import recovery_fields
from keyring_bridge.audit.syncing import Flusher, GroupSync
from keyring_bridge.errors import AuditFailed, BridgeError, InvalidRequest


@dataclass(frozen=True, slots=True)
class AuditToken:
    """A durable intent that awaits its outcome.

    Attributes:
        kind: Its kind, ending in ``.intent``.
        id: Correlation id.
        seq: Its number in the log.
    """

    kind: str
    id: str
    seq: int


class _Draft(NamedTuple):
    """An entry that has no place in the chain yet; arguments of :func:`~keyring_bridge.audit.entry.seal`."""

    kind: str
    identifier: str
    fields: str
    of: int | None


class AuditLog:
    """An append-only, hash-chained log, open for writing. Safe for threads; not to be used after a fork.

    Args:
        path: The file; made with its folder if missing.
        bridge_id: Name of this installation, in every entry: at most 64 printable ASCII characters.
        sync: Makes the bytes of a file descriptor durable, or raises OSError.

    Raises:
        AuditFailed: The file cannot be opened for appending.
        AuditCorrupt: It ends with something that cannot be continued.
        InsecureFile: Others may write to it.
    """

    def __init__(self, path: Path, bridge_id: str, *, sync: Callable[[int], None] = os.fdatasync) -> None:
        check_identifier(bridge_id)
        self._bridge = bridge_id
        self._file = LogFile(path)
        self._process = os.getpid()
        self._mutex = threading.Lock()
        self._failure: tuple[str, str | None] | None = None
        self._closed = False
        self._open_intents: dict[int, AuditToken] = {}
        fd = self._file.fd
        self._group = GroupSync(lambda: sync(fd))
        self._late: list[_Draft] = []
        self._flusher = Flusher(self._write_late, self._sync_late)
        self._end = NOTHING
        try:
            self._file.lock()
            try:
                self._end = self._file.catch_up(NOTHING)
            finally:
                self._file.unlock()
        except BaseException:
            self._file.close()
            raise

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def head(self) -> Head:
        """The last entry that this process wrote or saw."""
        return self._end.head

    @property
    def failure(self) -> str | None:
        """Why nothing can be written any more, or None."""
        return self._failure[0] if self._failure is not None else None

    @property
    def syncs(self) -> int:
        """How often this process synced the file."""
        return self._group.syncs

    def outstanding(self) -> tuple[AuditToken, ...]:
        """Return the intents of this process that have no outcome yet, oldest first."""
        with self._mutex:
            return tuple(self._open_intents.values())

    def intend(self, kind: str, identifier: str, fields: Mapping[str, object]) -> AuditToken:
        """Write down what is about to be done. When this returns it is on disk.

        Args:
            kind: Ends in ``.intent``.
            identifier: Correlation id of the operation.
            fields: JSON values; no secrets, and none of :data:`~keyring_bridge.audit.entry.RESERVED`.

        Raises:
            AuditFailed: It is not certain to be on disk. Do nothing.
            InvalidRequest: ``kind``, ``identifier`` or ``fields`` cannot be written.
        """
        if not kind.endswith(INTENT_SUFFIX):
            raise InvalidRequest(f"the kind of an intent ends in {INTENT_SUFFIX}")
        check_kind(kind)
        check_identifier(identifier)
        text = encode_fields(fields)
        with self._mutex:
            end = self._append(_Draft(kind, identifier, text, None))
            token = AuditToken(kind, identifier, end.head.seq)
            self._open_intents[token.seq] = token
        try:
            self._wait(end)
        except BaseException:
            with self._mutex:
                self._open_intents.pop(token.seq, None)
            raise
        return token

    def conclude(self, token: AuditToken, fields: Mapping[str, object]) -> bool:
        """Tell how an intent ended. Only the first conclusion of a token counts.

        It is written within some milliseconds. A file that fails then cannot raise here: the intent is on disk and
        counts as carried out. It poisons the log, so the next intent fails.

        Args:
            token: What :meth:`intend` returned.
            fields: As there.

        Returns:
            Whether it will be written: it is the first, and the log is open and sound.

        Raises:
            InvalidRequest: ``fields`` cannot be written.
        """
        text = encode_fields(fields)
        kind = token.kind.removesuffix(INTENT_SUFFIX) + OUTCOME_SUFFIX
        with self._mutex:
            if self._open_intents.pop(token.seq, None) is None:
                return False
            return self._append_later(_Draft(kind, token.id, text, token.seq))

    def note(self, kind: str, identifier: str, fields: Mapping[str, object], *, durable: bool = True) -> None:
        """Write down something that has no outcome.

        Args:
            kind: Anything but an intent's or outcome's.
            identifier: Correlation id, may be empty.
            fields: As for :meth:`intend`.
            durable: On disk when this returns. If False it is written like an outcome.

        Raises:
            AuditFailed: ``durable`` was asked for and is not certain.
            InvalidRequest: ``kind``, ``identifier`` or ``fields`` cannot be written.
        """
        check_kind(kind)
        check_identifier(identifier)
        if kind.endswith((INTENT_SUFFIX, OUTCOME_SUFFIX)) or kind == RECOVERY:
            raise InvalidRequest(f"a note cannot be of kind {kind}")
        text = encode_fields(fields)
        with self._mutex:
            draft = _Draft(kind, identifier, text, None)
            if not durable:
                self._append_later(draft)
                return
            end = self._append(draft)
        self._wait(end)

    def close(self) -> None:
        """Write and sync what is left, and close the file. Never raises for a failing file; may be called twice."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
        if os.getpid() == self._process:
            self._flusher.close()
            self._write_late(None)
            self._sync_late()
        self._file.close()

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The mutex is held in the next five.

    def _append(self, draft: _Draft) -> End:
        """Append what is late and one entry more, and return the new end."""
        failed = self._unusable()
        if failed is not None:
            raise failed
        return self._write(draft)

    def _append_later(self, draft: _Draft) -> bool:
        """Let the next append or the flusher's thread write an entry; False if nothing can be written any more."""
        if self._unusable() is not None:
            return False
        self._late.append(draft)
        self._flusher.due()
        return True

    def _write(self, *more: _Draft, seconds: float | None = None) -> End:
        """Append all that is late and then ``more``, and return the new end.

        A recovery comes before them if a dead writer left something. ``seconds`` is as for :meth:`LogFile.lock`.
        """
        try:
            self._file.lock(seconds)
            return self._write_locked(more)
        except BaseException:
            # An interrupt may have come after the write: what is in the file now has to be synced.
            with suppress(OSError):
                self._group.wrote(self._file.size())
            raise
        finally:
            self._file.unlock()

    def _write_locked(self, more: tuple[_Draft, ...]) -> End:
        try:
            end = self._file.catch_up(self._end)
            now = datetime.now(UTC).isoformat(timespec="microseconds")[:26] + "Z"
            head, lines = end.head, []
            if end.torn or end.open_line:
                mend, head = seal(head, now, RECOVERY, "", self._bridge, encode_fields(recovery_fields(end.torn)))
                lines += [b"\n", mend]
            for draft in (*self._late, *more):
                line, head = seal(head, now, draft.kind, draft.identifier, self._bridge, draft.fields, draft.of)
                lines.append(line)
            data = b"".join(lines)
            # From here on they count as written. An interrupt may lose them, as a kill would, but written twice they
            # would break the log for good. What was written and not noted here is found by the next catch_up().
            self._late = []
            end = self._end = self._file.append(end, data, head)
            self._group.wrote(end.offset)
        except BridgeError as error:
            self._poison(error)
            raise
        return end

    def _unusable(self) -> AuditFailed | None:
        """Return why nothing can be written, or None."""
        if self._failure is not None:
            return AuditFailed(self._failure[0], detail=self._failure[1])
        if self._closed:
            return AuditFailed("the audit log is closed")
        if os.getpid() != self._process:
            return AuditFailed("the audit log was opened before a fork")
        return None

    def _write_late(self, seconds: float | None = 0.0) -> None:
        with self._mutex:
            if self._owes():
                with suppress(BridgeError):
                    self._write(seconds=seconds)
            # Another process's lock was in the way. Nobody here shall wait for it behind this thread: try again soon.
            if self._owes() and not self._closed:
                self._flusher.due()

    def _owes(self) -> bool:
        return bool(self._late) and self._failure is None

    def _wait(self, end: End) -> None:
        try:
            self._group.wait(end.offset)
        except OSError as error:
            failed = AuditFailed("the audit log cannot be synced", detail=f"{self.path}: {error.strerror}")
            self._poison(failed)
            raise failed from error

    def _sync_late(self) -> None:
        try:
            self._group.flush()
        except OSError as error:
            self._poison(AuditFailed("the audit log cannot be synced", detail=f"{self.path}: {error.strerror}"))

    def _poison(self, error: BridgeError) -> None:
        if self._failure is None:
            self._failure = (error.message, error.detail)
