"""How TEXTUAL shows messages: a type of every kind of field, and the types that it cannot show."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

import cosmos_formats
from cosmos_formats import wire
from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.schema import Schema
from cosmos_formats.signing.textual import CoinMetadata, DenomUnit, chain_of, matches, screens, sign_bytes
from cosmos_formats.signing.textual.rendering import MAX_NESTING, sentence_case
from cosmos_formats.signing.transaction import SignerData, TxParts

KEY = PublicKey(KeyType.SECP256K1, bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"))
SIGNER = SignerData("ve1x", "test-1", 1234, 5, KEY)
METADATA = {"uve": CoinMetadata("uve", "ve", (DenomUnit("uve", 0), DenomUnit("ve", 6)))}

SCALARS = (
    *("double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes", "uint32"),
    *("sfixed32", "sfixed64", "sint32", "sint64"),
)
SCALAR_OPTION = 93002
"""``cosmos_proto.scalar``"""


def field(name: str, number: int, kind: str, *, many: bool = False, scalar: str = "") -> FieldDescriptorProto:
    """Describe a field of a scalar kind, or of the message or enum (with ``=`` before it) that ``kind`` names."""
    item = FieldDescriptorProto(name=name, number=number)
    item.label = item.LABEL_REPEATED if many else item.LABEL_OPTIONAL
    if kind.startswith("."):
        item.type, item.type_name = item.TYPE_MESSAGE, kind
    elif kind.startswith("="):
        item.type, item.type_name = item.TYPE_ENUM, kind[1:]
    else:
        item.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    item.options.MergeFromString(wire.text_field(SCALAR_OPTION, scalar))
    return item


def message_type(name: str, *fields: FieldDescriptorProto) -> DescriptorProto:
    return DescriptorProto(name=name, field=fields or [field("x", 1, "string")])


def enum(name: str, *values: str) -> EnumDescriptorProto:
    described = EnumDescriptorProto(name=name)
    for value in values:
        # All but the first have one number.
        described.value.add(name=value, number=min(len(described.value), 1))
    described.options.allow_alias = len(values) > 2
    return described


def file(path: str, go_package: str, *parts: DescriptorProto | EnumDescriptorProto) -> FileDescriptorProto:
    described = FileDescriptorProto(name=path, package=path.rpartition("/")[0].replace("/", "."), syntax="proto3")
    described.options.go_package = go_package
    for part in parts:
        if isinstance(part, DescriptorProto):
            described.message_type.append(part)
        else:
            described.enum_type.append(part)
    return described


def everything() -> DescriptorProto:
    """Describe a message with a field of every kind."""
    described = message_type(
        "All",
        *(field(f"a_{kind}", number, kind) for number, kind in enumerate(SCALARS, 1)),
        # Not in the order of their numbers.
        field("coin", 41, ".cosmos.base.v1beta1.Coin"),
        field("coins", 40, ".cosmos.base.v1beta1.Coin", many=True),
        field("any", 42, ".google.protobuf.Any"),
        field("times", 43, ".google.protobuf.Timestamp", many=True),
        field("how_long", 44, ".google.protobuf.Duration"),
        field("self_again", 45, ".sample.All"),
        field("many_selves", 46, ".sample.All", many=True),
        field("a_map", 47, ".sample.All.AMapEntry", many=True),
        field("choice", 48, "=.sample.Choice"),
        field("choices", 49, "=.sample.Choice", many=True),
        field("texts", 50, "string", many=True),
        field("flags", 51, "bool", many=True),
        field("numbers", 52, "uint64", many=True),
        field("either", 53, "uint32"),
        field("or_text", 54, "string"),
        field("maybe", 55, "string"),
        field("an_Int", 56, "string", scalar="cosmos.Int"),
        field("decs", 57, "string", many=True, scalar="cosmos.Dec"),
        field("who", 58, "string", scalar="cosmos.AddressString"),
        field("raw_int", 59, "bytes", scalar="cosmos.Int"),
        field("under", 60, ".sample.All.Under_Score", many=True),
    )
    described.oneof_decl.add(name="which")
    described.oneof_decl.add(name="_maybe")
    by_name = {item.name: item for item in described.field}
    by_name["either"].oneof_index = by_name["or_text"].oneof_index = 0
    by_name["maybe"].oneof_index, by_name["maybe"].proto3_optional = 1, True
    entry = message_type("AMapEntry", field("key", 1, "string"), field("value", 2, "string"))
    entry.options.map_entry = True
    described.nested_type.extend([entry, message_type("Under_Score")])
    return described


@cache
def schema() -> Schema:
    """Return the shipped schema with a package ``sample``."""
    apart = message_type(
        "Apart",
        field("before", 1, ".sample.Before"),
        field("later", 2, ".sample.Later", many=True),
        field("late_choice", 3, "=.sample.LateChoice"),
        field("other", 4, ".sample.other.Other"),
    )
    choice = enum("Choice", "CHOICE_NONE", "CHOICE_ONE", "CHOICE_FIRST")
    files = [
        file("sample/a.proto", "example.com/sample", message_type("Before")),
        file("sample/b.proto", "example.com/sample;types", everything(), apart, choice),
        file(
            "sample/c.proto", "example.com/sample", message_type("Later"), enum("LateChoice", "LATE_NONE", "LATE_ONE")
        ),
        file("sample/other/c.proto", "example.com/other", message_type("Other")),
    ]
    files[1].dependency.extend([one.name for one in files if one is not files[1]])
    files[1].dependency.extend([f"google/protobuf/{name}.proto" for name in ("any", "duration", "timestamp")])
    files[1].dependency.append("cosmos/base/v1beta1/coin.proto")
    shipped = (Path(cosmos_formats.__file__).parent / "data" / "sdk.binpb").read_bytes()
    return Schema.from_descriptor_set(shipped + FileDescriptorSet(file=files).SerializeToString())


def new(name: str, **fields: Any) -> Any:
    return schema().message(name)(**fields)


def packed(message: Any, type_url: str = "") -> Any:
    value = message.SerializeToString(deterministic=True)
    return new("google.protobuf.Any", type_url=type_url or f"/{message.DESCRIPTOR.full_name}", value=value)


def parts(*messages: Any, body: dict[str, Any] | None = None, fee: dict[str, Any] | None = None) -> TxParts:
    content = new("cosmos.tx.v1beta1.TxBody", messages=[packed(one) for one in messages], **(body or {}))
    auth = new("cosmos.tx.v1beta1.AuthInfo", fee=new("cosmos.tx.v1beta1.Fee", **(fee or {})))
    key = KEY.to_any()
    info = auth.signer_infos.add(sequence=5)
    info.public_key.CopyFrom(new("google.protobuf.Any", type_url=key.type_url, value=key.value))
    info.mode_info.single.mode = 2
    return TxParts(content.SerializeToString(deterministic=True), auth.SerializeToString(deterministic=True))


def shown(message: Any, *, complete: bool = False) -> list[tuple[int, str, str]]:
    """Return indentation (from that of its fields), title and content of a message's screens."""
    all_screens = screens(parts(message), SIGNER, schema(), metadata=METADATA, complete=complete)
    start = next(at for at, one in enumerate(all_screens) if one.title == "Message (1/1)")
    end = next(at for at, one in enumerate(all_screens) if one.content == "End of Message")
    assert not any(one.expert for one in all_screens[start:end])
    return [(one.indent - 2, one.title, one.content) for one in all_screens[start + 1 : end]]


