"""Runs plugin/js in Node.js, with the packages of js/package-lock.json beside it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.interop.cosmjs.judge import installed, require

PACKAGE = Path(__file__).parents[3] / "plugin" / "js"
FOLDER = Path(__file__).parent / "js"


class JsError(Exception):
    """What JavaScript threw.

    Attributes:
        code: Of a BridgeError, else None.
        told: All that the driver tells of it.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(told["message"])
        self.code = told["code"]
        self.told = told


class Driver:
    """A running driver.mjs. Close it.

    Args:
        env: Its environment, and so that of the plugins it starts.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [require("node"), str(FOLDER / "driver.mjs"), str(PACKAGE), str(installed(FOLDER))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(env),
            text=True,
            encoding="utf-8",
        )

    def ask(self, op: str, **request: object) -> Any:
        """Return what an operation of driver.mjs returns.

        Raises:
            JsError: It threw.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"driver.mjs ended with {self._process.wait(timeout=10)}"
        reply = json.loads(line)
        if "error" in reply:
            raise JsError(reply["error"])
        return reply["answer"]

    def code(self, op: str, **request: object) -> str:
        """Return the code of the BridgeError that an operation throws."""
        with pytest.raises(JsError) as caught:
            self.ask(op, **request)
        assert caught.value.told["name"] == "BridgeError", caught.value.told
        return str(caught.value.code)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
