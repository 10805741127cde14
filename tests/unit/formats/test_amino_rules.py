"""How messages are written in amino JSON: one rule after the other. The SDK's encoder gave the expected texts."""

from __future__ import annotations

from typing import Any

import pytest

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.schema import Schema, default_schema
from cosmos_formats.signing.amino_json import canonical, encode_message
from tests.amino_types import (
    AMINO_ENCODING,
    AMINO_FIELD_NAME,
    AMINO_ONEOF_NAME,
    BYTES,
    CUSTOM_TYPE,
    DEC,
    DOUBLE,
    INSIDE,
    INT,
    JSON,
    KEPT,
    STD_TIME,
    STRING,
    UINT64,
    File,
    every_kind,
    schema_of,
)

CHAIN = schema_of(every_kind())


def written(message: Any, schema: Schema = CHAIN) -> str:
    return canonical(encode_message(message, schema)["value"]).decode()


def everything(**fields: Any) -> str:
    return written(CHAIN.message("chain.v1.All")(**fields))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "{}"),
        ({"i64": -(2**63), "u64": 2**64 - 1}, '{"i64":"-9223372036854775808","u64":"18446744073709551615"}'),
        ({"f64": 1, "sf64": -1, "s64": -2}, '{"f64":"1","s64":"-2","sf64":"-1"}'),
        ({"i32": -(2**31), "u32": 2**32 - 1}, '{"i32":-2147483648,"u32":4294967295}'),
        ({"f32": 1, "sf32": -1, "s32": -2}, '{"f32":1,"s32":-2,"sf32":-1}'),
        ({"flag": True, "text": "<", "data": b"\xfb\xff"}, '{"data":"+/8=","flag":true,"text":"\\u003c"}'),
        ({"colour": 2}, '{"colour":2}'),
        ({"colour": -7}, '{"colour":-7}'),
        ({"renamed": "x", "text": "y"}, '{"aRenamed":"x","text":"y"}'),
        ({"other": "x"}, '{"other":"x"}'),
        ({"inner": {}}, '{"inner":{}}'),
        ({"inners": [{}, {"i32": 1}]}, '{"inners":[{},{"i32":1}]}'),
    ],
)
def test_fields(fields: dict[str, Any], text: str) -> None:
    assert everything(**fields) == text


@pytest.mark.parametrize(
    ("wire", "text"),
    [("1", "0.000000000000000001"), ("-1500000000000000000", "-1.500000000000000000"), ("0", "0.000000000000000000")],
)
def test_decimals_get_their_point(wire: str, text: str) -> None:
    assert everything(dec=wire) == f'{{"dec":"{text}"}}'
    assert everything(dec_bytes=wire.encode()) == f'{{"dec_bytes":"{text}"}}'


def test_a_decimal_without_the_go_type_has_its_point_already() -> None:
    assert everything(plain_dec="1.5") == '{"plain_dec":"1.5"}'


@pytest.mark.parametrize(
    "wire", ["1.5", "+1", "01", "-0", "0x10", "1_0", " 1", "٣", "x", str(2**256 * 10**18), "9" * 5000]
)
def test_decimals_in_another_form_are_refused(wire: str) -> None:
    with pytest.raises(InvalidSignDoc, match="decimal"):
        everything(dec=wire)
    with pytest.raises(InvalidSignDoc, match="decimal"):
        everything(dec_bytes=wire.encode())


def test_integers_are_written_as_they_stand_unless_they_are_bytes() -> None:
    assert everything(int="010") == '{"int":"010"}'
    assert everything(int_bytes=str(2**256 - 1).encode()) == f'{{"int_bytes":"{2**256 - 1}"}}'
    for wire in (str(2**256), "010", "x"):
        with pytest.raises(InvalidSignDoc, match="integer"):
            everything(int_bytes=wire.encode())


