"""A person at a terminal, for ceremonies: reads what is shown, types, interrupts, or sees the program die."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from itertools import pairwise
from select import select
from typing import TYPE_CHECKING, Any, Self

from tests.integration.cli.harness import COMMAND, PATIENCE, Done

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.cli.harness import Cli

_WORD = re.compile(r"(\d+)\. ([a-z]+)")


class Desk:
    """One run of a command on a terminal of its own.

    Attributes:
        shown: All that the terminal showed so far.
    """

    def __init__(self, cli: Cli, *arguments: str, command: Sequence[str] = tuple(COMMAND)) -> None:
        self.shown = ""
        self._seen = 0
        self._master, self._slave = pty.openpty()
        # The shell is a session leader without a terminal, so the one that it opens becomes its controlling terminal.
        shell = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(self._slave)]
        self.process = subprocess.Popen(
            [*shell, *command, *arguments], env={**cli.env, "TERM": "xterm"}, start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._slave)
        os.close(self._master)

    def wait(self, text: str) -> str:
        """Return what was shown since the last wait, up to this text."""
        end = time.monotonic() + PATIENCE
        while text not in self.shown[self._seen :]:
            assert time.monotonic() < end, f"waited for {text!r}, got {self.shown!r}"
            if not self._read(0.1):
                assert self.process.poll() is None, f"ended without {text!r}: {self.shown!r}"
        start, self._seen = self._seen, self.shown.index(text, self._seen) + len(text)
        return self.shown[start : self._seen]

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, line.encode() + b"\n")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._master, b"\x03")

    def kill(self) -> None:
        """Let the program die at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> Done:
        """Wait until the program has ended."""
        end = time.monotonic() + PATIENCE
        while self._read(0.1) or self.process.poll() is None:
            assert time.monotonic() < end, f"did not end: {self.shown!r}"
        return Done(self.process.wait(), self.shown[self._seen :], "")

    def words(self) -> list[str]:
        """Read the words that are shown, and press Enter."""
        page = self.wait("compared them: ")
        self.type("")
        numbered = {int(number): word for number, word in _WORD.findall(page)}
        return [numbered[number] for number in range(1, len(numbered) + 1)]

    def confirm(self, words: list[str], *, wrongly: bool = False) -> None:
        """Answer the questions for single words."""
        for _ in range(4):
            asked = self.wait(": ")
            found = re.search(r"Word (\d+) of", asked)
            assert found is not None, asked
            self.type("zebra-no" if wrongly else words[int(found[1]) - 1])

    def _read(self, patience: float) -> bool:
        ready, _, _ = select([self._master], [], [], patience)
        if ready:
            self.shown += os.read(self._master, 65536).decode()
        return bool(ready)


def held(desk: Desk) -> dict[str, Any]:
    """The JSON document that a ceremony which went well ends with."""
    done = desk.end()
    assert done.code == 0, desk.shown
    document: dict[str, Any] = json.loads(done.out[done.out.index("\n{") :])
    return document


def strangers(cli: Cli) -> list[str]:
    """Labels of keys in the token that have no record."""
    return [one["label"] for one in cli.json("keys", "sync", "--dry-run")["only_in_token"]]


def marks(cli: Cli) -> list[str]:
    """Fingerprints of ceremonies that did not end."""
    return sorted(path.name for folder in cli.home.rglob("ceremonies") for path in folder.iterdir())


def tells(text: str, words: list[str]) -> list[str]:
    """Which neighbouring words stand in a text; a single one may be there by chance, as `key` or `destroy`."""
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    return [pair for pair in pairs if pair in text]
