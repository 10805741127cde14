"""What is not for the bridge goes to the chain's program as if there were no shell; no chain is needed."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.integration.cli.harness import SOURCES
from tests.integration.shell.harness import SHELL, environment_with

PROGRAM = '''#!{python} -S
"""A program that tells what it was given, and does what its first word says."""
import json, os, signal, sys, time
words = sys.argv[1:]
if words[:1] == ["exit"]:
    sys.exit(int(words[1]))
if words[:1] == ["cat"]:
    sys.stdout.write(sys.stdin.read())
elif words[:1] == ["wait"]:
    if words[1:] == ["quietly"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print("waiting", flush=True)
    time.sleep(60)
elif words[:1] == ["tty"]:
    print(*(os.isatty(number) for number in range(3)), os.get_terminal_size(0).columns, flush=True)
else:
    print(json.dumps([words, os.environ.get("CHAIND_KEYRING_BACKEND"), os.getpid(), os.getppid()]))
'''


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """The folder of a chain's program ``chaind``, and an empty one before it on PATH."""
    real, early = tmp_path / "real", tmp_path / "early bin"
    real.mkdir()
    early.mkdir()
    program = real / "chaind"
    # Python itself ignores SIGPIPE; -S only makes it start sooner.
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    return real, early


@pytest.fixture
def env(places: tuple[Path, Path], tmp_path: Path) -> Mapping[str, str]:
    """The environment of an operator with the shim installed."""
    real, early = places
    home = tmp_path / "home"
    home.mkdir()
    base = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": SOURCES, "LANG": "C.UTF-8"}
    env = environment_with(early, environment_with(real, base))
    done = subprocess.run([*SHELL, "--install", "chaind", "--dir", str(early)], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"installed {early / 'chaind'}\n"
    return env


@pytest.fixture(params=["shim", "shell"])
def command(request: pytest.FixtureRequest) -> list[str]:
    """Both ways to run the program through us."""
    return ["chaind"] if request.param == "shim" else [*SHELL, "chaind"]


def run(
    command: list[str], *arguments: str, env: Mapping[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *arguments], env=env, input=stdin, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("status", [0, 1, 3, 127, 255])
def test_exit_codes(command: list[str], env: Mapping[str, str], status: int) -> None:
    assert run(command, "exit", str(status), env=env).returncode == status


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("tx", "bank", "send", "a b", "", "*", "$HOME", "`id`", "'\"", "é\n"),
        ("keys", "list", "--keyring-backend", "test"),
        ("keys", "list", "--keyring-backend=test", "--", "--keyring-backend=hsm"),
        ("tx", "--note", "hsm", "--keyring-backend", "hsm", "--keyring-backend", "os"),
        ("__complete", "tx", "--keyring-backend", "hsm", ""),
        ("__completeNoDesc", "tx", "--keyring-backend=hsm", ""),
        ("query", "hsm"),
    ],
)
def test_arguments(command: list[str], env: Mapping[str, str], arguments: tuple[str, ...]) -> None:
    done = run(command, *arguments, env=env)
    assert done.stderr == ""
    assert json.loads(done.stdout)[0] == list(arguments)


def test_help_is_the_program_s_with_our_backend_too(command: list[str], env: Mapping[str, str]) -> None:
    words = ["tx", "bank", "send", "--help", "--keyring-backend", "hsm"]
    assert json.loads(run(command, *words, env=env).stdout)[0] == words


def test_the_variable(command: list[str], env: Mapping[str, str]) -> None:
    words = ["query", "bank", "balances"]
    other = json.loads(run(command, *words, env={**env, "CHAIND_KEYRING_BACKEND": "test"}).stdout)
    assert other[:2] == [words, "test"]
    # A flag comes before the variable, for the program as for us.
    flag = ["keys", "list", "--keyring-backend", "os"]
    assert json.loads(run(command, *flag, env={**env, "CHAIND_KEYRING_BACKEND": "hsm"}).stdout)[:2] == [flag, "hsm"]
    # Ours the bridge answers, which here has no configuration.
    ours = run(command, "keys", "list", env={**env, "CHAIND_KEYRING_BACKEND": "hsm"})
    assert ours.returncode == 1
    assert ours.stderr.startswith("Error: ")