@pytest.mark.parametrize("kind", ["double", "float", "fixed64", "fixed32", "sfixed32", "sfixed64", "sint32", "sint64"])
def test_kinds_that_cannot_be_shown(kind: str) -> None:
    with pytest.raises(InvalidSignDoc, match=f"type {kind}, which"):
        shown(new("sample.All", **{f"a_{kind}": 1}))


def test_scalars() -> None:
    message = new(
        "sample.All",
        a_int64=-(2**63),
        a_uint64=1000,
        a_int32=-1000,
        a_uint32=7,
        a_bool=True,
        a_string="a\nb\x1b[31m",
        a_bytes=b"\x01\xff\xaa",
        an_Int="-1234",
        who="ve1…",
        raw_int=b"12",
    )
    assert shown(message) == [
        (0, "A int64", "-9'223'372'036'854'775'808"),
        (0, "A uint64", "1'000"),
        (0, "A int32", "-1'000"),
        (0, "A bool", "True"),
        (0, "A string", "a\nb\x1b[31m"),
        (0, "A bytes", "01FF AA"),
        (0, "A uint32", "7"),
        (0, "An Int", "-1'234"),
        (0, "Who", "ve1…"),
        (0, "Raw int", "3132"),
    ]


def test_fields_are_in_the_order_of_their_numbers_and_absent_ones_are_left_out() -> None:
    coin = new("cosmos.base.v1beta1.Coin", denom="uve", amount="1500000")
    assert shown(new("sample.All", coin=coin, coins=[coin, coin])) == [
        (0, "Coins", "1.5 ve, 1.5 ve"),
        (0, "Coin", "1.5 ve"),
    ]
    assert shown(new("sample.All", a_string="", a_uint64=0, a_bool=False, a_double=0.0)) == []


