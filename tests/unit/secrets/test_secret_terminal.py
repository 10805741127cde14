"""The prompt, on a real pseudo-terminal."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
PROGRAM = """
import os, sys
os.open(sys.argv[1], os.O_RDWR)  # the first terminal a session's leader opens becomes its controlling one
from keyring_bridge.errors import BridgeError
from keyring_bridge.secrets import tty_prompt
try:
    with tty_prompt("PIN for token demo: ") as secret:
        print("got", bytes(secret.reveal()).hex())
except BridgeError as error:
    print(error.code, error)
"""


class Terminal:
    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, os.ttyname(self.slave)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=ENVIRONMENT,
        )
        self.shown = b""

    def wait_for(self, text: bytes) -> None:
        end = time.monotonic() + 20
        while text not in self.shown and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 4096)
        assert text in self.shown

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def finish(self) -> str:
        output, _ = self.process.communicate(timeout=20)
        while select.select([self.master], [], [], 0)[0]:
            self.shown += os.read(self.master, 4096)
        return output.decode()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def test_what_is_typed_is_read_and_not_shown(terminal: Terminal) -> None:
    assert terminal.echoes()
    terminal.wait_for(b"PIN for token demo: ")
    assert not terminal.echoes()
    os.write(terminal.master, "hünter2\n".encode())
    assert terminal.finish() == f"got {'hünter2'.encode().hex()}\n"
    assert terminal.echoes()
    assert terminal.shown == b"PIN for token demo: \r\n"


@pytest.mark.parametrize("typed", [b"\n", b"\x04"])
def test_nothing_typed(terminal: Terminal, typed: bytes) -> None:
    terminal.wait_for(b": ")
    os.write(terminal.master, typed)
    assert terminal.finish().startswith("pin_required nothing was typed")
    assert terminal.echoes()


def test_interrupt_restores_the_terminal(terminal: Terminal) -> None:
    terminal.wait_for(b": ")
    os.write(terminal.master, b"hunt\x03")
    assert terminal.finish() == ""
    assert terminal.process.returncode != 0
    assert terminal.echoes()
    assert b"hunt" not in terminal.shown


def test_without_a_terminal() -> None:
    program = PROGRAM.replace("os.open(sys.argv[1], os.O_RDWR)", "pass")
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        env=ENVIRONMENT,
        check=True,
        text=True,
    )
    assert done.stdout == "pin_required there is no terminal to ask on\n"


def test_in_the_background_of_its_terminal() -> None:
    master, slave = pty.openpty()
    program = (
        "import os, subprocess, sys\n"
        "os.open(sys.argv[1], os.O_RDWR)\n"
        f"inner = {PROGRAM!r}.replace('os.open(sys.argv[1], os.O_RDWR)', 'pass')\n"
        "done = subprocess.run([sys.executable, '-c', inner], process_group=0, capture_output=True, timeout=20)\n"
        "print(done.stdout.decode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, os.ttyname(slave)],
        capture_output=True,
        start_new_session=True,
        env=ENVIRONMENT,
        check=True,
        text=True,
    )
    os.close(master)
    os.close(slave)
    assert done.stdout.startswith("pin_required this process runs in the background")


def test_hardened_process_cannot_dump_core() -> None:
    program = (
        "import ctypes, resource\n"
        "from keyring_bridge.secrets import harden_process\n"
        "harden_process()\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)\n"
        "assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0  # PR_GET_DUMPABLE\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env=ENVIRONMENT,
        check=True,
    )
