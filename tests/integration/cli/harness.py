"""Runs the real ``hsm`` in processes of its own, without a terminal or on one."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SOURCES = os.pathsep.join(str(ROOT / name) for name in ("", "cosmos", "plugin"))
COMMAND = [sys.executable, "-m", "keyring_bridge.cli"]
PATIENCE = 60.0


@dataclass(frozen=True)
class Done:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error that JSON output tells."""
        error = self.data["error"]
        assert isinstance(error, dict)
        return error


class Cli:
    """One user: a home, a configuration, an environment."""

    def __init__(self, home: Path, env: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = home / "bridge"
        self.config = self.folder / "config.toml"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": SOURCES,
            "KEYRING_BRIDGE_CONFIG": str(self.config),
            **(env or {}),
        }

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
        command: Sequence[str] = tuple(COMMAND),
    ) -> Done:
        """Run to the end, in a session without a terminal."""
        done = subprocess.run(
            [*command, *arguments],
            input=stdin,
            capture_output=True,
            env={**self.env, **(env or {})},
            cwd=self.home,
            start_new_session=True,
            timeout=PATIENCE,
            pass_fds=pass_fds,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run a command that must succeed; return its standard output."""
        done = self.run(*arguments, stdin=stdin)
        assert done.code == 0, done
        assert "Traceback" not in done.err
        return done.out

    def json(self, *arguments: str, stdin: bytes = b"") -> Any:
        """As :meth:`ok` with JSON output; return the document."""
        return json.loads(self.ok("--output", "json", *arguments, stdin=stdin))

    def fails(self, *arguments: str, code: int, error: str, stdin: bytes = b"") -> dict[str, Any]:
        """Run a command that must fail in this way, as text and as JSON; return the JSON error."""
        done = self.run("--output", "json", *arguments, stdin=stdin)
        assert (done.code, done.error["code"]) == (code, error), done
        assert "Traceback" not in done.err
        return done.error

    def on_terminal(self, *arguments: str, answers: Mapping[str, str], env: Mapping[str, str] | None = None) -> Done:
        """Run on a terminal of its own, where a person answers what is asked.

        Args:
            arguments: Of the command.
            answers: What is typed when a text appears, in this order.
            env: Further variables.
        """
        master, slave = pty.openpty()
        # The shell is a session leader without a terminal, so the one that it opens becomes its controlling terminal.
        shell = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(slave)]
        environment = {**self.env, "TERM": "xterm", **(env or {})}
        process = subprocess.Popen([*shell, *COMMAND, *arguments], env=environment, start_new_session=True)
        try:
            shown = b""
            for question, answer in answers.items():
                shown += _until(master, question.encode(), process)
                os.write(master, answer.encode() + b"\n")
            shown += _until(master, None, process)
        finally:
            os.close(slave)
            os.close(master)
            process.kill()
            process.wait()
        return Done(process.returncode, shown.decode(), "")


def _until(master: int, text: bytes | None, process: subprocess.Popen[bytes]) -> bytes:
    """Read what the terminal shows until ``text`` appears, or (None) until the process has ended and all is read."""
    shown = b""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        ended = process.poll() is not None
        ready, _, _ = select.select([master], [], [], 0.05)
        if ready:
            shown += os.read(master, 65536)
            if text is not None and text in shown:
                return shown
        elif ended:
            assert text is None, f"ended without {text!r}: {shown!r}"
            return shown
    raise AssertionError(f"waited for {text!r}, got {shown!r}")
