"""Transactions of an unmodified chain's program, signed in the bridge and included in blocks; the state tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.shell.harness import Operator, funded, make_operator
from tests.softhsm import SoftHsm

if TYPE_CHECKING:
    from tests.chain.node import Chain

SEND = "/cosmos.bank.v1beta1.MsgSend"


def test_bank_send(chain: Chain, operator: Operator) -> None:
    address, other = funded(operator, chain, "ops"), operator.key("other")
    before = chain.balance(address)
    found = operator.tx(chain, "bank", "send", "ops", other, "1234uve", "--fees", "500uve", "--note", "<héé> & co")
    assert chain.balance(other) == 1234
    assert chain.balance(address) == before - 1234 - 500
    assert found["tx"]["body"]["memo"] == "<héé> & co"
    assert chain.account(address)[1] == 1


def test_bank_send_with_a_key_in_a_token(chain: Chain, tmp_path: Path) -> None:
    token = ("--create-token", "--token-label", "desk")
    operator = make_operator(tmp_path, chain, init=token, env=SoftHsm(tmp_path / "softhsm").env)
    address, other = funded(operator, chain, "ops"), operator.key("other")
    operator.tx(chain, "bank", "send", address, other, "77uve")
    assert chain.balance(other) == 77


def test_delegate(chain: Chain, operator: Operator) -> None:
    address, validator = funded(operator, chain, "ops"), chain.validator()
    operator.tx(chain, "staking", "delegate", validator, "5000uve", "--from", "ops")
    answer = chain.query("staking", "delegation", address, validator)
    assert answer["delegation_response"]["balance"] == {"denom": "uve", "amount": "5000"}


def test_vote(chain: Chain, operator: Operator, tmp_path: Path) -> None:
    address = funded(operator, chain, "ops")
    proposal = tmp_path / "proposal.json"
    proposal.write_text(json.dumps({"deposit": "1000uve", "title": "T", "summary": "S", "metadata": "M"}))
    sent = chain.tx("gov", "submit-proposal", str(proposal))
    number = next(
        item["value"] for event in sent["events"] for item in event["attributes"] if item["key"] == "proposal_id"
    )
    operator.tx(chain, "gov", "vote", number, "no_with_veto", "--from", "ops")
    vote = chain.query("gov", "vote", number, address)["vote"]
    assert [option["option"] for option in vote["options"]] == ["VOTE_OPTION_NO_WITH_VETO"]


def test_authz_grant_and_exec(chain: Chain, operator: Operator, tmp_path: Path) -> None:
    granter, grantee, other = funded(operator, chain, "ops"), funded(operator, chain, "agent"), operator.key("other")
    operator.tx(chain, "authz", "grant", grantee, "send", "--spend-limit", "500uve", "--from", "ops")
    inner = tmp_path / "inner.json"
    inner.write_text(operator.ok("tx", "bank", "send", granter, other, "300uve", "--generate-only"))
    operator.tx(chain, "authz", "exec", str(inner), "--from", "agent")
    assert chain.balance(other) == 300
    (left,) = chain.query("authz", "grants", granter, grantee, SEND)["grants"]
    assert left["authorization"]["value"]["spend_limit"] == [{"denom": "uve", "amount": "200"}]


def test_feegrant(chain: Chain, operator: Operator) -> None:
    granter, grantee = funded(operator, chain, "ops"), funded(operator, chain, "poor", "10uve")
    operator.tx(chain, "feegrant", "grant", "ops", grantee, "--spend-limit", "1000uve")
    operator.tx(chain, "bank", "send", "poor", granter, "10uve", "--fees", "400uve", "--fee-granter", granter)
    assert chain.balance(grantee) == 0
    left = chain.query("feegrant", "grant", granter, grantee)["allowance"]["allowance"]["value"]
    assert left["spend_limit"] == [{"denom": "uve", "amount": "600"}]


@pytest.mark.parametrize("mode", ["direct", "amino-json", "textual"])
def test_sign_modes(chain: Chain, operator: Operator, mode: str) -> None:
    funded(operator, chain, "ops")
    other = operator.key("other")
    found = operator.tx(chain, "bank", "send", "ops", other, "1500000uve", "--sign-mode", mode)
    assert chain.balance(other) == 1_500_000
    expected = "LEGACY_AMINO_JSON" if mode == "amino-json" else mode.upper()
    (signer,) = found["tx"]["auth_info"]["signer_infos"]
    assert signer["mode_info"] == {"single": {"mode": f"SIGN_MODE_{expected}"}}


def test_textual_with_coins_that_were_added(chain: Chain, operator: Operator) -> None:
    funded(operator, chain, "ops")
    other = operator.key("other")
    operator.cli.ok("chain", "add", chain.chain_id, "--prefix", "ve", "--grpc", chain.grpc, "--yes")
    operator.tx(chain, "bank", "send", "ops", other, "1500000uve", "--sign-mode", "textual")
    assert chain.balance(other) == 1_500_000


def test_a_key_by_its_address_and_the_program_s_variables(chain: Chain, operator: Operator) -> None:
    address, other = funded(operator, chain, "ops"), operator.key("other")
    done = operator.run(
        *("tx", "bank", "send", address, other, "3uve"), env={"TESTCHAIN_YES": "true", "TESTCHAIN_OUTPUT": "json"}
    )
    assert done.code == 0, done
    chain.included(json.loads(done.out))
    assert chain.balance(other) == 3


@pytest.mark.parametrize("sender", ["name", "address", "from"])
def test_gas_auto(chain: Chain, operator: Operator, sender: str) -> None:
    address, other = funded(operator, chain, "ops"), operator.key("other")
    if sender == "from":
        command = ["staking", "delegate", chain.validator(), "9uve", "--from", address]
    else:
        command = ["bank", "send", "ops" if sender == "name" else address, other, "9uve"]
    fee = ("--gas", "auto", "--gas-adjustment", "1.5", "--gas-prices", "0.01uve")
    done = operator.run("tx", *command, *fee, "--yes", "--output", "json")
    assert done.err.startswith("gas estimate: "), done
    estimate = int(done.err.split()[2])
    found = chain.included(json.loads(done.out))
    assert found["gas_wanted"] == str(estimate)
    assert found["tx"]["auth_info"]["fee"]["amount"] == [{"denom": "uve", "amount": str(-(-estimate // 100))}]


def test_dry_run_signs_nothing(chain: Chain, operator: Operator) -> None:
    address, other = funded(operator, chain, "ops"), operator.key("other")
    done = operator.run("tx", "bank", "send", "ops", other, "9uve", "--dry-run")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("gas estimate: ")
    assert chain.account(address)[1] == 0
    assert "tx.sign" not in operator.cli.ok("audit", "tail")


def test_unordered(chain: Chain, operator: Operator) -> None:
    address, other = funded(operator, chain, "ops"), operator.key("other")
    found = operator.tx(chain, "bank", "send", "ops", other, "5uve", "--unordered", "--timeout-duration", "1m")
    assert found["tx"]["body"]["unordered"] is True
    assert chain.balance(other) == 5
    assert chain.account(address)[1] == 0


def test_a_timeout_height_that_is_over(chain: Chain, operator: Operator) -> None:
    funded(operator, chain, "ops")
    operator.tx(chain, "bank", "send", "ops", operator.key("other"), "1uve", "--timeout-height", "1000000")
    done = operator.run("tx", "bank", "send", "ops", operator.key("more"), "1uve", "--timeout-height", "1", "-yojson")
    assert (done.code, json.loads(done.out)["code"]) == (0, 30)


def test_offline_signing_still_broadcasts(chain: Chain, operator: Operator) -> None:
    address, other = funded(operator, chain, "ops"), operator.key("other")
    number, sequence = chain.account(address)
    command = ["bank", "send", "ops", other, "8uve", "--offline", "-a", str(number), "-s", str(sequence)]
    operator.tx(chain, *command)
    assert chain.balance(other) == 8


def test_a_multisig_account_with_one_key_in_the_bridge(chain: Chain, operator: Operator, tmp_path: Path) -> None:
    operator.key("mine")
    members = {"mine": operator.ok("keys", "show", "mine", "-p").strip()}
    for name in ("second", "third"):
        operator.plain("keys", "add", name)
        members[name] = operator.plain("keys", "show", name, "-p").out.strip()
        operator.ok("keys", "add", name, "--pubkey", members[name])
    operator.plain("keys", "add", "mine", "--pubkey", members["mine"])
    threshold = ("--multisig", "mine,second,third", "--multisig-threshold", "2")
    shown = json.loads(operator.ok("keys", "add", "group", *threshold, "--output", "json"))
    theirs = json.loads(operator.plain("keys", "add", "group", *threshold, "--output", "json").out)
    assert shown == theirs
    address = shown["address"]
    chain.fund(address, "1000000uve")

    def document(name: str, *command: str) -> str:
        path = tmp_path / name
        path.write_text(operator.ok(*command))
        return str(path)

    other = operator.key("other")
    unsigned = document("tx.json", "tx", "bank", "send", address, other, "123uve", "--generate-only")
    ours = document("mine.json", "tx", "sign", unsigned, "--multisig", "group", "--from", "mine")
    second = str(tmp_path / "second.json")
    signing = ("--from", "second", "--sign-mode", "amino-json", "--output-document", second)
    done = operator.plain("tx", "sign", unsigned, "--multisig", address, *signing)
    assert done.code == 0, done
    # Their program takes our part, and we take theirs.
    assert operator.plain("tx", "multisign", unsigned, "group", ours, second).code == 0
    signed = document("signed.json", "tx", "multisign", unsigned, "group", ours, second)
    chain.broadcast(Path(signed))
    assert chain.balance(other) == 123
