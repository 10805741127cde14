"""What a node refuses, and what clashes: reported as the chain's own program reports it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.shell.harness import SHELL, Operator, funded

if TYPE_CHECKING:
    from tests.chain.node import Chain


def test_two_commands_at_once(chain: Chain, operator: Operator) -> None:
    # Without waiting for blocks between them, commands of one account take the same sequence, or one that is over.
    funded(operator, chain, "ops")
    other = operator.key("other")
    command = operator.command("tx", "bank", "send", "ops", other, "7uve", "-y", "-o", "json")
    running = [
        subprocess.Popen(command, env=operator.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert [(code, err) for _, err, code in ended] == [(0, "")] * 4
    answers = [json.loads(out) for out, _, _ in ended]
    sent = [answer for answer in answers if answer["code"] == 0]
    assert sent
    for answer in answers:
        if answer["code"] not in (0, 19):  # 19: the very same transaction is in the mempool already
            assert (answer["code"], answer["codespace"]) == (32, "sdk")
            assert "account sequence mismatch" in answer["raw_log"]
    included = {chain.included(answer)["txhash"] for answer in sent}
    assert chain.balance(other) == 7 * len(included)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--gas", "1"), 11), (("--fees", "900000000000uve"), 5), (("--timeout-height", "1"), 30)],
)
def test_a_transaction_that_the_node_refuses(
    chain: Chain, operator: Operator, arguments: tuple[str, ...], code: int
) -> None:
    address, other = funded(operator, chain, "ops"), operator.key("other")
    done = operator.run("tx", "bank", "send", "ops", other, "1uve", *arguments, "-y", "-o", "json")
    theirs_address = _their_key(operator, chain)
    theirs = operator.plain("tx", "bank", "send", "theirs", other, "1uve", *arguments, "-y", "-o", "json")
    ours_answer, theirs_answer = json.loads(done.out), json.loads(theirs.out)
    assert (done.code, ours_answer["code"]) == (theirs.code, theirs_answer["code"]) == (0, code)
    differs = re.compile(rf"{address}|{theirs_address}|block height: \d+")
    assert differs.sub("", ours_answer["raw_log"]) == differs.sub("", theirs_answer["raw_log"])
    assert chain.balance(other) == 0


def _their_key(operator: Operator, chain: Chain) -> str:
    assert operator.plain("keys", "add", "theirs").code == 0
    address = operator.plain("keys", "show", "theirs", "-a").out.strip()
    chain.fund(address, "100000000uve")
    return address


@pytest.mark.parametrize(
    "arguments",
    [
        ("--node", "tcp://127.0.0.1:1"),
        ("--node", "no address"),
        ("--fees", "1"),
        ("--chain-id", ""),
        ("--fees", "1uve", "--gas-prices", "1uve"),
    ],
)
def test_what_the_program_does_not_take(chain: Chain, operator: Operator, arguments: tuple[str, ...]) -> None:
    funded(operator, chain, "ops")
    _their_key(operator, chain)
    command = ("tx", "bank", "send", "theirs", chain.address("val"), "1uve", *arguments, "-y")
    theirs = operator.plain(*command)
    done = operator.run(*(word if word != "theirs" else "ops" for word in command))
    assert (done.code, done.out) == (theirs.code, theirs.out)
    assert done.code
    assert "Traceback" not in done.err


def test_an_account_that_is_not_on_the_chain(chain: Chain, operator: Operator) -> None:
    operator.key("ops")
    operator.plain("keys", "add", "theirs")
    done = operator.run("tx", "bank", "send", "ops", chain.address("val"), "1uve", "-y")
    theirs = operator.plain("tx", "bank", "send", "theirs", chain.address("val"), "1uve", "-y")
    assert done.code == theirs.code == 1
    assert "not found: key not found" in done.err
    assert "not found: key not found" in theirs.err


def test_through_the_agent(chain: Chain, operator: Operator, tmp_path: Path) -> None:
    funded(operator, chain, "ops")
    other = operator.key("other")
    with agent(operator, tmp_path / "run"):
        operator.tx(chain, "bank", "send", "ops", other, "5uve")
        operator.tx(chain, "bank", "send", "ops", other, "1500000uve", "--sign-mode", "textual")
        unsigned = tmp_path / "unsigned.json"
        unsigned.write_text(operator.ok("tx", "bank", "send", "ops", other, "6uve", "--generate-only"))
        signed = tmp_path / "signed.json"
        signed.write_text(operator.ok("tx", "sign", str(unsigned), "--from", "ops", "--sign-mode", "amino-json"))
        chain.broadcast(signed)
        assert operator.ok("keys", "list", "-n") == "ops\nother\n"
        multisig = ("--multisig", "ops,other", "--multisig-threshold", "2")
        group = json.loads(operator.ok("keys", "add", "group", *multisig, "--output", "json"))
        assert json.loads(operator.ok("keys", "show", "group", "--output", "json")) == group
        operator.ok("keys", "delete", "group", "-y")
        refused = operator.run("keys", "export", "ops", stdin="password1\n")
        assert (refused.code, refused.err.splitlines()[0]) == (1, "Error: private key extraction works only for Local")
    assert chain.balance(other) == 1_500_011


def test_an_agent_that_is_killed(chain: Chain, operator: Operator, tmp_path: Path) -> None:
    # What it was asked for has a definite end, and without it the bridge is opened by the command itself.
    funded(operator, chain, "ops")
    other = operator.key("other")
    with agent(operator, tmp_path / "run") as process:
        operator.tx(chain, "bank", "send", "ops", other, "5uve")
        process.kill()
        process.wait()
        operator.tx(chain, "bank", "send", "ops", other, "6uve")
    assert chain.balance(other) == 11


@contextmanager
def agent(operator: Operator, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run an agent for an operator, who uses it from then on."""
    folder.mkdir(mode=0o700)
    socket = folder / "agent.sock"
    operator.env = {**operator.env, "KEYRING_BRIDGE_AGENT": "manual", "KEYRING_BRIDGE_SOCKET": str(socket)}
    process = subprocess.Popen([*SHELL[:-1], "agent", "start"], env=operator.env, stderr=sys.stderr)
    try:
        end = time.monotonic() + 60
        while not socket.exists():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(30)
