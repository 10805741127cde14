import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from keyring_bridge.errors import DeadlineExceeded, InsecureFile, PinBlocked, StoreFailed
from keyring_bridge.login_guard import LoginGuard, LoginStatus

TOKEN = "pkcs11:serial=abc;manufacturer=Test"
SOURCE = "file:/etc/pin"


@pytest.fixture
def guard(tmp_path: Path) -> LoginGuard:
    return LoginGuard(tmp_path / "logins")


def spawn(program: str, guard_dir: Path) -> "subprocess.Popen[str]":
    prelude = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from keyring_bridge.login_guard import LoginGuard\n"
        f"guard = LoginGuard(Path({str(guard_dir)!r}))\n"
        f"TOKEN = {TOKEN!r}\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-c", prelude + program], stdout=subprocess.PIPE, env=environment, text=True
    )


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_success_leaves_nothing_behind(guard: LoginGuard) -> None:
    with guard.attempt(TOKEN, SOURCE) as attempt:
        assert guard.state(TOKEN).status is LoginStatus.PENDING
        attempt.succeeded()
    assert guard.state(TOKEN).status is LoginStatus.OK
    assert guard.all() == []
    with guard.attempt(TOKEN, SOURCE) as attempt:
        attempt.succeeded()


def test_a_pin_that_was_not_sent_counts_for_nothing(guard: LoginGuard) -> None:
    with guard.attempt(TOKEN, SOURCE) as attempt:
        attempt.not_sent()
    assert guard.state(TOKEN).status is LoginStatus.OK


def test_failure_blocks_until_it_is_cleared(guard: LoginGuard, tmp_path: Path) -> None:
    with guard.attempt(TOKEN, SOURCE) as attempt:
        attempt.failed()
    for other in (guard, LoginGuard(tmp_path / "logins")):
        with pytest.raises(PinBlocked, match="failed") as caught, other.attempt(TOKEN, SOURCE):
            pytest.fail("the body ran")
        assert caught.value.detail == f"PIN source {SOURCE}"
        with pytest.raises(PinBlocked):
            other.check(TOKEN)
    state = guard.state(TOKEN)
    assert (state.token_id, state.status, state.source) == (TOKEN, LoginStatus.FAILED, SOURCE)
    assert state.since is not None
    assert guard.all() == [state]
    guard.clear(TOKEN)
    guard.check(TOKEN)
    with guard.attempt(TOKEN, SOURCE) as attempt:
        attempt.succeeded()


def test_a_failure_is_about_one_token(guard: LoginGuard) -> None:
    with guard.attempt(TOKEN, SOURCE) as attempt:
        attempt.failed()
    with guard.attempt("pkcs11:serial=other", SOURCE) as attempt:
        attempt.succeeded()


def test_leaving_without_an_outcome_counts_as_failed(guard: LoginGuard) -> None:
    with pytest.raises(KeyboardInterrupt), guard.attempt(TOKEN, SOURCE):
        raise KeyboardInterrupt
    assert guard.state(TOKEN).status is LoginStatus.FAILED
    with pytest.raises(PinBlocked, match="without an answer"), guard.attempt(TOKEN, SOURCE):
        pytest.fail("the body ran")


def test_the_first_outcome_counts(guard: LoginGuard) -> None:
    with guard.attempt(TOKEN, SOURCE) as attempt:
        attempt.failed()
        attempt.not_sent()
        attempt.succeeded()
    assert guard.state(TOKEN).status is LoginStatus.FAILED


def test_an_outcome_after_the_end_is_too_late(guard: LoginGuard) -> None:
    with guard.attempt(TOKEN, SOURCE) as attempt:
        pass
    attempt.succeeded()
    assert guard.state(TOKEN).status is LoginStatus.FAILED


def test_a_killed_process_leaves_the_token_blocked(guard: LoginGuard, tmp_path: Path) -> None:
    program = "with guard.attempt(TOKEN, 'prompt'):\n    print('inside', flush=True); time.sleep(60)\n"
    process = spawn(program, tmp_path / "logins")
    assert line(process) == "inside\n"
    assert guard.state(TOKEN).status is LoginStatus.PENDING
    guard.check(TOKEN)  # somebody is at it, which is no reason not to get the PIN ready
    with pytest.raises(DeadlineExceeded), guard.attempt(TOKEN, SOURCE, timeout=0.05):
        pytest.fail("the body ran")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert guard.state(TOKEN).status is LoginStatus.FAILED
    assert [state.source for state in guard.all()] == ["prompt"]
    with pytest.raises(PinBlocked), guard.attempt(TOKEN, SOURCE):
        pytest.fail("the body ran")


