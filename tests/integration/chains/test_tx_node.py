"""``hsm tx`` with a node that knows the accounts, and with a chain's own messages and coins."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats.address import decode, encode
from tests.integration.cli.harness import Cli
from tests.integration.cli.test_tx_commands import address, allow_every_mode, unsigned, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.go, pytest.mark.timeout(600)]
ORDER = "/virtengine.market.v1.MsgCreateOrder"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    cli = Cli(tmp_path / "home")
    cli.ok("init", "--backend", "software", "--chain-id", "market-1")
    cli.ok("keygen", "--label", "ann", "--message", "/cosmos.bank.v1beta1.MsgSend", "--message", ORDER)
    allow_every_mode(cli)
    return cli


def add_chain(cli: Cli, honest: str) -> None:
    command = ("chain", "add", "market-1", "--prefix", "ve", "--grpc", honest)
    refused = cli.fails(*command, "--accept", "0" * 64, code=5, error="chain_changed")
    cli.ok(*command, "--accept", re.findall(r"[0-9a-f]{64}", str(refused["message"]))[0])


def test_a_node_says_account_number_and_sequence(cli: Cli, honest: str) -> None:
    file = write(cli, "one.json", unsigned(address(cli, "ann")))
    node = ("--grpc", honest)
    text = cli.ok("tx", "sign", file, "--from", "ann", *node)
    assert json.loads(text)["auth_info"]["signer_infos"][0]["sequence"] == "5"
    assert cli.json("tx", "verify", "-", *node, stdin=text.encode())["ok"] is True
    # The account number that the node says is 3.
    assert cli.json("tx", "verify", "-", "--offline", "-a", "3", stdin=text.encode())["ok"] is True
    later = cli.ok("tx", "sign", file, "--from", "ann", "--offline", "-a", "3", "-s", "6").encode()
    checked = cli.run("tx", "verify", "-", *node, stdin=later)
    assert (checked.code, "sequence mismatch" in checked.out) == (9, True)
    cli.fails("tx", "sign", file, "--from", "ann", "--grpc", "no host", code=2, error="invalid_request")


def test_a_node_is_asked_for_the_address_that_its_chain_knows(tmp_path: Path, honest: str) -> None:
    """One installation, whose own prefix is another, signs for several chains."""
    cli = Cli(tmp_path / "home")
    cli.ok("init", "--backend", "software", "--chain-id", "hub-1", "--prefix", "cosmos")
    for name in ("ann", "bob"):
        cli.ok("keygen", "--label", name, "--chain-id", "market-1")
    allow_every_mode(cli)
    add_chain(cli, honest)
    keys = [json.loads(cli.json("keys", "show", name)["pubkey"]) for name in ("ann", "bob")]
    both = {"@type": "/cosmos.crypto.multisig.LegacyAminoPubKey", "threshold": 1, "public_keys": keys}
    cli.ok("keys", "add", "both", "--pubkey", json.dumps(both))
    chain = ("--chain-id", "market-1")
    for name in ("ann", "both"):
        file = write(cli, f"{name}.json", unsigned(encode("ve", decode(address(cli, name))[1])))
        if name == "ann":
            text = cli.ok("tx", "sign", file, "--from", name, *chain)
        else:
            part = cli.home / "part.json"
            part.write_text(cli.ok("tx", "sign", file, "--from", "bob", "--multisig", name, *chain))
            text = cli.ok("tx", "multisign", file, name, str(part), *chain)
        assert json.loads(text)["auth_info"]["signer_infos"][0]["sequence"] == "5"
        assert cli.json("tx", "verify", "-", *chain, stdin=text.encode())["ok"] is True


def test_the_entry_of_a_chain_knows_node_messages_and_coins(cli: Cli, honest: str) -> None:
    document: dict[str, Any] = unsigned(address(cli, "ann"))
    document["body"]["messages"] += [{"@type": ORDER, "owner": address(cli, "ann")}]
    file = write(cli, "order.json", document)
    error = cli.fails("tx", "show", file, code=2, error="tx_json_invalid")
    assert "body.messages[1].@type" in error["message"]
    add_chain(cli, honest)
    assert f"message 2 of 2: {ORDER}\n" in cli.ok("tx", "show", file)
    for mode in ("direct", "textual"):
        text = cli.ok("tx", "sign", file, "--from", "ann", "--sign-mode", mode)
        assert json.loads(text)["auth_info"]["signer_infos"][0]["sequence"] == "5"
        assert cli.json("tx", "verify", "-", stdin=text.encode())["ok"] is True
