"""DIRECT sign documents: what is read, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, struct_pb2

import cosmos_formats
from cosmos_formats import wire
from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.protojson import encode
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.schema import Schema, default_schema
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.direct import SignDoc, decode_sign_doc
from cosmos_formats.signing.facts import Coin
from cosmos_formats.signing.messages import MAX_DEPTH, packed_in
from cosmos_formats.signing.tx_view import Opaque, TxView
from cosmos_formats.signing.views import view

STRUCT = wire.message_field(1, struct_pb2.DESCRIPTOR.serialized_pb)
KEY = PublicKey(KeyType.SECP256K1, bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"))
OTHER = PublicKey(
    KeyType.SECP256K1, bytes.fromhex("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5")
)


def new(name: str, **fields: object) -> Any:
    return default_schema().message(name)(**fields)


def packed(message: Any) -> Any:
    return new("google.protobuf.Any", type_url=f"/{message.DESCRIPTOR.full_name}", value=message.SerializeToString())


def send(amount: str = "10") -> Any:
    message = new("cosmos.bank.v1beta1.MsgSend", from_address="ve1from", to_address="ve1to")
    message.amount.add(denom="uve", amount=amount)
    return message


class Tx:
    """A transaction that tests change before they look at it."""

    def __init__(self, *messages: Any) -> None:
        self.body = new("cosmos.tx.v1beta1.TxBody")
        for message in messages or (send(),):
            self.body.messages.append(packed(message))
        self.auth = new("cosmos.tx.v1beta1.AuthInfo")
        self.auth.fee.gas_limit = 200_000
        self.auth.fee.amount.add(denom="uve", amount="5000")
        self.add_signer(KEY)

    def add_signer(self, key: PublicKey | MultisigPublicKey | None, mode: int = 1, sequence: int = 5) -> Any:
        info = self.auth.signer_infos.add(sequence=sequence)
        if key is not None:
            info.public_key.type_url = key.to_any().type_url
            info.public_key.value = key.to_any().value
        info.mode_info.single.mode = mode
        return info

    def sign_bytes(self, body_tail: bytes = b"", auth_tail: bytes = b"", chain_id: str = "chain-1") -> bytes:
        body = self.body.SerializeToString() + body_tail
        return SignDoc(body, self.auth.SerializeToString() + auth_tail, chain_id, 7).encode()

    def view(self, **kwargs: bytes) -> TxView:
        seen = view(SignMode.DIRECT, self.sign_bytes(**kwargs))
        assert isinstance(seen, TxView)
        return seen


def test_a_bank_send() -> None:
    tx = Tx()
    tx.body.memo = "hello"
    seen = tx.view()
    assert seen.fee == (Coin("uve", 5000),)
    assert str(seen.fee[0]) == "5000uve"
    assert seen.has_signer(KEY)
    assert not seen.has_signer(OTHER)
    assert seen.message_types == ("/cosmos.bank.v1beta1.MsgSend",)
    assert seen.messages[0].fields() == {
        "from_address": "ve1from",
        "to_address": "ve1to",
        "amount": [{"denom": "uve", "amount": "10"}],
    }
    assert seen.summary() == {
        "mode": "DIRECT",
        "chain_id": "chain-1",
        "account_number": "7",
        "sequences": ["5"],
        "messages": ["/cosmos.bank.v1beta1.MsgSend"],
        "fee": ["5000uve"],
        "gas_limit": "200000",
        "memo": "hello",
    }


@pytest.mark.parametrize("mode", [SignMode.UNSPECIFIED, SignMode.TEXTUAL])
def test_what_nobody_can_read_is_opaque(mode: SignMode) -> None:
    """TEXTUAL screens cannot be read without the transaction that they show."""
    seen = view(mode, b"anything")
    assert isinstance(seen, Opaque)
    assert seen.size == 8
    assert len(seen.sha256) == 64
    assert seen.summary()["opaque"] == seen.reason


def test_no_messages() -> None:
    tx = Tx()
    del tx.body.messages[:]
    tx.body.memo = "x"
    with pytest.raises(InvalidSignDoc, match="no messages"):
        tx.view()
    for empty in (b"", SignDoc(b"", tx.auth.SerializeToString(), "chain-1", 1).encode()):
        with pytest.raises(InvalidSignDoc):
            view(SignMode.DIRECT, empty)


def test_no_chain() -> None:
    with pytest.raises(InvalidSignDoc, match="no chain"):
        view(SignMode.DIRECT, Tx().sign_bytes(chain_id=""))


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: doc[:-1],
        lambda doc: doc + b"\0",
        lambda doc: doc + wire.varint_field(4, 9),
        lambda doc: doc + wire.varint_field(5, 9),
        lambda doc: doc + wire.varint_field(1029, 9),
        lambda doc: wire.varint_field(4, 7) + doc[:-2],
        lambda doc: doc[:-1] + b"\x87\x00",
        lambda doc: b"\xff" * 20,
    ],
)
def test_a_document_must_be_canonical(change: Any) -> None:
    good = Tx().sign_bytes()
    assert decode_sign_doc(good).encode() == good
    with pytest.raises(InvalidSignDoc):
        decode_sign_doc(change(good))


@pytest.mark.parametrize(
    ("tail", "says"),
    [
        (wire.varint_field(77, 1), "unknown critical field 77"),
        (wire.varint_field(1023 + 1025, 1), "unknown critical field 2048"),
        (wire.text_field(2, "second memo"), "canonical"),
        (b"\x18\x00", "canonical"),
        (b"\x18", "does not parse"),
        (b"\x12\x01\xff", "does not parse"),
    ],
)
def test_a_body_that_is_refused(tail: bytes, says: str) -> None:
    tx = Tx()
    tx.body.memo = "memo"
    with pytest.raises(InvalidSignDoc, match=says):
        tx.view(body_tail=tail)


def test_fields_in_another_order_are_refused() -> None:
    """Same fields, same size, other bytes."""
    tx = Tx()
    body, auth, message = (part.SerializeToString() for part in (tx.body, tx.auth, send()))
    memo = wire.text_field(2, "memo")
    sender, recipient = wire.text_field(1, "ve1from"), wire.text_field(2, "ve1to")
    assert message.startswith(sender + recipient)
    swapped = recipient + sender + message[len(sender + recipient) :]
    fee = wire.message_field(2, tx.auth.fee.SerializeToString())
    for what, wrong_body, wrong_auth in (
        ("the body", memo + body, auth),
        ("the auth info", body, fee + auth[: -len(fee)]),
        ("MsgSend", body.replace(message, swapped), auth),
    ):
        with pytest.raises(InvalidSignDoc, match=f"{what} is not in canonical form"):
            view(SignMode.DIRECT, SignDoc(wrong_body, wrong_auth, "chain-1", 7).encode())


@pytest.mark.parametrize("number", [1024, 1500, 2046])
def test_unknown_fields_that_are_not_critical(number: int) -> None:
    """ADR-020: tolerated in the body, wherever they stand there, and said; never in the auth info."""
    extra = wire.varint_field(number, 1)
    assert Tx().view(body_tail=extra).unknown_non_critical
    extended = Tx()
    extended.body.non_critical_extension_options.append(packed(send()))
    plain = Tx().body.SerializeToString()
    tail = extended.body.SerializeToString()[len(plain) :]
    assert Tx().view(body_tail=extra + tail).unknown_non_critical
    assert not Tx().view(body_tail=tail).unknown_non_critical
    message = Tx()
    message.body.messages[0].value += extra
    assert message.view().unknown_non_critical
    with pytest.raises(InvalidSignDoc, match=f"auth info has the unknown field {number}"):
        Tx().view(auth_tail=extra)


def test_unknown_fields_deep_inside() -> None:
    tx = Tx()
    tx.auth.fee.amount[0].MergeFromString(wire.varint_field(1029, 1))
    with pytest.raises(InvalidSignDoc, match="auth info"):
        tx.view()
    critical = send()
    critical.amount[0].MergeFromString(wire.varint_field(9, 1))
    with pytest.raises(InvalidSignDoc, match=r"MsgSend has the unknown critical field 9"):
        Tx(critical).view()
    with pytest.raises(InvalidSignDoc, match="unknown critical field 9"):
        Tx(new("cosmos.authz.v1beta1.MsgExec", grantee="x", msgs=[packed(critical)])).view()


def test_a_message_must_be_canonical() -> None:
    tx = Tx()
    value = tx.body.messages[0].value
    for bad in (value + b"\x0a\x01x", value + b"\x12\x00", value[:-1], b"\xff", value + wire.text_field(1, "again")):
        tx.body.messages[0].value = bad
        with pytest.raises(InvalidSignDoc, match="MsgSend"):
            tx.view()


def test_messages_of_unknown_types_are_shown() -> None:
    order = new("google.protobuf.Any", type_url="/virtengine.market.v1.MsgCreateOrder", value=b"\xff\xfe")
    tx = Tx(new("cosmos.authz.v1beta1.MsgExec", grantee="x", msgs=[order, packed(send())]))
    tx.body.messages.append(order)
    seen = tx.view()
    assert [(message.type_url, message.known) for message in seen.walk()] == [
        ("/cosmos.authz.v1beta1.MsgExec", True),
        ("/virtengine.market.v1.MsgCreateOrder", False),
        ("/cosmos.bank.v1beta1.MsgSend", True),
        ("/virtengine.market.v1.MsgCreateOrder", False),
    ]
    assert seen.messages[1].fields() == {"value": "//4="}
    shown = seen.messages[0].fields()
    assert shown["msgs"] == [
        {"@type": "/virtengine.market.v1.MsgCreateOrder", "value": "//4="},
        {"@type": "/cosmos.bank.v1beta1.MsgSend", **seen.messages[0].nested[1].fields()},
    ]


def test_a_message_that_lacks_a_required_field_is_refused() -> None:
    """Only proto2 has them; protobuf then fails while serialising."""
    file = descriptor_pb2.FileDescriptorProto(name="old.proto", package="old", syntax="proto2")
    field = descriptor_pb2.FieldDescriptorProto
    file.message_type.add(name="MsgOld").field.add(
        name="x", number=1, type=field.TYPE_INT32, label=field.LABEL_REQUIRED
    )
    shipped = (Path(cosmos_formats.__file__).parent / "data" / "sdk.binpb").read_bytes()
    schema = Schema.from_descriptor_set(shipped + wire.message_field(1, file.SerializeToString()))
    tx = Tx()
    tx.body.messages.add(type_url="/old.MsgOld")
    with pytest.raises(InvalidSignDoc, match=r"/old\.MsgOld"):
        view(SignMode.DIRECT, tx.sign_bytes(), lambda _: schema)
    tx.body.messages[1].value = b"\x08\x01"
    assert view(SignMode.DIRECT, tx.sign_bytes(), lambda _: schema)


def test_an_any_without_a_type_is_unknown() -> None:
    tx = Tx()
    tx.body.messages.append(new("google.protobuf.Any"))
    assert not tx.view().messages[1].known


def nested(depth: int) -> Any:
    message = send()
    for _ in range(depth - 1):
        message = new("cosmos.authz.v1beta1.MsgExec", grantee="x", msgs=[packed(message)])
    return message


def test_nesting_has_a_limit() -> None:
    seen = Tx(nested(MAX_DEPTH)).view()
    assert len(seen.message_types) == MAX_DEPTH
    assert "MsgSend" in str(seen.messages[0].fields())
    for depth in (MAX_DEPTH + 1, 50, 400):
        with pytest.raises(InvalidSignDoc, match="deep"):
            Tx(nested(depth)).view()


def test_large_transactions() -> None:
    seen = Tx(*[send(str(number)) for number in range(500)]).view()
    assert len(seen.messages) == 500
    summary = seen.summary()
    assert summary["message_count"] == 500
    assert len(str(summary)) < 2000
    tx = Tx()
    tx.body.memo = "m" * 1_000_000
    assert len(tx.view().memo) == 1_000_000
    assert len(str(tx.view().summary())) < 1000


@pytest.mark.parametrize("amount", ["", "-1", "+1", " 1", "1_0", "0x1", "1.0", "١", "9" * 79, "ten"])
def test_fees_that_are_no_amount(amount: str) -> None:
    tx = Tx()
    tx.auth.fee.amount[0].amount = amount
    with pytest.raises(InvalidSignDoc, match="amount"):
        tx.view()


def test_signers() -> None:
    group = MultisigPublicKey(1, (OTHER, MultisigPublicKey(1, (KEY,))))
    tx = Tx()
    del tx.auth.signer_infos[:]
    tx.add_signer(None, sequence=0)
    info = tx.add_signer(group)
    info.mode_info.multi.mode_infos.add().single.mode = 127
    foreign = tx.add_signer(None, mode=127, sequence=9)
    foreign.public_key.type_url = "/artela.crypto.v1.other.PubKey"
    foreign.public_key.value = b"\x0a\x00"
    absent, multisig, unknown = tx.view().signers
    assert (absent.public_key, absent.key_type_url, absent.mode) == (None, "", SignMode.DIRECT)
    assert (multisig.public_key, multisig.mode, multisig.sequence) == (group, None, 5)
    assert (unknown.public_key, unknown.mode, unknown.sequence) == (None, SignMode.LEGACY_AMINO_JSON, 9)
    assert unknown.key_type_url == "/artela.crypto.v1.other.PubKey"
    assert tx.view().has_signer(KEY)
    assert tx.view().has_signer(OTHER)


def test_whether_every_signer_is_named() -> None:
    tx = Tx()
    assert tx.view().names_every_signer
    foreign = tx.add_signer(None)
    foreign.public_key.type_url = "/artela.crypto.v1.other.PubKey"
    assert tx.view().names_every_signer
    tx.add_signer(None)
    assert not tx.view().names_every_signer
    del tx.auth.signer_infos[:]
    assert not tx.view().names_every_signer


def test_a_signer_in_another_mode_does_not_count() -> None:
    tx = Tx()
    tx.auth.signer_infos[0].mode_info.single.mode = SignMode.LEGACY_AMINO_JSON
    assert not tx.view().has_signer(KEY)


def test_signers_that_are_refused() -> None:
    tx = Tx()
    tx.auth.signer_infos[0].mode_info.single.mode = 4
    with pytest.raises(InvalidSignDoc, match="unknown sign mode 4"):
        tx.view()
    tx.auth.signer_infos[0].ClearField("mode_info")
    with pytest.raises(InvalidSignDoc, match="no sign mode"):
        tx.view()
    for value in (
        b"",
        KEY.to_any().value + b"\x10\x01",
        PublicKey(KeyType.SECP256K1, b"\x02" + (5).to_bytes(32)).to_any().value,
    ):
        tx = Tx()
        tx.auth.signer_infos[0].public_key.value = value
        with pytest.raises(InvalidSignDoc, match="public key"):
            tx.view()


def test_public_keys_inside_messages_are_not_messages() -> None:
    consensus_key = new("cosmos.crypto.ed25519.PubKey", key=bytes(32))
    seen = Tx(new("cosmos.staking.v1beta1.MsgCreateValidator", pubkey=packed(consensus_key))).view()
    assert [inner.type_url for inner in seen.messages[0].nested] == ["/cosmos.crypto.ed25519.PubKey"]
    assert seen.message_types == ("/cosmos.staking.v1beta1.MsgCreateValidator",)
    assert Tx(consensus_key).view().message_types == ("/cosmos.crypto.ed25519.PubKey",)


def test_a_tip_is_shown() -> None:
    tx = Tx()
    tx.auth.tip.tipper = "ve1tipper"
    tx.auth.tip.amount.add(denom="uve", amount="3")
    assert (tx.view().tip, tx.view().tipper) == ((Coin("uve", 3),), "ve1tipper")
    summary = tx.view().summary()
    assert (summary["tip"], summary["tipper"]) == (["3uve"], "ve1tipper")


def test_the_summary_says_what_is_out_of_the_ordinary_and_only_then() -> None:
    seen = Tx().view(body_tail=wire.varint_field(1029, 1))
    assert seen.summary()["unknown_non_critical"] is True
    unusual = {"tip", "tipper", "unordered", "unknown_non_critical", "payer", "granter", "memo"}
    assert not unusual & set(Tx().view().summary())


def test_a_timeout_that_is_no_time() -> None:
    tx = Tx()
    tx.body.timeout_timestamp.seconds = 2_000_000_000
    assert tx.view().timeout_timestamp == "2033-05-18T03:33:20Z"
    for seconds, nanos in ((2**60, 0), (-(2**60), 0), (0, -1), (0, 2**31 - 1)):
        tx.body.timeout_timestamp.seconds = seconds
        tx.body.timeout_timestamp.nanos = nanos
        with pytest.raises(InvalidSignDoc, match="time"):
            tx.view()


def test_fields_of_every_kind_are_rendered() -> None:
    """Numbers of 64 bits, enum numbers without a name, messages and times that Go always writes."""
    seen = Tx(
        new("cosmos.gov.v1.MsgVote", proposal_id=2**64 - 1, option=77),
        new("cosmos.feegrant.v1beta1.PeriodicAllowance"),
        new("cosmos.evidence.v1beta1.Equivocation", height=-5),
    ).view()
    vote, allowance, evidence = (message.fields() for message in seen.messages)
    assert (vote["proposal_id"], vote["option"]) == (str(2**64 - 1), 77)
    assert allowance["period"] == "0s"
    assert (evidence["height"], evidence["time"]) == ("-5", "0001-01-01T00:00:00Z")


def test_times_out_of_range_are_still_shown() -> None:
    late = new("cosmos.evidence.v1beta1.Equivocation")
    late.time.seconds = 2**60
    assert Tx(late).view().messages[0].fields()["time"] == {"seconds": str(2**60), "nanos": 0}


def test_maps_oneofs_and_deep_structures() -> None:
    schema = Schema.from_descriptor_set(STRUCT)
    value = schema.message("google.protobuf.Value")(number_value=0.5)
    struct = schema.message("google.protobuf.Struct")(fields={"b": value, "a": value})
    assert encode(struct, schema) == {"fields": {"a": {"number_value": 0.5}, "b": {"number_value": 0.5}}}
    assert list(packed_in(struct)) == []
    for _ in range(40):
        value = schema.message("google.protobuf.Value")(
            list_value=schema.message("google.protobuf.ListValue")(values=[value])
        )
    assert "too deep" in str(encode(value, schema, lenient=True))
