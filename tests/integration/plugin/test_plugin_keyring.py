"""Every method over the wire, with a real store and real keys."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import coincurve
import jsonschema
import pytest

from cosmos_formats import address, hd_keys, mnemonic
from cosmos_formats.armor_keys import ArmoredPrivateKey, encrypt_private_key
from cosmos_formats.hd import HdPath
from cosmos_formats.pubkeys import KeyType
from keyring_bridge.chains import ChainBook
from keyring_bridge.config import load
from keyring_plugin import openrpc, samples
from keyring_plugin.protocol import METHODS
from tests.integration.plugin.conftest import Start, with_keys, with_software
from tests.integration.plugin.harness import CHAIN, Plugin, b64, change_policy, code_of, document, public_key
from tests.unit.chains.offers import SETTINGS, offer

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

COSMOS_PATH = "m/44'/118'/0'/0/0"
WORDS = "abandon " * 11 + "about"
SCHEMAS = openrpc.document()["components"]


@pytest.fixture
def user(tmp_path: Path) -> Cli:
    """A user whose keys a test may change."""
    return with_keys(with_software(tmp_path))


@pytest.fixture
def own(start: Start, user: Cli) -> Plugin:
    """A plugin for that user."""
    return start(user)


def checked(plugin: Plugin, method: str, **params: object) -> Any:
    """Ask, and check the result against the protocol's description."""
    result = plugin.result(method, **params)
    jsonschema.validate(result, {**METHODS[method].result.schema, "components": SCHEMAS})
    return result


def test_what_only_reads(plugin: Plugin, settled: Cli) -> None:
    assert checked(plugin, "bridge.ping") == "pong"
    shaken = checked(plugin, "bridge.handshake", protocol_version=3, client={"name": "test", "version": "9"})
    assert (shaken["protocol_version"], shaken["chain_id"], shaken["prefix"]) == (1, CHAIN, "ve")
    assert shaken["problem"] is None
    assert checked(plugin, "rpc.discover") == openrpc.document()
    assert checked(plugin, "keyring.backend") == "hsm"
    assert checked(plugin, "keyring.supportedAlgorithms")["ledger"] == ["secp256k1"]
    (provider,) = checked(plugin, "bridge.status")["providers"]
    assert (provider["hardware"], provider["state"]) == (False, "locked")
    listed = checked(plugin, "keyring.list")
    assert [entry["record"]["name"] for entry in listed] == ["ops", "val"]
    assert checked(plugin, "keyring.migrateAll") == listed
    ops, val = listed
    assert checked(plugin, "keyring.key", uid="ops") == ops
    assert checked(plugin, "keyring.keyByAddress", address=ops["address"]) == ops
    assert ops["record"]["local"] == {"priv_key": None}
    assert ops["hardware"] is False
    assert val["address"].startswith("vevalcons1")
    shown = settled.json("keys", "show", "ops")
    assert (shown["address"], shown["fingerprint"]) == (ops["address"], ops["fingerprint"])


def test_what_was_noted_of_a_chain(plugin: Plugin, settled: Cli) -> None:
    unknown = {"chain_id": "unheard-1", "known": False, "max_fee": "", "exponents": {}}
    assert checked(plugin, "bridge.chain", chain_id="unheard-1") == unknown
    book = ChainBook(load(settled.config).state_dir)
    settings = replace(SETTINGS, chain_id="noted-1", max_fee="5000000uatom")
    book.add(settings, offer(), source="file noted.binpb", accepted_at="2026-01-02T03:04:05Z")
    try:
        noted = {"chain_id": "noted-1", "known": True, "max_fee": "5000000uatom", "exponents": {"uatom": 6}}
        assert checked(plugin, "bridge.chain", chain_id="noted-1") == noted
    finally:
        book.remove("noted-1")


def test_an_address_of_any_prefix_finds_the_key(plugin: Plugin) -> None:
    ops = plugin.result("keyring.key", uid="ops")
    other = address.encode("cosmos", address.decode(ops["address"])[1])
    assert plugin.result("keyring.keyByAddress", address=other) == ops
    unknown = address.encode("ve", bytes(20))
    answer = plugin.ask("keyring.keyByAddress", address=unknown)
    assert code_of(answer) == "key_not_found"
    assert answer["error"]["message"] == f"key with address {unknown} not found: key not found"


