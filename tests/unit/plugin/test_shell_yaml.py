"""YAML beside what the SDK's commands printed; names of keys are compared with the program itself on the chain."""

from typing import Any

import pytest

from keyring_plugin.shell.yaml import to_yaml


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{}\n"),
        ([], "[]\n"),
        ({"b": 1, "a": None}, "a: null\nb: 1\n"),
        ({"amount": [], "payer": ""}, 'amount: []\npayer: ""\n'),
        ([{"b": "x", "a": [{"c": True}]}], "- a:\n  - c: true\n  b: x\n"),
        ([["a", "b"], []], "- - a\n  - b\n- []\n"),
        ({"@type": "/a.b", "key": "A+/="}, "'@type': /a.b\nkey: A+/=\n"),
        ({"k": "5"}, 'k: "5"\n'),
        ({"k": "2026-11-24T04:00:00Z"}, 'k: "2026-11-24T04:00:00Z"\n'),
        ({"k": "it's"}, "k: it's\n"),
        ({"k": "'quoted'"}, "k: '''quoted'''\n"),
        ({"k": "a: b"}, "k: 'a: b'\n"),
        ({"k": "-1s"}, "k: -1s\n"),
        ({"k": "- a"}, "k: '- a'\n"),
        ({"k": "one\ntwo"}, "k: |-\n  one\n  two\n"),
        ({"k": "one\n\ntwo\n"}, "k: |\n  one\n\n  two\n"),
        ({"k": "tab\there"}, 'k: "tab\\there"\n'),
        ({"k": "\u202e"}, 'k: "\\u202e"\n'),
        ({"n": "no"}, '"n": "no"\n'),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert to_yaml(value) == text
