"""What holds whether a chain's program links the Go module or the shell runs it as it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.chain.build import build_chain
from tests.chain.node import CHAIN_ID, Chain, running_chain
from tests.integration.cli.harness import PATIENCE, Cli
from tests.integration.gomodule import harness as gomodule
from tests.integration.plugin.test_plugin_process import through_shim
from tests.integration.shell import harness as shell
from tests.shim.shim import shim_library
from tests.softhsm import SoftHsm

if TYPE_CHECKING:
    from tests.integration.cli.harness import Done

__all__ = ["shim_library"]

pytestmark = pytest.mark.chain
Operator = gomodule.Operator | shell.Operator


@pytest.fixture(params=["linked", "shell"])
def way(request: pytest.FixtureRequest) -> str:
    """One of the two ways."""
    return str(request.param)


def make(way: str, folder: Path, chain: Chain, *init: str, env: Mapping[str, str] | None = None) -> Operator:
    """Make an operator whose chain's program is used in this way."""
    if way == "linked":
        return gomodule.make_operator(folder, chain, *init, env=env)
    return shell.make_operator(folder, chain, init=init, env=env)


def key(operator: Operator, name: str) -> str:
    """Make a key without coins; return its address."""
    return operator.key(name, coins="") if isinstance(operator, gomodule.Operator) else operator.key(name)


def nowhere(folder: Path) -> Chain:
    """A chain whose node is not there."""
    return Chain(build_chain(), folder / "none", "tcp://127.0.0.1:1", "127.0.0.1:1", 0)


# --- CHAIN hsm -------------------------------------------------------------------------------------------------------


def test_a_bridge_from_nothing_with_the_chains_own_command(way: str, tmp_path: Path) -> None:
    cli, home = Cli(tmp_path / "home"), tmp_path / "chain"
    operator: Operator
    if way == "linked":
        operator = gomodule.Operator(cli, nowhere(tmp_path), home)
    else:
        operator = shell.Operator(cli, build_chain(plain=True), home)

    def hsm(*words: str, code: int = 0) -> Any:
        # With the flags that every command of the chain has.
        done = operator.run("hsm", *words, "--output", "json")
        assert done.code == code, done
        return json.loads(done.out)

    assert hsm("status", code=3)["error"]["code"] == "config_missing"
    hsm("init", "--backend", "software", "--chain-id", CHAIN_ID)
    made = hsm("keygen", "--label", "ops")
    assert hsm("keygen", "--label", "ops", code=5)["error"]["code"] == "key_exists"
    assert hsm("status") == cli.json("status")
    shown = operator.run("keys", "show", "ops", "-a")
    assert (shown.code, shown.out.strip()) == (0, made["address"])


# --- nodes that ask for more, or for too much ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A chain whose node takes nothing for free."""
    with running_chain(tmp_path_factory.mktemp("dear"), minimum_gas_prices="0.01uve") as running:
        yield running


@pytest.fixture
def payer(way: str, tmp_path: Path, dear: Chain) -> Operator:
    """Somebody whose key ``ops`` has coins on it."""
    operator = make(way, tmp_path, dear, "--backend", "software")
    options = ("--from", "faucet", "--keyring-backend", "test", "--fees", "5000uve", "--yes", "--output", "json")
    funded = dear.ok("tx", "bank", "send", "faucet", key(operator, "ops"), "20000000uve", *options)
    dear.included(json.loads(funded))
    return operator


def send(operator: Operator, *options: str, env: Mapping[str, str] | None = None) -> Done:
    """Send a coin to oneself."""
    address = operator.run("keys", "show", "ops", "-a").out.strip()
    command = ("tx", "bank", "send", "ops", address, "1uve", "--yes", "--output", "json")
    return operator.run(*command, *options, env=env)


def test_too_small_a_fee_is_the_nodes_to_refuse(payer: Operator, dear: Chain) -> None:
    for fee in ((), ("--fees", "1uve")):
        done = send(payer, *fee)
        answer = json.loads(done.out)
        assert (done.code, answer["codespace"], answer["code"]) == (0, "sdk", 13), done
        assert "insufficient fee" in answer["raw_log"]
    dear.included(json.loads(send(payer, "--fees", "5000uve").out))


