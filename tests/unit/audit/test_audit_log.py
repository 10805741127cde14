"""The writer: what it appends, when it syncs, and when it stops."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keyring_bridge.audit import AuditLog, AuditToken, Entry, read, verify
from keyring_bridge.audit.logfile import check_file
from keyring_bridge.errors import AuditCorrupt, AuditFailed, InsecureFile, InvalidRequest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture
def log(path: Path) -> Iterator[AuditLog]:
    with AuditLog(path, "bridge") as log:
        yield log


def entries(path: Path) -> list[Entry]:
    return [item for _, item in read(path) if isinstance(item, Entry)]


def soon(path: Path, count: int) -> list[Entry]:
    """Return the entries as soon as there are ``count`` of them."""
    give_up = time.monotonic() + 1
    while len(found := entries(path)) < count and time.monotonic() < give_up:
        time.sleep(0.001)
    return found


class Disk:
    """A sync that counts, can be held up, and can fail."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)

    def __call__(self, fd: int) -> None:
        self.calls += 1
        self.entered.release()
        assert self.gate.wait(10)
        if self.fails:
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(fd)


def test_an_intent_and_its_outcome(log: AuditLog, path: Path) -> None:
    token = log.intend("sign.intent", "c0ffee", {"key": "val"})
    assert token == AuditToken("sign.intent", "c0ffee", 1)
    assert log.outstanding() == (token,)
    assert log.conclude(token, {"result": "signed"})
    assert log.outstanding() == ()
    intent, outcome = soon(path, 2)
    assert (intent.kind, intent.id, intent.of, intent.fields) == ("sign.intent", "c0ffee", None, {"key": "val"})
    assert (outcome.kind, outcome.id, outcome.of, outcome.fields) == ("sign.outcome", "c0ffee", 1, {"result": "signed"})
    assert intent.frame.bridge == "bridge"
    assert outcome.frame.prev == intent.frame.hash
    assert log.head == outcome.head


def test_only_the_first_conclusion_counts(log: AuditLog, path: Path) -> None:
    token = log.intend("sign.intent", "a", {})
    assert log.conclude(token, {"result": "unknown"})
    assert not log.conclude(token, {"result": "signed"})
    assert not log.conclude(AuditToken("sign.intent", "a", 99), {})
    log.close()
    assert [entry.fields for entry in entries(path)] == [{}, {"result": "unknown"}]


def test_what_nobody_waits_for_comes_before_the_next_intent(log: AuditLog, path: Path) -> None:
    for name in ("a", "b", "c"):
        log.conclude(log.intend("sign.intent", name, {}), {})
        log.note("refused", name, {}, durable=False)
    log.intend("sign.intent", "d", {})
    assert [(entry.id, entry.kind) for entry in entries(path)] == [
        *((name, kind) for name in "abc" for kind in ("sign.intent", "sign.outcome", "refused")),
        ("d", "sign.intent"),
    ]
    assert verify(path).ok


def test_an_intent_is_synced_before_it_returns_and_an_outcome_is_not(path: Path) -> None:
    disk = Disk()
    with AuditLog(path, "bridge", sync=disk) as log:
        token = log.intend("sign.intent", "a", {})
        assert disk.calls == 1
        log.conclude(token, {})
        assert disk.calls == 1
        log.intend("sign.intent", "b", {})
        assert (disk.calls, log.syncs) == (2, 2)


def test_an_outcome_is_synced_within_a_second(path: Path) -> None:
    disk = Disk()
    with AuditLog(path, "bridge", sync=disk) as log:
        log.conclude(log.intend("sign.intent", "a", {}), {})
        written = time.monotonic()
        while log.syncs < 2:
            assert time.monotonic() - written < 1.5
            time.sleep(0.01)
        time.sleep(0.1)
        assert disk.calls == 2


def test_notes(path: Path) -> None:
    disk = Disk()
    with AuditLog(path, "bridge", sync=disk) as log:
        log.note("key.listed", "", {}, durable=False)
        assert disk.calls == 0
        log.note("key.listed", "x", {"n": 1})
        assert disk.calls == 1
    assert [entry.kind for entry in entries(path)] == ["key.listed", "key.listed"]


