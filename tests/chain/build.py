"""The chain's program, built once for each state of its sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.interop.go_programs import taking_turns

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "fixtures" / "gen" / "testchain"
_SOURCES = (MODULE, ROOT / "plugin" / "go")
_KEPT = 24 * 3600.0
"""Seconds that a program of 70 MB stays after its last use: another run may be in the middle of its tests with it."""


def build_chain(*, plain: bool = False) -> Path:
    """Build the program, or find it built by an earlier run with the same sources.

    The first build compiles the SDK, which takes minutes; from then on a change costs seconds and needs no network.

    Args:
        plain: Without the bridge's Go module, as a program is that nobody changed.

    Returns:
        The executable file, named ``testchain``: the chain's variables are named after it (``TESTCHAIN_NODE``).

    Raises:
        FileNotFoundError: There is no Go toolchain.
        subprocess.CalledProcessError: It doesn't build; the compiler has said why on stderr.
    """
    program = _cache() / (_digest() + ("-plain" if plain else "")) / "testchain"
    if program.exists():
        os.utime(program.parent)
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    with taking_turns(_cache()), tempfile.TemporaryDirectory(dir=program.parent) as folder:
        if program.exists():
            return program
        built = Path(folder) / program.name
        command = [
            "go",
            "build",
            "-buildvcs=false",
            "-ldflags=-s -w",
            *(["-tags=plain"] if plain else []),
            "-o",
            str(built),
            ".",
        ]
        subprocess.run(command, cwd=MODULE, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
        built.replace(program)
    _forget_old()
    return program


def _digest() -> str:
    """Name the state of everything that goes into the program, the toolchain too."""
    version = subprocess.run(["go", "version"], cwd=MODULE, check=True, capture_output=True).stdout
    state = hashlib.sha256(version)
    for path in sorted(_files()):
        content = path.read_bytes()
        state.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
        state.update(content)
    return state.hexdigest()[:32]


def _files() -> Iterator[Path]:
    for folder in _SOURCES:
        for path in folder.rglob("*"):
            if path.suffix in {".go", ".mod", ".sum"} and not path.name.endswith("_test.go"):
                yield path


def _forget_old() -> None:
    for folder in filter(Path.is_dir, _cache().iterdir()):
        with suppress(FileNotFoundError):  # Another run forgets it at this moment.
            if time.time() - folder.stat().st_mtime > _KEPT:
                shutil.rmtree(folder, ignore_errors=True)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "keyring-bridge" / "testchain"
