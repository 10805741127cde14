"""Users with keys and agents; every agent that a test leaves running is ended with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.agent.harness import Agent, command
from tests.integration.cli.harness import Cli
from tests.integration.plugin.conftest import with_software, with_token
from tests.integration.plugin.harness import Plugin
from tests.integration.plugin.test_plugin_process import set_option
from tests.shim.shim import shim_library
from tests.softhsm import SoftHsm

__all__ = ["shim_library"]

PIN = "73915508"
Start = Callable[..., Agent]
Relay = Callable[..., Plugin]


def with_place(user: Cli) -> Cli:
    """Give a user a runtime directory."""
    runtime = user.home / "runtime"
    runtime.mkdir(mode=0o700)
    user.env["XDG_RUNTIME_DIR"] = str(runtime)
    return user


def end_background(user: Cli) -> None:
    """End an agent that was started in the background."""
    done = command(user, "status", "--output", "json")
    if done.code == 0:
        with suppress(ProcessLookupError):
            os.kill(done.data["pid"], signal.SIGKILL)


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Cli]:
    """A user with a key file and the key ``ops``."""
    made = with_place(with_software(tmp_path))
    made.ok("keygen", "--label", "ops")
    yield made
    end_background(made)


@pytest.fixture
def token(tmp_path: Path) -> Iterator[Cli]:
    """A user with a token, whose PIN is in a file, and the key ``ops``."""
    made = with_place(with_token(tmp_path))
    made.ok("keygen", "--label", "ops")
    yield made
    end_background(made)


@pytest.fixture
def typist(tmp_path: Path) -> Iterator[Cli]:
    """A user with a token, whose PIN has to be typed, and the key ``ops``."""
    hsm = SoftHsm(tmp_path / "softhsm")
    card = hsm.create_token("desk", pin=PIN)
    made = with_place(Cli(tmp_path / "home", hsm.env))
    made.ok("init", "--backend", "softhsm", "--token-serial", card.serial, "--chain-id", "testchain-1")
    set_option(made, pin_source=f"file:{card.pin_file}")
    made.ok("keygen", "--label", "ops")
    set_option(made, pin_source="prompt")
    yield made
    end_background(made)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts agents in the foreground and waits until they listen."""
    running: list[Agent] = []

    def begin(user: Cli, *arguments: str, wait: bool = True, **options: object) -> Agent:
        agent = Agent(user, *arguments, **options)
        running.append(agent)
        return agent.ready() if wait else agent

    yield begin
    for agent in running:
        agent.kill()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """Starts ``keyring-plugin`` without arguments."""
    running: list[Plugin] = []

    def begin(user: Cli, **env: str) -> Plugin:
        plugin = Plugin({**user.env, **env}, tmp_path / f"relay-{len(running)}.log")
        running.append(plugin)
        return plugin

    yield begin
    for plugin in running:
        plugin.close()
