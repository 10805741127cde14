"""Messages rebuilt from amino JSON: only where the JSON leaves no doubt."""

from __future__ import annotations

from typing import Any

import pytest

from cosmos_formats.schema import Schema, default_schema
from cosmos_formats.signing.amino_json import JsonValue, decode_message, encode_message
from tests.amino_types import AMINO_ONEOF_NAME, KEPT, STRING, File, every_kind, schema_of

CHAIN = schema_of(every_kind())
FULL: dict[str, Any] = {
    "aRenamed": "r",
    "colour": -7,
    "data": "AP8=",
    "dec": "-1.500000000000000000",
    "dec_bytes": "0.000000000000000001",
    "f32": 1,
    "flag": True,
    "i32": -1,
    "i64": "-9223372036854775808",
    "inner": {},
    "inners": [{}, {"text": "x"}],
    "int": "-5",
    "int_bytes": "6",
    "json": {"a": [1, None]},
    "packed": {"type": "chain/All", "value": {"u64": "7"}},
    "plain_dec": "1.5",
    "span": "-1000000005",
    "text": "t",
    "time": "1969-12-31T23:59:59.5Z",
    "u32": 4294967295,
    "u64": "18446744073709551615",
}


def decoded(value: Any, name: str = "chain/All", schema: Schema = CHAIN) -> Any:
    found = decode_message(name, value, schema)
    return found and found[1]


def test_a_message_with_everything() -> None:
    found = decode_message("chain/All", FULL, CHAIN)
    assert found is not None
    type_url, message = found
    assert type_url == "/chain.v1.All"
    assert (message.dec, message.int_bytes, message.json) == ("-1500000000000000000", b"6", b'{"a":[1,null]}')
    assert (message.time.seconds, message.time.nanos) == (-1, 500_000_000)
    assert (message.span.seconds, message.span.nanos) == (-1, -5)
    assert message.packed.type_url == "/chain.v1.All"
    assert message.HasField("inner")
    assert len(message.inners) == 2
    assert encode_message(message, CHAIN) == {"type": "chain/All", "value": FULL}


def test_what_is_left_out_comes_back_absent() -> None:
    assert decoded({}) == CHAIN.message("chain.v1.All")()
    kept = encode_message(CHAIN.message("chain.v1.Kept")(int="0"), CHAIN)
    assert decoded(kept["value"], "chain/Kept") == CHAIN.message("chain.v1.Kept")(int="0", int_bytes=b"0")


UNWRITTEN: dict[str, list[Any]] = {
    "i64": [1, "01", "1.0", "", "x", "9223372036854775808", None, "-0", [], True, "9" * 5000],
    "u64": ["-1", "18446744073709551616", "0"],
    "i32": ["1", 2**31, -(2**31) - 1, 1.0, True, 0, None, [1]],
    "u32": [-1, 2**32, 10**30],
    "colour": ["RED", 2**31, 0],
    "flag": [1, "true", False, None],
    "text": ["", 1, None, ["x"], "\ud800"],
    "data": ["", "A", "AP8", "AP8=\n", "AP-_", "AP9=", " AP8=", "é", 1],
    "dec": ["1.5", "1", "+1.000000000000000000", "-0.000000000000000000", "01.000000000000000000", "0", 1.5],
    "dec_bytes": ["1e3", "0", f"{2**256}.000000000000000000"],
    "int": ["", 5],
    "int_bytes": ["01", "x", str(2**256), "-0"],
    # Go reads 2⁵³ + 1 as 2⁵³, and a lone surrogate as U+FFFD, so neither tells what a chain will execute.
    "json": [float("nan"), "\ud800", 2**70, {"a": [2**53]}, -(2**53), {"a": "\ufffd"}, {"\ufffd": 1}],
    "time": ["", "1970-01-01", "1970-01-01T00:00:00.0Z", "10000-01-01T00:00:00Z", 0, "1970-13-01T00:00:00Z"],
    "span": ["1s", 1, "9223372036000000000", "01"],
    "inner": [None, [], "x", {"text": ""}, {"unheard": 1}],
    "inners": [[], None, {}, [None], [[]]],
    "packed": [
        None,
        {},
        {"type": "chain/All"},
        {"type": "chain/Unheard", "value": {}},
        {"type": "/chain.v1.All", "value": {}},
        {"type": 1, "value": {}},
        {"type": "chain/All", "value": {}, "more": 1},
        {"type": "chain/All", "value": {"text": 5}},
    ],
    "unheard_of": ["x"],
    "renamed": ["x"],
}
"""By field: what the encoder never writes for it."""


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in UNWRITTEN.items() for value in values])
def test_values_that_the_encoder_does_not_write(name: str, value: Any) -> None:
    assert decoded({name: value}) is None


@pytest.mark.parametrize("value", [None, [], "x", 1, True, 1.5])
def test_values_that_are_no_message(value: Any) -> None:
    assert decoded(value) is None


@pytest.mark.parametrize(
    "name", ["", "chain/Other", "/chain.v1.Other", "/chain.v1.All", "chain.v1.All", "/", "x" * 10_000]
)
def test_names_that_no_type_has(name: str) -> None:
    assert decoded({}, name) is None


def test_a_type_without_amino_name_has_its_type_url() -> None:
    value = encode_message(CHAIN.message("chain.v1.Lists")(text=["x", ""]), CHAIN)
    assert list(decoded(value["value"], "/chain.v1.Lists").text) == ["x", ""]