def test_fields_that_are_written_even_if_empty() -> None:
    assert written(CHAIN.message("chain.v1.Kept")()) == (
        '{"colour":0,"data":null,"dec":"0","dec_bytes":"0","f32":0,"f64":"0","flag":false,"i32":0,"i64":"0","int":"0",'
        '"int_bytes":"0","other":"","plain_dec":"","s32":0,"s64":"0","sf32":0,"sf64":"0","text":"","u32":0,"u64":"0"}'
    )
    lists = CHAIN.message("chain.v1.Lists")
    assert written(lists()) == (
        '{"coins":[],"colour":null,"data":null,"f32":null,"f64":null,"flag":null,"i32":null,"i64":null,"inners":null,'
        '"s32":null,"s64":null,"sf32":null,"sf64":null,"text":null,"u32":null,"u64":null,"words":[]}'
    )
    assert '"coins":[{},{}],"colour":[0,1],"data":["",""]' in written(
        lists(coins=[{}, {}], colour=[0, 1], data=[b"", b""])
    )


@pytest.mark.parametrize(
    ("seconds", "nanos", "text"),
    [
        (0, 0, "1970-01-01T00:00:00Z"),
        (-62135596800, 0, "0001-01-01T00:00:00Z"),
        (253402300799, 999999999, "9999-12-31T23:59:59.999999999Z"),
        (1, 500000000, "1970-01-01T00:00:01.5Z"),
        (-1, 1, "1969-12-31T23:59:59.000000001Z"),
    ],
)
def test_times(seconds: int, nanos: int, text: str) -> None:
    assert everything(time={"seconds": seconds, "nanos": nanos}) == f'{{"time":"{text}"}}'


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(0, -1), (0, 10**9), (-62135596801, 0), (253402300800, 0), (2**63 - 1, 0)]
)
def test_times_that_no_chain_reads_are_refused(seconds: int, nanos: int) -> None:
    with pytest.raises(InvalidSignDoc, match="time"):
        everything(time={"seconds": seconds, "nanos": nanos})


@pytest.mark.parametrize(
    ("seconds", "nanos", "text"),
    [(0, 0, "0"), (-1, -5, "-1000000005"), (9223372035, 999999999, "9223372035999999999"), (1, -5, "999999995")],
)
def test_durations_are_nanoseconds(seconds: int, nanos: int, text: str) -> None:
    assert everything(span={"seconds": seconds, "nanos": nanos}) == f'{{"span":"{text}"}}'


@pytest.mark.parametrize(("seconds", "nanos"), [(9223372036, 0), (-9223372037, 0), (-9223372036, -999999999)])
def test_durations_of_more_than_64_bits_are_refused(seconds: int, nanos: int) -> None:
    with pytest.raises(InvalidSignDoc, match="duration"):
        everything(span={"seconds": seconds, "nanos": nanos})


def test_packed_messages_have_their_name_or_type_url() -> None:
    inner = CHAIN.message("chain.v1.All")(text="x").SerializeToString()
    assert everything(packed={"type_url": "/chain.v1.All", "value": inner}) == (
        '{"packed":{"type":"chain/All","value":{"text":"x"}}}'
    )
    assert encode_message(CHAIN.message("chain.v1.Lists")(), CHAIN)["type"] == "/chain.v1.Lists"
    assert everything(packed={"type_url": "/google.protobuf.Duration"}) == (
        '{"packed":{"type":"/google.protobuf.Duration","value":"0"}}'
    )


@pytest.mark.parametrize("type_url", ["", "/", "chain.v1.All", "/chain.v1.Other", "host/chain.v1.All", "x" * 100_000])
def test_packed_messages_of_unknown_types_are_refused(type_url: str) -> None:
    with pytest.raises(InvalidSignDoc, match="is not known") as caught:
        everything(packed={"type_url": type_url})
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", [b"\x0a", b"\xf8\x01\x01", b"\x08\x00", b"\x08\x81\x00"])
def test_packed_messages_that_are_not_canonical_are_refused(value: bytes) -> None:
    with pytest.raises(InvalidSignDoc):
        everything(packed={"type_url": "/chain.v1.All", "value": value})


def test_messages_nested_too_deep_are_refused() -> None:
    def nest(levels: int) -> Any:
        message = CHAIN.message("chain.v1.All")()
        deepest = message
        for _ in range(levels):
            deepest.inner.SetInParent()
            deepest = deepest.inner
        return message

    assert written(nest(62)).count("inner") == 62
    packed = {"type_url": "/chain.v1.All", "value": nest(40).SerializeToString()}
    for message in (
        nest(64),
        nest(90),
        CHAIN.message("chain.v1.All")(inner={"inner": {"packed": packed}, "inners": [nest(62)]}),
    ):
        with pytest.raises(InvalidSignDoc, match="more than 64 deep"):
            encode_message(message, CHAIN)


