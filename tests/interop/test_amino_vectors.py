"""Amino JSON against sign bytes that the Cosmos SDK made (see fixtures/README.md), in both directions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.schema import default_schema
from cosmos_formats.signing.amino_json import decode_message, encode_message, parse_sign_doc, sign_bytes
from cosmos_formats.signing.transaction import SignerData, TxParts

VECTORS = Path(__file__).parents[2] / "fixtures" / "vectors"
ALL: list[dict[str, Any]] = json.loads((VECTORS / "amino_json.json").read_text(encoding="utf-8"))["vectors"]
SIGNED = [vector for vector in ALL if "sign_bytes" in vector]
REFUSED = [vector for vector in ALL if "error" in vector]
ODD: dict[str, dict[str, Any]] = {
    vector["name"]: vector for vector in json.loads((VECTORS / "odd.json").read_text(encoding="utf-8"))["vectors"]
}
REORDERED = frozenset({"wasm execute, several fields"})
"""They carry JSON whose members stand in another order; the sign document has them sorted."""


def by_name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def transaction(vector: dict[str, Any]) -> TxParts:
    return TxParts(bytes.fromhex(vector["body_bytes"]), bytes.fromhex(vector["auth_info_bytes"]))


def signer(vector: dict[str, Any]) -> SignerData:
    return SignerData(vector["address"], vector["chain_id"], vector["account_number"], vector["sequence"])


@pytest.mark.parametrize("vector", SIGNED, ids=by_name)
def test_sign_bytes_are_those_of_the_sdk(vector: dict[str, Any]) -> None:
    made = sign_bytes(transaction(vector), signer(vector), default_schema())
    assert made.decode() == bytes.fromhex(vector["sign_bytes"]).decode()


@pytest.mark.parametrize("vector", REFUSED, ids=by_name)
def test_what_the_sdk_refuses_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidSignDoc):
        sign_bytes(transaction(vector), signer(vector), default_schema())


@pytest.mark.parametrize("vector", SIGNED, ids=by_name)
def test_a_sign_document_says_what_the_transaction_says(vector: dict[str, Any]) -> None:
    schema = default_schema()
    body = schema.message("cosmos.tx.v1beta1.TxBody").FromString(bytes.fromhex(vector["body_bytes"]))
    fee = schema.message("cosmos.tx.v1beta1.AuthInfo").FromString(bytes.fromhex(vector["auth_info_bytes"])).fee

    doc = parse_sign_doc(bytes.fromhex(vector["sign_bytes"]))

    assert (doc.chain_id, doc.account_number, doc.sequence) == (
        vector["chain_id"],
        vector["account_number"],
        vector["sequence"],
    )
    assert [str(coin) for coin in doc.fee.coins] == [coin.amount + coin.denom for coin in fee.amount]
    assert (doc.fee.gas, doc.fee.payer, doc.fee.granter) == (fee.gas_limit, fee.payer, fee.granter)
    assert (doc.memo, doc.timeout_height, doc.unordered) == (body.memo, body.timeout_height, body.unordered)
    assert (doc.timeout_timestamp is not None) == body.HasField("timeout_timestamp")
    assert len(doc.messages) == len(body.messages)


@pytest.mark.parametrize("vector", SIGNED, ids=by_name)
def test_the_messages_come_back_as_they_were(vector: dict[str, Any]) -> None:
    schema = default_schema()
    body = schema.message("cosmos.tx.v1beta1.TxBody").FromString(bytes.fromhex(vector["body_bytes"]))
    for packed, amino in zip(body.messages, parse_sign_doc(bytes.fromhex(vector["sign_bytes"])).messages, strict=True):
        decoded = decode_message(amino.name, amino.value, schema)
        assert decoded is not None
        type_url, message = decoded
        assert type_url == packed.type_url
        assert encode_message(message, schema) == {"type": amino.name, "value": amino.value}
        if vector["name"] not in REORDERED:
            assert message.SerializeToString(deterministic=True) == packed.value


def odd_document(name: str) -> bytes:
    return bytes.fromhex(ODD[name]["modes"]["amino_json"]["sign_bytes"])


@pytest.mark.parametrize(
    ("name", "reason"),
    [("negative fee", "amount that is not a number"), ("wasm execute, large numbers", "not a whole one")],
)
def test_documents_that_nobody_could_judge_are_refused(name: str, reason: str) -> None:
    with pytest.raises(InvalidSignDoc, match=reason):
        parse_sign_doc(odd_document(name))


@pytest.mark.parametrize("name", ["wasm store code for some", "wasm params"])
def test_messages_that_a_document_leaves_out_are_not_guessed(name: str) -> None:
    (message,) = parse_sign_doc(odd_document(name)).messages
    assert decode_message(message.name, message.value, default_schema()) is None
