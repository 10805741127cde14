"""SIGN_MODE_TEXTUAL against the screens and sign bytes that the Cosmos SDK wrote (see fixtures/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.multisig import pubkey_from_any
from cosmos_formats.schema import default_schema
from cosmos_formats.signing import textual
from cosmos_formats.signing.transaction import SignerData, TxParts

FILE = Path(__file__).parents[2] / "fixtures" / "vectors" / "textual.json"
CONTENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = CONTENT["vectors"]
METADATA = {one["base"]: textual.CoinMetadata.from_json(one) for one in CONTENT["coin_metadata"]}

each = pytest.mark.parametrize("vector", VECTORS, ids=[str(vector["name"]) for vector in VECTORS])


def parts(vector: dict[str, Any]) -> tuple[TxParts, SignerData]:
    return (
        TxParts(bytes.fromhex(vector["body_bytes"]), bytes.fromhex(vector["auth_info_bytes"])),
        SignerData(
            vector["address"],
            vector["chain_id"],
            vector["account_number"],
            vector["sequence"],
            pubkey_from_any(AnyValue.decode(bytes.fromhex(vector["public_key"]))),
        ),
    )


@each
def test_screens_and_sign_bytes(vector: dict[str, Any]) -> None:
    transaction, signer = parts(vector)
    if "error" in vector:
        with pytest.raises(InvalidSignDoc):
            textual.sign_bytes(transaction, signer, default_schema(), metadata=METADATA)
        return
    screens = textual.screens(transaction, signer, default_schema(), metadata=METADATA)
    assert list(screens) == [
        textual.Screen(
            screen.get("title", ""), screen.get("content", ""), screen.get("indent", 0), screen.get("expert", False)
        )
        for screen in vector["screens"]
    ]
    assert textual.encode_screens(screens).hex() == vector["sign_bytes"]
    assert textual.decode_screens(bytes.fromhex(vector["sign_bytes"])) == screens


@each
def test_sign_bytes_lead_back_to_the_signer(vector: dict[str, Any]) -> None:
    transaction, signer = parts(vector)
    data = bytes.fromhex(vector.get("sign_bytes", ""))
    if data:
        assert textual.chain_of(data) == vector["chain_id"]
        assert textual.matches(data, transaction, signer.public_key, default_schema(), METADATA) == signer
        assert textual.matches(data, transaction, signer.public_key, default_schema(), METADATA.get) == signer


def test_sign_bytes_of_one_transaction_are_those_of_no_other() -> None:
    written = [vector for vector in VECTORS if "sign_bytes" in vector][:8]
    for one in written:
        for other in written:
            transaction, signer = parts(other)
            data = bytes.fromhex(one["sign_bytes"])
            found = textual.matches(data, transaction, signer.public_key, default_schema(), METADATA)
            assert (found is not None) == (one is other)
