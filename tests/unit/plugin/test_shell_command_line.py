from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyring_plugin.shell.command_line import KEYS, KEYS_SHOW, ROOT, TX, CommandLine
from keyring_plugin.shell.errors import ShellFailed

WORDS = (
    "tx",
    "bank",
    "send",
    "--",
    "-y",
    "-yojson",
    "--yes",
    "--yes=false",
    "--from",
    "ops",
    "--from=ops",
    "-o",
    "-s5",
)
words = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=8)), max_size=12)


def line(*arguments: str) -> CommandLine:
    return CommandLine.parse(arguments, TX)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["tx", "bank", "send", "a", "b", "1uve"], ("tx", "bank", "send", "a", "b", "1uve")),
        (["--home", "tx", "tx", "bank"], ("tx", "bank")),
        (["tx", "--yes", "bank", "-y", "send"], ("tx", "bank", "send")),
        (["tx", "--from", "bank", "send"], ("tx", "send")),
        (["tx", "--note", "-y", "send"], ("tx", "send")),
        (["tx", "--of-the-chain", "value", "send"], ("tx", "send")),
        (["tx", "--of-the-chain", "-y", "send"], ("tx", "send")),
        (["tx", "--of-the-chain=value", "send"], ("tx", "send")),
        (["tx", "send", "--", "--from", "-y"], ("tx", "send", "--from", "-y")),
        (["tx", "-o", "json", "send", "-ojson", "-a5"], ("tx", "send")),
        (["tx", "-", "send"], ("tx", "-", "send")),
    ],
)
def test_words(arguments: list[str], expected: tuple[str, ...]) -> None:
    assert line(*arguments).words == expected


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--from", "ops"], "from", "ops"),
        (["--from=ops", "--from", "other"], "from", "other"),
        (["--from="], "from", ""),
        (["-ojson"], "output", "json"),
        (["-o=json"], "output", "json"),
        (["-yo", "text"], "output", "text"),
        (["--note", "--yes"], "note", "--yes"),
        (["--", "--from=ops"], "from", None),
        (["--from"], "from", None),
    ],
)
def test_values(arguments: list[str], name: str, value: str | None) -> None:
    assert line(*arguments).value(name) == value


@pytest.mark.parametrize(
    ("arguments", "on"),
    [
        (["-y"], True),
        (["--yes"], True),
        (["--yes=true"], True),
        (["--yes=T"], True),
        (["--yes=false"], False),
        (["-y=false"], False),
        (["-y", "--yes=0"], False),
        (["-yojson"], True),
        (["-ojson"], False),
        (["-oy"], False),
        (["--note", "-y"], False),
        (["--", "-y"], False),
        (["--yes", "false"], True),
        ([], False),
    ],
)
def test_switches(arguments: list[str], on: bool) -> None:
    assert line(*arguments).switch("yes") is on


def test_a_switch_that_is_neither_on_nor_off() -> None:
    with pytest.raises(ShellFailed, match='invalid argument "perhaps" for "--yes" flag'):
        line("--yes=perhaps").switch("yes")


def test_letters_mean_what_their_commands_say() -> None:
    assert CommandLine.parse(["keys", "show", "ops", "-a"], KEYS_SHOW).switch("address")
    assert CommandLine.parse(["keys", "show", "-ap", "ops"], KEYS_SHOW).words == ("keys", "show", "ops")
    assert CommandLine.parse(["keys", "add", "ops", "--pubkey", "{}"], KEYS).value("pubkey") == "{}"
    assert line("-a", "5").value("account-number") == "5"


def test_flags_are_taken_out_and_put_in() -> None:
    given_line = line("tx", "-yojson", "--keyring-backend", "hsm", "x", "--from=ops", "--", "-y")
    assert given_line.without("yes", "keyring-backend").argv() == ["tx", "--output=json", "x", "--from=ops", "--", "-y"]
    assert given_line.adding(**{"from": "a b"}, generate_only=True).argv()[-4:] == [
        *("--from=a b", "--generate-only=true", "--", "-y")
    ]


def test_words_are_replaced_once() -> None:
    assert line("tx", "a", "a").renaming("a", "b").words == ("tx", "b", "a")
    assert line("tx", "--from", "a", "--", "a").renaming("a", "b").argv() == ["tx", "--from", "a", "--", "b"]
    assert line("tx").renaming("a", "b").words == ("tx",)


def test_unknown_letters_are_left_alone() -> None:
    assert line("tx", "-xyz", "-q", "send").argv() == ["tx", "-xyz", "-q", "send"]
    assert not line("tx", "-xy").switch("yes")


@given(words)
def test_nothing_is_lost(arguments: Sequence[str]) -> None:
    for flags in (ROOT, TX, KEYS, KEYS_SHOW):
        parsed = CommandLine.parse(arguments, flags)
        again = CommandLine.parse(parsed.argv(), flags)
        assert again.words == parsed.words
        assert [(token.name, token.value) for token in again.tokens] == [
            (token.name, token.value) for token in parsed.tokens
        ]


@given(words)
def test_what_is_taken_out_is_out(arguments: Sequence[str]) -> None:
    left = CommandLine.parse(arguments, TX).without("yes", "output").argv()
    assert not CommandLine.parse(left, TX).has("yes")
    assert not CommandLine.parse(left, TX).has("output")
