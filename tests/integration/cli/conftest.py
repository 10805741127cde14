"""Users of the command line: one with a SoftHSM2 token, one with a software key file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.cli.harness import Cli
from tests.shim.shim import shim_library
from tests.softhsm import SoftHsm

__all__ = ["shim_library"]

CHAIN = "testchain-1"


def with_token(folder: Path) -> Cli:
    """A user whose token `hsm init` made."""
    cli = Cli(folder / "home", SoftHsm(folder / "softhsm").env)
    cli.ok("init", "--create-token", "--token-label", "desk", "--chain-id", CHAIN)
    return cli


def with_software(folder: Path) -> Cli:
    """A user whose keys are in a file."""
    cli = Cli(folder / "home")
    cli.ok("init", "--backend", "software", "--chain-id", CHAIN)
    return cli


MAKERS: dict[str, Callable[[Path], Cli]] = {"pkcs11": with_token, "software": with_software}


@pytest.fixture
def token(tmp_path: Path) -> Cli:
    """See :func:`with_token`."""
    return with_token(tmp_path)


@pytest.fixture
def software(tmp_path: Path) -> Cli:
    """See :func:`with_software`."""
    return with_software(tmp_path)


@pytest.fixture
def nobody(tmp_path: Path) -> Cli:
    """A user without a configuration."""
    return Cli(tmp_path / "home")


@pytest.fixture(params=sorted(MAKERS))
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> Cli:
    """A user with each backend in turn."""
    return MAKERS[request.param](tmp_path)


@pytest.fixture(scope="module", params=sorted(MAKERS))
def settled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A user with each backend in turn, with the keys ``ops`` and ``val``; tests must not change anything."""
    cli = MAKERS[request.param](tmp_path_factory.mktemp("settled"))
    cli.ok("keygen", "--label", "ops")
    cli.ok("keygen", "--label", "val", "--purpose", "consensus")
    return cli