@pytest.mark.parametrize("kind", ["sign.intent", "sign.outcome", "recovery", "", "A"])
def test_kinds_that_a_note_cannot_have(log: AuditLog, kind: str) -> None:
    with pytest.raises(InvalidRequest):
        log.note(kind, "", {})


def test_an_intent_is_named_so(log: AuditLog) -> None:
    with pytest.raises(InvalidRequest, match=r"\.intent"):
        log.intend("sign", "a", {})


def test_bad_fields_write_nothing_and_poison_nothing(log: AuditLog, path: Path) -> None:
    token = log.intend("sign.intent", "a", {})
    for fields in ({"seq": 1}, {"x": b""}, {"x": "y" * 70_000}):
        with pytest.raises(InvalidRequest):
            log.intend("sign.intent", "b", fields)
        with pytest.raises(InvalidRequest):
            log.conclude(token, fields)
    with pytest.raises(InvalidRequest):
        log.intend("sign.intent", "two words", {})
    assert log.conclude(token, {"result": "signed"})
    assert len(soon(path, 2)) == 2


def test_a_log_is_continued(path: Path) -> None:
    for number in range(1, 4):
        with AuditLog(path, f"run{number}") as log:
            assert log.intend("sign.intent", "a", {}).seq == number
    assert verify(path).ok


def test_an_old_token_means_nothing_to_a_new_log(path: Path) -> None:
    with AuditLog(path, "bridge") as log:
        token = log.intend("sign.intent", "a", {})
    with AuditLog(path, "bridge") as log:
        assert log.outstanding() == ()
        assert not log.conclude(token, {})


def test_threads_share_a_sync(path: Path) -> None:
    disk = Disk()
    with AuditLog(path, "bridge", sync=disk) as log:
        disk.gate.clear()
        tokens: list[AuditToken] = []
        threads = [threading.Thread(target=lambda: tokens.append(log.intend("sign.intent", "a", {}))) for _ in range(8)]
        threads[0].start()
        assert disk.entered.acquire(timeout=10)
        for thread in threads[1:]:
            thread.start()
        # While the first sync is held up, the other seven have written and wait.
        while len(entries(path)) < 8:
            time.sleep(0.001)
        assert tokens == []
        disk.gate.set()
        for thread in threads:
            thread.join()
        assert sorted(token.seq for token in tokens) == list(range(1, 9))
        # The first covered one intent, one more covered all others.
        assert disk.calls == 2


def test_a_sync_under_way_does_not_count_for_what_came_after_it_began(path: Path) -> None:
    disk = Disk()
    with AuditLog(path, "bridge", sync=disk) as log:
        disk.gate.clear()
        first = threading.Thread(target=log.intend, args=("sign.intent", "a", {}))
        first.start()
        assert disk.entered.acquire(timeout=10)
        second = threading.Thread(target=log.intend, args=("sign.intent", "b", {}))
        second.start()
        assert not disk.entered.acquire(timeout=0.05)
        disk.gate.set()
        first.join()
        second.join()
        assert disk.calls == 2


def assert_poisoned(log: AuditLog, path: Path, match: str) -> None:
    size = path.stat().st_size
    for _ in range(2):
        with pytest.raises(AuditFailed, match=match):
            log.intend("sign.intent", "z", {})
    with pytest.raises(AuditFailed, match=match):
        log.note("note", "z", {})
    log.note("note", "z", {}, durable=False)
    assert log.failure is not None
    assert path.stat().st_size == size


