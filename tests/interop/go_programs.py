"""The Go programs in fixtures/gen, built once for each state of their sources."""

import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODULE = Path(__file__).parents[2] / "fixtures" / "gen"


def build(name: str, module: Path = MODULE) -> Path:
    """Build a program, or find it built by an earlier run with the same sources.

    The first build compiles the whole SDK: minutes with a cold build cache, seconds afterwards.

    Args:
        name: Of the program's folder in the module.
        module: The module's folder.

    Returns:
        The executable file.

    Raises:
        FileNotFoundError: There is no Go toolchain.
        subprocess.CalledProcessError: It doesn't build; the compiler has said why on stderr.
    """
    program = _cache() / digest(name, module) / name
    if program.exists():
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    with taking_turns(_cache()), tempfile.TemporaryDirectory(dir=program.parent) as folder:
        if program.exists():
            return program
        built = Path(folder) / name
        subprocess.run(["go", "build", "-o", str(built), f"./{name}"], cwd=module, env=environment(), check=True)
        built.replace(program)
    return program


@contextmanager
def taking_turns(folder: Path) -> Iterator[None]:
    """Build one program at a time: two at once would both compile what they have in common."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment() -> dict[str, str]:
    """What Go is run with: without cgo, as no program needs the C libraries of the modules whose types it uses."""
    return {**os.environ, "CGO_ENABLED": "0"}


def digest(name: str, module: Path = MODULE) -> str:
    """Name the state of everything that goes into a program, the toolchain too."""
    version = subprocess.run(["go", "version"], cwd=module, check=True, capture_output=True).stdout
    state = hashlib.sha256(version)
    sources = sorted(path for folder in (name, "internal") for path in (module / folder).rglob("*") if path.is_file())
    for path in (module / "go.mod", module / "go.sum", *sources):
        content = path.read_bytes()
        state.update(f"{path.relative_to(module).as_posix()} {len(content)}\n".encode())
        state.update(content)
    return state.hexdigest()[:32]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "keyring-bridge" / "go"
