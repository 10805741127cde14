"""What `hsm chain add` was told of a chain's keys holds for the commands that make keys for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.pubkeys import ETH_TYPE_URLS
from tests.integration.cli.test_mnemonic_commands import WORDS, secret_file
from tests.unit.chains.offers import market

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

INJECTIVE = ETH_TYPE_URLS[2]


@pytest.fixture
def trader(software: Cli) -> Cli:
    """A user who knows two chains beside the configured one."""
    file = software.home / "market.binpb"
    file.write_bytes(market())
    eth = ("--key-algorithm", "eth_secp256k1", "--pubkey-type-url", INJECTIVE)
    software.ok("chain", "add", "inj-1", "--prefix", "inj", "--descriptors", str(file), *eth, "--yes")
    software.ok("chain", "add", "moon-1", "--prefix", "moon", "--descriptors", str(file), "--coin-type", "330", "--yes")
    return software


def kind(record: dict[str, str]) -> str:
    """Return the type URL of a record's key."""
    url: str = json.loads(record["pubkey"])["@type"]
    return url


def test_mnemonics(trader: Cli) -> None:
    words = ("--recover", "--source", secret_file(trader, WORDS))
    moon = trader.json("keys", "add", "moon", *words, "--chain-id", "moon-1")
    assert (moon["hd_path"], moon["key_type"]) == ("m/44'/330'/0'/0/0", "secp256k1")
    inj = trader.json("keys", "add", "inj", *words, "--chain-id", "inj-1")
    assert (inj["hd_path"], kind(inj)) == ("m/44'/60'/0'/0/0", INJECTIVE)
    # What the command says goes first, and other chains have the SDK's.
    said = trader.json("keys", "add", "said", *words, "--chain-id", "moon-1", "--coin-type", "118", "--index", "1")
    assert said["hd_path"] == "m/44'/118'/0'/0/1"
    plain = trader.json("keys", "add", "plain", *words, "--chain-id", "inj-1", "--algo", "secp256k1")
    assert (plain["hd_path"], plain["key_type"]) == ("m/44'/118'/0'/0/0", "secp256k1")
    usual = trader.json("keys", "add", "usual", *words, "--index", "2")
    assert (usual["hd_path"], usual["key_type"]) == ("m/44'/118'/0'/0/2", "secp256k1")


def test_keys_of_a_token(trader: Cli) -> None:
    assert kind(trader.json("keygen", "--label", "born", "--chain-id", "inj-1")) == INJECTIVE
    digits = secret_file(trader, "11" * 32, "digits")
    brought = trader.json("keys", "import-hex", "brought", "--source", digits, "--chain-id", "inj-1")
    assert kind(brought) == INJECTIVE
    trader.ok("keys", "delete", "born", "--yes")
    assert kind(trader.json("keys", "add", "born", "--label", "born", "--chain-id", "inj-1")) == INJECTIVE
    # A validator's key is no account key.
    trader.json("keygen", "--label", "val", "--purpose", "consensus", "--key-type", "secp256k1")
    trader.ok("keys", "delete", "val", "--yes")
    validator = trader.json("keys", "add", "val", "--label", "val", "--chain-id", "inj-1")
    assert (validator["key_type"], validator["purpose"]) == ("secp256k1", "consensus")


def test_a_damaged_chain_gives_no_default(trader: Cli) -> None:
    folder = trader.json("config", "show")["state_dir"]
    with open(f"{folder}/chains/inj-1/chain.toml", "a", encoding="utf-8") as file:
        file.write("x = 1\n")
    words = ("--recover", "--source", secret_file(trader, WORDS))
    trader.fails("keys", "add", "inj", *words, "--chain-id", "inj-1", code=9, error="chain_damaged")
    assert trader.json("keys", "list") == []
