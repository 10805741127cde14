"""The chain that tests run on is a real one, stays on loopback and ends with the tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chain.node import Chain, NotStarted, running_chain

pytestmark = pytest.mark.chain


@pytest.fixture
def user(chain: Chain, request: pytest.FixtureRequest) -> str:
    """Name of a key with coins in the node's own keyring."""
    name = str(request.node.name)
    chain.ok("keys", "add", name)
    chain.fund(chain.address(name), "10000000uve")
    return name


def test_coins_are_sent(chain: Chain, user: str) -> None:
    before = chain.balance(chain.address("val"))
    sent = chain.tx("bank", "send", user, chain.address("val"), "7uve", sender=user)
    assert int(sent["height"]) <= chain.height()
    assert chain.balance(chain.address(user)) == 9999993
    assert chain.balance(chain.address("val")) >= before + 7
    _, sequence = chain.account(chain.address(user))
    assert sequence == 1


def test_the_staking_module_and_distribution(chain: Chain, user: str) -> None:
    address, validator = chain.address(user), chain.validator()
    chain.tx("staking", "delegate", validator, "500uve", sender=user)
    held = chain.query("staking", "delegation", address, validator)["delegation_response"]
    assert held["balance"] == {"denom": "uve", "amount": "500"}
    # Fees of others are the rewards.
    chain.tx("bank", "send", user, address, "1uve", "--fees", "1000uve", sender=user)
    chain.tx("distribution", "withdraw-rewards", validator, sender=user)
    chain.tx("distribution", "set-withdraw-addr", chain.address("val"), sender=user)
    shown = chain.query("distribution", "delegator-withdraw-address", "--delegator-address", address)
    assert shown["withdraw_address"] == chain.address("val")


def test_proposals_and_votes(chain: Chain, user: str, tmp_path: Path) -> None:
    proposal = tmp_path / "proposal.json"
    proposal.write_text(json.dumps({"deposit": "1000uve", "title": "T", "summary": "S", "metadata": "M"}))
    sent = chain.tx("gov", "submit-proposal", str(proposal), sender=user)
    (number,) = {
        item["value"] for event in sent["events"] for item in event["attributes"] if item["key"] == "proposal_id"
    }
    chain.tx("gov", "vote", number, "yes", sender=user)
    vote = chain.query("gov", "vote", number, chain.address(user))["vote"]
    assert [(each["option"], each["weight"]) for each in vote["options"]] == [
        ("VOTE_OPTION_YES", "1.000000000000000000")
    ]


def test_grants(chain: Chain, user: str, tmp_path: Path) -> None:
    granter, grantee = chain.address("faucet"), chain.address(user)
    chain.tx("authz", "grant", grantee, "send", "--spend-limit", "50uve")
    chain.tx("feegrant", "grant", granter, grantee, "--spend-limit", "1000uve")
    unsigned = tmp_path / "unsigned.json"
    unsigned.write_text(chain.ok("tx", "bank", "send", granter, grantee, "20uve", "--generate-only"))
    before = chain.balance(grantee)
    chain.tx("authz", "exec", str(unsigned), "--fee-granter", granter, "--fees", "10uve", sender=user)
    assert chain.balance(grantee) == before + 20
    assert chain.query("authz", "grants", granter, grantee)["grants"]
    left = chain.query("feegrant", "grant", granter, grantee)["allowance"]["allowance"]["value"]
    assert left["spend_limit"] == [{"denom": "uve", "amount": "990"}]


@pytest.mark.parametrize("mode", ["direct", "amino-json", "textual"])
def test_files_are_signed_and_broadcast(chain: Chain, user: str, tmp_path: Path, mode: str) -> None:
    unsigned, signed = tmp_path / "unsigned.json", tmp_path / "signed.json"
    unsigned.write_text(
        chain.ok("tx", "bank", "send", user, chain.address("val"), "5uve", "--fees", "3uve", "--generate-only")
    )
    # On stdout, where chains print it whose root command names an output.
    signed.write_text(chain.ok("tx", "sign", str(unsigned), "--from", user, "--sign-mode", mode))
    chain.ok("tx", "validate-signatures", str(signed))
    chain.broadcast(signed)
    assert chain.balance(chain.address(user)) == 9999992


def test_unordered_transactions(chain: Chain, user: str) -> None:
    send = ("bank", "send", user, chain.address("val"), "5uve")
    chain.tx(*send, "--unordered", "--timeout-duration", "5m", sender=user)
    assert chain.account(chain.address(user))[1] == 0


def test_variables_and_homes_of_others(chain: Chain, tmp_path: Path) -> None:
    home = chain.user_home(tmp_path / "home")
    chain.ok("keys", "add", "mine", "--home", str(home))
    assert "mine" in chain.ok("keys", "list", "--home", str(home))
    variables = {"TESTCHAIN_KEYRING_BACKEND": "memory"}
    assert "mine" not in chain.ok("keys", "list", "--home", str(home), env=variables)
    assert chain.run("keys", "show", "nobody", "--home", str(home)).returncode == 1


def test_nothing_listens_but_on_loopback(chain: Chain) -> None:
    heard = _listening(chain.pid)
    ports = {int(address.rsplit(":", 1)[1]) for address in (chain.rpc, chain.grpc)}
    assert ports < {port for _, port in heard}
    # RPC, gRPC and the port for peers.
    assert [host for host, _ in heard] == ["127.0.0.1"] * 3


def test_a_chain_that_asks_for_fees_and_ends_with_its_block(tmp_path: Path) -> None:
    with running_chain(tmp_path, voting_period="4s", minimum_gas_prices="0.01uve") as chain:
        send = ("tx", "bank", "send", "faucet", chain.address("val"), "1uve", "--yes", "--output", "json")
        assert json.loads(chain.ok(*send))["code"] == 13
        chain.tx("bank", "send", "faucet", chain.address("val"), "1uve", "--gas-prices", "0.01uve")
        assert chain.query("gov", "params")["params"]["voting_period"] == "4s"
    assert not _alive(chain.pid)


def test_a_node_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="invalid minimum gas prices"), running_chain(tmp_path, minimum_gas_prices="?"):
        pass


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_node_does_not_outlive_the_tests(tmp_path: Path, end: signal.Signals) -> None:
    code = f"""
import time
from pathlib import Path
from tests.chain.node import running_chain
with running_chain(Path({str(tmp_path)!r})) as chain:
    print(chain.pid, flush=True)
    time.sleep(600)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as tests:
        assert tests.stdout is not None
        node = int(tests.stdout.readline())
        assert _alive(node)
        tests.send_signal(end)
        tests.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while _alive(node):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    # A container's first process may leave the dead of others lying about.
    return state != "Z"


def _listening(pid: int) -> list[tuple[str, int]]:
    """Hosts and ports where a process listens; those of IPv6 as they stand in /proc."""
    inodes = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in inodes:
                host, port = local.split(":")
                shown = socket.inet_ntoa(bytes.fromhex(host)[::-1]) if len(host) == 8 else host
                found.append((shown, int(port, 16)))
    return found
