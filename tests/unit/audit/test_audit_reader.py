"""Reading a log."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from keyring_bridge.audit import AuditLog, Damaged, Entry, outstanding, read, tail
from keyring_bridge.errors import AuditFailed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "audit.log"
    with AuditLog(path, "bridge", sync=lambda _: None) as log:
        for number in range(300):
            log.note("note", str(number), {"text": "x" * number})
    return path


def seqs(items: list[Entry | Damaged]) -> list[int]:
    return [item.seq for item in items if isinstance(item, Entry)]


@pytest.mark.parametrize("count", [0, -1, 1, 2, 100, 299, 300, 301, 10_000])
def test_tail(path: Path, count: int) -> None:
    assert seqs(tail(path, count)) == list(range(301 - min(max(count, 0), 300), 301))


def test_tail_of_long_lines(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with AuditLog(path, "bridge", sync=lambda _: None) as log:
        for _ in range(20):
            log.note("note", "", {"text": "x" * 60_000})
    for count in (1, 3, 20):
        assert seqs(tail(path, count)) == list(range(21 - count, 21))


def test_tail_of_an_empty_log(tmp_path: Path) -> None:
    (tmp_path / "audit.log").touch()
    assert tail(tmp_path / "audit.log", 5) == []


def test_damaged_lines_are_shown_not_skipped(path: Path) -> None:
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"v":1,"se')
    last = tail(path, 2)
    assert isinstance(last[0], Entry)
    assert last[1] == Damaged(len(whole), 10, "it is not an entry")
    assert [item for _, item in read(path)][-2:] == last


def test_following_a_log(path: Path) -> None:
    *_, (offset, _) = read(path)
    assert offset == path.stat().st_size
    assert list(read(path, offset)) == []
    with AuditLog(path, "bridge") as log:
        log.note("news", "", {})
    assert [item.kind for _, item in read(path, offset) if isinstance(item, Entry)] == ["news"]


def test_outstanding(path: Path) -> None:
    with AuditLog(path, "bridge") as log:
        first = log.intend("sign.intent", "a", {"key": "val"})
        log.intend("sign.intent", "b", {})
        log.conclude(first, {})
    assert [(entry.id, entry.seq) for entry in outstanding(path)] == [("b", 302)]


def test_missing_logs(tmp_path: Path) -> None:
    for attempt in (lambda path: tail(path, 1), lambda path: list(read(path)), outstanding):
        with pytest.raises(AuditFailed, match="cannot be opened"):
            attempt(tmp_path / "none")


def test_a_writer_that_holds_the_lock_holds_a_reader_up_only_for_a_while(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyring_bridge.audit.reader._LOCK_SECONDS", 0.05)
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert seqs(tail(path, 1)) == [300]


def test_readers_need_no_right_to_write(path: Path) -> None:
    os.chmod(path, 0o400)
    assert seqs(tail(path, 1)) == [300]
