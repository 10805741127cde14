"""The Go server of ``fixtures/gen/reflection``: the SDK's own reflection services and queries, honest or lying."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class ReflectionServer:
    """The built program."""

    path: Path

    @classmethod
    def build(cls, folder: Path) -> ReflectionServer:
        path = folder / "reflection"
        subprocess.run(["go", "build", "-o", str(path), "./reflection"], cwd=ROOT / "fixtures" / "gen", check=True)
        return cls(path)

    @contextmanager
    def serving(self, *flags: str) -> Iterator[str]:
        """Yield the address of a server that runs with these flags; it ends with its standard input."""
        with subprocess.Popen(
            [str(self.path), *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                yield process.stdout.readline().strip()
            finally:
                assert process.stdin is not None
                process.stdin.close()
                assert process.wait(timeout=30) == 0
