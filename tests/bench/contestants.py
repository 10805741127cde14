"""The programs that are compared. Each runs in a process of its own and signs when it is told to.

All speak the protocol of ``raw_sign.c``: a line ``COUNT THREADS`` asks for that many signatures at a time, and one
line with the nanoseconds answers. So the harness can take turns between them, and a busy machine is busy for all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from tests.bench.figures import Sample

if TYPE_CHECKING:
    from tests.softhsm import SoftHsm, SoftToken

SOURCE = Path(__file__).parent / "raw_sign.c"
THREADS = 8
KEY = "bench"
CHAIN = "bench-1"


class Contestant:
    """A signing process that waits for its turn."""

    def __init__(self, name: str, command: Sequence[str | Path], env: Mapping[str, str], first_line: str = "") -> None:
        self.name = name
        self._process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(env), text=True
        )
        if first_line:
            self._send(first_line)
        if self._receive() != "ready":
            raise RuntimeError(f"{name} did not start")

    def run(self, count: int, threads: int = 1) -> Sample:
        """Make ``threads`` threads sign ``count`` times each."""
        self._send(f"{count} {threads}")
        wall, *each = map(int, self._receive().split())
        return Sample(wall, tuple(each))

    def cpu(self) -> int:
        """Return the nanoseconds of processor time that the process and its children have had."""
        ticks = 0
        for pid in (self._process.pid, *_children(self._process.pid)):
            # The program's name, in brackets, may have spaces; user and system time follow as 12th and 13th.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Contestant:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _receive(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait()}")
        return line.strip()


def _children(pid: int) -> list[int]:
    return [int(word) for task in Path(f"/proc/{pid}/task").glob("*/children") for word in task.read_text().split()]


def build_raw(directory: Path) -> Path:
    """Compile the raw loop."""
    program = directory / "raw_sign"
    command = ["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-o", str(program), str(SOURCE), "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return program


def raw(program: Path, softhsm: SoftHsm, token: SoftToken, env: Mapping[str, str]) -> Contestant:
    """C_SignInit and C_Sign in a C loop."""
    command = [program, softhsm.library, token.label, KEY, str(THREADS)]
    return Contestant("raw C", command, env, first_line=token.pin)


def bridge(kind: str, name: str, config: Path, env: Mapping[str, str]) -> Contestant:
    """The whole pipeline; ``kind`` is one of :mod:`tests.bench.worker`'s."""
    return Contestant(name, [sys.executable, "-m", "tests.bench.worker", kind, config], env)
