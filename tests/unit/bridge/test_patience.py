"""Signatures that take too long, fail, or are interrupted."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from keyring_bridge import patience
from keyring_bridge.errors import DeadlineExceeded, PolicyDenied

if TYPE_CHECKING:
    from keyring_bridge.keyring import Keyring


class Device:
    """A keyring that does as it is told."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.closed = False
        self.asked: list[dict[str, Any]] = []

    def sign(self, uid: str, *_: object, **options: Any) -> str:
        self.asked.append(options)
        if uid == "hangs":
            self.hangs.wait(60)
        if uid == "denied":
            raise PolicyDenied("no")
        return f"signed by {uid}"

    def key(self, uid: str) -> str:
        return f"key {uid}"


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """A device that hangs until the test is over."""
    monkeypatch.setattr(patience, "_GRACE_SECONDS", 0.0)
    monkeypatch.setattr(patience, "_has_terminal", lambda: False)
    made = Device()
    yield made
    made.hangs.set()


@contextmanager
def opened(device: Device, *, hangs: bool = False) -> Iterator[Keyring]:
    try:
        yield cast("Keyring", device)
    finally:
        if hangs:
            device.hangs.wait(60)
        device.closed = True


def test_what_is_signed_in_time(device: Device) -> None:
    with patience.patient(opened(device), 30.0) as keyring:
        assert keyring.sign("ops", b"", transaction=None) == "signed by ops"  # type: ignore[arg-type,comparison-overlap]
        assert keyring.key("ops") == "key ops"  # type: ignore[comparison-overlap]  # everything else is passed on
        with pytest.raises(PolicyDenied):
            keyring.sign("denied", b"", None)  # type: ignore[arg-type]  # the device does not look
    assert device.closed
    assert set(device.asked[0]) == {"transaction", "deadline"}


def test_a_device_that_hangs(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_CLOSE_SECONDS", 0.1)
    with (
        pytest.raises(DeadlineExceeded, match="did not answer"),
        patience.patient(opened(device, hangs=True), 0.1) as keyring,
    ):
        keyring.sign("hangs", b"", None)  # type: ignore[arg-type]  # the device does not look
    assert not device.closed


PROGRAM = """
import signal, sys, termios, threading, time
from keyring_bridge import patience

class Asks:
    def sign(self, *arguments, **options):
        with open("/dev/tty", "rb+", buffering=0) as terminal:
            silent = termios.tcgetattr(terminal)
            silent[3] &= ~termios.ECHO
            termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
            terminal.write(b"PIN? ")
            time.sleep(60)

try:
    patience.PatientKeyring(Asks(), 1.0).sign("ops")
except KeyboardInterrupt:
    import os
    os._exit(3)
"""


def test_an_interrupted_question_leaves_the_terminal_as_it_was() -> None:
    master, slave = pty.openpty()
    # The shell is a session leader without a terminal, so the one that it opens becomes its controlling terminal.
    shell = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(slave), sys.executable, "-c", PROGRAM]
    process = subprocess.Popen(
        shell, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, start_new_session=True
    )
    try:
        shown = b""
        while b"PIN? " not in shown:
            shown += os.read(master, 1000)
        assert not termios.tcgetattr(slave)[3] & termios.ECHO
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 3
        assert termios.tcgetattr(slave)[3] & termios.ECHO
    finally:
        process.kill()
        process.wait()
        os.close(slave)
        os.close(master)