def test_a_failed_sync_stops_everything_although_the_next_would_succeed(path: Path) -> None:
    disk = Disk()
    with AuditLog(path, "bridge", sync=disk) as log:
        open_token = log.intend("sign.intent", "a", {})
        disk.fails = True
        with pytest.raises(AuditFailed, match="cannot be synced") as caught:
            log.intend("sign.intent", "b", {})
        assert str(path) not in str(caught.value)
        assert str(path) in (caught.value.detail or "")
        disk.fails = False
        assert_poisoned(log, path, "cannot be synced")
        assert not log.conclude(open_token, {"result": "signed"})
        assert disk.calls == 2
    with AuditLog(path, "bridge") as log:
        log.intend("sign.intent", "c", {})
    assert verify(path).ok


def test_a_failed_sync_fails_all_who_wait_for_it(path: Path) -> None:
    disk = Disk()
    with AuditLog(path, "bridge", sync=disk) as log:
        disk.gate.clear()
        disk.fails = True
        failures: list[Exception] = []

        def intend() -> None:
            try:
                log.intend("sign.intent", "a", {})
            except AuditFailed as error:
                failures.append(error)

        threads = [threading.Thread(target=intend) for _ in range(4)]
        threads[0].start()
        assert disk.entered.acquire(timeout=10)
        for thread in threads[1:]:
            thread.start()
        while len(entries(path)) < 4:
            time.sleep(0.001)
        disk.gate.set()
        for thread in threads:
            thread.join()
        assert len(failures) == 4
        assert disk.calls == 1
        assert log.outstanding() == ()


def test_a_late_sync_that_fails_stops_the_next_intent(path: Path) -> None:
    disk = Disk()
    with AuditLog(path, "bridge", sync=disk) as log:
        token = log.intend("sign.intent", "a", {})
        disk.fails = True
        assert log.conclude(token, {})
        while log.failure is None:
            time.sleep(0.01)
        disk.fails = False
        assert_poisoned(log, path, "cannot be synced")


def test_a_late_write_that_fails_stops_the_next_intent(log: AuditLog, path: Path) -> None:
    token = log.intend("sign.intent", "a", {})
    os.truncate(path, path.stat().st_size - 1)
    assert log.conclude(token, {})
    give_up = time.monotonic() + 1
    while log.failure is None and time.monotonic() < give_up:
        time.sleep(0.001)
    assert_poisoned(log, path, "cut short")


