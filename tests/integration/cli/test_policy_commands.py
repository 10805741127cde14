"""``hsm policy`` in processes of its own, as a security officer uses it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import CHAIN

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

POLICIES = Path(__file__).resolve().parents[3] / "docs" / "policies"
FRIEND = "ve1qgpqyqszqgpqyqszqgpqyqszqgpqyqszl2u0fz"


def payment(cli: Cli, sender: str, amount: str) -> str:
    """A transaction in a file, as `--generate-only` writes it."""
    message = {
        "@type": "/cosmos.bank.v1beta1.MsgSend",
        "from_address": sender,
        "to_address": FRIEND,
        "amount": [{"denom": "uve", "amount": amount}],
    }
    fee = {"amount": [{"denom": "uve", "amount": "500"}], "gas_limit": "200000", "payer": "", "granter": ""}
    document = {
        "body": {"messages": [message], "memo": "", "timeout_height": "0", "extension_options": []},
        "auth_info": {"signer_infos": [], "fee": fee},
        "signatures": [],
    }
    path = cli.home / f"pay-{amount}.json"
    path.write_text(json.dumps(document))
    return str(path)


@pytest.fixture
def treasury(software: Cli) -> tuple[Cli, str]:
    """A user with a key that may send 1,000 uve, fee included; and its address."""
    software.ok("keygen", "--label", "treasury")
    policy = software.folder / "policy.toml"
    policy.write_text(policy.read_text() + 'max_amount = { uve = "1000" }\n')
    return software, str(software.json("keys", "show", "treasury")["address"])


def test_explain_tells_who_decides_and_signing_agrees(treasury: tuple[Cli, str]) -> None:
    cli, address = treasury
    found = cli.json("policy", "explain", payment(cli, address, "500"), "--key", "treasury")["keys"][0]
    assert (found["decision"], found["rule"], found["moves"]) == ("allow", "messages", {"uve": "1000"})
    assert found["recipients"] == [FRIEND]
    done = cli.run("--output", "json", "policy", "explain", payment(cli, address, "501"))
    assert done.code == 6
    found = done.data["keys"][0]
    assert (found["key"], found["decision"], found["rule"]) == ("treasury", "deny", "max_amount")
    assert found["reason"] == "the transaction moves 1001uve, and 1000uve is allowed"
    assert [step["rule"] for step in found["rules"] if not step["allows"]] == ["max_amount"]
    text = cli.run("policy", "explain", payment(cli, address, "501")).out
    assert "treasury: deny by max_amount" in text
    assert "no  max_amount: the transaction moves 1001uve" in text
    signing = ("--from", "treasury", "--chain-id", CHAIN, "--offline", "-a", "1", "-s", "0")
    assert cli.run("tx", "sign", payment(cli, address, "500"), *signing).code == 0
    error = cli.fails("tx", "sign", payment(cli, address, "501"), *signing, code=6, error="policy_denied")
    assert "max_amount" in error["message"]


def test_explain_for_another_caller_and_mode(treasury: tuple[Cli, str]) -> None:
    cli, address = treasury
    policy = cli.folder / "policy.toml"
    policy.write_text(policy.read_text() + 'callers = ["uid:7"]\n')
    tx = payment(cli, address, "1")

    def rule(*options: str) -> str:
        return str(cli.run("--output", "json", "policy", "explain", tx, *options).data["keys"][0]["rule"])

    assert rule() == "callers"
    assert rule("--caller", "uid:7") == "messages"
    assert rule("--caller", "uid:7", "--sign-mode", "amino-json") == "sign_modes"
    assert rule("--caller", "uid:7", "--chain-id", "other-1") == "chains"
    assert rule("--key", "nobody") == "no-policy"


def test_check_tells_what_is_odd(treasury: tuple[Cli, str]) -> None:
    cli, _ = treasury
    policy = cli.folder / "policy.toml"
    policy.write_text(
        policy.read_text()
        + f'[keys.gone]\nfingerprint = "{"ab" * 32}"\nchains = ["{CHAIN}"]\nsign_modes = []\n'
        + 'messages = ["/cosmos.bank.v1beta1.MsgSned", "/cosmos.authz.v1.*", "/cosmwasm.wasm.v1.*"]\n'
        + "unsafe_blind_signing = true\n"
    )
    found = cli.json("policy", "check")
    assert [key["name"] for key in found["keys"]] == ["gone", "treasury"]
    warnings = "\n".join(found["warnings"])
    assert "did you mean /cosmos.bank.v1beta1.MsgSend?" in warnings
    assert "gone: /cosmos.authz.v1.* covers no message that is known" in warnings
    assert "gone: UNSAFE: blind signing is allowed" in warnings
    assert "gone: there is no key of this name" in warnings
    assert "treasury: " not in warnings
    policy.write_text(policy.read_text() + "max_amonut = {}\n")
    error = cli.fails("policy", "check", code=3, error="policy_invalid")
    assert "keys.gone.max_amonut: unknown key; did you mean 'max_amount'?" in error["message"]


def test_messages_lists_what_can_be_named(nobody: Cli) -> None:
    found = {row["type"]: row for row in nobody.json("policy", "messages")}
    assert found["/cosmos.bank.v1beta1.MsgSend"] == {
        "type": "/cosmos.bank.v1beta1.MsgSend",
        "wildcard": True,
        "spending_known": True,
    }
    assert not found["/cosmwasm.wasm.v1.MsgExecuteContract"]["spending_known"]
    assert not found["/cosmos.authz.v1beta1.MsgGrant"]["wildcard"]
    assert not found["/cosmos.authz.v1beta1.GenericAuthorization"]["spending_known"]
    only = nobody.json("policy", "messages", "STAKING")
    assert only
    assert all("staking" in row["type"] for row in only)


def test_cases_pass_or_fail(nobody: Cli) -> None:
    for name in ("treasury.toml", "treasury.cases.toml"):
        shutil.copy(POLICIES / name, nobody.home / name)
    assert "10 passed, 0 failed" in nobody.ok("policy", "test", "treasury.cases.toml")
    policy = nobody.home / "treasury.toml"
    policy.write_text(policy.read_text().replace("timeout_required = true", "timeout_required = false"))
    done = nobody.run("--output", "json", "policy", "test", "treasury.cases.toml")
    assert done.code == 3
    (bad,) = (case for case in done.data["cases"] if not case["passed"])
    assert bad["name"] == "without a timeout"
    text = nobody.run("policy", "test", "treasury.cases.toml").out
    assert "bad  without a timeout: expected deny timeout_required" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there are no cases"),
        ('[[cases]]\nname = "a"\nexpect = "alow"', "did you mean 'allow'?"),
        ('[[cases]]\nname = "a"\nexpect = "deny"', "either transaction or messages"),
        ('[[case]]\nname = "a"', "unknown key; did you mean 'cases'?"),
        ('[[cases]]\nname = "a"\nexpect = "deny"\noperation = "delete"', "names no key"),
        ('key = "k"\n[[cases]]\nname = "a"\nexpect = "deny"\nmessages = [{}]', "chain_id is missing"),
    ],
)
def test_files_of_cases_that_are_wrong(software: Cli, text: str, message: str) -> None:
    cases = software.home / "cases.toml"
    cases.write_text(text)
    error = software.fails("policy", "test", "cases.toml", code=3, error="policy_invalid")
    assert message in error["message"]


def test_whoever_ran_init_manages_keys_and_nobody_else(software: Cli) -> None:
    policy = software.folder / "policy.toml"
    assert not software.json("policy", "check")["warnings"]
    software.ok("keygen", "--label", "mine")
    uid = f"uid:{os.getuid()}"
    assert uid in policy.read_text()
    policy.write_text(policy.read_text().replace(uid, "uid:4000000000"))
    error = software.fails("keygen", "--label", "other", code=6, error="policy_denied")
    assert "(manage)" in error["message"]
    software.fails("keys", "delete", "mine", "--yes", code=6, error="policy_denied")
    assert [record["name"] for record in software.json("keys", "list")] == ["mine"]