def test_presence() -> None:
    assert shown(new("sample.All", either=0, maybe="")) == [(0, "Either", "0"), (0, "Maybe", "")]
    assert shown(new("sample.All", or_text="")) == [(0, "Or text", "")]
    assert shown(new("sample.All", self_again=new("sample.All"))) == [(0, "Self again", "All object")]


def test_lists() -> None:
    message = new(
        "sample.All", texts=["x", ""], flags=[False, True], numbers=[0, 1234], choices=[0, 1], decs=["1" + "0" * 18]
    )
    assert shown(message) == [
        (0, "Choices", "2 Choice"),
        (1, "Choices (1/2)", "CHOICE_NONE"),
        (1, "Choices (2/2)", "CHOICE_ONE"),
        (0, "", "End of Choices"),
        (0, "Texts", "2 String"),
        (1, "Texts (1/2)", "x"),
        (1, "Texts (2/2)", ""),
        (0, "", "End of Texts"),
        (0, "Flags", "2 Bool"),
        (1, "Flags (1/2)", "False"),
        (1, "Flags (2/2)", "True"),
        (0, "", "End of Flags"),
        (0, "Numbers", "2 Uint64"),
        (1, "Numbers (1/2)", "0"),
        (1, "Numbers (2/2)", "1'234"),
        (0, "", "End of Numbers"),
        (0, "Decs", "1 String"),
        (1, "Decs (1/1)", "1"),
        (0, "", "End of Decs"),
    ]


def test_messages_in_messages() -> None:
    inner = new("sample.All", a_uint32=1)
    stamp = new("google.protobuf.Timestamp", seconds=1)
    message = new(
        "sample.All",
        self_again=new("sample.All", self_again=inner),
        many_selves=[inner, new("sample.All")],
        times=[stamp],
        how_long=new("google.protobuf.Duration", seconds=61),
        under=[new("sample.All.Under_Score", x="y")],
    )
    assert shown(message) == [
        (0, "Times", "1 Timestamp"),
        (1, "Times (1/1)", "1970-01-01T00:00:01Z"),
        (0, "", "End of Times"),
        (0, "How long", "1 minute, 1 second"),
        (0, "Self again", "All object"),
        (1, "Self again", "All object"),
        (2, "A uint32", "1"),
        (0, "Many selves", "2 All"),
        (1, "Many selves (1/2)", "All object"),
        (2, "A uint32", "1"),
        (1, "Many selves (2/2)", "All object"),
        (0, "", "End of Many selves"),
        (0, "Under", "1 Under Score"),
        (1, "Under (1/1)", "Under_Score object"),
        (2, "X", "y"),
        (0, "", "End of Under"),
    ]


