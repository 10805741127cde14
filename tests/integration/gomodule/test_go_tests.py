"""The Go module's own tests, and that it compiles with the oldest SDK it is for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.integration.gomodule.harness import go_environment

pytestmark = [pytest.mark.go, pytest.mark.slow, pytest.mark.softhsm, pytest.mark.timeout(1800)]
MODULE = Path(__file__).parents[3] / "plugin" / "go"


def go(*arguments: str) -> str:
    done = subprocess.run(
        ["go", *arguments], cwd=MODULE, env=go_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_vet() -> None:
    go("vet", "./...")
    assert subprocess.run(["gofmt", "-l", "."], cwd=MODULE, capture_output=True, check=True).stdout == b""


def test_the_modules_own_tests() -> None:
    assert "keyring-bridge/plugin/go/hsm" in go("test", "-count=1", "./...")


def test_compiles_with_the_oldest_sdk() -> None:
    go("vet", "-modfile=go.v050.mod", "./...")


def test_needs_no_more_than_it_says() -> None:
    assert go("mod", "tidy", "-diff") == ""
