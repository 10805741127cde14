"""Programs and virtual environments of the packaging tests."""

from __future__ import annotations

import os
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program away from the checkout and from this environment; its output is in the failure."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    settings: dict[str, object] = {"env": inherited, "capture_output": True, "text": True, "check": False, **options}
    answer = subprocess.run([str(part) for part in command], **settings)  # type: ignore[call-overload]
    assert answer.returncode == 0, f"{command} ended with {answer.returncode}\n{answer.stdout}\n{answer.stderr}"
    return answer  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Distributions:
    """What would be published."""

    wheel: Path
    sdist: Path


@dataclass(frozen=True)
class Installation:
    """A virtual environment that has nothing but one distribution and its dependencies."""

    directory: Path

    def program(self, name: str) -> Path:
        return self.directory / "bin" / name

    def python(self, source: str, cwd: Path) -> str:
        """Run Python source in isolated mode and return what it printed."""
        return run(self.program("python"), "-I", "-c", source, cwd=cwd).stdout


def install(directory: Path, distribution: Path) -> Installation:
    venv.create(directory, with_pip=True)
    run(directory / "bin" / "python", "-m", "pip", "install", "-q", distribution, cwd=directory)
    return Installation(directory)