def test_packed_messages() -> None:
    inner = packed(new("sample.All", a_uint32=1))
    assert shown(new("sample.All", any=inner)) == [(0, "Any", "/sample.All"), (1, "A uint32", "1")]
    assert shown(new("sample.All", any=packed(new("sample.All")))) == [(0, "Any", "/sample.All")]
    assert shown(new("sample.All", any=packed(inner))) == [
        (0, "Any", "/google.protobuf.Any"),
        (1, "", "/sample.All"),
        (2, "A uint32", "1"),
    ]
    coin = new("cosmos.base.v1beta1.Coin", denom="uve", amount="1")
    assert shown(new("sample.All", any=packed(coin))) == [
        (0, "Any", "/cosmos.base.v1beta1.Coin"),
        (1, "", "0.000001 ve"),
    ]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(lambda: new("sample.All", a_map={"a": "b"}), id="a map"),
        pytest.param(lambda: new("sample.All", choice=7), id="an unknown enum value"),
        pytest.param(lambda: new("sample.All", choices=[0, 7]), id="an unknown enum value in a list"),
        pytest.param(lambda: new("sample.All", an_Int="x"), id="an integer that is none"),
        pytest.param(lambda: new("sample.All", decs=[""]), id="a decimal that is none"),
        pytest.param(lambda: new("sample.All", coin=new("cosmos.base.v1beta1.Coin", denom="uve")), id="no amount"),
        pytest.param(lambda: new("sample.All", how_long=new("google.protobuf.Duration", nanos=10**9)), id="a duration"),
        pytest.param(lambda: new("sample.All", any=new("google.protobuf.Any")), id="an Any of nothing"),
        pytest.param(lambda: new("sample.All", any=packed(new("sample.All"), "/sample.Unknown")), id="an unknown type"),
        pytest.param(lambda: new("sample.All", any=packed(new("sample.All"), "sample.All")), id="no slash"),
        pytest.param(lambda: new("sample.All", any=packed(new("sample.All"), "a.b/sample.All")), id="a host"),
        pytest.param(
            lambda: new("sample.All", any=new("google.protobuf.Any", type_url="/sample.All", value=b"\xff")),
            id="no message",
        ),
    ],
)
def test_values_that_cannot_be_shown(message: Any) -> None:
    with pytest.raises(InvalidSignDoc):
        shown(message())


def test_types_of_go_files_that_start_later_are_placeholders() -> None:
    message = new(
        "sample.Apart",
        before=new("sample.Before", x="1"),
        later=[new("sample.Later", x="2")],
        other=new("sample.other.Other", x="3"),
    )
    assert shown(message) == [
        (0, "Before", "Before object"),
        (1, "X", "1"),
        (0, "Later", "1 Later"),
        (1, "Later (1/1)", "Later object"),
        (0, "", "End of Later"),
        (0, "Other", "Other object"),
        (1, "X", "3"),
    ]
    assert (2, "X", "2") in shown(message, complete=True)
    late = new("sample.Apart", late_choice=1)
    assert shown(late, complete=True) == [(0, "Late choice", "LATE_ONE")]
    with pytest.raises(InvalidSignDoc, match="values of LateChoice"):
        shown(late)
    # A chain can have either; both are recognised.
    for transaction in (parts(message), parts(late)):
        data = sign_bytes(transaction, SIGNER, schema(), metadata=METADATA, complete=True)
        assert matches(data, transaction, KEY, schema(), METADATA) == SIGNER
    data = sign_bytes(parts(message), SIGNER, schema(), metadata=METADATA)
    assert matches(data, parts(message), KEY, schema(), METADATA) == SIGNER
    assert chain_of(data) == "test-1"


def test_the_sdks_own_types_are_no_placeholders() -> None:
    period = new("cosmos.vesting.v1beta1.Period", length=60)
    message = new("cosmos.vesting.v1beta1.MsgCreatePeriodicVestingAccount", vesting_periods=[period])
    assert (2, "Length", "60") in shown(message)


def nested(levels: int) -> Any:
    message = new("sample.All", a_uint32=1)
    for _ in range(levels):
        message = new("sample.All", self_again=message)
    return message


def test_depth_is_bounded() -> None:
    assert len(shown(nested(MAX_NESTING - 1))) == MAX_NESTING
    for levels in (MAX_NESTING, 98):
        with pytest.raises(InvalidSignDoc, match="nested"):
            shown(nested(levels))


def test_sentence_case() -> None:
    assert [sentence_case(name) for name in ("a", "from_address", "_x_y", "URI", "")] == [
        "A",
        "From address",
        "_x y",
        "URI",
        "",
    ]
