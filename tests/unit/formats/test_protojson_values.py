"""Single values between JSON and protobuf."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cosmos_formats.protojson import InvalidTxJson, Raw, decode, decode_text, dumps, encode, encode_text, parse
from cosmos_formats.protojson.text import Number, go_float
from cosmos_formats.schema import Schema, default_schema

SCHEMA = default_schema()


def read(name: str, text: str) -> Any:
    return decode_text(text, SCHEMA.message(name), SCHEMA)


def written(message: Any) -> Any:
    return json.loads(encode_text(message, SCHEMA))


COIN = "cosmos.base.v1beta1.Coin"


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", "0"),
        ("-5", "-5"),
        ("+5", "5"),
        (str(2**256 - 1), str(2**256 - 1)),
        # Go reads these as big.Int does, with the prefix of the base.
        ("0x10", "16"),
        ("0b11", "3"),
        ("0o17", "15"),
        ("010", "8"),
        ("1_000", "1000"),
    ],
)
def test_big_integers(text: str, amount: str) -> None:
    coin = read(COIN, json.dumps({"denom": "uve", "amount": text}))
    assert coin.amount == amount
    assert written(coin) == {"denom": "uve", "amount": amount}


@pytest.mark.parametrize(
    "amount",
    ['""', '" 1"', '"1 "', '"1.0"', '"1e3"', '"٣"', '"09"', '"_1"', "1", "null", "true", f'"{2**256}"', '"0x"'],
)
def test_what_is_no_big_integer(amount: str) -> None:
    with pytest.raises(InvalidTxJson) as caught:
        read(COIN, f'{{"denom":"uve","amount":{amount}}}')
    assert caught.value.path == "amount"


@pytest.mark.parametrize(
    ("text", "wire", "shown"),
    [
        ("0.5", "500000000000000000", "0.500000000000000000"),
        ("1", "1000000000000000000", "1.000000000000000000"),
        ("-0.000000000000000001", "-1", "-0.000000000000000001"),
        ("00.10", "100000000000000000", "0.100000000000000000"),
        ("0", "0", "0.000000000000000000"),
    ],
)
def test_decimals(text: str, wire: str, shown: str) -> None:
    coin = read("cosmos.base.v1beta1.DecCoin", json.dumps({"denom": "uve", "amount": text}))
    assert coin.amount == wire
    assert written(coin)["amount"] == shown


@pytest.mark.parametrize("text", ["", ".5", "5.", "1.2.3", "1e-3", "0x1", "0.0000000000000000001", "9" * 79, "--1"])
def test_what_is_no_decimal(text: str) -> None:
    with pytest.raises(InvalidTxJson):
        read("cosmos.base.v1beta1.DecCoin", json.dumps({"denom": "uve", "amount": text}))


def test_custom_types_in_bytes() -> None:
    params = read("cosmos.slashing.v1beta1.Params", '{"min_signed_per_window":"0.5","downtime_jail_duration":"600s"}')
    assert params.min_signed_per_window == b"500000000000000000"
    assert params.slash_fraction_downtime == b"0"  # never left out
    assert written(params) == {
        "signed_blocks_window": "0",
        "min_signed_per_window": "0.500000000000000000",
        "downtime_jail_duration": "600s",
        "slash_fraction_double_sign": "0.000000000000000000",
        "slash_fraction_downtime": "0.000000000000000000",
    }


def test_what_go_always_writes() -> None:
    grant = read("cosmos.feegrant.v1beta1.PeriodicAllowance", "{}")
    assert grant.HasField("basic")
    assert grant.HasField("period")
    assert grant.period_reset.seconds == -62135596800  # the zero of Go's time
    height = read("ibc.applications.transfer.v1.MsgTransfer", "{}")
    assert height.HasField("timeout_height")
    assert height.token.amount == "0"
    assert written(SCHEMA.message("cosmos.base.v1beta1.Coin")()) == {"denom": "", "amount": "0"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2024-02-29T12:30:00Z", "2024-02-29T12:30:00Z"),
        ("2024-02-29T12:30:00.5+01:30", "2024-02-29T11:00:00.500Z"),
        ("2024-02-29T12:30:00,123456789123Z", "2024-02-29T12:30:00.123456789Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.000001Z", "9999-12-31T23:59:59.000001Z"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_times(text: str, shown: str) -> None:
    body = read("cosmos.tx.v1beta1.TxBody", json.dumps({"timeout_timestamp": text}))
    assert written(body)["timeout_timestamp"] == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-02-30T00:00:00Z",
        "2024-01-01 00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00",
        "2024-01-01t00:00:00z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2024-01-01T00:00:00+00:60",
        "٢024-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidTxJson) as caught:
        read("cosmos.tx.v1beta1.TxBody", json.dumps({"timeoutTimestamp": text}))
    assert caught.value.path == "timeoutTimestamp"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0", "0s"),
        ("1.5s", "1.500s"),
        ("-1h30m", "-5400s"),
        ("+1ms", "0.001s"),
        ("1h1m1s1ms1us1ns", "3661.001001001s"),
        (".5s", "0.500s"),
        ("1.s", "1s"),
        ("2µs", "0.000002s"),
        ("-0.000000001s", "-0.000000001s"),
        ("9223372036.854775807s", "9223372036.854775807s"),
        ("-9223372036.854775808s", "-9223372036.854775808s"),
    ],
)
def test_durations(text: str, shown: str) -> None:
    allowance = read("cosmos.feegrant.v1beta1.PeriodicAllowance", json.dumps({"period": text}))
    assert written(allowance)["period"] == shown


@pytest.mark.parametrize(
    "text", ["", "-", "1", "s", ".s", "1d", "1 s", "1s ", "9223372036.854775808s", "99999999999h", "1s-1s", "00", "٣s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidTxJson):
        read("cosmos.feegrant.v1beta1.PeriodicAllowance", json.dumps({"period": text}))


@pytest.mark.parametrize("value", ["1", '"1"'])
def test_integers_are_numbers_or_text(value: str) -> None:
    vote = read("cosmos.gov.v1.MsgVote", f'{{"proposal_id":{value}}}')
    assert vote.proposal_id == 1


@pytest.mark.parametrize(
    "value",
    ["-1", "1.0", "1e2", '" 1"', '""', '"null"', "true", str(2**64), "01", "1" * 5000, '"' + "1" * 5000 + '"', "NaN"],
)
def test_what_is_no_integer(value: str) -> None:
    with pytest.raises(InvalidTxJson):
        read("cosmos.gov.v1.MsgVote", f'{{"proposal_id":{value}}}')


def test_enums_are_names_or_numbers() -> None:
    for value, number in (('"VOTE_OPTION_NO"', 3), ("3", 3), ("77", 77), ("null", 0)):
        assert read("cosmos.gov.v1.MsgVote", f'{{"option":{value}}}').option == number
    for value in ('"NO"', '"3"', '"vote_option_no"', str(2**31), "true", '"\\ud800"'):
        with pytest.raises(InvalidTxJson):
            read("cosmos.gov.v1.MsgVote", f'{{"option":{value}}}')
    vote = SCHEMA.message("cosmos.gov.v1.MsgVote")(option=77)
    assert written(vote)["option"] == 77


def test_bytes() -> None:
    key = "cosmos.crypto.secp256k1.PubKey"
    assert read(key, '{"key":"AAE="}').key == b"\0\1"
    assert read(key, r'{"key":"AA\nE="}').key == b"\0\1"  # Go skips line breaks
    assert written(SCHEMA.message(key)()) == {"key": None}
    for value in ('"AAE"', '"AA-_"', '"A===" ', '"AAE=AA"', "[0,1]", "1"):
        with pytest.raises(InvalidTxJson):
            read(key, f'{{"key":{value}}}')
    assert list(read("cosmos.tx.v1beta1.Tx", '{"signatures":[null,""]}').signatures) == [b"", b""]


def test_bytes_in_hexadecimal_digits() -> None:
    name = "ibc.lightclients.tendermint.v1.ConsensusState"
    state = read(name, '{"next_validators_hash":"aB01"}')
    assert state.next_validators_hash == b"\xab\x01"
    assert written(state)["next_validators_hash"] == "AB01"
    for value in ('"a"', '"zz"', '"a b"', "1"):
        with pytest.raises(InvalidTxJson):
            read(name, f'{{"next_validators_hash":{value}}}')


EXECUTE = "/cosmwasm.wasm.v1.MsgExecuteContract"


def test_messages_of_contracts_are_inline() -> None:
    """Numbers and escapes of the contract's message stay as somebody wrote them; only spaces go."""
    inner = r'{ "b" : 1.50, "a\u0041" : "<é>\/", "c": [1e400, {}], "d": "x\\" }'
    text = f'{{"messages":[{{"@type":"{EXECUTE}","sender":"a","msg":{inner},"contract":"b"}}]}}'
    body = read("cosmos.tx.v1beta1.TxBody", text)
    message = SCHEMA.message(EXECUTE[1:]).FromString(body.messages[0].value)
    kept = r'{"b":1.50,"a\u0041":"\u003cé\u003e\/","c":[1e400,{}],"d":"x\\"}'
    assert message.msg.decode() == kept
    assert f'"msg":{kept},' in encode_text(body, SCHEMA).decode()
    same = decode(parse(text), SCHEMA.message("cosmos.tx.v1beta1.TxBody"), SCHEMA)
    assert json.loads(SCHEMA.message(EXECUTE[1:]).FromString(same.messages[0].value).msg) == json.loads(kept)
    message.msg = b"{broken"
    with pytest.raises(InvalidTxJson, match="msg: not JSON"):
        encode(message, SCHEMA)
    assert encode(message, SCHEMA, lenient=True)["msg"] == "e2Jyb2tlbg=="


