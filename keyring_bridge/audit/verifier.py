"""Checks a whole audit log.

Rules, in the order they are applied to each line:

1. It begins and ends as an entry does, and its hash is that of its bytes (the JSON between is not parsed: its bytes
   are what counts).
2. Its ``prev`` is the hash of the entry before it, and its ``seq`` one more. The first has zeros and 1.
3. Bytes between entries that are no entry are allowed only where the next entry is a ``recovery`` that stands for
   exactly them, and at the end of the log, and only if a dying writer can have left them.
4. An outcome names an earlier intent with the same id that has no outcome yet.

Every edited, removed, inserted or moved byte breaks one of them, with one exception: entries cut off the end leave a
chain that is whole. Only a :class:`~keyring_bridge.audit.entry.Head` that was noted elsewhere shows that they are gone.

A log is read as a stream, in constant memory but for the intents still open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cosmos_formats.quickclass import dataclass
from keyring_bridge.audit.entry import (
    EMPTY,
    INTENT_SUFFIX,
    RECOVERY,
    Frame,
    Head,
    NotAnEntry,
    parse,
    scan,
)
from keyring_bridge.audit.reader import lines, open_log
from keyring_bridge.audit.recovery import MAX_TORN_BYTES, closes, is_tear
from keyring_bridge.errors import AuditFailed

MAX_PROBLEMS = 100
_PROGRESS_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a log that no writer writes.

    Attributes:
        code: ``damaged``, ``chain-broken``, ``beginning-missing``, ``tear-mismatch``, ``stray-outcome`` or
            ``head-missing``.
        line: Number of the line, from 1; 0 where no line is meant.
        offset: Where that line begins in the file.
        message: One sentence.
    """

    code: str
    line: int
    offset: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What :func:`verify` found.

    Attributes:
        entries: Entries whose own hash is right.
        head: The last of them. Note it elsewhere: it proves later that nothing was cut off.
        problems: At most :data:`MAX_PROBLEMS`.
        problem_count: How many there are.
        outstanding: Intents without an outcome, oldest first. They count as carried out.
        recoveries: How often a writer continued after another that had died while writing.
        torn_bytes: Bytes at the end that a dying writer left and nobody has closed yet; no problem.
        size: Bytes read.
        first_time: Time of the first entry, or None.
        last_time: Time of the last entry, or None.
    """

    entries: int
    head: Head
    problems: tuple[Problem, ...]
    problem_count: int
    outstanding: tuple[Frame, ...]
    recoveries: int
    torn_bytes: int
    size: int
    first_time: str | None
    last_time: str | None

    @property
    def ok(self) -> bool:
        """Whether the log is whole."""
        return self.problem_count == 0


def verify(
    path: Path, *, anchor: Head | None = None, progress: Callable[[int, int], None] | None = None
) -> VerifyReport:
    """Check every entry of a log, as it is now; writers may go on meanwhile.

    Args:
        path: The log.
        anchor: A head that was noted earlier. A log that does not contain it is not that log any more, or was cut.
        progress: Called now and then with the bytes done and the bytes in all.

    Raises:
        AuditFailed: The log cannot be opened or read.
    """
    check = _Check(anchor)
    with open_log(path) as (file, size):
        report_at = _PROGRESS_BYTES
        try:
            for line in lines(file, 0, size):
                check.take(line)
                if progress is not None and check.offset >= report_at:
                    progress(check.offset, size)
                    report_at += _PROGRESS_BYTES
        except OSError as error:
            raise AuditFailed("the audit log cannot be read", detail=f"{path}: {error.strerror}") from error
    report = check.finish()
    if progress is not None:
        progress(size, size)
    return report


class _Check:
    """The verifier's state between two lines.

    ``head`` is the last good entry and ``junk`` what came after it that is none. A gap that was reported is not
    reported again by the next good entry: ``resume`` takes that entry as it is.
    """

    def __init__(self, anchor: Head | None) -> None:
        self.offset = 0
        self._line = 0
        self._anchor = anchor
        self._anchored = anchor is None or anchor == EMPTY
        self._head = EMPTY
        self._entries = 0
        self._recoveries = 0
        self._first: str | None = None
        self._last: str | None = None
        self._junk: list[bytes] = []
        self._junk_size = 0
        self._junk_reason = ""
        self._junk_at = (0, 0)
        self._resume = False
        self._open: dict[int, Frame] = {}
        self._problems: list[Problem] = []
        self._problem_count = 0

    def take(self, line: bytes) -> None:
        """Take the next line, with its line feed if it has one."""
        self._line += 1
        text = line.removesuffix(b"\n")
        try:
            frame = scan(text)
            recovery = parse(text).fields if frame.kind == RECOVERY else None
        except NotAnEntry as error:
            self._take_junk(line, str(error))
        else:
            self._take_entry(frame, recovery)
        self.offset += len(line)

    def finish(self) -> VerifyReport:
        """Judge the end."""
        torn = 0
        if self._junk:
            region = b"".join(self._junk)
            if is_tear(region):
                torn = len(region)
            else:
                self._report_junk()
        if not self._anchored and self._anchor is not None:
            self._report(
                "head-missing", f"entry {self._anchor.seq} with the hash noted elsewhere is not in the log", at=(0, 0)
            )
        return VerifyReport(
            entries=self._entries,
            head=self._head,
            problems=tuple(self._problems),
            problem_count=self._problem_count,
            outstanding=tuple(self._open.values()),
            recoveries=self._recoveries,
            torn_bytes=torn,
            size=self.offset,
            first_time=self._first,
            last_time=self._last,
        )

    def _take_junk(self, line: bytes, reason: str) -> None:
        if not self._junk:
            self._junk_reason, self._junk_at = reason, (self._line, self.offset)
        self._junk.append(line)
        self._junk_size += len(line)
        if self._junk_size > MAX_TORN_BYTES:
            self._report_junk()

    def _take_entry(self, entry: Frame, recovery: Mapping[str, object] | None) -> None:
        if recovery is not None:
            self._take_recovery(entry, recovery)
        elif self._junk:
            self._report_junk()
        if not self._resume and (entry.prev != self._head.hash or entry.seq != self._head.seq + 1):
            self._report_break(entry)
        self._resume = False
        self._head = Head(entry.seq, entry.hash)
        self._entries += 1
        self._last = entry.time
        if self._first is None:
            self._first = entry.time
        if not self._anchored and self._head == self._anchor:
            self._anchored = True
        if entry.of is not None:
            intent = self._open.pop(entry.of, None)
            # After a break the intent may be among what is missing, which has been told already.
            if (intent is None or intent.id != entry.id) and self._problem_count == 0:
                self._report("stray-outcome", f"entry {entry.seq} is an outcome of entry {entry.of}, which awaits none")
        elif entry.kind.endswith(INTENT_SUFFIX):
            self._open[entry.seq] = entry

    def _take_recovery(self, entry: Frame, fields: Mapping[str, object]) -> None:
        region = b"".join(self._junk).removesuffix(b"\n")
        if is_tear(region) and closes(fields, region):
            self._recoveries += 1
            self._junk, self._junk_size = [], 0
        elif self._junk and not is_tear(region):
            self._report_junk()
        else:
            self._report("tear-mismatch", f"entry {entry.seq} closes torn bytes that are not the ones before it")
            self._junk, self._junk_size = [], 0

    def _report_junk(self) -> None:
        self._report("damaged", f"damaged: {self._junk_reason}", at=self._junk_at)
        self._junk, self._junk_size = [], 0
        self._resume = True

    def _report_break(self, entry: Frame) -> None:
        expected = self._head.seq + 1
        if self._head == EMPTY:
            self._report("beginning-missing", f"the log begins with entry {entry.seq}; what came before it is missing")
        elif entry.seq > expected:
            self._report("chain-broken", f"entries {expected} to {entry.seq - 1} are missing before entry {entry.seq}")
        elif entry.seq < expected:
            self._report("chain-broken", f"entry {entry.seq} follows entry {self._head.seq}: moved or repeated")
        else:
            self._report("chain-broken", f"entry {entry.seq} does not continue the entry before it")

    def _report(self, code: str, message: str, at: tuple[int, int] | None = None) -> None:
        self._problem_count += 1
        if len(self._problems) < MAX_PROBLEMS:
            line, offset = at if at is not None else (self._line, self.offset)
            self._problems.append(Problem(code, line, offset, message))