def test_messages_packed_too_deep_are_refused() -> None:
    def pack(levels: int) -> str:
        message = CHAIN.message("chain.v1.All")()
        for _ in range(levels):
            packed = {"type_url": "/chain.v1.All", "value": message.SerializeToString()}
            message = CHAIN.message("chain.v1.All")(packed=packed)
        return written(message)

    assert pack(10).count("packed") == 10
    for levels in (11, 300):
        with pytest.raises(InvalidSignDoc, match="packed more than 10 deep"):
            pack(levels)


@pytest.mark.parametrize(
    ("carried", "text"),
    [
        (b'{ "b" : [ 1.0, 2.50 ], "a" : "<\\u00e9\\/" }', '{"a":"\\u003cé/","b":[1,2.5]}'),
        (b"null", "null"),
        (b'{"a":1,"a":2}', '{"a":2}'),
    ],
)
def test_carried_json_becomes_part_of_the_document(carried: bytes, text: str) -> None:
    assert everything(json=carried) == f'{{"json":{text}}}'


@pytest.mark.parametrize("carried", [b"{", b" ", b'"\xff"', b'"\\ud800"', b"1e999", b"[" * 5000, b"[" * 70 + b"]" * 70])
def test_carried_json_that_is_none_is_refused(carried: bytes) -> None:
    with pytest.raises(InvalidSignDoc):
        everything(json=carried)


def chosen(kind: str, /, **fields: Any) -> str:
    """Write a message of a type with two oneofs."""
    file = every_kind()
    named = {AMINO_ONEOF_NAME: "chain/Name"}
    one = file.message("Choice")
    one.field("name", STRING, named, oneof="the_sum2x").field("last", STRING)
    one.field("all", "chain.v1.All", {AMINO_ONEOF_NAME: "chain/Whole", AMINO_FIELD_NAME: "whole"}, oneof="the_sum2x")
    one.field("count", UINT64, {AMINO_ONEOF_NAME: "chain/Count"}, oneof="someURLs")
    file.message("Whole").field("amount", STRING, {**INT, **named}, oneof="sum")
    schema = schema_of(file)
    return written(schema.message(f"chain.v1.{kind}")(**fields), schema)


def test_oneofs() -> None:
    assert chosen("Choice") == '{"SomeUrls":null,"TheSum2X":null}'
    assert chosen("Choice", name="", count=0, last="z") == (
        '{"SomeUrls":{"type":"chain/Count","value":{"count":"0"}},'
        '"TheSum2X":{"type":"chain/Name","value":{"name":""}},"last":"z"}'
    )
    assert chosen("Choice", all={"i32": 1}) == (
        '{"SomeUrls":null,"TheSum2X":{"type":"chain/Whole","value":{"whole":{"i32":1}}}}'
    )
    assert chosen("Whole") == '{"Sum":"0"}'


def refused(file: File, name: str, **fields: Any) -> str:
    schema = schema_of(file)
    with pytest.raises(InvalidSignDoc) as caught:
        written(schema.message(f"chain.v1.{name}")(**fields), schema)
    return str(caught.value)


def test_types_that_amino_json_cannot_write() -> None:
    file = every_kind()
    file.message("Bare").field("a", STRING, oneof="sum")
    file.message("Optional").field("a", STRING, optional=True)
    file.message("Key", "chain/Key", "key_field").field("other", BYTES)
    file.message("TextKey", "chain/TextKey", "key_field").field("key", STRING)
    file.message("Account", "chain/Account", "module_account").field("name", STRING)
    file.message("Threshold", "chain/Threshold", "threshold_string")
    file.message("Twice").field("a", STRING).field("b", STRING, {AMINO_FIELD_NAME: "a"})
    file.message("Odd", "chain/<Odd>")
    for name, reason in {
        "Bare": "oneof without amino names",
        "Optional": "optional field",
        "Key": "no bytes in a field named key",
        "TextKey": "no bytes in a field named key",
        "Account": "encoding of cosmos.auth.v1beta1.ModuleAccount",
        "Threshold": "encoding of cosmos.crypto.multisig.LegacyAminoPubKey",
        "Twice": "two fields with the amino name 'a'",
        "Odd": "characters that JSON escapes",
    }.items():
        assert reason in refused(file, name)