def test_it_is_the_same_process(command: list[str], env: Mapping[str, str]) -> None:
    with subprocess.Popen([*command, "anything"], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        _, _, pid, parent = json.loads(process.stdout.read())
    assert (pid, parent) == (process.pid, os.getpid())


def test_standard_input(command: list[str], env: Mapping[str, str]) -> None:
    text = "first\nsecond\n" * 10_000
    assert run(command, "cat", env=env, stdin=text).stdout == text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_signals(command: list[str], env: Mapping[str, str], number: signal.Signals) -> None:
    with waiting(command, "wait", env=env) as process:
        process.send_signal(number)
        # Python turns Ctrl-C into an exception, and ends with 130 or by the signal.
        assert process.wait(30) in (-number, 128 + number, 1)


def test_a_signal_that_the_program_handles(command: list[str], env: Mapping[str, str]) -> None:
    with waiting(command, "wait", "quietly", env=env) as process:
        process.terminate()
        assert process.wait(30) == 7


def waiting(command: list[str], *arguments: str, env: Mapping[str, str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*command, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    return process


def test_a_terminal(command: list[str], env: Mapping[str, str]) -> None:
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 123, 0, 0))
        process = subprocess.Popen([*command, "tty"], env=env, stdin=slave, stdout=slave, stderr=slave)
        assert process.wait(60) == 0
        assert os.read(master, 1000) == b"True True True 123\r\n"
    finally:
        os.close(master)
        os.close(slave)


def test_a_program_that_is_gone(command: list[str], env: Mapping[str, str], places: tuple[Path, Path]) -> None:
    (places[0] / "chaind").unlink()
    done = run(command, "version", env=env)
    assert done.returncode == 127
    assert "there is no such program" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_that_cannot_be_run(env: Mapping[str, str], places: tuple[Path, Path]) -> None:
    (places[0] / "chaind").write_bytes(b"\x7fELF nothing")
    done = run([*SHELL, str(places[0] / "chaind")], "version", env=env)
    assert done.returncode == 126
    assert "cannot be run" in done.stderr


def test_uninstall(env: Mapping[str, str], places: tuple[Path, Path]) -> None:
    real, early = places
    assert run(SHELL, "--uninstall", "chaind", env=env).stdout == f"removed {early / 'chaind'}\n"
    assert not (early / "chaind").exists()
    again = run(SHELL, "--uninstall", "chaind", env=env)
    assert again.returncode == 1
    assert "nothing was removed" in again.stderr
    assert run(SHELL, "--uninstall", "chaind", "--dir", str(real), env=env).returncode == 1
    assert (real / "chaind").exists()


def test_install_again_and_over_something_else(env: Mapping[str, str], places: tuple[Path, Path]) -> None:
    real, early = places
    before = (early / "chaind").read_text()
    assert run(SHELL, "--install", "chaind", "--dir", str(early), env=env).returncode == 0
    assert (early / "chaind").read_text() == before
    refused = run(SHELL, "--install", "chaind", "--dir", str(real), env=env)
    assert refused.returncode == 1
    assert "is there already, and is no shim" in refused.stderr


def test_install_where_it_is_not_found(env: Mapping[str, str], places: tuple[Path, Path], tmp_path: Path) -> None:
    run(SHELL, "--uninstall", "chaind", env=env)
    late = tmp_path / "late"
    done = run(SHELL, "--install", "chaind", "--dir", str(late), env=env)
    assert done.returncode == 0
    assert done.stderr == f"warning: PATH finds {places[0] / 'chaind'}: put {late} before {places[0]}\n"


def test_install_of_nothing(env: Mapping[str, str]) -> None:
    done = run(SHELL, "--install", "nothere", env=env)
    assert (done.returncode, done.stderr) == (127, "Error: nothere: there is no such program on PATH\n")
    for wrong in ((), ("--install",), ("--install", "a", "b"), ("--uninstall", "--dir", "x"), ("--strange", "x")):
        assert run(SHELL, *wrong, env=env).returncode == 2
    assert run(SHELL, "--help", env=env).stdout.startswith("usage: ")


def test_a_prefix_of_its_own(env: Mapping[str, str], places: tuple[Path, Path]) -> None:
    assert run(SHELL, "--install", "chaind", "--dir", str(places[1]), "--env-prefix", "OWN", env=env).returncode == 0
    usual = run(["chaind"], "keys", "list", env={**env, "CHAIND_KEYRING_BACKEND": "hsm"})
    assert json.loads(usual.stdout)[1] == "hsm"
    own = run(["chaind"], "keys", "list", env={**env, "OWN_KEYRING_BACKEND": "hsm"})
    assert own.stderr.startswith("Error: ")
    bad = run(SHELL, "--install", "chaind", "--dir", str(places[1]), "--env-prefix", "A; rm", env=env)
    assert bad.returncode == 1


def test_other_places_do_not_lead_astray(env: Mapping[str, str], tmp_path: Path) -> None:
    # Where a command is run there may be anything.
    trap = tmp_path / "trap"
    (trap / "keyring_plugin").mkdir(parents=True)
    (trap / "keyring_plugin" / "__init__.py").write_text("raise SystemExit('astray')")
    without = {name: value for name, value in env.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(
        ["chaind", "hsm", "--help"], cwd=trap, env=without, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done
    assert "hsm" in done.stdout


def test_the_shim_gives_way_without_python(env: Mapping[str, str], places: tuple[Path, Path]) -> None:
    (places[0] / "chaind").write_text("#!/bin/sh\necho plain\n")
    broken = {**env, "PYTHONPATH": "/nonexistent", "PYTHONHOME": "/nonexistent"}
    assert run(["chaind"], "anything", env=broken).stdout == "plain\n"
    assert run(["chaind"], "keys", "--keyring-backend=hsm", env=broken).returncode != 0