def replace_by_copy(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def rewrite_in_place(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + data[: len(data) - len(data) // 2])


def cut_and_refill(path: Path) -> None:
    data = path.read_bytes()
    os.truncate(path, 0)
    with AuditLog(path, "other") as log:
        while path.stat().st_size <= len(data):
            log.note("note", "", {})


@pytest.mark.parametrize(
    ("harm", "match"),
    [
        (lambda path: os.truncate(path, 0), "cut short"),
        (lambda path: os.truncate(path, path.stat().st_size - 1), "cut short"),
        (replace_by_copy, "replaced"),
        (lambda path: path.rename(path.with_name("moved")), "no longer in its place"),
        (Path.unlink, "no longer in its place"),
        (rewrite_in_place, "rewritten"),
        (cut_and_refill, "rewritten"),
    ],
)
def test_a_file_that_was_tampered_with_under_the_writer(path: Path, harm: Callable[[Path], None], match: str) -> None:
    with AuditLog(path, "bridge") as log:
        for _ in range(3):
            token = log.intend("sign.intent", "a", {})
        harm(path)
        with pytest.raises(AuditFailed, match=match):
            log.intend("sign.intent", "b", {})
        with pytest.raises(AuditFailed, match=match):
            log.intend("sign.intent", "b", {})
        assert not log.conclude(token, {"result": "signed"})


def test_another_that_appends_nonsense_is_noticed(log: AuditLog, path: Path) -> None:
    log.intend("sign.intent", "a", {})
    with path.open("ab") as file:
        file.write(b"hello\n")
    with pytest.raises(AuditCorrupt):
        log.intend("sign.intent", "b", {})
    assert_poisoned(log, path, "not an entry")


def test_a_log_that_ends_with_an_edited_line_is_not_continued(path: Path) -> None:
    with AuditLog(path, "bridge") as log:
        log.intend("sign.intent", "a", {"key": "val"})
    path.write_bytes(path.read_bytes().replace(b"val", b"vax"))
    with pytest.raises(AuditCorrupt, match="not an entry"):
        AuditLog(path, "bridge")


@pytest.mark.parametrize("content", [b"chain_id = 'x'\n", b"{}", b"x" * 5_000_000])
def test_another_program_s_file_is_not_appended_to(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(AuditCorrupt):
        AuditLog(path, "bridge")
    assert path.read_bytes() == content


@pytest.mark.parametrize("tail", [b"", b"\n", b"\n" + b'{"v":1,"se', b"\0" * 4096])
@pytest.mark.parametrize("kept", [1, 40, -2])
@pytest.mark.parametrize("before", [0, 1])
def test_a_torn_line_is_kept_and_closed(path: Path, before: int, kept: int, tail: bytes) -> None:
    with AuditLog(path, "bridge") as log:
        for _ in range(before):
            log.note("note", "", {})
        whole = path.stat().st_size if before else 0
        log.intend("sign.intent", "torn", {"key": "val"})
    lines = path.read_bytes()
    last = lines[whole:]
    torn = last[:kept] + tail
    path.write_bytes(lines[:whole] + torn)
    with AuditLog(path, "bridge") as log:
        # Opening writes nothing: a disk that is full can still be read.
        assert path.stat().st_size == whole + len(torn)
        assert log.intend("sign.intent", "next", {}).seq == before + 2
    assert path.read_bytes().startswith(lines[:whole] + torn + b"\n")
    report = verify(path)
    assert (report.ok, report.entries, report.recoveries, report.torn_bytes) == (True, before + 2, 1, 0)


def test_a_line_that_only_lacks_its_line_feed_counts(path: Path) -> None:
    with AuditLog(path, "bridge") as log:
        log.intend("sign.intent", "whole", {})
    os.truncate(path, path.stat().st_size - 1)
    assert verify(path).entries == 1
    with AuditLog(path, "bridge") as log:
        log.intend("sign.intent", "next", {})
    assert [(entry.seq, entry.id, entry.kind) for entry in entries(path)] == [
        (1, "whole", "sign.intent"),
        (2, "", "recovery"),
        (3, "next", "sign.intent"),
    ]
    assert verify(path).ok


def test_another_process_that_keeps_the_lock_is_waited_for_and_poisons_nothing(
    log: AuditLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyring_bridge.audit.logfile.LOCK_SECONDS", 0.05)
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(AuditFailed, match="another process"):
            log.intend("sign.intent", "a", {})
    log.intend("sign.intent", "b", {})
    assert [entry.id for entry in entries(path)] == ["b"]


def test_an_outcome_waits_for_another_process_that_keeps_the_lock(
    log: AuditLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyring_bridge.audit.logfile.LOCK_SECONDS", 0.05)
    token = log.intend("sign.intent", "a", {})
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert log.conclude(token, {})
        with pytest.raises(AuditFailed, match="another process"):
            log.intend("sign.intent", "b", {})
    log.close()
    assert [(entry.id, entry.kind) for entry in entries(path)] == [("a", "sign.intent"), ("a", "sign.outcome")]


def test_an_outcome_is_written_when_another_process_gives_the_lock_back(log: AuditLog, path: Path) -> None:
    token = log.intend("sign.intent", "a", {})
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert log.conclude(token, {})
        time.sleep(0.05)
        # The thread that writes it waits without keeping others out.
        began = time.monotonic()
        assert log.outstanding() == ()
        assert time.monotonic() - began < 1
        assert len(entries(path)) == 1
    assert [entry.kind for entry in soon(path, 2)] == ["sign.intent", "sign.outcome"]


STEPS = [("lock", "_file"), ("catch_up", "_file"), ("append", "_file"), ("wrote", "_group"), ("unlock", "_file")]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("step", "owner"), STEPS)
def test_an_interrupt_at_any_step_of_a_write_leaves_a_sound_log(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str, owner: str, after: bool
) -> None:
    # Nothing but the interrupted write shall take the outcome along.
    monkeypatch.setattr("keyring_bridge.audit.log.Flusher.due", lambda self: None)
    disk = Disk()
    log = AuditLog(path, "bridge", sync=disk)
    assert log.conclude(log.intend("sign.intent", "a", {}), {})
    target = getattr(log, owner)
    real = getattr(target, step)

    def interrupted(*arguments: object) -> object:
        monkeypatch.setattr(target, step, real)
        if after or step == "unlock":
            real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(target, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        log.intend("sign.intent", "b", {})
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    written = len(entries(path))
    assert written == (3 if step in ("wrote", "unlock") or (step == "append" and after) else 1)
    synced = disk.calls
    if written == 1 and step != "append":
        log.note("note", "c", {})
        assert [entry.id for entry in entries(path)] == ["a", "a", "c"]
    else:
        log.close()
        assert len(entries(path)) == written
        assert disk.calls == synced + (written == 3)
    log.close()
    assert verify(path).ok


@pytest.mark.parametrize("step", ["append", "unlock"])
def test_a_log_goes_on_after_an_interrupt(
    log: AuditLog, path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real = getattr(log._file, step)

    def interrupted(*arguments: object) -> object:
        monkeypatch.setattr(log._file, step, real)
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(log._file, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        log.intend("sign.intent", "a", {})
    assert log.intend("sign.intent", "b", {}).seq == 2
    report = verify(path)
    assert (report.ok, report.entries, report.recoveries) == (True, 2, 0)


def test_a_log_of_another_user_is_refused(path: Path) -> None:
    AuditLog(path, "bridge").close()
    found = list(path.stat())
    found[4] = os.geteuid() + 4711
    with pytest.raises(InsecureFile, match="belongs to uid"):
        check_file(os.stat_result(found), path)
    found[4] = 0
    check_file(os.stat_result(found), path)


def test_files_that_others_may_write_are_refused(path: Path) -> None:
    AuditLog(path, "bridge").close()
    assert path.stat().st_mode & 0o777 == 0o600
    for mode in (0o620, 0o602):
        path.chmod(mode)
        with pytest.raises(InsecureFile):
            AuditLog(path, "bridge")
    path.chmod(0o640)
    AuditLog(path, "bridge").close()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("other")])
def test_only_regular_files_are_logs(path: Path, make: Callable[[Path], object]) -> None:
    make(path)
    with pytest.raises((AuditFailed, InsecureFile)):
        AuditLog(path, "bridge")
    assert not path.with_name("other").exists()


def test_a_missing_folder_is_made_private(tmp_path: Path) -> None:
    AuditLog(tmp_path / "a" / "audit.log", "bridge").close()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_a_closed_log(path: Path) -> None:
    log = AuditLog(path, "bridge")
    token = log.intend("sign.intent", "a", {})
    log.close()
    log.close()
    with pytest.raises(AuditFailed, match="closed"):
        log.intend("sign.intent", "b", {})
    assert not log.conclude(token, {})


def test_closing_writes_and_syncs_what_is_left(path: Path) -> None:
    disk = Disk()
    log = AuditLog(path, "bridge", sync=disk)
    log.conclude(log.intend("sign.intent", "a", {}), {})
    log.close()
    assert disk.calls == 2
    assert [entry.kind for entry in entries(path)] == ["sign.intent", "sign.outcome"]


def test_closing_at_any_moment_of_the_background_thread(tmp_path: Path) -> None:
    for number in range(40):
        log = AuditLog(tmp_path / str(number), "bridge")
        log.note("note", "", {}, durable=False)
        # Around the moment when it writes.
        time.sleep(0.0048 + number * 0.00002)
        log.close()
        assert len(entries(log.path)) == 1


def test_a_forked_child_cannot_write(log: AuditLog, path: Path) -> None:
    log.intend("sign.intent", "a", {})
    child = os.fork()
    if child == 0:
        try:
            log.intend("sign.intent", "b", {})
        except AuditFailed:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    log.intend("sign.intent", "c", {})
    assert [entry.id for entry in entries(path)] == ["a", "c"]