def test_values_that_amino_json_cannot_write() -> None:
    file = every_kind()
    file.message("Float").field("a", DOUBLE).field("b", DOUBLE, KEPT, repeated=True)
    file.message("Ints").field("a", STRING, INT, repeated=True)
    file.message("KeptInts").field("a", STRING, {**INT, **KEPT}, repeated=True)
    file.message("IntNumber").field("a", UINT64, INT)
    file.message("JsonText").field("a", STRING, JSON)
    file.message("KeptJson").field("a", BYTES, {**JSON, **KEPT})
    file.message("Coins").field("a", STRING, {AMINO_ENCODING: "legacy_coins"})
    file.message("KeptMessage").field("a", "chain.v1.All", KEPT)
    assert "floating-point" in refused(file, "Float", a=1.5)
    assert "an Int" in refused(file, "Ints", a=["1"])
    assert "an Int" in refused(file, "KeptInts")
    assert "an Int" in refused(file, "IntNumber", a=1)
    assert "of JSON" in refused(file, "JsonText", a="1")
    assert "not JSON" in refused(file, "KeptJson")
    assert "no list" in refused(file, "Coins", a="x")
    assert "may not be left out" in refused(file, "KeptMessage")
    schema = schema_of(file)
    assert written(schema.message("chain.v1.Float")(), schema) == '{"b":null}'
    assert written(schema.message("chain.v1.Ints")(), schema) == "{}"


def test_maps_are_refused_unless_they_are_empty() -> None:
    message = default_schema().message("cosmos.autocli.v1.AppOptionsResponse")()
    assert written(message, default_schema()) == "{}"
    message.module_options["bank"].SetInParent()
    with pytest.raises(InvalidSignDoc, match="maps"):
        written(message, default_schema())


def test_keys_are_their_bytes() -> None:
    schema = default_schema()
    key = schema.message("cosmos.crypto.secp256k1.PubKey")
    assert encode_message(key(key=b"\x02" * 3), schema) == {"type": "tendermint/PubKeySecp256k1", "value": "AgIC"}
    assert encode_message(key(), schema) == {"type": "tendermint/PubKeySecp256k1", "value": None}


def test_multisig_keys_and_module_accounts_have_their_own_forms() -> None:
    schema = default_schema()
    multisig = schema.message("cosmos.crypto.multisig.LegacyAminoPubKey")
    member = {"type_url": "/cosmos.crypto.ed25519.PubKey", "value": b"\x0a\x01\x07"}
    assert written(multisig(threshold=2, public_keys=[member]), schema) == (
        '{"pubkeys":[{"type":"tendermint/PubKeyEd25519","value":"Bw=="}],"threshold":"2"}'
    )
    assert written(multisig(), schema) == '{"pubkeys":[],"threshold":"0"}'
    account = schema.message("cosmos.auth.v1beta1.ModuleAccount")
    assert written(account(), schema) == (
        '{"account_number":0,"address":"","name":"","permissions":null,"public_key":"","sequence":0}'
    )
    full = account(
        name="<", permissions=["a"], base_account={"address": "x", "account_number": 2**64 - 1, "sequence": 3}
    )
    assert written(full, schema) == (
        '{"account_number":18446744073709551615,"address":"x","name":"\\u003c","permissions":["a"],"public_key":"",'
        '"sequence":3}'
    )


def test_what_a_chains_binary_lacks_is_left_out() -> None:
    schema = default_schema()
    # In wasm's tx.proto, whose Go code comes before that of types.proto with the AccessConfig.
    store = schema.message("cosmwasm.wasm.v1.MsgStoreCode")(sender="x", instantiate_permission={"permission": 3})
    assert written(store, schema) == '{"instantiate_permission":{},"sender":"x"}'
    # The SDK's own modules are complete.
    periods = [{"length": 60}]
    vesting = schema.message("cosmos.vesting.v1beta1.MsgCreatePeriodicVestingAccount")(vesting_periods=periods)
    assert '"vesting_periods":[{"amount":[],"length":"60"}]' in written(vesting, schema)


