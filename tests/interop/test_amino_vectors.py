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

VECTORS = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "vectors" / "amino_json.json").read_text(encoding="utf-8")
)["vectors"]
SIGNED = [vector for vector in VECTORS if "sign_bytes" in vector]
REFUSED = [vector for vector in VECTORS if "error" in vector]
UNREADABLE = {
    "fee in odd coins": "amount that is not a number",
    "wasm execute, large numbers": "not a whole one",
    "wasm execute, spaces, order and escapes": "not a whole one",
}
"""Documents that the SDK writes and that say less than can be judged."""
READABLE = [vector for vector in SIGNED if vector["name"] not in UNREADABLE]
HIDDEN = frozenset({"wasm params", "wasm store code"})
"""Their sign bytes leave out what is in a message whose type the chain's binary lacks."""


def by_name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def transaction(vector: dict[str, Any]) -> TxParts:
    return TxParts(bytes.fromhex(vector["body_bytes"]), bytes.fromhex(vector["auth_info_bytes"]))


def signer(vector: dict[str, Any]) -> SignerData:
    return SignerData(vector["address"], vector["chain_id"], vector["account_number"], vector["sequence"])


def test_there_are_vectors_of_both_kinds() -> None:
    assert len(SIGNED) > 30
    assert REFUSED


@pytest.mark.parametrize("vector", SIGNED, ids=by_name)
def test_sign_bytes_are_those_of_the_sdk(vector: dict[str, Any]) -> None:
    made = sign_bytes(transaction(vector), signer(vector), default_schema())
    assert made.decode() == bytes.fromhex(vector["sign_bytes"]).decode()


@pytest.mark.parametrize("vector", REFUSED, ids=by_name)
def test_what_the_sdk_refuses_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidSignDoc):
        sign_bytes(transaction(vector), signer(vector), default_schema())


@pytest.mark.parametrize("vector", READABLE, ids=by_name)
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


@pytest.mark.parametrize("vector", READABLE, ids=by_name)
def test_the_messages_come_back_as_they_were(vector: dict[str, Any]) -> None:
    schema = default_schema()
    body = schema.message("cosmos.tx.v1beta1.TxBody").FromString(bytes.fromhex(vector["body_bytes"]))
    for packed, amino in zip(body.messages, parse_sign_doc(bytes.fromhex(vector["sign_bytes"])).messages, strict=True):
        decoded = decode_message(amino.name, amino.value, schema)
        if vector["name"] in HIDDEN:
            assert decoded is None
            continue
        assert decoded is not None
        type_url, message = decoded
        assert (type_url, message.SerializeToString(deterministic=True)) == (packed.type_url, packed.value)
        assert encode_message(message, schema) == {"type": amino.name, "value": amino.value}


@pytest.mark.parametrize("name", UNREADABLE)
def test_documents_that_say_too_little_are_refused(name: str) -> None:
    (vector,) = (vector for vector in SIGNED if vector["name"] == name)
    with pytest.raises(InvalidSignDoc, match=UNREADABLE[name]):
        parse_sign_doc(bytes.fromhex(vector["sign_bytes"]))


def test_the_exceptions_are_among_the_vectors() -> None:
    assert {vector["name"] for vector in READABLE} >= HIDDEN
