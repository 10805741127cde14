"""Whole transactions, and documents of ADR-036, that the Cosmos SDK signed and judged (see fixtures/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats import address, wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey, pubkey_from_any
from cosmos_formats.multisig_signature import (
    CompactBitArray,
    InvalidMultiSignature,
    MultiMode,
    check_signature,
    combine,
    decode_mode_info,
)
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode, adr036
from cosmos_formats.signing.textual import CoinMetadata
from cosmos_formats.signing.transaction import SignerData, TxParts
from cosmos_formats.tx_verify import verify_transaction

FOLDER = Path(__file__).parents[2] / "fixtures" / "vectors"
TX_RAW = {1: wire.Kind.BYTES, 2: wire.Kind.BYTES, 3: wire.Kind.REPEATED}


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert content["vectors"]
    return content


def by_name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


SIGNED = load("signed")
METADATA = {one["base"]: CoinMetadata.from_json(one) for one in SIGNED["coin_metadata"]}
TRANSACTIONS = [*SIGNED["vectors"], *load("multisig_signatures")["vectors"]]
GROUPS = [vector for vector in load("multisig_signatures")["vectors"] if "multi" in vector]
DOCUMENTS = load("adr036")["vectors"]

STRICTER = {
    "bad: other sequence, direct": "account sequence mismatch, expected 8, got 7",
    "unordered, direct_aux": "sequence is not allowed for unordered transactions",
    "bad: one signature too many": "2 sign modes for 3 signatures",
    **dict.fromkeys(
        [f"authz exec, nested, {mode}" for mode in ("direct", "amino_json", "textual", "direct_aux")],
        "nothing is known about this account",  # the vector's signer is not the one that the message has
    ),
    "bad: a bit behind the last": "a bit array has bits behind its end",
}
"""What the SDK's ``VerifySignature``, which judged the vectors, lets pass. The rest of ``x/auth/ante`` would refuse all
but the last, and that is not in canonical form."""


def key_of(encoded: str) -> AnyPublicKey:
    return pubkey_from_any(AnyValue.decode(bytes.fromhex(encoded)))


def signer_of(vector: dict[str, Any], signer: dict[str, Any]) -> SignerData:
    return SignerData(
        signer["address"],
        vector["chain_id"],
        signer["account_number"],
        signer["sequence"],
        key_of(signer["public_key"]),
    )


@pytest.mark.parametrize("vector", TRANSACTIONS, ids=by_name)
def test_signatures_are_judged_as_by_the_sdk(vector: dict[str, Any]) -> None:
    fields = wire.read(bytes.fromhex(vector["raw"]), TX_RAW)
    parts, signatures = TxParts(fields.binary(1), fields.binary(2)), fields.repeated(3)
    assert [signature.hex() for signature in signatures] == [signer["signature"] for signer in vector["signers"]]
    signers = [signer_of(vector, signer) for signer in vector["signers"]]
    checks = verify_transaction(parts, signatures, signers, default_schema(), METADATA)
    if vector["name"] in STRICTER:
        assert all(signer["valid"] for signer in vector["signers"])
        assert {check.reason for check in checks} - {""} == {STRICTER[vector["name"]]}
        return
    assert [check.ok for check in checks] == [signer["valid"] for signer in vector["signers"]], checks
    for check, signer in zip(checks, vector["signers"], strict=True):
        if check.ok:
            assert check.address == signer["address"]
            assert "mode" not in signer or check.modes == (signer["mode"],)


def test_both_verdicts_and_all_strict_cases_are_among_the_vectors() -> None:
    verdicts = [signer["valid"] for vector in TRANSACTIONS for signer in vector["signers"]]
    assert 20 < sum(verdicts) < len(verdicts) - 20
    assert STRICTER.keys() <= {vector["name"] for vector in TRANSACTIONS}


@pytest.mark.parametrize("vector", GROUPS, ids=by_name)
def test_parts_of_multisig_signatures(vector: dict[str, Any]) -> None:
    facts = vector["multi"]
    bits = CompactBitArray.decode(bytes.fromhex(facts["bit_array"]))
    assert bits.encode().hex() == facts["bit_array"]
    assert bits.to_proto_json() == facts["bit_array_json"]
    assert CompactBitArray.from_proto_json(facts["bit_array_json"]) == bits
    assert f"BA{{{len(bits)}:{bits}}}" == facts["bit_array_text"]
    info = decode_mode_info(bytes.fromhex(facts["mode_info"]))
    assert info.encode().hex() == facts["mode_info"]
    assert isinstance(info, MultiMode)
    assert info.bits == bits


@pytest.mark.parametrize("vector", GROUPS, ids=by_name)
def test_combined_signatures_are_those_of_the_sdk(vector: dict[str, Any]) -> None:
    facts = vector["multi"]
    key = key_of(vector["signers"][0]["public_key"])
    assert isinstance(key, MultisigPublicKey)
    sign_bytes = {SignMode(part["mode"]): bytes.fromhex(part["sign_bytes"]) for part in facts["parts"] or ()}
    parts = {
        key_of(part["public_key"]): (bytes.fromhex(part["signature"]), SignMode(part["mode"]))
        for part in facts["parts"] or ()
    }
    nested = any(isinstance(member, MultisigPublicKey) for member in key.keys)
    if nested or not vector["signers"][0]["valid"]:
        with pytest.raises(InvalidMultiSignature, match="threshold is"):
            combine(key, parts, sign_bytes.__getitem__)
        return
    info, signature = combine(key, parts, sign_bytes.__getitem__)
    check_signature(key, info, signature, sign_bytes.__getitem__)
    if vector["name"] == "3 of 20":
        # A key that is there five times signed for some of its places; here it signs for all of them.
        assert info.bits.count == 10
        return
    assert info.encode().hex() == facts["mode_info"]
    assert signature.hex() == facts["signature"]


@pytest.mark.parametrize("vector", DOCUMENTS, ids=by_name)
def test_arbitrary_data(vector: dict[str, Any]) -> None:
    data, message = bytes.fromhex(vector["data"]), vector["sign_bytes"].encode()
    key = PublicKey(KeyType(vector["key_type"]), bytes.fromhex(vector["public_key"]))
    prefix = address.decode(vector["signer"])[0]
    if not data:  # Keplr refuses it too
        with pytest.raises(InvalidSignDoc):
            adr036.sign_doc(vector["signer"], data)
        with pytest.raises(InvalidSignDoc):
            adr036.parse(message)
        return
    assert adr036.sign_doc(vector["signer"], data) == message
    found = adr036.parse(message)
    assert (found.signer, found.data) == (vector["signer"], data)
    assert adr036.verify(key, prefix, data, bytes.fromhex(vector["signature"]))
    assert not adr036.verify(key, prefix, data + b".", bytes.fromhex(vector["signature"]))
    signed = adr036.StdSignature.from_json(vector["json"], key.key_type)
    assert signed == adr036.StdSignature(key, bytes.fromhex(vector["signature"]))
    assert signed.to_json() == vector["json"]
