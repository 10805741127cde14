"""`keys …` answered by the bridge, beside the same commands of the program with its `test` backend."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from coincurve import PrivateKey

from tests.integration.shell.harness import Operator, make_operator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chain.node import Chain
    from tests.integration.cli.harness import Done

NAMES = (
    *("ops", "123", "y", "a b: c", "val-2", "Ops", "#1", "it's", "näme", "-x", "1e3", "2024-01-01", "0x1f", "a:"),
    *("null", "-", "a #b", "-.5", "~x", "1:30", "0o7", "1_0", ".5"),
)
"""Some of them mean something else in YAML."""


def both(operator: Operator, *arguments: str, stdin: str = "") -> tuple[Done, Done]:
    """Run a command with the bridge's keys and with the program's own."""
    return operator.run(*arguments, stdin=stdin), operator.plain(*arguments, stdin=stdin)


def same(operator: Operator, *arguments: str, stdin: str = "") -> Done:
    """Run a command both ways; output and exit code must be the same."""
    ours, theirs = both(operator, *arguments, stdin=stdin)
    assert (ours.code, ours.out) == (theirs.code, theirs.out)
    return ours


@pytest.fixture(scope="module")
def twins(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """The public keys of some keys, in both keyrings; tests change only what they add."""
    operator = make_operator(tmp_path_factory.mktemp("twins"), chain)
    for number, name in enumerate(NAMES):
        same(operator, "keys", "add", "--pubkey", public_key(number), "--", name)
    return operator


def public_key(number: int) -> str:
    """A public key in proto-JSON, always the same for a number."""
    point = PrivateKey((number + 1).to_bytes(32, "big")).public_key.format()
    return json.dumps({"@type": "/cosmos.crypto.secp256k1.PubKey", "key": b64encode(point).decode()})


def test_the_same_lists(twins: Operator) -> None:
    for form in ((), ("--output", "json"), ("--output=text",), ("--list-names",), ("-n",)):
        same(twins, "keys", "list", *form)


def test_the_same_of_one_key(twins: Operator) -> None:
    address = same(twins, "keys", "show", "ops", "--address").out.strip()
    for name in ("ops", "123", "a b: c", address):
        for form in ((), ("--output", "json"), ("-a",), ("-p",), ("--bech", "val"), ("--bech=cons", "-a")):
            same(twins, "keys", "show", name, *form)


def test_the_same_errors(twins: Operator) -> None:
    for arguments in (
        ("show", "ops", "-a", "-p"),
        ("show", "ops", "-a", "--output", "json"),
        ("show", "ops", "--bech", "what"),
        ("rename", "ops", " "),
        ("rename", "nobody", "somebody", "-y"),
        ("export", "ops", "--unsafe"),
        ("add", "more", "--multisig", "ops,y", "--multisig-threshold", "3"),
        ("add", "more", "--multisig", "ops,ops"),
        ("add", "more", "--multisig", "ops,nobody"),
        ("add", "more", "--pubkey", "{}", "--pubkey-base64", "AA=="),
        ("add", " "),
    ):
        ours, theirs = both(twins, "keys", *arguments)
        assert (ours.code, ours.out) == (theirs.code, theirs.out) == (1, ""), arguments
        # The SDK writes behind some of its errors where in its source they are.
        first = theirs.err.splitlines()[0].partition(" [cosmos/")[0]
        assert ours.err.splitlines()[0] == first, arguments


def test_a_key_that_is_not_there(operator: Operator) -> None:
    ours, theirs = both(operator, "keys", "show", "nobody")
    begin = "Error: nobody is not a valid name or address: decoding bech32 failed: "
    assert ours.code == theirs.code == 1
    assert ours.err.startswith(begin)
    assert theirs.err.startswith(begin)


def test_an_empty_keyring(operator: Operator) -> None:
    same(operator, "keys", "list")
    same(operator, "keys", "list", "--output", "json")


def test_multisig_keys(twins: Operator) -> None:
    for order in ((), ("--nosort",)):
        name = f"group{len(order)}"
        arguments = ("--multisig", "ops,123,y", "--multisig-threshold", "2", *order)
        same(twins, "keys", "add", name, *arguments)
        same(twins, "keys", "show", name, "--output", "json")
    same(twins, "keys", "show", "ops", "y", "--multisig-threshold", "2", "-a")


def test_rename_and_delete(twins: Operator) -> None:
    for number, name in ((100, "first"), (101, "second")):
        same(twins, "keys", "add", name, "--pubkey", public_key(number))
    for arguments, answer in (
        (("rename", "first", "desk"), "n\n"),
        (("delete", "first"), "no\n"),
        (("delete", "first", "nobody", "second", "-y"), ""),
    ):
        ours, theirs = both(twins, "keys", *arguments, stdin=answer)
        assert (ours.code, ours.out, ours.err) == (theirs.code, theirs.out, theirs.err), arguments
        same(twins, "keys", "list", "-n")


def test_rename_of_a_key_in_a_token(operator: Operator) -> None:
    operator.key("ops")
    operator.plain("keys", "add", "ops")
    for arguments, answer in ((("ops", "desk"), "yes\n"), (("desk", "ops", "-y"), "")):
        ours, theirs = both(operator, "keys", "rename", *arguments, stdin=answer)
        assert (ours.code, ours.out, ours.err) == (theirs.code, theirs.out, theirs.err)
    assert same(operator, "keys", "list", "-n").out == "ops\n"


def test_a_new_key_has_a_mnemonic_that_recovers_it(operator: Operator) -> None:
    made = operator.run("keys", "add", "ops", "--output", "json")
    assert made.code == 0, made
    shown = json.loads(made.out)
    assert list(shown) == ["name", "type", "address", "pubkey"]
    assert "**Important** write this mnemonic phrase in a safe place.\n" in made.err
    mnemonic = made.err.strip().splitlines()[-1]
    theirs = operator.plain("keys", "add", "ops", "--recover", "--output", "json", stdin=mnemonic + "\n")
    assert json.loads(theirs.out)["address"] == shown["address"]
    operator.cli.ok("keys", "delete", "ops", "--destroy", "--yes")
    again = operator.run("keys", "add", "ops", "--recover", "--output", "json", stdin=mnemonic + "\n")
    assert (again.code, json.loads(again.out)) == (0, shown)
    assert mnemonic.split()[0] not in again.out


def test_import_of_an_armored_key(operator: Operator, tmp_path: Path) -> None:
    operator.plain("keys", "add", "ops")
    armor = operator.plain("keys", "export", "ops", stdin="password1\n")
    file = tmp_path / "armor"
    file.write_text(armor.out or armor.err)
    assert operator.run("keys", "import", "ops", str(file), stdin="password1\n").code == 0
    ours, theirs = both(operator, "keys", "show", "ops", "-a")
    assert ours.out == theirs.out
    wrong = operator.run("keys", "import", "more", str(file), stdin="password2\n")
    assert wrong.code == 1
    assert "invalid account password" in wrong.err


def test_import_of_a_key_in_hexadecimal(operator: Operator) -> None:
    digits = "11" * 32
    assert operator.run("keys", "import-hex", "ops", stdin=f"{digits}\n").code == 0
    assert operator.plain("keys", "import-hex", "ops", stdin=f"{digits}\n").code == 0
    ours, theirs = both(operator, "keys", "show", "ops", "-a")
    assert ours.out == theirs.out
    refused = operator.run("keys", "import-hex", "more", digits)
    assert refused.code == 1
    assert digits not in refused.err


def test_private_keys_do_not_leave(operator: Operator) -> None:
    operator.key("ops")
    for arguments in ((), ("--unarmored-hex", "--unsafe", "-y")):
        done = operator.run("keys", "export", "ops", *arguments, stdin="password1\n")
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("Error: private key extraction works only for Local\n")


def test_a_key_in_a_token_is_not_written_over(operator: Operator) -> None:
    address = operator.key("ops")
    done = operator.run("keys", "add", "ops", stdin="y\n")
    assert done.code == 1
    assert "ops: key already exists" in done.err
    assert operator.ok("keys", "show", "ops", "-a").strip() == address


def test_a_public_key_is_written_over_only_by_one_that_is_good(twins: Operator) -> None:
    before = twins.ok("keys", "show", "ops")
    assert twins.run("keys", "add", "ops", "--pubkey", "{}", stdin="n\n").err.endswith("Error: aborted\n")
    assert twins.run("keys", "add", "ops", "--pubkey", "{}", stdin="y\n").code == 1
    assert twins.ok("keys", "show", "ops") == before


def test_hsm_commands_reach_the_bridge(operator: Operator) -> None:
    operator.ok("hsm", "keygen", "--label", "fresh", "--key-type", "secp256k1")
    assert json.loads(operator.ok("hsm", "status", "--output", "json")) == operator.cli.json("status")
    assert "fresh" in operator.ok("keys", "list", "-n")
    wrong = operator.run("hsm", "keygen", "--label", "fresh")
    assert wrong.code == operator.cli.run("keygen", "--label", "fresh").code == 5