def test_what_go_fills_in_is_in_the_document() -> None:
    """A chain reads a transaction into Go types first: these have their messages and numbers inside them, always."""
    schema = default_schema()

    def value(full_name: str, data: bytes = b"") -> object:
        message = schema.message(full_name)()
        message.MergeFromString(data)
        return encode_message(message, schema)["value"]

    transfer = {"timeout_height": {}, "token": {"amount": "0"}}
    assert value("ibc.applications.transfer.v1.MsgTransfer") == transfer
    assert value("cosmos.upgrade.v1beta1.MsgSoftwareUpgrade") == {"plan": {"time": "0001-01-01T00:00:00Z"}}
    rates = "max_change_rate", "max_rate", "rate"
    zero = "0.000000000000000000"
    assert value("cosmos.staking.v1beta1.CommissionRates") == dict.fromkeys(rates, zero)
    assert value("cosmos.staking.v1beta1.MsgEditValidator") == {
        "description": {}
    }  # what Go has a pointer to is left out


@pytest.mark.parametrize("amount", ["007", "+5", "0x10", "1_0", "-0", " 1", "1.0", str(2**256)])
def test_numbers_that_go_would_write_anew_are_refused(amount: str) -> None:
    schema = default_schema()
    with pytest.raises(InvalidSignDoc):
        encode_message(schema.message("cosmos.base.v1beta1.Coin")(denom="uve", amount=amount), schema)


def test_numbers_to_go_that_amino_json_takes_for_texts() -> None:
    file = every_kind()
    custom = {CUSTOM_TYPE: "github.com/cosmos/cosmos-sdk/types.Int"}
    file.message("Numbers").field("text", STRING, custom).field("data", BYTES, custom).field(
        "list", STRING, custom, repeated=True
    )
    inside = (
        file.message("Inside").field("text", STRING, {**custom, **INSIDE}).field("data", BYTES, {**custom, **INSIDE})
    )
    inside.field("dec", STRING, {**DEC, **INSIDE}).field("other", STRING, {CUSTOM_TYPE: "chain/types.Int", **INSIDE})
    pointers = (
        file.message("Pointers").field("text", STRING, {**custom, **KEPT}).field("data", BYTES, {**custom, **KEPT})
    )
    pointers.field("dec", STRING, {**DEC, **KEPT}).field("list", STRING, {**custom, **KEPT}, repeated=True)
    schema = schema_of(file)

    def of(name: str, **fields: Any) -> str:
        return written(schema.message(f"chain.v1.{name}")(**fields), schema)

    assert of("Numbers") == "{}"
    assert of("Numbers", text="-5", data=b"10", list=["", "7"]) == '{"data":"MTA=","list":["0","7"],"text":"-5"}'
    assert of("Inside") == '{"data":"MA==","dec":"0.000000000000000000","text":"0"}'
    assert of("Pointers") == '{"data":null,"dec":"0","list":null,"text":""}'
    for fields in ({"text": "010"}, {"data": b"x"}, {"list": ["+1"]}):
        with pytest.raises(InvalidSignDoc, match="canonical"):
            of("Numbers", **fields)


def test_times_that_go_has_inside_are_never_absent() -> None:
    file = every_kind()
    times = file.message("Times").field("here", "google.protobuf.Timestamp", {**INSIDE, STD_TIME: True})
    times.field("there", "google.protobuf.Timestamp", {STD_TIME: True}).field(
        "span", "google.protobuf.Duration", INSIDE
    )
    times.field("list", "google.protobuf.Timestamp", {**INSIDE, **KEPT, STD_TIME: True}, repeated=True)
    times.field("plain", "google.protobuf.Timestamp", INSIDE)
    schema = schema_of(file)
    assert written(schema.message("chain.v1.Times")(), schema) == (
        '{"here":"0001-01-01T00:00:00Z","list":null,"plain":"1970-01-01T00:00:00Z","span":"0"}'
    )
    assert '"here":"1970-01-01T00:00:00Z"' in written(schema.message("chain.v1.Times")(here={}), schema)


def test_absent_messages_are_counted() -> None:
    file = every_kind()
    for level in range(40):
        message = file.message(f"Level{level}")
        for name in ("a", "b") if level else ():
            message.field(name, f"chain.v1.Level{level - 1}", INSIDE)
    file.message("Loop").field("loop", "chain.v1.Loop", INSIDE)
    assert "leaves out more than 100000 messages" in refused(file, "Level39")
    assert "more than 64 deep" in refused(file, "Loop")
