"""Child processes for tests that kill them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# For a child, after its imports: root may write everywhere, which is not what such a test is about.
DROP_RIGHTS = """
import os
if os.geteuid() == 0:
    os.setuid(65534)
"""


def spawn(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Run Python code in a process of its own that finds the same modules; its output is read from ``stdout``."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """Hold a process still; the kernel needs a moment until all of its threads are."""
    os.kill(process, signal.SIGSTOP)
    try:
        end = time.monotonic() + 60
        tasks = Path(f"/proc/{process}/task")
        while any((task / "stat").read_text().rpartition(")")[2].split()[0] != "T" for task in tasks.iterdir()):
            assert time.monotonic() < end
            time.sleep(0.001)
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextmanager
def running(code: str, *arguments: tuple[str, ...]) -> Iterator[list[subprocess.Popen[str]]]:
    """Run the code once for each tuple of arguments, at the same time; none outlives the test."""
    children = [spawn(code, *each) for each in arguments]
    try:
        yield children
    finally:
        for child in children:
            child.kill()
            with child:
                pass


def output(code: str, *arguments: str) -> str:
    """Run Python code to its end and return what it printed; a failure of the child is a failure of the test."""
    with spawn(code, *arguments) as child:
        told, _ = child.communicate(timeout=60)
    assert child.returncode == 0, f"the child ended with {child.returncode}: {told}"
    return told


@contextmanager
def public_folder() -> Iterator[Path]:
    """Make a folder that other users can enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)