def test_a_name_that_several_types_have_counts_where_one_fits() -> None:
    file = every_kind()
    file.message("First", "chain/Same").field("a", STRING).field("c", STRING)
    file.message("Second", "chain/Same").field("b", STRING).field("c", STRING)
    schema = schema_of(file)
    found = decode_message("chain/Same", {"b": "x"}, schema)
    assert found is not None
    assert found[0] == "/chain.v1.Second"
    assert decode_message("chain/Same", {"c": "x"}, schema) is None
    # Inside a message nothing is tried out.
    assert decoded({"packed": {"type": "chain/Same", "value": {"b": "x"}}}, schema=schema) is None


def test_a_type_that_may_leave_something_out_makes_its_name_ambiguous() -> None:
    """Chains write ``Hidden`` as the same document, whatever stands in ``p``, because ``z.proto`` enters later."""
    later = File("chain/v1/z.proto")
    later.message("Late").field("text", STRING)
    file = File("chain/v1/a.proto", needs=("chain/v1/z.proto",))
    file.message("Empty")
    file.message("Plain", "chain/Same").field("p", "chain.v1.Empty")
    hidden = file.message("Hidden", "chain/Same").field("p", "chain.v1.Late")
    schema = schema_of(later, file)
    assert decode_message("chain/Same", {"p": {}}, schema) is None
    del hidden.proto.field[:]
    assert decode_message("chain/Same", {"p": {}}, schema_of(later, file)) is not None


def test_an_amino_name_that_is_the_type_url_of_another_type_is_ambiguous() -> None:
    file = every_kind()
    file.message("Nameless").field("a", STRING)
    assert decode_message("/chain.v1.Nameless", {"a": "x"}, schema_of(file)) is not None
    file.message("Thief", "/chain.v1.Nameless").field("a", STRING)
    assert decode_message("/chain.v1.Nameless", {"a": "x"}, schema_of(file)) is None


def test_oneofs() -> None:
    file = every_kind()
    one = file.message("Choice", "chain/Choice")
    one.field("a", STRING, {AMINO_ONEOF_NAME: "chain/A"}, oneof="sum")
    one.field("b", "chain.v1.All", {AMINO_ONEOF_NAME: "chain/B"}, oneof="sum")
    schema = schema_of(file)

    def choice(value: Any) -> Any:
        return decoded({"Sum": value}, "chain/Choice", schema)

    assert choice(None).WhichOneof("sum") is None
    assert choice({"type": "chain/A", "value": {"a": ""}}).WhichOneof("sum") == "a"
    assert choice({"type": "chain/B", "value": {"b": {}}}).WhichOneof("sum") == "b"
    for value in (
        {},
        "x",
        {"type": "chain/C", "value": {"a": "x"}},
        {"type": "chain/A", "value": {"b": {}}},
        {"type": "chain/A", "value": {"a": "x", "b": {}}},
        {"type": "chain/A", "value": {}},
    ):
        assert choice(value) is None
    assert decoded({}, "chain/Choice", schema) is None


def test_what_a_chain_may_have_left_out_is_not_taken_for_empty() -> None:
    first = File("chain/v1/a.proto", needs=("chain/v1/b.proto",))
    uses = first.message("Uses", "chain/Uses")
    uses.field("one", "chain.v1.Later").field("many", "chain.v1.Later", KEPT, repeated=True)
    later = File("chain/v1/b.proto")
    later.message("Later").field("text", STRING)
    schema = schema_of(later, first)

    def uses_of(value: Any) -> Any:
        return decoded(value, "chain/Uses", schema)

    assert uses_of({"many": None}) is not None
    assert uses_of({"many": [{"text": "x"}], "one": {"text": "y"}}) is not None
    assert uses_of({"many": None, "one": {}}) is None
    assert uses_of({"many": [{"text": "x"}, {}]}) is None


def test_nesting_ends() -> None:
    value: Any = {}
    for _ in range(60):
        value = {"inner": value}
    assert decoded(value) is not None
    for _ in range(10):
        value = {"inner": value}
    assert decoded(value) is None
    for _ in range(100_000):
        value = [value]
    assert decoded(value) is None

    packed: Any = {}
    for _ in range(10):
        packed = {"packed": {"type": "chain/All", "value": packed}}
    assert decoded(packed) is not None
    assert decoded({"packed": {"type": "chain/All", "value": packed}}) is None


def test_keys_and_accounts() -> None:
    schema = default_schema()
    key = decode_message("tendermint/PubKeySecp256k1", "AgIC", schema)
    assert key is not None
    assert (key[0], key[1].key) == ("/cosmos.crypto.secp256k1.PubKey", b"\x02" * 3)
    member: JsonValue = {"type": "tendermint/PubKeyEd25519", "value": "Bw=="}
    multisig = decode_message("tendermint/PubKeyMultisigThreshold", {"pubkeys": [member], "threshold": "2"}, schema)
    assert multisig is not None
    assert multisig[1].threshold == 2
    bad: list[JsonValue] = [{"pubkeys": None, "threshold": "2"}, {"pubkeys": [], "threshold": 2}, {"pubkeys": []}, "x"]
    for value in bad:
        assert decode_message("tendermint/PubKeyMultisigThreshold", value, schema) is None
    account = encode_message(schema.message("cosmos.auth.v1beta1.ModuleAccount")(name="mint"), schema)
    assert decode_message("cosmos-sdk/ModuleAccount", account["value"], schema) is None