def test_packed_messages_with_a_json_of_their_own() -> None:
    grant = read("cosmos.authz.v1beta1.Grant", '{"authorization":{"@type":"/google.protobuf.Duration","value":"1.5s"}}')
    assert grant.authorization.value.hex() == "08011080cab5ee01"
    assert written(grant)["authorization"] == {"@type": "/google.protobuf.Duration", "value": "1.500s"}
    assert written(grant)["expiration"] is None
    with pytest.raises(InvalidTxJson):
        read("cosmos.authz.v1beta1.Grant", '{"authorization":{"@type":"/google.protobuf.Duration","seconds":"1"}}')


def test_a_oneof_has_one_member() -> None:
    name = "cosmos.tx.v1beta1.ModeInfo"
    assert written(read(name, '{"single":{"mode":1},"multi":null}')) == {"single": {"mode": "SIGN_MODE_DIRECT"}}
    with pytest.raises(InvalidTxJson, match="multi: 'single' is set already"):
        read(name, '{"single":{"mode":1},"multi":{}}')


def test_both_names_of_a_field() -> None:
    assert read("cosmos.bank.v1beta1.MsgSend", '{"fromAddress":"a"}').from_address == "a"
    with pytest.raises(InvalidTxJson, match="twice"):
        read("cosmos.bank.v1beta1.MsgSend", '{"fromAddress":"a","from_address":"a"}')
    with pytest.raises(InvalidTxJson, match=r"FromAddress: cosmos\.bank\.v1beta1\.MsgSend has no such field"):
        read("cosmos.bank.v1beta1.MsgSend", '{"FromAddress":"a"}')


