"""Runs real agents, and the commands about them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.cli.harness import Done, _until
from tests.integration.plugin.harness import COMMAND

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

PATIENCE = 30.0


class Agent:
    """One agent in the foreground, whose log is a file.

    Args:
        user: Whose; the environment has the place of the socket.
        arguments: Further ones of ``agent start``.
        prefix: Words before the command.
        options: Of ``Popen``.
    """

    def __init__(self, user: Cli, *arguments: str, prefix: Sequence[str] = (), **options: Any) -> None:
        self.user = user
        self.log = user.home / f"agent-{time.monotonic_ns()}.log"
        with self.log.open("wb") as sink:
            self.process = subprocess.Popen(
                [*prefix, *COMMAND, "agent", "start", *arguments],
                env=dict(user.env),
                stdin=subprocess.DEVNULL,
                stderr=sink,
                start_new_session=True,
                **options,
            )

    @property
    def said(self) -> str:
        """What is in its log."""
        return self.log.read_text()

    def wait_said(self, text: str) -> None:
        """Wait until it says something."""
        end = time.monotonic() + PATIENCE
        while text not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.02)

    def ready(self) -> Agent:
        """Wait until it listens."""
        self.wait_said("listens on")
        return self

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def ends(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def socket_of(user: Cli) -> Path:
    """Where the user's agent listens."""
    return Path(user.env["XDG_RUNTIME_DIR"], "keyring-bridge", "agent.sock")


def command(user: Cli, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
    """Run ``keyring-plugin agent …`` to its end, without a terminal."""
    done = subprocess.run(
        [*COMMAND, "agent", *arguments],
        env={**user.env, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def ok(user: Cli, *arguments: str) -> Any:
    """Run a command that must succeed; return its JSON document."""
    done = command(user, *arguments, "--output", "json")
    assert done.code == 0, done
    return json.loads(done.out)


def fails(user: Cli, *arguments: str, code: int, error: str) -> dict[str, Any]:
    """Run a command that must fail in this way; return the error."""
    done = command(user, *arguments, "--output", "json")
    assert (done.code, done.error["code"]) == (code, error), done
    return done.error


def typing(user: Cli, *arguments: str, answers: Mapping[str, str]) -> Done:
    """Run ``keyring-plugin agent …`` on a terminal, where a person answers what is asked."""
    master, slave = pty.openpty()
    # The shell is a session leader without a terminal, so the one that it opens becomes its controlling terminal.
    shell = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(slave)]
    process = subprocess.Popen([*shell, *COMMAND, "agent", *arguments], env=dict(user.env), start_new_session=True)
    try:
        shown = b""
        for question, answer in answers.items():
            shown += _until(master, question.encode(), process)
            time.sleep(0.2)  # echo is off before the question, and what was typed earlier is dropped
            os.write(master, answer.encode() + b"\n")
        shown += _until(master, None, process)
    finally:
        os.close(slave)
        os.close(master)
        process.kill()
        process.wait()
    return Done(process.returncode, shown.decode(), "")