def test_signing(plugin: Plugin, settled: Cli) -> None:
    good = document(plugin, "ops")
    ops = plugin.result("keyring.key", uid="ops")
    for method, names in (("keyring.sign", {"uid": "ops"}), ("keyring.signByAddress", {"address": ops["address"]})):
        for mode in ("SIGN_MODE_DIRECT", 1):
            signed = checked(plugin, method, **names, msg=b64(good), mode=mode)
            assert signed["pub_key"] == ops["record"]["pub_key"]
            audited = [entry for entry in settled.json("audit", "tail") if entry["id"] == signed["correlation_id"]]
            assert [entry["kind"] for entry in audited] == ["sign.intent", "sign.outcome"]


def test_the_client_is_named_in_the_audit_log(plugin: Plugin, settled: Cli) -> None:
    plugin.result("bridge.handshake", client={"name": "wallet", "version": "7"})
    plugin.sign("ops", document(plugin, "ops"))
    intent = settled.json("audit", "tail")[-2]
    assert intent["hints"]["client"] == "wallet 7"
    assert intent["hints"]["transport"] == "stdio"
    assert intent["request"] == str(plugin._next)


def test_what_the_policy_refuses(own: Plugin, user: Cli) -> None:
    key = public_key(own, "ops")
    good = document(own, "ops")
    assert code_of(own.ask("keyring.signDigest", uid="ops", digest=b64(bytes(range(32))))) == "policy_denied"
    assert code_of(own.ask("keyring.sign", uid="ops", msg=b64(b'{"a":1}'), mode=127)) == "sign_doc_invalid"
    change_policy(user, "ops", messages=["/cosmos.gov.v1.MsgVote"])
    denied = own.sign("ops", good)
    assert code_of(denied) == "policy_denied"
    assert "MsgSend" in denied["error"]["message"]
    assert denied["error"]["data"]["correlation_id"] == user.json("audit", "tail")[-1]["id"]
    change_policy(user, "ops", messages=["/cosmos.bank.v1beta1.MsgSend"], unsafe_blind_signing=True)
    assert own.result("keyring.signDigest", uid="ops", digest=b64(bytes(range(32))))["pub_key"] == key.to_proto_json()
    assert "result" in own.sign("ops", good)
    (user.folder / "policy.toml").write_text("version = 1\n")
    assert code_of(own.sign("ops", good)) == "no_policy"
    (user.folder / "policy.toml").write_text("version = 1\nkeys = 3\n")
    assert code_of(own.sign("ops", good)) == "policy_invalid"


def test_what_cannot_sign(own: Plugin) -> None:
    good = document(own, "ops")
    assert code_of(own.sign("val", good)) == "cannot_sign"
    assert code_of(own.sign("nobody", good)) == "key_not_found"
    own.result("keyring.saveOfflineKey", uid="cold", pub_key=samples.KEY)
    answer = own.sign("cold", good)
    assert (code_of(answer), answer["error"]["message"]) == ("cannot_sign", "cannot sign with offline keys")


def test_records_come_and_go(own: Plugin) -> None:
    cold = checked(own, "keyring.saveOfflineKey", uid="cold", pub_key=samples.OFFLINE_KEY)
    assert cold["record"] == samples.OFFLINE_ENTRY["record"]
    assert cold["address"] == samples.OFFLINE_ADDRESS
    board = checked(own, "keyring.saveMultisig", uid="board", pub_key=samples.MULTISIG_KEY)
    assert board["record"] == samples.MULTISIG_ENTRY["record"]
    assert board["address"] == samples.MULTISIG_ADDRESS
    assert checked(own, "keyring.rename", old="cold", new="colder")["record"]["name"] == "colder"
    assert own.code("keyring.key", uid="cold") == "key_not_found"
    renamed = checked(own, "keyring.rename", old="ops", new="operations")
    assert renamed["record"]["local"] == {"priv_key": None}
    names = [entry["record"]["name"] for entry in checked(own, "keyring.list")]
    assert names == ["board", "colder", "operations", "val"]
    assert checked(own, "keyring.delete", uid="colder") is None
    assert checked(own, "keyring.deleteByAddress", address=samples.MULTISIG_ADDRESS) is None
    assert len(own.result("keyring.list")) == 2


