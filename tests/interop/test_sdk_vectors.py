"""The formats against vectors that the Cosmos SDK wrote (see fixtures/README.md)."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats import address
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import InvalidAddress, InvalidKey
from cosmos_formats.multisig import (
    MultisigPublicKey,
    pubkey_from_amino,
    pubkey_from_any,
    pubkey_from_proto_json,
)
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Record
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.direct import decode_sign_doc
from cosmos_formats.signing.tx_view import TxView
from cosmos_formats.signing.views import view
from cosmos_formats.verify import verify

FIXTURES = Path(__file__).parents[2] / "fixtures"
VECTORS = FIXTURES / "vectors"
NAMES = (
    *("addresses", "bech32", "pubkeys", "multisig", "records", "signatures"),
    *("direct", "direct_aux", "amino_json", "textual", "tx_json", "odd"),
    *("mnemonics", "hd", "armor", "signed", "multisig_signatures", "adr036"),
)


def load(name: str) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["vectors"]
    assert vectors
    return vectors


def by_name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("name", NAMES)
def test_every_file_names_its_origin(name: str) -> None:
    origin = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["origin"]
    assert origin["generator"] == "fixtures/gen/vectors"
    assert origin["modules"]["github.com/cosmos/cosmos-sdk"] == "v0.53.4"


def test_addresses_of_keys() -> None:
    for vector in load("addresses"):
        key_type = "secp256r1" if vector["key_type"] == "secp256r1" else vector["key_type"]
        key = PublicKey(KeyType(key_type), bytes.fromhex(vector["public_key"])).require_on_curve()
        assert key.address.hex() == vector["address"]
        for prefix, text in vector["bech32"].items():
            assert address.encode(prefix, key.address) == text
            assert address.decode(text, prefix) == (prefix, key.address)


def test_texts_the_sdk_was_asked_to_read() -> None:
    refused_only_here = 0
    for vector in load("bech32"):
        text = vector["text"]
        if "error" in vector:
            with pytest.raises(InvalidAddress):
                address.decode(text)
        elif len(vector["data"]) not in (40, 64) or text != text.lower():
            refused_only_here += 1
            with pytest.raises(InvalidAddress):
                address.decode(text)
        else:
            assert address.decode(text) == (vector["hrp"], bytes.fromhex(vector["data"]))
    assert refused_only_here == 3  # 19 bytes, upper case, and BIP-173's own 30 bytes


@pytest.mark.parametrize("name", ["pubkeys", "multisig"])
def test_public_keys_in_every_form(name: str) -> None:
    for vector in load(name):
        packed = AnyValue.decode(bytes.fromhex(vector["any"]))
        key = pubkey_from_any(packed)
        assert packed.type_url == key.type_url == vector["type_url"]
        assert key.to_any().encode().hex() == vector["any"]
        assert key.to_proto_json() == vector["proto_json"]
        assert pubkey_from_proto_json(vector["proto_json"]) == key
        assert key.address.hex() == vector["address"]
        if "amino" in vector:
            assert key.to_amino().hex() == vector["amino"]
            assert pubkey_from_amino(bytes.fromhex(vector["amino"])) == key
        else:
            with pytest.raises(InvalidKey):
                key.to_amino()


def test_multisig_keys_from_their_members() -> None:
    for vector in load("multisig"):
        members = tuple(pubkey_from_any(AnyValue.decode(bytes.fromhex(member))) for member in vector["members"])
        key = MultisigPublicKey(vector["threshold"], members)
        assert key.to_any().encode().hex() == vector["any"]
        assert key.address.hex() == vector["address"]


def test_public_keys_belong_to_their_private_keys() -> None:
    """Ties the vectors to a third implementation: the libraries that this project verifies with."""
    import coincurve
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seen = set()
    for vector in load("pubkeys"):
        private, public = bytes.fromhex(vector["private_key"]), bytes.fromhex(vector["public_key"])
        if vector["key_type"] == "secp256k1":
            assert coincurve.PrivateKey(private).public_key.format() == public
            full = coincurve.PublicKey(public).format(compressed=False)
            assert PublicKey.from_uncompressed(KeyType.SECP256K1, full).data == public
        elif vector["key_type"] == "ed25519":
            assert Ed25519PrivateKey.from_private_bytes(private[:32]).public_key().public_bytes_raw() == public
        seen.add(vector["key_type"])
    assert seen == {"secp256k1", "ed25519", "secp256r1"}


@pytest.mark.parametrize("vector", load("records"), ids=by_name)
def test_records(vector: dict[str, Any]) -> None:
    record = Record.decode(bytes.fromhex(vector["bytes"]))
    assert (record.name, record.kind) == (vector["name"], vector["type"])
    assert record.encode().hex() == vector["bytes"]
    assert record.to_proto_json(reveal_private_key=True) == vector["json"]
    assert Record(record.name, pubkey_from_proto_json(vector["json"]["pub_key"]), record.item) == record


def test_signatures_are_judged_as_in_the_sdk() -> None:
    vectors = load("signatures")
    for vector in vectors:
        key = PublicKey(KeyType(vector["key_type"]), bytes.fromhex(vector["public_key"]))
        good = verify(key, bytes.fromhex(vector["message"]), bytes.fromhex(vector["signature"]))
        assert good is vector["valid"], vector
    assert 0 < sum(vector["valid"] for vector in vectors) < len(vectors)


@pytest.mark.parametrize("vector", load("direct"), ids=by_name)
def test_direct_sign_docs(vector: dict[str, Any]) -> None:
    sign_bytes = bytes.fromhex(vector["sign_bytes"])
    assert decode_sign_doc(sign_bytes).encode() == sign_bytes
    seen = view(SignMode.DIRECT, sign_bytes)
    assert isinstance(seen, TxView)
    assert seen.mode is SignMode.DIRECT
    assert seen.chain_id == vector["chain_id"]
    assert seen.account_number == vector["account_number"]
    assert seen.memo == vector["memo"]
    assert seen.timeout_height == vector["timeout_height"]
    assert (seen.timeout_timestamp or "").replace("700Z", "7Z") == (vector["timeout_timestamp"] or "")
    assert seen.unordered is vector["unordered"]
    assert [(coin.denom, str(coin.amount)) for coin in seen.fee] == [
        (coin["denom"], coin["amount"]) for coin in vector["fee"]
    ]
    assert seen.gas_limit == vector["gas"]
    assert (seen.payer, seen.granter) == (vector["payer"], vector["granter"])
    assert not seen.unknown_non_critical
    assert seen.tip == ()
    for signer, expected in zip(seen.signers, vector["signers"], strict=True):
        key = pubkey_from_proto_json(expected["public_key"])
        assert signer.public_key == key
        assert signer.sequence == expected["sequence"]
        if isinstance(key, MultisigPublicKey):
            assert signer.mode is None
        else:
            assert signer.mode == expected["mode"]
            assert seen.has_signer(key) == (expected["mode"] == SignMode.DIRECT)
    body = vector["tx"]["body"]
    shown = [{"@type": message.type_url, **message.fields()} for message in seen.messages]
    assert all(message.known for message in seen.walk())
    assert [with_contract_message(message) for message in shown] == body["messages"]
    options = body["extension_options"] + body["non_critical_extension_options"]
    assert [{"@type": option.type_url, **option.fields()} for option in seen.extensions] == options


def with_contract_message(message: dict[str, Any]) -> dict[str, Any]:
    """The SDK's JSON has a contract's message in it as JSON, the view has the text that it is."""
    if message["@type"].startswith("/cosmwasm.") and "msg" in message:
        return {**message, "msg": json.loads(message["msg"])}
    return message


def test_nested_messages_are_found() -> None:
    seen = {vector["name"]: view(SignMode.DIRECT, bytes.fromhex(vector["sign_bytes"])) for vector in load("direct")}

    def types(name: str) -> tuple[str, ...]:
        found = seen[name]
        assert isinstance(found, TxView)
        return found.message_types

    assert types("authz exec, nested") == (
        "/cosmos.authz.v1beta1.MsgExec",
        "/cosmos.authz.v1beta1.MsgExec",
        "/cosmos.authz.v1beta1.MsgExec",
        "/cosmos.bank.v1beta1.MsgSend",
        "/cosmos.gov.v1.MsgVote",
    )
    assert types("group proposal") == ("/cosmos.group.v1.MsgSubmitProposal", "/cosmos.bank.v1beta1.MsgSend")
    assert types("gov proposal") == ("/cosmos.gov.v1.MsgSubmitProposal", "/cosmos.bank.v1beta1.MsgSend")
    assert types("feegrant, filtered") == (
        "/cosmos.feegrant.v1beta1.MsgGrantAllowance",
        "/cosmos.feegrant.v1beta1.AllowedMsgAllowance",
        "/cosmos.feegrant.v1beta1.PeriodicAllowance",
    )
    assert types("staking create validator") == ("/cosmos.staking.v1beta1.MsgCreateValidator",)
    assert types("extension options") == (
        "/cosmos.bank.v1beta1.MsgSend",
        "/cosmos.authz.v1beta1.GenericAuthorization",
        "/cosmos.authz.v1beta1.GenericAuthorization",
    )


@pytest.mark.go
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_generator_writes_the_same_vectors(tmp_path: Path) -> None:
    """Builds the SDK: minutes with a cold build cache, seconds afterwards."""
    generator = FIXTURES / "gen"
    environment = {**os.environ, "CGO_ENABLED": "0"}  # the wasm module's types need none of its C library
    subprocess.run(["go", "run", "./vectors", "-out", str(tmp_path)], cwd=generator, env=environment, check=True)
    assert {path.stem for path in tmp_path.iterdir()} == set(NAMES)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (VECTORS / path.name).read_bytes(), path.name