def test_a_node_that_says_a_transaction_needs_very_much_gas(payer: Operator, dear: Chain) -> None:
    """The adjustment does what a node would do that lies."""
    lies = ("--gas", "auto", "--gas-adjustment", "300", "--gas-prices", "1uve")
    for ceiling in ({}, {"KEYRING_BRIDGE_MAX_FEE": "1000uve"}):
        done = send(payer, *lies, env=ceiling)
        assert (done.code, done.out) == (1, ""), done
        highest = ceiling.get("KEYRING_BRIDGE_MAX_FEE", "10000000uve")
        assert f"uve is above the ceiling of {highest}; nothing was signed" in done.err
    for mode in ("amino-json", "textual"):
        assert "above the ceiling of" in send(payer, *lies, "--sign-mode", mode).err
    assert not [entry for entry in payer.cli.json("audit", "tail") if entry["kind"] == "sign.intent"]
    honest = ("--gas", "auto", "--gas-adjustment", "1.5", "--gas-prices", "1uve")
    assert "above the ceiling of 1uve" in send(payer, *honest, "--hsm-max-fee", "1uve").err
    dear.included(json.loads(send(payer, *honest, "--hsm-max-fee", "1000000uve").out))
    dear.included(json.loads(send(payer, *honest).out))


# --- devices ---------------------------------------------------------------------------------------------------------


OFFLINE = ("--yes", "--offline", "-a", "1", "-s", "0", "--chain-id", CHAIN_ID)


@pytest.fixture
def hung(way: str, tmp_path: Path, shim_library: Path) -> Iterator[Operator]:
    """Somebody whose key ``ops`` is in a token that does not answer when it is asked to sign."""
    token = ("--create-token", "--token-label", "desk")
    operator = make(way, tmp_path, nowhere(tmp_path), *token, env=SoftHsm(tmp_path / "softhsm").env)
    key(operator, "ops")
    configuration = operator.cli.config
    configuration.write_text(configuration.read_text() + "\n[rpc]\ndeadline_seconds = 4\n")
    shim = through_shim(operator.cli, shim_library)
    if isinstance(operator, shell.Operator):
        operator.env.update(shim.env)
    shim.control("hang C_Sign")
    yield operator
    shim.control()


def wait_for_audit(operator: Operator, text: str) -> None:
    """Wait until the audit log has something."""
    log, end = operator.cli.folder / "state" / "audit.jsonl", time.monotonic() + PATIENCE
    while text not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


@pytest.mark.softhsm
def test_a_token_that_hangs(hung: Operator) -> None:
    address = hung.run("keys", "show", "ops", "-a").out.strip()
    command = ("tx", "bank", "send", "ops", address, "1uve", *OFFLINE)
    done = hung.run(*command, env={"KEYRING_BRIDGE_TIMEOUT": "4s"})
    assert (done.code, done.out) == (1, ""), done
    assert "deadline" in done.err
    assert "Traceback" not in done.err
    # A plugin may end a moment later than its command.
    wait_for_audit(hung, '"result":"unknown"')
    assert hung.cli.json("audit", "verify")["ok"] is True


@pytest.mark.softhsm
def test_ctrl_c_while_a_token_hangs(hung: Operator) -> None:
    address = hung.run("keys", "show", "ops", "-a").out.strip()
    hung.cli.config.write_text(hung.cli.config.read_text().replace("deadline_seconds = 4", "deadline_seconds = 3600"))
    command = hung.command("tx", "bank", "send", "ops", address, "1uve", *OFFLINE)
    if isinstance(hung, gomodule.Operator):
        command += ["--keyring-backend", "hsm"]
    with subprocess.Popen(
        command, env=hung.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            wait_for_audit(hung, '"kind":"sign.intent"')
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            # Not until its output is closed: a plugin may have that for a while.
            assert process.wait(PATIENCE) != 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    assert out == ""
    if isinstance(hung, shell.Operator):
        assert process.returncode == 130
        assert "interrupted: the key may have been asked for a signature (the audit log tells); nothing was sent" in err