def test_processes_log_in_one_after_the_other(guard: LoginGuard, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    program = (
        "for _ in range(5):\n"
        "    with guard.attempt(TOKEN, 'x') as attempt:\n"
        f"        with open({str(journal)!r}, 'a') as file:\n"
        "            file.write('in '); file.flush(); time.sleep(0.002); file.write('out '); file.flush()\n"
        "        attempt.succeeded()\n"
    )
    processes = [spawn(program, tmp_path / "logins") for _ in range(4)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert journal.read_text() == "in out " * 20
    assert guard.all() == []


def test_only_one_of_many_sends_a_wrong_pin(guard: LoginGuard, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    program = (
        "from keyring_bridge.errors import PinBlocked\n"
        "try:\n"
        "    with guard.attempt(TOKEN, 'x') as attempt:\n"
        f"        open({str(journal)!r}, 'a').write('sent ')\n"
        "        attempt.failed()\n"
        "except PinBlocked:\n"
        "    print('blocked')\n"
    )
    processes = [spawn(program, tmp_path / "logins") for _ in range(4)]
    outputs = sorted(process.communicate(timeout=60)[0] for process in processes)
    assert outputs == ["", "blocked\n", "blocked\n", "blocked\n"]
    assert journal.read_text() == "sent "


def test_threads_log_in_one_after_the_other(guard: LoginGuard) -> None:
    inside = threading.Semaphore(1)
    errors = []

    def login() -> None:
        with guard.attempt(TOKEN, SOURCE) as attempt:
            if not inside.acquire(blocking=False):
                errors.append("two at once")
            else:
                inside.release()
            attempt.succeeded()

    threads = [threading.Thread(target=login) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[]", b'"failed"', b'{"status": "ok"}', b'{"token": "x", "status": "newer"}']
)
def test_a_damaged_file_blocks(guard: LoginGuard, tmp_path: Path, content: bytes) -> None:
    with guard.attempt(TOKEN, SOURCE) as attempt:
        attempt.failed()
    (path,) = (tmp_path / "logins").glob("*.login")
    path.write_bytes(content)
    with pytest.raises(PinBlocked), guard.attempt(TOKEN, SOURCE):
        pytest.fail("the body ran")
    assert [state.status for state in guard.all()] == [LoginStatus.FAILED]
    guard.clear(TOKEN)
    assert guard.all() == []


def test_files_are_private_and_hold_no_more_than_they_need(guard: LoginGuard, tmp_path: Path) -> None:
    with guard.attempt(TOKEN, SOURCE) as attempt:
        attempt.failed()
    folder = tmp_path / "logins"
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert "serial" not in path.name
    (path,) = folder.glob("*.login")
    assert set(json.loads(path.read_bytes())) == {"token", "status", "source", "since"}


def test_the_attempt_is_on_disk_before_the_pin_is_sent(guard: LoginGuard, tmp_path: Path) -> None:
    with guard.attempt(TOKEN, SOURCE) as attempt:
        (path,) = (tmp_path / "logins").glob("*.login")
        assert json.loads(path.read_bytes())["status"] == "pending"
        assert not list((tmp_path / "logins").glob("*.tmp"))
        attempt.succeeded()


def test_no_pin_is_sent_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed), LoginGuard(tmp_path / "file" / "logins").attempt(TOKEN, SOURCE):
        pytest.fail("the body ran")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    with pytest.raises(InsecureFile), LoginGuard(shared).attempt(TOKEN, SOURCE):
        pytest.fail("the body ran")


def test_no_pin_is_sent_where_the_trace_cannot_be_written(guard: LoginGuard, tmp_path: Path) -> None:
    with guard.attempt(TOKEN, SOURCE) as attempt:
        attempt.succeeded()
    # A directory in the file's place stands for every disk that takes no write.
    (lock,) = (tmp_path / "logins").glob("*.lock")
    lock.with_suffix(".login").mkdir()
    with pytest.raises(StoreFailed), guard.attempt(TOKEN, SOURCE):
        pytest.fail("the body ran")


def test_nothing_is_created_by_looking(guard: LoginGuard, tmp_path: Path) -> None:
    assert guard.state(TOKEN).status is LoginStatus.OK
    assert guard.all() == []
    guard.check(TOKEN)
    assert not (tmp_path / "logins").exists()
