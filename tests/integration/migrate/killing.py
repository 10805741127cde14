"""Runs ``hsm`` in a process that kills itself at a chosen step.

The steps are calls of functions of the bridge, counted in the child by wrapping them there; the product has no hook.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

DRIVER = """
import importlib, json, os, signal, sys
from keyring_bridge.cli.main import main

points, at, when = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
seen = []

def wrap(owner, name, label):
    original = getattr(owner, name)
    def counted(*args, **more):
        seen.append(f"{label}:{args[1]}" if name == "note" else label)
        mine = len(seen)
        if (mine, when) == (at, "before"):
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **more)
        if (mine, when) == (at, "after"):
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, counted)

for point in points:
    module, _, path = point.partition(":")
    owner = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    wrap(owner, name, name)
code = main(sys.argv[4:])
print("\\nseen " + json.dumps(seen), file=sys.stderr)
sys.exit(code)
"""

NOTES = ("keyring_bridge.migrate.journal:Journal.note",)


@dataclass(frozen=True)
class Ended:
    """How a run ended: killed, or with what exit code and which steps."""

    killed: bool
    code: int
    steps: list[str]
    err: str


def run_until(user: Cli, points: tuple[str, ...], at: int, when: str, *arguments: str) -> Ended:
    """Run a command that is killed before or after its step number ``at``, from 1; 0 for never."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(points), str(at), when, *arguments],
        env=user.env,
        cwd=user.home,
        capture_output=True,
        start_new_session=True,
        check=False,
    )
    err = done.stderr.decode()
    _, _, told = err.rpartition("\nseen ")
    steps = json.loads(told) if told.startswith("[") else []
    return Ended(done.returncode == -signal.SIGKILL, done.returncode, steps, err)


def moments(steps: list[str], *after: str) -> list[tuple[int, str]]:
    """Every moment before a step, and those after the last one and after the steps that are named."""
    found = []
    for at, step in enumerate(steps, 1):
        found.append((at, "before"))
        if at == len(steps) or step in after:
            found.append((at, "after"))
    return found
