"""SIGN_MODE_DIRECT_AUX against the sign bytes that the Cosmos SDK made (see fixtures/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.multisig import pubkey_from_any
from cosmos_formats.schema import default_schema
from cosmos_formats.signing.direct_aux import decode_sign_doc_aux, sign_bytes
from cosmos_formats.signing.transaction import SignerData, TxParts

FOLDER = Path(__file__).parents[2] / "fixtures" / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["vectors"]
    return vectors


VECTORS = load("direct_aux")


def inputs(vector: dict[str, Any]) -> tuple[TxParts, SignerData]:
    key = pubkey_from_any(AnyValue.decode(bytes.fromhex(vector["public_key"])))
    parts = TxParts(bytes.fromhex(vector["body_bytes"]), bytes.fromhex(vector["auth_info_bytes"]))
    signer = SignerData(vector["address"], vector["chain_id"], vector["account_number"], vector["sequence"], key)
    return parts, signer


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_sign_bytes_are_those_of_the_sdk(vector: dict[str, Any]) -> None:
    parts, signer = inputs(vector)
    if "error" in vector:
        with pytest.raises(InvalidSignDoc) as refused:
            sign_bytes(parts, signer, default_schema())
        if "unauthorized" in vector["error"]:  # else the SDK has a text of its own for a bad first signer
            assert ("unauthorized" not in vector["error"]) or str(refused.value) == vector["error"]
        return
    made = sign_bytes(parts, signer, default_schema())
    assert made.hex() == vector["sign_bytes"]
    doc = decode_sign_doc_aux(made, default_schema())
    assert doc.encode() == made
    assert (doc.body_bytes, doc.public_key) == (parts.body_bytes, signer.public_key)
    assert (doc.chain_id, doc.account_number, doc.sequence) == (
        signer.chain_id,
        signer.account_number,
        signer.sequence,
    )
    assert doc.tip_bytes is None


def test_both_verdicts_are_among_the_vectors() -> None:
    refused = sum("error" in vector for vector in VECTORS)
    assert 0 < refused < len(VECTORS)


def test_odd_transactions_give_the_same_bytes_or_none() -> None:
    """The chain takes some that are not in canonical form, of which nothing is signed here."""
    refused = []
    vectors = [vector for vector in load("odd") if "sign_bytes" in vector["modes"]["direct_aux"]]
    for vector in vectors:
        try:
            made = sign_bytes(*inputs(vector), default_schema())
        except InvalidSignDoc:
            refused.append(vector["name"])
        else:
            assert made.hex() == vector["modes"]["direct_aux"]["sign_bytes"], vector["name"]
    assert 0 < len(refused) < len(vectors) / 2, refused
