"""A cosmpy script sends transactions on the test chain with a key in the bridge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.agent.harness import ok
from tests.integration.wallets.conftest import KEY

if TYPE_CHECKING:
    from tests.integration.agent.harness import Agent
    from tests.integration.gomodule.harness import Operator

pytestmark = pytest.mark.chain

SCRIPT = Path(__file__).with_name("cosmpy_script.py")
PATIENCE = 120.0


def run(operator: Operator, recipient: str, *options: str, **env: str) -> Any:
    """Run the script; return what it printed."""
    chain = operator.chain
    what = ("--grpc", chain.grpc, "--chain-id", chain.chain_id, "--key", KEY, "--to", recipient)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *what, *options],
        env={**operator.cli.env, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def check(operator: Operator, recipient: str, before: tuple[int, int], printed: Any) -> None:
    """Hold what the script printed against what the chain says."""
    chain = operator.chain
    for name, memo in (("send_tokens", "by send_tokens"), ("by_hand", "by hand")):
        found = chain.wait_tx(printed[name])
        assert (found["code"], found["tx"]["body"]["memo"]) == (0, memo)
    received, sequence = before
    assert chain.balance(recipient) == received + 1230
    assert chain.account(printed["sender"])[1] == sequence + 2


def state(operator: Operator, recipient: str) -> tuple[int, int]:
    """The recipient's coins, and the sender's sequence."""
    sender = str(operator.cli.json("keys", "show", KEY)["address"])
    return operator.chain.balance(recipient), operator.chain.account(sender)[1]


def test_through_a_plugin_process(operator: Operator) -> None:
    recipient = operator.chain.address("val")
    before = state(operator, recipient)
    check(operator, recipient, before, run(operator, recipient, KEYRING_BRIDGE_AGENT="off"))


def test_through_the_agent(operator: Operator, agent: Agent) -> None:
    recipient = operator.chain.address("val")
    before = state(operator, recipient)
    served = ok(operator.cli, "status")["served"]
    check(operator, recipient, before, run(operator, recipient, "--agent", KEYRING_BRIDGE_AGENT="manual"))
    # send_tokens simulates first, for which cosmpy signs, too.
    assert ok(operator.cli, "status")["served"] == served + 3
    assert agent.process.poll() is None
