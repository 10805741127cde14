"""SIGN_MODE_DIRECT_AUX: what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cosmos_formats import address
from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.schema import default_schema
from cosmos_formats.signing.direct_aux import decode_sign_doc_aux, sign_bytes
from cosmos_formats.signing.transaction import SignerData, TxParts
from tests.unit.bridge.sign_docs import any_message, coin, field, msg_send

KEY = PublicKey(KeyType.SECP256K1, bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"))
OWN = address.encode("ve", KEY.address)
OTHER = address.encode("ve", bytes(20))
PACKED = any_message("/cosmos.crypto.secp256k1.PubKey", field(1, KEY.data))
BODY = field(1, msg_send(OTHER, OWN))
FEE = field(1, coin("uve", "5")) + field(2, 9)
SIGNER = SignerData(OWN, "chain-1", 3, 4, KEY)


def made(signer: SignerData = SIGNER, body: bytes = BODY, fee: bytes | None = FEE) -> bytes:
    return sign_bytes(TxParts(body, b"" if fee is None else field(2, fee)), signer, default_schema())


def test_the_document_has_the_body_and_not_the_fee() -> None:
    assert made() == field(1, BODY) + field(2, PACKED) + field(3, "chain-1") + field(4, 3) + field(5, 4)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"fee": FEE + field(3, OWN)}, "fee payer ve1.* unauthorized"),
        ({"body": field(1, msg_send(OWN, OTHER))}, "fee payer ve1.* unauthorized"),
        ({"body": field(1, msg_send(OWN.upper(), OTHER))}, "fee payer ve1.* unauthorized"),
        ({"fee": None}, "no fee"),
        ({"body": field(2, "memo")}, "no messages"),
        ({"body": field(1, any_message("/no.such.Type", b"1"))}, "nobody knows who signs /no.such.Type"),
        ({"body": field(1, any_message("/cosmos.base.v1beta1.Coin", b""))}, "nobody knows who signs"),
        ({"body": field(1, msg_send("x", OWN))}, "who pays the fee: an address has"),
        ({"body": b"\x0a"}, "the body does not parse"),
        ({"signer": replace(SIGNER, public_key=None)}, "public key, which is not known"),
        ({"signer": replace(SIGNER, chain_id="")}, "names no chain"),
        ({"signer": replace(SIGNER, sequence=-1)}, "64 unsigned bits"),
        ({"signer": replace(SIGNER, account_number=2**64)}, "64 unsigned bits"),
    ],
)
def test_what_cannot_be_signed_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidSignDoc, match=why):
        made(**changes)


def test_a_named_payer_frees_the_first_signer() -> None:
    assert made(body=field(1, msg_send(OWN, OTHER)), fee=FEE + field(3, OTHER)).endswith(field(5, 4))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (field(3, "c") + field(2, PACKED), "out of order"),
        (field(2, PACKED) + field(2, PACKED), "repeated"),
        (field(2, PACKED) + field(7, "x"), "unknown field 7"),
        (field(2, PACKED) + b"\x20\x00", "default"),
        (field(2, PACKED) + field(3, b"\xff"), "UTF-8"),
        (field(3, "c"), "no public key"),
        (field(2, any_message("/no.such.Key", b"1")), "sign document: "),
        (field(2, PACKED) + field(6, b"\x18\x01"), "the tip has the unknown"),
        (field(2, PACKED) + field(6, b"\x0a"), "the tip does not parse"),
        (b"\x0a\x05", "cut off"),
    ],
)
def test_other_bytes_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(InvalidSignDoc, match=why):
        decode_sign_doc_aux(data, default_schema())


def test_a_tip_is_kept_as_it_is() -> None:
    data = field(2, PACKED) + field(3, "c") + field(6, field(1, coin("uve", "5")) + field(2, OWN))
    doc = decode_sign_doc_aux(data, default_schema())
    assert doc.tip_bytes == field(1, coin("uve", "5")) + field(2, OWN)
    assert doc.encode() == data


def test_a_chain_without_tips_has_no_such_field() -> None:
    from cosmos_formats.schema import Schema

    without = Schema.from_descriptor_set(_descriptors_without_tip())
    data = field(2, PACKED) + field(3, "c")
    assert decode_sign_doc_aux(data, without).encode() == data
    with pytest.raises(InvalidSignDoc, match="unknown field 6"):
        decode_sign_doc_aux(data + field(6, b""), without)


def _descriptors_without_tip() -> bytes:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    files = FileDescriptorSet()
    file = files.file.add(name="tx.proto", package="cosmos.tx.v1beta1", syntax="proto3")
    file.message_type.add(name="SignDocDirectAux")
    return files.SerializeToString()