def test_maps_wrappers_and_numbers_of_any_size() -> None:
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="a.proto", package="a", syntax="proto3")
    message = file.message_type.add(name="M")
    kinds = {"b": 8, "i": 5, "d": 1, "s": 9}
    for number, (name, kind) in enumerate(kinds.items(), 1):
        entry = message.nested_type.add(name=f"{name.upper()}mEntry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=9 if name == "d" else kind, label=1)
        entry.field.add(name="value", number=2, type=kind, label=1)
        message.field.add(name=f"{name}m", number=number, type=11, type_name=f".a.M.{entry.name}", label=3)
    message.oneof_decl.add(name="_o")
    message.field.add(name="o", number=9, type=5, label=1, oneof_index=0, proto3_optional=True)
    schema = Schema.from_descriptor_set(descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString())
    cls = schema.message("a.M")
    text = '{"bm":{"true":false},"im":{"10":1,"-2":"3"},"dm":{"x":1e21,"y":"NaN","z":0.5},"sm":{"<":">"}}'
    made = decode_text(text, cls, schema)
    assert encode_text(made, schema).decode() == (
        '{"bm":{"true":false},"im":{"-2":3,"10":1},"dm":{"x":1e+21,"y":"NaN","z":0.5},"sm":{"\\u003c":"\\u003e"},"o":null}'
    )
    assert encode(decode_text('{"o":0}', cls, schema), schema)["o"] == 0
    for bad in ('{"im":{"1":1,"01":1}}', '{"bm":{"1":true}}', '{"bm":[]}', '{"dm":{"x":1e999}}', '{"dm":{"x":"1 "}}'):
        with pytest.raises(InvalidTxJson):
            decode_text(bad, cls, schema)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (3.0, "3"),
        (-0.0, "-0"),
        (0.00001, "0.00001"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-10, "1.5e-10"),
        (123456789012345680.0, "123456789012345680"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
    ],
)
def test_floats_as_go_writes_them(value: float, text: str) -> None:
    assert go_float(value) == text


