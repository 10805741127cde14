"""The screens around a transaction's messages, whose sign bytes are whose, and transactions without measure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

import cosmos_formats
from cosmos_formats import wire
from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.schema import Schema, default_schema
from cosmos_formats.signing.textual import (
    CoinMetadata,
    DenomUnit,
    Screen,
    chain_of,
    decode_screens,
    encode_screens,
    matches,
    screens,
    sign_bytes,
)
from cosmos_formats.signing.transaction import SignerData, TxParts

KEY = PublicKey(KeyType.SECP256K1, bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"))
OTHER = PublicKey(
    KeyType.SECP256K1, bytes.fromhex("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5")
)
SIGNER = SignerData("ve1signer", "test-1", 12345, 7, KEY)
METADATA = {"uve": CoinMetadata("uve", "ve", (DenomUnit("uve", 0), DenomUnit("ve", 6)))}
ANY = "google.protobuf.Any"


def new(name: str, **fields: Any) -> Any:
    return default_schema().message(name)(**fields)


def packed(message: Any) -> Any:
    value = message.SerializeToString(deterministic=True)
    return new(ANY, type_url=f"/{message.DESCRIPTOR.full_name}", value=value)


def send(to: str = "ve1to") -> Any:
    return new("cosmos.bank.v1beta1.MsgSend", to_address=to, amount=[coin()])


def coin() -> Any:
    return new("cosmos.base.v1beta1.Coin", denom="uve", amount="2500000")


def body_of(*messages: Any, **fields: Any) -> Any:
    return new("cosmos.tx.v1beta1.TxBody", messages=[packed(one) for one in messages], **fields)


def auth_of(*keys: PublicKey | MultisigPublicKey, **fee: Any) -> Any:
    auth = new("cosmos.tx.v1beta1.AuthInfo", fee=new("cosmos.tx.v1beta1.Fee", **fee))
    for key in keys:
        info = auth.signer_infos.add()
        info.public_key.CopyFrom(new(ANY, type_url=key.to_any().type_url, value=key.to_any().value))
        info.mode_info.single.mode = 2
    return auth


def parts(body: Any, auth: Any) -> TxParts:
    return TxParts(body.SerializeToString(deterministic=True), auth.SerializeToString(deterministic=True))


def show(transaction: TxParts, signer: SignerData = SIGNER) -> tuple[Screen, ...]:
    return screens(transaction, signer, default_schema(), metadata=METADATA)


def sign(transaction: TxParts, signer: SignerData = SIGNER) -> bytes:
    return sign_bytes(transaction, signer, default_schema(), metadata=METADATA)


def match(data: bytes, transaction: TxParts, key: PublicKey = KEY) -> SignerData | None:
    return matches(data, transaction, key, default_schema(), METADATA)


def test_all_screens_in_their_order() -> None:
    body = body_of(send(), send(), memo="hi", timeout_height=1000, unordered=True)
    body.timeout_timestamp.seconds = 1
    body.extension_options.append(packed(send("ve1ext")))
    body.non_critical_extension_options.append(packed(send("ve1non")))
    auth = auth_of(OTHER, KEY, amount=[coin()], payer="ve1payer", granter="ve1granter", gas_limit=200000)
    auth.tip.tipper = "ve1tipper"
    shown = show(parts(body, auth))
    assert [(one.title, one.content, one.expert) for one in shown if one.indent == 0 and one.title[:4] != "Hash"] == [
        ("Chain id", "test-1", False),
        ("Account number", "12'345", False),
        ("Sequence", "7", False),
        ("Address", "ve1signer", True),
        ("Public key", "/cosmos.crypto.secp256k1.PubKey", True),
        ("", "This transaction has 2 Messages", False),
        ("", "End of Message", False),
        ("Memo", "hi", False),
        ("Fees", "2.5 ve", False),
        ("Fee payer", "ve1payer", True),
        ("Fee granter", "ve1granter", True),
        ("Gas limit", "200'000", True),
        ("Timeout height", "1'000", True),
        ("Other signer", "1 SignerInfo", True),
        ("", "End of Other signer", True),
        ("Extension options", "1 Any", True),
        ("", "End of Extension options", True),
        ("Non critical extension options", "1 Any", True),
        ("", "End of Non critical extension options", True),
        ("Unordered", "True", True),
        ("Timeout timestamp", "1970-01-01T00:00:01Z", True),
    ]
    inner = {one.title: one.expert for one in shown if one.indent > 0}
    assert inner["Message (1/2)"] is False
    assert inner["Other signer (1/1)"] is True
    assert inner["Extension options (1/1)"] is True


def test_what_is_not_set_has_no_screen() -> None:
    shown = show(parts(body_of(send()), auth_of(KEY)), replace(SIGNER, account_number=0, sequence=0, address=""))
    assert [one.title for one in shown if one.indent == 0] == ["Chain id", "Public key", "", "", "Hash of raw bytes"]
    assert shown[-1].content == shown[-1].content.lower()
    # As in the SDK, a transaction without signer infos needs no key, and one without messages is no error here.
    shown = show(parts(body_of(), auth_of()), replace(SIGNER, public_key=None))
    assert [one.title for one in shown] == ["Chain id", "Account number", "Sequence", "Address", "Hash of raw bytes"]


def test_expert_marks_follow_the_text_that_ends_a_list() -> None:
    # So does the SDK: a memo can hide itself behind the public key, if there is no message between them.
    shown = show(parts(body_of(memo="End of Public key"), auth_of()))
    assert [one.expert for one in shown if one.title == "Memo"] == [True]
    shown = show(parts(body_of(send(), memo="End of Public key"), auth_of()))
    assert [one.expert for one in shown if one.title == "Memo"] == [False]
    shown = show(parts(body_of(), auth_of(payer="End of Address", gas_limit=1)), replace(SIGNER, public_key=None))
    assert all(one.expert for one in shown[3:])


def test_other_signers_are_told_by_the_bytes_of_their_keys() -> None:
    group = MultisigPublicKey(1, (KEY, OTHER))
    shown = show(parts(body_of(send()), auth_of(KEY, group, KEY)))
    assert [one.content for one in shown if one.title.startswith("Other signer (")] == ["SignerInfo object"]
    same_bytes = auth_of(KEY)
    same_bytes.signer_infos[0].public_key.type_url = "/cosmos.crypto.ed25519.PubKey"
    assert not [one for one in show(parts(body_of(send()), same_bytes)) if one.title == "Other signer"]


def without_key() -> Any:
    auth = auth_of(KEY)
    auth.signer_infos.add(sequence=1)
    return auth


def with_unknown_field(part: bytes, number: int) -> bytes:
    return part + wire.varint_field(number, 1)


GOOD = parts(body_of(send(), memo="x"), auth_of(KEY))


@pytest.mark.parametrize(
    ("transaction", "signer", "reason"),
    [
        (GOOD, replace(SIGNER, chain_id=""), "no chain"),
        (GOOD, replace(SIGNER, public_key=None), "not given"),
        (parts(body_of(send()), without_key()), SIGNER, "left out"),
        (TxParts(GOOD.body_bytes, b""), SIGNER, "no fee"),
        (TxParts(b"\x0a\xff", GOOD.auth_info_bytes), SIGNER, "does not parse"),
        (TxParts(GOOD.body_bytes, b"\xff"), SIGNER, "does not parse"),
        (TxParts(b"\x12\x01y" + GOOD.body_bytes, GOOD.auth_info_bytes), SIGNER, "canonical"),
        (replace(GOOD, body_bytes=with_unknown_field(GOOD.body_bytes, 100)), SIGNER, "unknown critical field 100"),
        (replace(GOOD, auth_info_bytes=with_unknown_field(GOOD.auth_info_bytes, 1100)), SIGNER, "unknown field 1100"),
    ],
)
def test_refusals(transaction: TxParts, signer: SignerData, reason: str) -> None:
    with pytest.raises(InvalidSignDoc, match=reason):
        show(transaction, signer)


def test_unknown_fields_that_are_not_critical_are_only_in_the_hash() -> None:
    more = replace(GOOD, body_bytes=with_unknown_field(GOOD.body_bytes, 1100))
    assert show(more)[:-1] == show(GOOD)[:-1]
    assert show(more)[-1] != show(GOOD)[-1]


def test_unknown_fields_of_packed_messages() -> None:
    def repack(anys: Any, number: int) -> None:
        anys.value = with_unknown_field(anys.value, number)

    body, auth = body_of(send()), auth_of(KEY, OTHER)
    repack(body.messages[0], 1100)
    assert len(show(parts(body, auth))) == len(show(parts(body_of(send()), auth)))
    repack(auth.signer_infos[1].public_key, 1100)
    with pytest.raises(InvalidSignDoc, match="unknown field 1100"):
        show(parts(body, auth))
    repack(body.messages[0], 100)
    with pytest.raises(InvalidSignDoc, match="unknown critical field 100"):
        show(parts(body, auth_of(KEY)))


def test_a_chain_whose_transactions_lack_newer_fields() -> None:
    files = FileDescriptorSet.FromString((Path(cosmos_formats.__file__).parent / "data" / "sdk.binpb").read_bytes())
    for file in files.file:
        for message in file.message_type if file.name == "cosmos/tx/v1beta1/tx.proto" else ():
            for item in [one for one in message.field if one.name in ("unordered", "timeout_timestamp")]:
                message.field.remove(item)
    older = Schema.from_descriptor_set(files.SerializeToString())
    assert screens(GOOD, SIGNER, older, metadata=METADATA) == show(GOOD)


def test_sign_bytes_say_whose_they_are() -> None:
    for signer in (
        SIGNER,
        replace(SIGNER, account_number=0, sequence=0),
        replace(SIGNER, sequence=2**64 - 1, address=""),
    ):
        data = sign(GOOD, signer)
        assert chain_of(data) == "test-1"
        assert match(data, GOOD) == signer


def test_sign_bytes_of_something_else() -> None:
    data = sign(GOOD)
    assert match(data, parts(body_of(send(), memo="y"), auth_of(KEY))) is None
    assert match(data, parts(body_of(send(), memo="x"), auth_of(KEY, gas_limit=1))) is None
    assert match(data, GOOD, OTHER) is None
    assert matches(data, GOOD, KEY, default_schema(), {}) is None
    shown = list(decode_screens(data))
    for changed in (
        shown[:-1],
        [*shown, Screen("Memo", "z")],
        shown[1:],
        [shown[1], shown[0], *shown[2:]],
        [replace(shown[0], content=""), *shown[1:]],
        [shown[0], replace(shown[1], content="12345"), *shown[2:]],
        [shown[0], replace(shown[1], content="9" * 5000), *shown[2:]],
        [shown[0], replace(shown[1], content="१"), *shown[2:]],
        [shown[0], replace(shown[1], content="18'446'744'073'709'551'616"), *shown[2:]],
        [*shown[:3], replace(shown[3], expert=False), *shown[4:]],
        [],
    ):
        assert match(encode_screens(changed), GOOD) is None
    with pytest.raises(InvalidSignDoc):
        match(data + b"\x00", GOOD)
    with pytest.raises(InvalidSignDoc):
        chain_of(b"")
    with pytest.raises(InvalidSignDoc):
        match(data, TxParts(b"\xff", b""))


# --- transactions without measure ------------------------------------------------------------------------------------


def nested_execs(levels: int) -> Any:
    message = send()
    for _ in range(levels):
        message = new("cosmos.authz.v1beta1.MsgExec", grantee="ve1x", msgs=[packed(message)])
    return message


def test_nesting_has_an_end() -> None:
    assert len(show(parts(body_of(nested_execs(9)), auth_of(KEY)))) == 9 * 4 + 12
    for levels in (10, 50):
        with pytest.raises(InvalidSignDoc, match="nested more than 10 deep"):
            show(parts(body_of(nested_execs(levels)), auth_of(KEY)))


def test_deep_mode_infos() -> None:
    auth = auth_of(KEY, OTHER)
    info = auth.signer_infos[1].mode_info
    for _ in range(45):
        info = info.multi.mode_infos.add()
    with pytest.raises(InvalidSignDoc, match="nested"):
        show(parts(body_of(send()), auth))


def test_many_messages() -> None:
    transaction = parts(body_of(*[send() for _ in range(500)]), auth_of(KEY))
    shown = show(transaction)
    assert sum(one.title == "To address" for one in shown) == 500
    assert match(sign(transaction), transaction) == SIGNER


def test_a_megabyte_of_memo() -> None:
    transaction = parts(body_of(send(), memo="x" * 1_000_000), auth_of(KEY))
    assert match(sign(transaction), transaction) == SIGNER


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(lambda: new("cosmos.gov.v1.MsgSubmitProposal", messages=[new(ANY)] * 400_000), id="empty Anys"),
        pytest.param(
            lambda: new("cosmos.bank.v1beta1.MsgMultiSend", outputs=[new("cosmos.bank.v1beta1.Output")] * 500_000),
            id="empty messages",
        ),
        pytest.param(lambda: new("ibc.core.channel.v1.Channel", connection_hops=[""] * 500_000), id="empty texts"),
    ],
)
def test_a_megabyte_of_small_things(message: Any) -> None:
    with pytest.raises(InvalidSignDoc):
        show(parts(body_of(message()), auth_of(KEY)))


def test_a_megabyte_of_coins() -> None:
    message = new("cosmos.bank.v1beta1.MsgSend", amount=[coin()] * 60_000)
    assert any(one.content.count("ve") == 60_000 for one in show(parts(body_of(message), auth_of(KEY))))


def test_numbers_without_end() -> None:
    huge = new("cosmos.gov.v1.WeightedVoteOption", weight="9" * 500_000)
    assert show(parts(body_of(huge), auth_of(KEY)))  # gov v1 keeps decimals as plain text
    huge = new("cosmos.gov.v1beta1.WeightedVoteOption", weight="9" * 500_000)
    assert show(parts(body_of(huge), auth_of(KEY)))
    huge = new("cosmos.base.v1beta1.IntProto", int="9" * 500_000)
    assert show(parts(body_of(huge), auth_of(KEY)))
