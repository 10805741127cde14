"""Odd transactions: the same sign bytes as the SDK's, or a refusal (see `odd.json` in fixtures/README.md)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import FormatError
from cosmos_formats.multisig import pubkey_from_any
from cosmos_formats.schema import default_schema
from cosmos_formats.signing import amino_json, direct, direct_aux, textual
from cosmos_formats.signing.transaction import SignerData, TxParts
from cosmos_formats.tx import Transaction

FILE = json.loads((Path(__file__).parents[2] / "fixtures" / "vectors" / "odd.json").read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = FILE["vectors"]

# The SDK signs these. Here, what isn't canonical or holds nothing has no meaning that could be shown and judged.
REFUSED_ONLY_HERE = {
    "memo first",
    "two memos",
    "explicit zero",
    "long varint",
    "memo that is not UTF-8",
    "empty",
    "unordered is two",
    "fee first",
    "two fees",
    "wasm execute, spaces, order and escapes",  # as JSON: it has a member twice
}
# The SDK refuses these when it reads a transaction, before any mode; a chain never accepts such a signature.
SIGNED_ONLY_HERE = {
    "message that is none",
    "messages 10 deep",
    "timeout with too many nanoseconds",
}
# DIRECT wraps bytes that it doesn't read, and DIRECT_AUX reads no more than the signers: the view is what refuses them.
WRAPPING = {"direct", "direct_aux"}


def attempt(make: Callable[[], str]) -> str | None:
    try:
        return make()
    except FormatError:
        return None


def sign(mode: str, parts: TxParts, signer: SignerData) -> str:
    schema = default_schema()
    match mode:
        case "direct":
            return direct.sign_bytes(parts, signer, schema).hex()
        case "direct_aux":
            return direct_aux.sign_bytes(parts, signer, schema).hex()
        case "amino_json":
            return amino_json.sign_bytes(parts, signer, schema).hex()
        case _:
            coins = {coin["base"]: textual.CoinMetadata.from_json(coin) for coin in FILE["coin_metadata"]}
            return textual.sign_bytes(parts, signer, schema, metadata=coins).hex()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
@pytest.mark.parametrize("mode", ["direct", "direct_aux", "amino_json", "textual"])
def test_sign_bytes_are_those_of_the_sdk_or_refused(mode: str, vector: dict[str, Any]) -> None:
    key = pubkey_from_any(AnyValue.decode(bytes.fromhex(vector["public_key"])))
    parts = TxParts(bytes.fromhex(vector["body_bytes"]), bytes.fromhex(vector["auth_info_bytes"]))
    signer = SignerData(vector["address"], vector["chain_id"], vector["account_number"], vector["sequence"], key)
    made = attempt(lambda: sign(mode, parts, signer))
    expected = vector["modes"][mode].get("sign_bytes")
    if made is None:
        assert expected is None or vector["name"] in REFUSED_ONLY_HERE
    elif expected is None:
        assert mode in WRAPPING or vector["name"] in SIGNED_ONLY_HERE
    else:
        assert made == expected


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_json_is_that_of_the_sdk_or_refused(vector: dict[str, Any]) -> None:
    made = attempt(lambda: Transaction.decode(bytes.fromhex(vector["json"]["raw"])).to_json(default_schema()))
    expected = vector["json"].get("json")
    if made is None:
        assert expected is None or vector["name"] in REFUSED_ONLY_HERE
    elif expected is None:
        assert vector["name"] in SIGNED_ONLY_HERE
    else:
        assert made == expected
