"""docs/policy.md is true to the code, and so are the policies beside it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from cosmos_formats.schema import default_schema
from keyring_bridge.model import Action
from keyring_bridge.policy import Policy
from keyring_bridge.policy.cases import _Case, run_cases
from keyring_bridge.policy.decide import ALLOWED, BLIND, DATA, NO_POLICY
from keyring_bridge.policy.load import parse_policy
from keyring_bridge.policy.rules import AllOf, AnyOf
from keyring_bridge.policy.tables import SIGN_MODES, KeyTable, LimitTable

DOCS = Path(__file__).resolve().parents[3] / "docs"
POLICIES = sorted(path for path in (DOCS / "policies").glob("*.toml") if not path.name.endswith(".cases.toml"))
TEXT = (DOCS / "policy.md").read_text()

EVERYTHING = """
version = 1
[keys.ops]
fingerprint = "{}"
chains = []
sign_modes = []
messages = []
callers = ["uid:1"]
operations = []
times = []
recipients = []
denied_recipients = []
max_amount = {{}}
max_fee = {{}}
max_gas = 0
payers = []
granters = []
memos = []
timeout_required = true
all_of = [{{ max_gas = 1 }}]
any_of = [{{ max_gas = 1 }}]
limits = [{{ amount = {{ uve = 1 }}, per = "day" }}]
""".format("ab" * 32)


def table_after(heading: str) -> list[str]:
    """First cells of the rows of the table whose head begins so."""
    rows = TEXT[TEXT.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [row.split("|")[1].strip().replace("`", "") for row in rows]


def test_every_key_is_described() -> None:
    assert table_after("key of `keys.NAME`") == [
        "fingerprint",
        *[field.name for field in fields(KeyTable) if field.name not in ("name", "fingerprint", "limits")],
        "limits",
    ]
    assert set(table_after("key of a limit")) == {field.name for field in fields(LimitTable)}
    assert table_after("key of `manage`") == [str(action) for action in Action]
    described = {name for row in table_after("key of a case") for name in row.split(", ")}
    assert described == {field.name for field in fields(_Case)}
    for mode in SIGN_MODES:
        assert f"`{mode}`" in TEXT


def test_every_rule_is_described_in_its_order() -> None:
    rule = parse_policy(EVERYTHING.encode(), Path("/policy.toml")).keys["ops"].rule
    names = [
        "any_of" if isinstance(one, AnyOf) else "all_of" if isinstance(one, AllOf) else one.name for one in rule.rules
    ]
    assert table_after("rule") == [NO_POLICY, *names, DATA, BLIND]
    for name in (ALLOWED, DATA, BLIND):
        assert re.search(rf"under\s+(the\s+rule\s+)?`{name}`", TEXT)


def test_every_example_loads(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    policies = [text for text in examples if text.startswith("version")]
    assert len(policies) == 4
    for text in policies:
        parse_policy(text.encode(), tmp_path / "policy.toml")
    (cases,) = (tomllib.loads(text) for text in examples if not text.startswith("version"))
    assert {key for case in cases["cases"] for key in case} <= {field.name for field in fields(_Case)}


def test_there_are_five_policies_and_the_page_names_them() -> None:
    assert [path.stem for path in POLICIES] == [
        "ibc-relayer",
        "provider-daemon",
        "restake-bot",
        "treasury",
        "validator-operator",
    ]
    for path in POLICIES:
        assert f"policies/{path.name}" in TEXT


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_ready_made_policy_does_what_its_cases_say(path: Path) -> None:
    assert Policy.load(path).keys
    outcomes = run_cases(path.with_name(f"{path.stem}.cases.toml"), None, lambda _: default_schema())
    assert {outcome.decision.verdict for outcome in outcomes} == {"allow", "deny"}
    assert len(outcomes) >= 5
    for outcome in outcomes:
        assert outcome.passed, (outcome.name, outcome.expected, outcome.decision)