def test_text_as_go_writes_it() -> None:
    assert dumps({"é<>&\u2028\u2029": '"\\\x00\x1f\b\f\n\r\t\x7f/'}) == (
        '{"é\\u003c\\u003e\\u0026\\u2028\\u2029":"\\"\\\\\\u0000\\u001f\\b\\f\\n\\r\\t\x7f/"}'
    )
    assert dumps(["é\u202e\U000e0041\x7f<"], ascii_only=True) == '["\\u00e9\\u202e\\udb40\\udc41\\u007f\\u003c"]'
    assert dumps([True, None, 1, -2.5, [], {}, Raw("{ }"), Number("1.0")]) == "[true,null,1,-2.5,[],{},{ },1.0]"
    with pytest.raises(TypeError):
        dumps({1, 2})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a":1,}',
        "{'a':1}",
        '{"a":1} x',
        '{"a":1}{"a":1}',
        '{"a":NaN}',
        '{"a":"\n"}',
        '{"a":1,"a":1}',
        '{"a":{"b":1,"b":2}}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        "[" * 100_000,
        '{"a":' * 100_000,
        '["' + '\\"' * 100_000 + "[" * 200,
        "[" * 200 + '"abc\\',
    ],
)
def test_what_is_no_document(text: str | bytes) -> None:
    with pytest.raises(InvalidTxJson) as caught:
        parse(text)
    assert len(str(caught.value)) < 300


def test_brackets_in_strings_do_not_nest() -> None:
    assert parse('["' + "[" * 500 + '\\"{"]') == ["[" * 500 + '"{']


def test_the_enum_whose_names_are_go_code() -> None:
    config = "cosmwasm.wasm.v1.AccessConfig"
    text = '{"permission":"AnyOfAddresses","addresses":["a"]}'
    assert read(config, text).permission == 4
    assert written(read(config, text)) == json.loads(text)
    with pytest.raises(InvalidTxJson):  # wasmd reads a name that it doesn't know as no permission at all
        read(config, '{"permission":"ACCESS_TYPE_ANY_OF_ADDRESSES"}')
