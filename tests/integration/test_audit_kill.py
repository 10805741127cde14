"""Processes that die while they write: the log opens, verifies, and has everything that was acknowledged."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from keyring_bridge.audit import AuditLog, Entry, outstanding, read, verify
from tests.processes import DROP_RIGHTS, output, public_folder, running, spawn

# Tells each intent after it was acknowledged, by the unbuffered pipe.
WRITER = """
import os, sys
from pathlib import Path
from threading import Thread
from keyring_bridge.audit import AuditLog

path, name, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
count = int(sys.argv[4]) if len(sys.argv) > 4 else 10**9
log = AuditLog(path, name)

def work(thread):
    for number in range(count):
        identifier = f"{name}-{thread}-{number}"
        token = log.intend("sign.intent", identifier, {"view": {"message": {"to": "x" * 200}}})
        os.write(1, f"{identifier}\\n".encode())
        log.conclude(token, {"result": "signed"})

workers = [Thread(target=work, args=(number,)) for number in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
log.close()
"""

# Dies after the first bytes of its second write reached the file.
TORN = """
import os, signal, sys
from pathlib import Path
from keyring_bridge.audit import AuditLog

log = AuditLog(Path(sys.argv[1]), "torn")
log.intend("sign.intent", "whole", {"view": {"message": {"to": "x"}}})
write, kept = os.write, int(sys.argv[2])

def die(fd, data):
    write(fd, data[:kept])
    os.kill(os.getpid(), signal.SIGKILL)

os.write = die
log.intend("sign.intent", "never", {"view": {"message": {"to": "x"}}})
"""


def entries(path: Path) -> list[Entry]:
    return [item for _, item in read(path) if isinstance(item, Entry)]


def kill_all(children: list[subprocess.Popen[str]]) -> list[str]:
    """Kill the children and return the acknowledgements they had sent."""
    told: list[str] = []
    for child in children:
        child.send_signal(signal.SIGKILL)
    for child in children:
        text, _ = child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL
        # The last line may be cut by the kill.
        told += text.split("\n")[:-1]
    return told


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.1, 0.2])
def test_many_writers_killed_at_any_moment(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "audit.log"
    acknowledged: list[str] = []
    for generation in range(2):
        with running(WRITER, *((str(path), f"w{generation}{number}", "2") for number in range(3))) as children:
            while not path.exists() or path.stat().st_size < 5000 * (generation + 1):
                time.sleep(0.01)
            time.sleep(delay)
            acknowledged += kill_all(children)
    assert acknowledged
    report = verify(path)
    assert report.ok, report.problems
    written = [entry.id for entry in entries(path) if entry.kind == "sign.intent"]
    assert len(written) == len(set(written))
    assert set(acknowledged) <= set(written)
    # Open are those who were under way, or had ended in the milliseconds before: at most one per thread.
    assert len(report.outstanding) <= 12
    with AuditLog(path, "after") as log:
        log.intend("sign.intent", "after", {})
    assert verify(path).ok


def test_writers_at_the_same_time_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    acknowledged: list[str] = []
    with running(WRITER, *((str(path), f"w{number}", "3", "20") for number in range(4))) as children:
        for child in children:
            told, _ = child.communicate(timeout=60)
            assert child.returncode == 0
            acknowledged += told.split()
    report = verify(path)
    assert report.ok, report.problems
    assert (report.entries, len(acknowledged), report.outstanding, report.recoveries) == (480, 240, (), 0)


@pytest.mark.parametrize("kept", [1, 13, 60, 150, 230, 275])
def test_a_writer_killed_in_the_middle_of_its_line(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "audit.log"
    other = AuditLog(path, "other")
    other.intend("sign.intent", "before", {})
    for died in range(1, 4):
        with spawn(TORN, str(path), str(kept + died)) as child:
            child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL
        report = verify(path)
        assert (report.ok, report.torn_bytes > 0) == (True, True)
        # A writer that had the file open all along goes on after the dead one.
        other.intend("sign.intent", "between", {})
        report = verify(path)
        assert (report.ok, report.torn_bytes, report.recoveries) == (True, 0, died)
    other.close()
    assert [entry.id for entry in outstanding(path)] == ["before", *["whole", "between"] * 3]
    assert "never" not in {entry.id for entry in entries(path)}


def test_recoveries_that_are_torn_themselves(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    die_at_once = TORN.replace('log.intend("sign.intent", "whole", {"view": {"message": {"to": "x"}}})', "")
    for kept in (50, 1, 2, 90, 200, 350, 1):
        with spawn(die_at_once, str(path), str(kept)) as child:
            child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL
        assert verify(path).ok
    with AuditLog(path, "after") as log:
        log.intend("sign.intent", "after", {})
    report = verify(path)
    assert (report.ok, report.torn_bytes) == (True, 0)
    assert report.recoveries >= 1


PATIENT = """
import os, signal, sys, time
from pathlib import Path
from keyring_bridge.audit import AuditLog

log = AuditLog(Path(sys.argv[1]), "patient")
for name in ("a", "b", "c"):
    log.conclude(log.intend("sign.intent", name, {}), {"result": "signed"})
time.sleep(float(sys.argv[2]))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("pause", "open_intents"), [("0", [["c"], []]), ("0.5", [[]])])
def test_a_killed_process_loses_outcomes_of_its_last_milliseconds_only(
    tmp_path: Path, pause: str, open_intents: list[list[str]]
) -> None:
    path = tmp_path / "audit.log"
    with spawn(PATIENT, str(path), pause) as child:
        child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert verify(path).ok
    assert [entry.id for entry in outstanding(path)] in open_intents


FULL = """
import os, resource, sys
from pathlib import Path
from keyring_bridge.audit import AuditLog
from keyring_bridge.errors import AuditFailed

path = Path(sys.argv[1])
log = AuditLog(path, "full")
token = log.intend("sign.intent", "fits", {})
room = path.stat().st_size + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
try:
    log.intend("sign.intent", "too-much", {})
except AuditFailed as error:
    print(error.code, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    log.intend("sign.intent", "room-again", {})
except AuditFailed as error:
    print(error.code, error)
print(log.conclude(token, {"result": "signed"}))
log.close()
"""


@pytest.mark.parametrize("room", [0, 1, 100])
def test_a_full_disk_stops_the_writer_and_the_next_one_goes_on(tmp_path: Path, room: int) -> None:
    path = tmp_path / "audit.log"
    failure = "audit_failed the audit log cannot be written"
    assert output(FULL, str(path), str(room)).splitlines() == [failure, failure, "False"]
    report = verify(path)
    assert (report.ok, report.entries, report.torn_bytes) == (True, 1, room)
    with AuditLog(path, "after") as log:
        log.intend("sign.intent", "after", {})
    assert verify(path).ok


OPEN = """
import sys
from pathlib import Path
from keyring_bridge.audit import AuditLog
from keyring_bridge.errors import AuditFailed
DROP_RIGHTS
try:
    AuditLog(Path(sys.argv[1]), "reader")
except AuditFailed as error:
    print(error.code, error)
""".replace("DROP_RIGHTS", DROP_RIGHTS)


def test_a_log_that_cannot_be_written_is_refused_at_once() -> None:
    with public_folder() as folder:
        path = folder / "audit.log"
        AuditLog(path, "owner").close()
        path.chmod(0o444)
        assert output(OPEN, str(path)) == "audit_failed the audit log cannot be opened\n"