def test_duplicates(own: Plugin) -> None:
    own.result("keyring.saveOfflineKey", uid="cold", pub_key=samples.KEY)
    assert own.code("keyring.saveOfflineKey", uid="cold", pub_key=samples.OFFLINE_KEY) == "key_exists"
    answer = own.ask("keyring.saveOfflineKey", uid="cold2", pub_key=samples.KEY)
    assert (code_of(answer), answer["error"]["message"]) == ("duplicate_address", "duplicated address created")
    answer = own.ask("keyring.rename", old="ops", new="cold")
    assert (code_of(answer), answer["error"]["message"]) == ("key_exists", "rename failed, cold: key already exists")
    answer = own.ask("keyring.importPrivKeyHex", uid="cold", hex="11" * 32, algo="secp256k1")
    assert (code_of(answer), answer["error"]["message"]) == ("key_exists", "cold: cannot overwrite key")


def test_names_of_all_kinds(own: Plugin) -> None:
    for name in ("a/b", "../../etc/passwd", "..", "a.b", "ключ", "鍵 🔑", "%2F", "a\\b", "-", "'; --"):
        assert checked(own, "keyring.saveOfflineKey", uid=name, pub_key=samples.KEY)["record"]["name"] == name
        assert own.result("keyring.key", uid=name)["record"]["name"] == name
        own.result("keyring.delete", uid=name)
        answer = own.ask("keyring.key", uid=name)
        assert (code_of(answer), answer["error"]["message"]) == ("key_not_found", f"{name}.info: key not found")


@pytest.mark.parametrize(
    "name", ["", " a", "a\n", "\x00", "\x1b[2J", "a\u202eb", "n" * 256, "n" * 10_000, "a.info", "e\u0301"]
)
def test_names_that_no_key_may_have(plugin: Plugin, name: str) -> None:
    assert plugin.code("keyring.saveOfflineKey", uid=name, pub_key=samples.KEY) == "invalid_name"
    assert plugin.code("keyring.key", uid=name) in {"invalid_name", "key_not_found"}
    assert plugin.result("bridge.ping") == "pong"


def test_importing(own: Plugin) -> None:
    imported = checked(own, "keyring.importPrivKeyHex", uid="one", hex=f"{1:064x}", algo="secp256k1")
    assert imported["record"]["pub_key"] == samples.KEY
    assert imported["address"] == samples.ADDRESS
    for digits, algo, code in (
        ("0" * 64, "secp256k1", "invalid_key"),
        ("f" * 64, "secp256k1", "invalid_key"),
        ("zz" * 32, "secp256k1", "invalid_key"),
        ("11", "secp256k1", "invalid_key"),
        ("", "secp256k1", "invalid_key"),
        ("11" * 32, "rsa", "unsupported_algorithm"),
    ):
        answer = own.ask("keyring.importPrivKeyHex", uid="two", hex=digits, algo=algo)
        assert code_of(answer) == code
        assert not digits or digits not in json.dumps(answer)


def test_mnemonics(own: Plugin) -> None:
    made = checked(
        own, "keyring.newMnemonic", uid="one", language="english", hd_path=COSMOS_PATH, algo="secp256k1", passphrase="p"
    )
    assert len(made["mnemonic"].split(" ")) == 24
    assert made["key"] == checked(own, "keyring.key", uid="one")
    seed = mnemonic.to_seed(made["mnemonic"].encode(), b"p")
    derived = coincurve.PrivateKey(bytes(hd_keys.derive(seed, HdPath.parse(COSMOS_PATH))))
    assert made["key"]["record"]["pub_key"]["key"] == b64(derived.public_key.format())
    known = checked(own, "keyring.newAccount", uid="known", mnemonic=WORDS, hd_path=COSMOS_PATH, algo="secp256k1")
    assert address.decode(known["address"])[1] == address.decode("cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4")[1]
    path = "m/44'/60'/0'/0/0"
    algo = "/injective.crypto.v1beta1.ethsecp256k1.PubKey"
    eth = checked(own, "keyring.newAccount", uid="eth", mnemonic=WORDS, hd_path=path, algo=algo)
    assert eth["record"]["pub_key"]["@type"] == algo
    assert eth["key_type"] == "eth_secp256k1"
    assert address.decode(eth["address"])[1].hex() == "9858effd232b4033e47d90003d41ec34ecaeda94"
    wrong = own.ask("keyring.newAccount", uid="x", mnemonic=WORDS + "\n", hd_path=COSMOS_PATH, algo="secp256k1")
    assert code_of(wrong) == "invalid_mnemonic"
    assert "about" not in json.dumps(wrong)


