"""Runs verify.mjs, with the packages of package-lock.json.

The packages are installed once into the user's cache, under the hash of the lock file, from whichever registry npm is
configured for; the lock file pins their contents and names no registry. Their install scripts don't run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
MINIMUM = 18
# Tests get another home, but npm's configuration is in the user's own. This module is imported before that.
_HOME = Path.home()


class CosmjsError(Exception):
    """What cosmjs threw."""


class Judge:
    """A running verify.mjs. Close it."""

    def __init__(self) -> None:
        node = require("node")
        self._process = subprocess.Popen(
            [node, str(FOLDER / "verify.mjs"), str(installed())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, op: str, **request: object) -> Any:
        """Return the answer to one request.

        Raises:
            CosmjsError: cosmjs threw.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"verify.mjs ended with {self._process.wait(timeout=10)}"
        reply = json.loads(line)
        if "error" in reply:
            raise CosmjsError(reply["error"])
        return reply["answer"]

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()  # the end of its input ends it
        self._process.wait(timeout=10)
        self._process.stdout.close()


def require(program: str) -> str:
    """Return a program's path; fail if it is not here, or if Node.js is too old."""
    found = shutil.which(program)
    if found is None:
        pytest.fail(f"{program} is not installed (apt-get install nodejs npm)")
    if program == "node":
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        number = re.match(r"v(\d+)\.", version)
        if number is None or int(number[1]) < MINIMUM:
            pytest.fail(f"Node.js is {version.strip()}, and {MINIMUM} is needed")
    return found


def installed(wanted: Path = FOLDER) -> Path:
    """Return a folder with the packages that the lock file in ``wanted`` names; install them if it is not there yet."""
    lock = wanted / "package-lock.json"
    cache = Path(os.environ.get("XDG_CACHE_HOME", _HOME / ".cache")) / "keyring-bridge-tests"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = cache / f"cosmjs-{digest}"
    if folder.is_dir():
        return folder
    npm = require("npm")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        made = Path(work) / "packages"
        made.mkdir()
        for name in ("package.json", lock.name):
            shutil.copy(wanted / name, made)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        result = subprocess.run(
            command, cwd=made, env={**os.environ, "HOME": str(_HOME)}, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            pytest.fail(f"npm ci failed:\n{result.stderr[-2000:]}")
        try:
            made.rename(folder)
        except OSError:
            # Another run was quicker.
            assert folder.is_dir()
    return folder
