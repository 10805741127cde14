import json
from typing import Any

import pytest

from keyring_bridge.node import Account
from keyring_plugin.shell.account import read_account
from keyring_plugin.shell.errors import ShellFailed

ADDRESS = "ve1w508d6qejxtdg4y5r3zarvary0c5xw7kxqvwqs"
BASE = {"address": ADDRESS, "pub_key": None, "account_number": "5", "sequence": "3"}


@pytest.mark.parametrize(
    "answer",
    [
        {"account": {"type": "cosmos-sdk/BaseAccount", "value": BASE}},
        {"@type": "/cosmos.auth.v1beta1.BaseAccount", **BASE},
        {"account": {"@type": "/x.Vesting", "base_vesting_account": {"base_account": BASE, "end_time": "1"}}},
        {"info": {**BASE, "account_number": 5}},
        {"pub_key": {"address": "other", "sequence": "9"}, "account": BASE},
    ],
)
def test_answers_of_all_kinds(answer: Any) -> None:
    assert read_account(json.dumps(answer).encode(), ADDRESS) == Account(5, 3)


def test_zeros_that_are_left_out() -> None:
    assert read_account(json.dumps({"account": {"value": {"address": ADDRESS}}}).encode(), ADDRESS) == Account(0, 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no JSON",
        b"[]",
        b"null",
        b"{" * 5000,
        json.dumps({"address": "ve1other", "sequence": "3"}).encode(),
        json.dumps({"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": BASE}}}}}}}}).encode(),
        json.dumps({**BASE, "sequence": "-1"}).encode(),
        json.dumps({**BASE, "sequence": "1" * 30}).encode(),
        json.dumps({**BASE, "account_number": "٣"}).encode(),
    ],
)
def test_what_is_no_answer(answer: bytes) -> None:
    with pytest.raises(ShellFailed):
        read_account(answer, ADDRESS)
