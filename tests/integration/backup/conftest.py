"""Two users, each with a SoftHSM2 token of their own, and keys of age."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from tests.integration.cli.conftest import CHAIN
from tests.integration.cli.harness import Cli
from tests.shim.shim import shim_library
from tests.softhsm import SoftHsm

__all__ = ["shim_library"]


@dataclass(frozen=True)
class User:
    """Somebody with a token.

    Attributes:
        cli: Their command line.
        hsm: Their SoftHSM2.
        so_pin: Source of the PIN of their token's officer.
    """

    cli: Cli
    hsm: SoftHsm
    so_pin: str


@dataclass(frozen=True)
class AgeKey:
    """A recipient, and the source of its identity."""

    recipient: str
    identity: str


def private(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


def make_user(folder: Path, label: str) -> User:
    hsm = SoftHsm(folder / "softhsm")
    officer = private(folder / "so-pin", "77120934\n")
    cli = Cli(folder / "home", hsm.env)
    cli.ok(
        *("init", "--create-token", "--token-label", label, "--chain-id", CHAIN, "--so-pin-source", f"file:{officer}")
    )
    return User(cli, hsm, f"file:{officer}")


@pytest.fixture
def desk(tmp_path: Path) -> User:
    """Whose keys are backed up."""
    return make_user(tmp_path / "desk", "desk")


@pytest.fixture
def spare(tmp_path: Path) -> User:
    """Where they come back."""
    return make_user(tmp_path / "spare", "spare")


@pytest.fixture
def age(tmp_path: Path) -> AgeKey:
    """Who can open bundles."""
    key = pyrage.x25519.Identity.generate()
    path = private(tmp_path / "identity", f"# {os.getpid()}\n{key}\n")
    return AgeKey(str(key.to_public()), f"file:{path}")
