"""Transactions of a key in a token, sent by the chain's own program with ``--keyring-backend hsm``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.gomodule.harness import MODES, Operator, make_operator
from tests.softhsm import SoftHsm

if TYPE_CHECKING:
    from tests.chain.node import Chain

pytestmark = [pytest.mark.chain, pytest.mark.softhsm]


@pytest.fixture(scope="module")
def operator(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """A user whose keys ``ann`` and ``bob`` are in a token."""
    folder = tmp_path_factory.mktemp("operator")
    init = ("--create-token", "--token-label", "desk")
    operator = make_operator(folder, chain, *init, env=SoftHsm(folder / "softhsm").env)
    operator.key("ann")
    operator.key("bob")
    return operator


@pytest.fixture
def ann(operator: Operator) -> str:
    return operator.ok("keys", "show", "ann", "-a").strip()


@pytest.fixture
def bob(operator: Operator) -> str:
    return operator.ok("keys", "show", "bob", "-a").strip()


@pytest.mark.parametrize("mode", MODES)
def test_send(operator: Operator, ann: str, bob: str, mode: str) -> None:
    before, (_, sequence) = operator.chain.balance(bob), operator.chain.account(ann)
    # By name and by address.
    operator.tx("bank", "send", "ann", bob, "7uve", "--sign-mode", mode, "--fees", "3uve", sender="ann")
    operator.tx("bank", "send", ann, bob, "8uve", "--sign-mode", mode, "--note", "<é & co>", sender=ann)
    assert operator.chain.balance(bob) == before + 15
    assert operator.chain.account(ann)[1] == sequence + 2


def test_send_with_estimated_gas(operator: Operator, bob: str) -> None:
    sent = operator.tx("bank", "send", "ann", bob, "1uve", "--gas", "auto", "--gas-adjustment", "1.5", sender="ann")
    assert int(sent["gas_used"]) <= int(sent["gas_wanted"])


def test_delegate(operator: Operator, ann: str) -> None:
    validator = operator.chain.validator()
    operator.tx("staking", "delegate", validator, "500uve", sender="ann")
    held = operator.chain.query("staking", "delegation", ann, validator)["delegation_response"]
    assert held["balance"] == {"denom": "uve", "amount": "500"}


def test_proposal_and_vote(operator: Operator, ann: str, tmp_path: Path) -> None:
    proposal = tmp_path / "proposal.json"
    proposal.write_text(json.dumps({"deposit": "1000uve", "title": "T", "summary": "S", "metadata": "M"}))
    sent = operator.tx("gov", "submit-proposal", str(proposal), sender="ann")
    items = [item for event in sent["events"] for item in event["attributes"]]
    (number,) = {item["value"] for item in items if item["key"] == "proposal_id"}
    operator.tx("gov", "vote", number, "yes", sender="ann")
    vote = operator.chain.query("gov", "vote", number, ann)["vote"]
    assert [each["option"] for each in vote["options"]] == ["VOTE_OPTION_YES"]


def test_authz_and_feegrant(operator: Operator, ann: str, bob: str, tmp_path: Path) -> None:
    operator.tx("authz", "grant", bob, "send", "--spend-limit", "50uve", sender="ann")
    operator.tx("feegrant", "grant", ann, bob, "--spend-limit", "1000uve", sender="ann")
    unsigned = operator.unsigned(tmp_path, "bank", "send", ann, bob, "20uve")
    before = operator.chain.balance(bob)
    operator.tx("authz", "exec", str(unsigned), "--fee-granter", ann, "--fees", "10uve", sender="bob")
    assert operator.chain.balance(bob) == before + 20
    left = operator.chain.query("feegrant", "grant", ann, bob)["allowance"]["allowance"]["value"]
    assert left["spend_limit"] == [{"denom": "uve", "amount": "990"}]


@pytest.mark.parametrize("mode", MODES)
def test_sign_and_broadcast(operator: Operator, ann: str, bob: str, tmp_path: Path, mode: str) -> None:
    unsigned = operator.unsigned(tmp_path, "bank", "send", ann, bob, "5uve")
    signed = tmp_path / "signed.json"
    signed.write_text(operator.ok("tx", "sign", str(unsigned), "--from", "ann", "--sign-mode", mode))
    before = operator.chain.balance(bob)
    operator.chain.broadcast(signed)
    assert operator.chain.balance(bob) == before + 5


def test_sign_offline(operator: Operator, ann: str, bob: str, tmp_path: Path) -> None:
    unsigned = operator.unsigned(tmp_path, "bank", "send", ann, bob, "5uve")
    number, sequence = operator.chain.account(ann)
    offline = ("--offline", "--account-number", str(number), "--sequence", str(sequence))
    signed = tmp_path / "signed.json"
    signed.write_text(operator.ok("tx", "sign", str(unsigned), "--from", "ann", *offline))
    operator.chain.broadcast(signed)
    assert operator.chain.account(ann)[1] == sequence + 1


def test_sign_batch(operator: Operator, ann: str, bob: str, tmp_path: Path) -> None:
    batch = tmp_path / "batch.json"
    batch.write_text("".join(operator.ok("tx", "bank", "send", ann, bob, f"{n}uve", "--generate-only") for n in (2, 3)))
    before = operator.chain.balance(bob)
    for number, line in enumerate(operator.ok("tx", "sign-batch", str(batch), "--from", "ann").splitlines()):
        signed = tmp_path / f"signed-{number}.json"
        signed.write_text(line)
        operator.chain.broadcast(signed)
    assert operator.chain.balance(bob) == before + 5


def test_multisig_with_one_key_in_the_token(operator: Operator, ann: str, bob: str, tmp_path: Path) -> None:
    # Two members have their keys in a keyring of the SDK; the bridge knows their public keys only.
    for name in ("left", "right"):
        operator.ok("keys", "add", name, backend="test")
        operator.ok("keys", "add", name, "--pubkey", operator.ok("keys", "show", name, "-p", backend="test").strip())
    operator.ok("keys", "add", "board", "--multisig", "ann,left,right", "--multisig-threshold", "2")
    board = operator.ok("keys", "show", "board", "-a").strip()
    operator.ok("keys", "add", "board", "--pubkey", operator.ok("keys", "show", "board", "-p").strip(), backend="test")
    operator.chain.fund(board, "1000uve")

    unsigned = operator.unsigned(tmp_path, "bank", "send", board, bob, "11uve")
    parts = {}
    for name, backend in (("ann", "hsm"), ("right", "test")):
        parts[name] = tmp_path / f"{name}.json"
        sign = ("tx", "sign", str(unsigned), "--multisig", board, "--from", name)
        parts[name].write_text(operator.ok(*sign, backend=backend))
    signed = tmp_path / "signed.json"
    signed.write_text(operator.ok("tx", "multisign", str(unsigned), "board", *map(str, parts.values())))
    before = operator.chain.balance(bob)
    operator.chain.broadcast(signed)
    assert operator.chain.balance(bob) == before + 11
    refusal = operator.fails("tx", "sign", str(unsigned), "--from", "board")
    assert "cannot sign with offline keys" in refusal


def test_backend_of_the_environment_and_of_client_toml(
    chain: Chain, operator: Operator, ann: str, bob: str, tmp_path: Path
) -> None:
    variable = {"TESTCHAIN_KEYRING_BACKEND": "hsm"}
    assert operator.ok("keys", "show", "ann", "-a", backend="", env=variable).strip() == ann
    home = chain.user_home(tmp_path / "chain", "hsm")
    configured = Operator(operator.cli, chain, home)
    assert configured.ok("keys", "show", "ann", "-a", backend="").strip() == ann
    assert json.loads(configured.ok("query", "bank", "balances", ann, "--output", "json", backend=""))["balances"]
    before = chain.balance(bob)
    configured.tx("bank", "send", "ann", bob, "1uve", sender="ann", backend="")
    assert chain.balance(bob) == before + 1
    # The flag and the variable go before the file.
    assert "ann" not in configured.ok("keys", "list", backend="test")
    assert "ann" not in configured.ok("keys", "list", backend="", env={"TESTCHAIN_KEYRING_BACKEND": "test"})


def test_the_policy_decides(operator: Operator, ann: str) -> None:
    validator = operator.chain.validator()
    refusal = operator.fails("tx", "distribution", "withdraw-rewards", validator, "--from", "ann", "--yes")
    assert "MsgWithdrawDelegatorReward" in refusal


def test_a_spent_sequence_is_the_chains_to_report(operator: Operator, ann: str, bob: str, tmp_path: Path) -> None:
    unsigned = operator.unsigned(tmp_path, "bank", "send", ann, bob, "1uve")
    both = []
    for number in range(2):
        signed = tmp_path / f"signed-{number}.json"
        signed.write_text(operator.ok("tx", "sign", str(unsigned), "--from", "ann", "--note", str(number)))
        both.append(signed)
    operator.chain.broadcast(both[0])
    second = json.loads(operator.ok("tx", "broadcast", str(both[1]), "--output", "json"))
    assert (second["codespace"], second["code"]) == ("sdk", 32 if "sequence" in second["raw_log"] else 19), second


def test_a_node_that_is_down(operator: Operator, bob: str) -> None:
    refusal = operator.fails("tx", "bank", "send", "ann", bob, "1uve", "--yes", "--node", "tcp://127.0.0.1:1")
    assert "connection refused" in refusal


def test_the_whole_transaction_is_shown_before_it_is_signed(operator: Operator, ann: str, bob: str) -> None:
    before = operator.chain.account(ann)
    done = operator.run("tx", "bank", "send", "ann", bob, "1uve", "--from", "ann", stdin="n\n")
    assert done.code == 0
    assert "canceled transaction" in done.err
    assert operator.chain.account(ann) == before
