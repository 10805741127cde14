"""A real chain takes what ``hsm tx`` signs, and tells ``hsm chain`` about itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import with_token
from tests.integration.cli.test_tx_commands import address, allow_every_mode

if TYPE_CHECKING:
    from tests.chain.node import Chain
    from tests.integration.cli.harness import Cli

pytestmark = [pytest.mark.chain, pytest.mark.softhsm]
MODES = ("direct", "amino-json", "textual")


@pytest.fixture(scope="module")
def desk(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A user whose keys are in a token, and who has added the chain from its node."""
    cli = with_token(tmp_path_factory.mktemp("desk"))
    for name in ("ann", "bob"):
        cli.ok("keygen", "--label", name, "--message", "/cosmos.bank.v1beta1.MsgSend")
    allow_every_mode(cli)
    cli.ok("chain", "add", chain.chain_id, "--prefix", "ve", "--grpc", chain.grpc, "--yes")
    for name in ("ann", "bob"):
        chain.fund(address(cli, name), "1000000uve")
    return cli


def send(chain: Chain, sender: str, recipient: str, coins: str, *options: str) -> str:
    """An unsigned transfer, as the chain's own command writes it."""
    options = ("--fees", "30uve", "--note", "<caf\u00e9 & co>", *options)
    return chain.ok("tx", "bank", "send", sender, recipient, coins, "--generate-only", *options)


def test_the_node_tells_about_its_chain(chain: Chain, desk: Cli) -> None:
    shown = desk.json("chain", "show", chain.chain_id)
    assert shown["coin_names"] == ["uve"]
    # Its modules are the SDK's. What is not shipped belongs to the libraries of a node.
    assert [name for name in shown["own_messages"] if name.startswith("cosmos.")] == []
    assert desk.json("chain", "update", chain.chain_id)["updated"] is False


@pytest.mark.parametrize("mode", MODES)
def test_signed_offline(chain: Chain, desk: Cli, tmp_path: Path, mode: str) -> None:
    ann, bob = address(desk, "ann"), address(desk, "bob")
    number, sequence = chain.account(ann)
    before = chain.balance(bob)
    offline = ("--offline", "-a", str(number), "-s", str(sequence))
    signed = tmp_path / "signed.json"
    unsigned = send(chain, ann, bob, "1500uve").encode()
    signed.write_text(desk.ok("tx", "sign", "-", "--from", "ann", "--sign-mode", mode, *offline, stdin=unsigned))
    chain.ok("tx", "validate-signatures", str(signed))
    chain.broadcast(signed)
    assert (chain.balance(bob), chain.account(ann)) == (before + 1500, (number, sequence + 1))


@pytest.mark.parametrize("mode", MODES)
def test_signed_with_the_node(chain: Chain, desk: Cli, tmp_path: Path, mode: str) -> None:
    ann, bob = address(desk, "ann"), address(desk, "bob")
    before = chain.balance(bob)
    # The node that told about the chain, if no other one is named.
    node = ("--grpc", chain.grpc) if mode == "direct" else ()
    signed = tmp_path / "signed.json"
    unsigned = send(chain, ann, bob, "1000001uve", "--timeout-height", str(chain.height() + 1000)).encode()
    chain.fund(ann, "1000031uve")
    signed.write_text(desk.ok("tx", "sign", "-", "--from", "ann", "--sign-mode", mode, *node, stdin=unsigned))
    chain.broadcast(signed)
    assert chain.balance(bob) == before + 1000001


def test_many_are_signed_in_a_row(chain: Chain, desk: Cli, tmp_path: Path) -> None:
    ann, bob = address(desk, "ann"), address(desk, "bob")
    before = chain.balance(bob)
    unsigned = "".join(send(chain, ann, bob, f"{coins}uve") for coins in (1, 2, 3)).encode()
    text = desk.ok("tx", "sign", "-", "--from", "ann", "--grpc", chain.grpc, stdin=unsigned)
    for line in text.splitlines():
        (tmp_path / "signed.json").write_text(line)
        chain.broadcast(tmp_path / "signed.json")
    assert chain.balance(bob) == before + 6


def test_an_unordered_transaction(chain: Chain, desk: Cli, tmp_path: Path) -> None:
    ann, bob = address(desk, "ann"), address(desk, "bob")
    number, sequence = chain.account(ann)
    unsigned = send(chain, ann, bob, "5uve", "--unordered", "--timeout-duration", "5m").encode()
    signed = tmp_path / "signed.json"
    # Such a transaction has no sequence.
    signed.write_text(
        desk.ok("tx", "sign", "-", "--from", "ann", "--offline", "-a", str(number), "-s", "0", stdin=unsigned)
    )
    chain.broadcast(signed)
    assert chain.account(ann) == (number, sequence)


def test_two_of_three(chain: Chain, desk: Cli, tmp_path: Path) -> None:
    home = chain.user_home(tmp_path / "home")
    chain.ok("keys", "add", "carol", "--home", str(home))
    keys = [json.loads(desk.json("keys", "show", name)["pubkey"]) for name in ("ann", "bob")]
    keys.append(json.loads(chain.ok("keys", "show", "carol", "--pubkey", "--home", str(home))))
    board = {"@type": "/cosmos.crypto.multisig.LegacyAminoPubKey", "threshold": 2, "public_keys": keys}
    desk.ok("keys", "add", "board", "--pubkey", json.dumps(board))
    chain.ok("keys", "add", "board", "--pubkey", json.dumps(board), "--home", str(home))
    account = address(desk, "board")
    chain.fund(account, "1000uve")
    number, sequence = chain.account(account)
    where = ("--offline", "-a", str(number), "-s", str(sequence))
    unsigned, signed = tmp_path / "unsigned.json", tmp_path / "signed.json"
    parts = [tmp_path / "ann.json", tmp_path / "carol.json"]
    unsigned.write_text(send(chain, account, address(desk, "bob"), "9uve"))
    parts[0].write_text(desk.ok("tx", "sign", str(unsigned), "--multisig", "board", "--from", "ann", *where))
    options = ("--multisig", account, "--from", "carol", "--sign-mode", "amino-json", "--home", str(home), *where)
    parts[1].write_text(chain.ok("tx", "sign", str(unsigned), *options))
    signed.write_text(desk.ok("tx", "multisign", str(unsigned), "board", *map(str, parts), *where))
    chain.broadcast(signed)
    assert chain.balance(account) == 1000 - 9 - 30


def test_a_wrong_sequence_is_refused_by_the_chain(chain: Chain, desk: Cli, tmp_path: Path) -> None:
    ann = address(desk, "ann")
    number, sequence = chain.account(ann)
    signed = tmp_path / "signed.json"
    unsigned = send(chain, ann, ann, "5uve").encode()
    wrong = ("--offline", "-a", str(number), "-s", str(sequence + 1))
    signed.write_text(desk.ok("tx", "sign", "-", "--from", "ann", *wrong, stdin=unsigned))
    refused = json.loads(chain.ok("tx", "broadcast", str(signed), "--output", "json"))
    assert (refused["codespace"], refused["code"]) == ("sdk", 32)
