"""Users with keys, and plugins that serve them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.cli.harness import Cli
from tests.integration.plugin.harness import CHAIN, Plugin
from tests.shim.shim import shim_library
from tests.softhsm import SoftHsm

__all__ = ["shim_library"]

Start = Callable[..., Plugin]


def with_software(folder: Path) -> Cli:
    """A user whose keys are in a file."""
    user = Cli(folder / "home")
    user.ok("init", "--backend", "software", "--chain-id", CHAIN)
    return user


def with_token(folder: Path) -> Cli:
    """A user whose keys are in a SoftHSM2 token."""
    user = Cli(folder / "home", SoftHsm(folder / "softhsm").env)
    user.ok("init", "--create-token", "--token-label", "desk", "--chain-id", CHAIN)
    return user


def with_keys(user: Cli) -> Cli:
    """Give a user the keys ``ops`` (account), ``spare`` (account, without a policy) and ``val`` (consensus)."""
    user.ok("keygen", "--label", "ops")
    user.ok("keygen", "--label", "val", "--purpose", "consensus")
    return user


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A user with a key file and keys; tests must leave them as they are."""
    return with_keys(with_software(tmp_path_factory.mktemp("settled")))


@pytest.fixture(scope="module")
def settled_token(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A user with a token and keys; tests must leave them as they are."""
    return with_keys(with_token(tmp_path_factory.mktemp("settled-token")))


@pytest.fixture
def nobody(tmp_path: Path) -> Cli:
    """A user without a configuration."""
    return Cli(tmp_path / "nobody")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts plugins for users; they are ended with the test."""
    running: list[Plugin] = []

    def begin(user: Cli, prefix: tuple[str, ...] = (), **env: str) -> Plugin:
        plugin = Plugin({**user.env, **env}, tmp_path / f"errors-{len(running)}", prefix)
        running.append(plugin)
        return plugin

    yield begin
    for plugin in running:
        plugin.close()


@pytest.fixture
def plugin(start: Start, settled: Cli) -> Plugin:
    """A plugin for the user with a key file."""
    return start(settled)
