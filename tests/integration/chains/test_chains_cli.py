"""``hsm chain`` from a node and from files, as a person and as a script use it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.signing import SignMode
from cosmos_formats.signing.direct import SignDoc
from cosmos_formats.signing.tx_view import TxView
from cosmos_formats.signing.views import view
from keyring_bridge.chains import ChainBook
from keyring_bridge.node import Node
from tests.integration.cli.harness import Cli

if TYPE_CHECKING:
    from tests.integration.chains.reflection_server import ReflectionServer

pytestmark = [pytest.mark.go, pytest.mark.timeout(600)]
ADD = ("chain", "add", "market-1", "--prefix", "ve")


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    cli = Cli(tmp_path / "home")
    cli.ok("init", "--backend", "software", "--chain-id", "market-1")
    return cli


def state_dir(cli: Cli) -> Path:
    path: str = cli.json("config", "show")["state_dir"]
    return Path(path)


def audited(cli: Cli) -> list[dict[str, object]]:
    path = Path(cli.json("config", "show")["audit"])
    lines = path.read_text().splitlines() if path.exists() else []
    return [entry for entry in map(json.loads, lines) if str(entry.get("kind", "")).startswith("chain.")]


def test_a_person_looks_and_accepts(cli: Cli, honest: str) -> None:
    done = cli.on_terminal(*ADD, "--grpc", honest, answers={"Type yes": "yes"})
    assert done.code == 0, done
    assert "new transaction message: virtengine.market.v1.MsgCreateOrder, signed by owner" in done.out
    assert "coin: uve" in done.out
    (digest,) = set(re.findall(r"digest: +([0-9a-f]{64})", done.out))
    shown = cli.json("chain", "show", "market-1")
    assert shown["digest"] == digest
    assert shown["coin_names"] == ["uatom", "uve"]
    assert "virtengine.market.v1.MsgCreateOrder" in shown["own_messages"]
    assert [chain["chain_id"] for chain in cli.json("chain", "list")] == ["market-1"]
    assert digest[:16] in cli.ok("chain", "list")


def test_a_person_looks_and_does_not_accept(cli: Cli, honest: str) -> None:
    done = cli.on_terminal(*ADD, "--grpc", honest, answers={"Type yes": "no"})
    assert done.code == 2
    assert cli.json("chain", "list") == []
    assert audited(cli) == []


def test_a_script_accepts_what_somebody_looked_at(cli: Cli, honest: str) -> None:
    cli.fails(*ADD, "--grpc", honest, code=2, error="not_confirmed")
    refused = cli.fails(*ADD, "--grpc", honest, "--accept", "0" * 64, code=5, error="chain_changed")
    digest = re.findall(r"[0-9a-f]{64}", str(refused["message"]))[0]
    added = cli.json(*ADD, "--grpc", honest, "--accept", digest)
    assert added["digest"] == digest
    assert added["new_messages"]["virtengine.market.v1.MsgCreateOrder"] == "owner"
    cli.fails(*ADD, "--grpc", honest, "--yes", code=5, error="chain_exists")
    intent, outcome = audited(cli)
    assert (intent["kind"], outcome["kind"]) == ("chain.add.intent", "chain.add.outcome")
    assert digest in json.dumps(intent)
    assert "done" in json.dumps(outcome)


def test_the_messages_of_a_chain_are_seen_in_its_transactions(cli: Cli, honest: str) -> None:
    cli.ok(*ADD, "--grpc", honest, "--yes")
    book = ChainBook(state_dir(cli))
    schema = book.schema("market-1")
    order = schema.message("virtengine.market.v1.MsgCreateOrder")(
        owner="ve1owner", price=[{"denom": "uve", "amount": "5"}]
    )
    body = schema.message("cosmos.tx.v1beta1.TxBody")(memo="m")
    body.messages.add(type_url="/virtengine.market.v1.MsgCreateOrder", value=order.SerializeToString())
    auth = schema.message("cosmos.tx.v1beta1.AuthInfo")()
    auth.fee.gas_limit = 1
    document = SignDoc(body.SerializeToString(), auth.SerializeToString(), "market-1", 7)
    known = view(SignMode.DIRECT, document.encode(), book.schema)
    assert isinstance(known, TxView)
    assert (known.messages[0].type_url, known.messages[0].known) == ("/virtengine.market.v1.MsgCreateOrder", True)
    # Without the chain, the message is an opaque part of the same view.
    unknown = view(SignMode.DIRECT, document.encode())
    assert isinstance(unknown, TxView)
    assert (unknown.messages[0].type_url, unknown.messages[0].known) == ("/virtengine.market.v1.MsgCreateOrder", False)


def test_a_node_of_another_chain(cli: Cli, server: ReflectionServer) -> None:
    with server.serving("-chain-id", "market-2") as target:
        error = cli.fails(*ADD, "--grpc", target, "--yes", code=9, error="node_mismatch")
    assert "'market-2'" in str(error["message"])


def test_a_node_that_turns_payments_around(cli: Cli, server: ReflectionServer) -> None:
    with server.serving("-lie", "swap") as target:
        error = cli.fails(*ADD, "--grpc", target, "--yes", code=9, error="schema_contradicts")
        assert "cosmos.bank.v1beta1.MsgSend field 1" in str(error["message"])
        added = cli.json(*ADD, "--grpc", target, "--yes", "--prefer-shipped")
    assert added["settled"][0]["where"] == "cosmos.bank.v1beta1.MsgSend field 1"
    send = ChainBook(state_dir(cli)).schema("market-1").message("cosmos.bank.v1beta1.MsgSend")
    assert [field.name for field in send.DESCRIPTOR.fields] == ["from_address", "to_address", "amount"]


def test_a_change_is_shown_and_asked_again(cli: Cli, honest: str, server: ReflectionServer) -> None:
    before = cli.json(*ADD, "--grpc", honest, "--yes")
    same = cli.json("chain", "update", "market-1")
    assert (same["updated"], same["digest"]) == (False, before["digest"])
    with server.serving("-version", "2") as target:
        update = ("chain", "update", "market-1", "--grpc", target)
        cli.fails(*update, code=2, error="not_confirmed")
        cli.fails(*update, "--accept", before["digest"], code=5, error="chain_changed")
        assert cli.json("chain", "show", "market-1")["digest"] == before["digest"]
        done = cli.on_terminal(*update, answers={"Type yes": "yes"})
    assert done.code == 0, done
    assert "changed: virtengine.market.v1.MsgCreateOrder field 5: nothing / string note" in done.out
    assert cli.json("chain", "show", "market-1")["digest"] != before["digest"]
    assert [entry["kind"] for entry in audited(cli)][2:] == ["chain.update.intent", "chain.update.outcome"]


def test_from_files(cli: Cli, honest: str) -> None:
    descriptors, coins = cli.home / "market.binpb", cli.home / "coins.json"
    with Node(honest) as node:
        descriptors.write_bytes(node.file_descriptors())
        coins.write_text(json.dumps({"metadatas": node.denom_metadata()}))
    add = (*ADD, "--descriptors", str(descriptors))
    added = cli.json(*add, "--metadata", str(coins), "--coin-type", "118", "--yes")
    assert (added["coins"], added["coin_type"], added["grpc"]) == (2, 118, "")
    cli.fails("chain", "update", "market-1", code=2, error="usage_error")
    # Coins stay as they are if only messages are read, and a node says the same as the files made from it.
    again = cli.json("chain", "update", "market-1", "--descriptors", str(descriptors))
    assert (again["updated"], again["coins"]) == (False, 2)
    moved = cli.json("chain", "update", "market-1", "--grpc", honest, "--accept", added["digest"])
    assert moved["grpc"] == honest


@pytest.mark.parametrize(
    ("content", "code", "error"),
    [(b"", 9, "schema_invalid"), (b"\xff", 9, "schema_invalid"), (b"{}", 9, "schema_invalid")],
)
def test_files_that_are_no_descriptor_sets(cli: Cli, content: bytes, code: int, error: str) -> None:
    path = cli.home / "bad.binpb"
    path.write_bytes(content)
    cli.fails(*ADD, "--descriptors", str(path), "--yes", code=code, error=error)
    cli.fails(*ADD, "--descriptors", str(path.with_name("none")), "--yes", code=1, error="file_failed")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--grpc", "127.0.0.1"),
        ("--grpc", "node.example:9090"),
        ("--grpc", "127.0.0.1:1", "--timeout", "0"),
    ],
)
def test_wrong_arguments(cli: Cli, wrong: tuple[str, ...]) -> None:
    done = cli.run("--output", "json", *ADD, *wrong, "--yes")
    assert done.code == 2, done
    assert "Traceback" not in done.err


def test_a_stored_set_that_somebody_changed(cli: Cli, honest: str) -> None:
    cli.ok(*ADD, "--grpc", honest, "--yes")
    (path,) = (state_dir(cli) / "chains" / "market-1").glob("descriptors.*")
    path.write_bytes(path.read_bytes()[:-1])
    cli.fails("chain", "show", "market-1", code=9, error="chain_damaged")
    cli.ok("chain", "remove", "market-1", "--yes")
    assert cli.json("chain", "list") == []
    cli.fails("chain", "show", "market-1", code=4, error="chain_not_found")
    cli.fails("chain", "remove", "market-1", "--yes", code=4, error="chain_not_found")