def test_armor(own: Plugin) -> None:
    key = ArmoredPrivateKey(KeyType.SECP256K1, samples.KEY["@type"], bytearray((1).to_bytes(32)))
    armor = encrypt_private_key(key, b"passphrase", bytes(16))
    refused = own.ask("keyring.importPrivKey", uid="one", armor=armor, passphrase="wrong")
    assert code_of(refused) == "passphrase_incorrect"
    assert refused["error"]["message"] == "failed to decrypt private key: invalid account password"
    imported = checked(own, "keyring.importPrivKey", uid="one", armor=armor, passphrase="passphrase")
    assert imported["address"] == samples.ADDRESS
    public = checked(own, "keyring.exportPubKeyArmor", uid="one")
    own.result("keyring.delete", uid="one")
    kept = checked(own, "keyring.importPubKey", uid="cold", armor=public)
    assert kept["record"] == {"name": "cold", "pub_key": samples.KEY, "offline": {}}
    assert own.code("keyring.importPubKey", uid="cold", armor=public) == "key_exists"


@pytest.mark.parametrize(
    ("method", "params", "code", "says"),
    [
        ("keyring.exportPrivKeyArmor", {"uid": "ops", "passphrase": "x"}, "export_refused", "works only for Local"),
        ("keyring.exportPrivKeyArmor", {"uid": "no", "passphrase": "x"}, "key_not_found", "no.info: key not found"),
        ("keyring.exportPubKeyArmor", {"uid": "no"}, "key_not_found", "no.info: key not found"),
        ("keyring.importPubKey", {"uid": "x", "armor": "…"}, "invalid_armor", "couldn't unarmor bytes: EOF"),
        (
            "keyring.importPrivKey",
            {"uid": "x", "armor": "…", "passphrase": "p"},
            "invalid_armor",
            "failed to decrypt private key: EOF",
        ),
        (
            "keyring.newMnemonic",
            {"uid": "x", "language": "english", "hd_path": "m/44'", "algo": "secp256k1"},
            "invalid_path",
            "hardened",
        ),
        (
            "keyring.newMnemonic",
            {"uid": "x", "language": "french", "hd_path": COSMOS_PATH, "algo": "secp256k1"},
            "invalid_request",
            "unsupported language: only english is supported",
        ),
        (
            "keyring.newAccount",
            {"uid": "x", "mnemonic": "a b", "hd_path": COSMOS_PATH, "algo": "secp256k1", "passphrase": "p"},
            "invalid_mnemonic",
            "Invalid mnemonic",
        ),
        (
            "keyring.newAccount",
            {"uid": "x", "mnemonic": WORDS, "hd_path": COSMOS_PATH, "algo": "ed25519"},
            "unsupported_algorithm",
            "unsupported signing algo",
        ),
        ("keyring.saveLedgerKey", METHODS["keyring.saveLedgerKey"].example.params, "not_available", "Ledger"),
    ],
)
def test_what_is_refused_says_why(plugin: Plugin, method: str, params: dict[str, Any], code: str, says: str) -> None:
    answer = plugin.ask(method, **params)
    assert code_of(answer) == code
    assert says in answer["error"]["message"]


def test_exports_by_address(plugin: Plugin) -> None:
    own_address = plugin.result("keyring.key", uid="ops")["address"]
    refused = plugin.code("keyring.exportPrivKeyArmorByAddress", address=own_address, passphrase="x")
    assert refused == "export_refused"
    armor = plugin.result("keyring.exportPubKeyArmorByAddress", address=own_address)
    assert armor == plugin.result("keyring.exportPubKeyArmor", uid="ops")
    assert armor.startswith("-----BEGIN TENDERMINT PUBLIC KEY-----")
