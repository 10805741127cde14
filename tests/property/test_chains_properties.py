"""Descriptor sets and answers of any content: an error with a code, or something that can be used."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats.options import read_options
from cosmos_formats.schema import Schema, default_schema, default_schema_data
from cosmos_formats.schema_index import InvalidSchema, SchemaIndex, build_index, imports_first
from cosmos_formats.schema_merge import merge
from cosmos_formats.wire import InvalidProtobuf
from keyring_bridge.chains import ChainBook
from keyring_bridge.chains.book import _chain_id_of, _folder_name
from keyring_bridge.chains.offer import read_coins
from keyring_bridge.errors import BridgeError, InvalidRequest
from keyring_bridge.node import check_target

NAMES = st.sampled_from(
    [
        *("a.proto", "b.proto", "cosmos/bank/v1beta1/tx.proto"),
        *("amino/x.proto", "google/protobuf/any.proto", "google/protobuf/descriptor.proto.x", "google/api/x.proto"),
    ]
)
PACKAGES = st.sampled_from(["", "a", "cosmos.bank.v1beta1", "google.protobuf", "amino", "google.api", "google"])
MESSAGES = st.sampled_from(["A", "MsgSend", "Any", "protobuf", "A B", ""])
FIELDS = st.fixed_dictionaries(
    {"name": st.sampled_from(["from_address", "to_address", "x", ""]), "number": st.integers(-1, 1 << 29)},
    optional={
        "type": st.integers(1, 18),
        "label": st.integers(1, 3),
        "type_name": st.sampled_from([".a.A", ".cosmos.base.v1beta1.Coin", "A", ".none"]),
        "oneof_index": st.integers(-1, 2),
        "json_name": st.sampled_from(["x", "to_address", ""]),
        "proto3_optional": st.booleans(),
        "default_value": st.text(max_size=3),
    },
)


@st.composite
def files(draw: st.DrawFn) -> FileDescriptorProto:
    file = FileDescriptorProto(name=draw(NAMES), package=draw(PACKAGES), dependency=draw(st.lists(NAMES, max_size=2)))
    file.syntax = draw(st.sampled_from(["proto2", "proto3", "editions", ""]))
    for name in draw(st.lists(MESSAGES, max_size=2)):
        message = file.message_type.add(name=name)
        for field in draw(st.lists(FIELDS, max_size=3)):
            message.field.add(**field)
    return file


@given(st.lists(files(), max_size=3), st.booleans())
def test_a_set_of_any_files_is_refused_or_can_be_used(given_files: list[FileDescriptorProto], prefer: bool) -> None:
    data = FileDescriptorSet(file=given_files).SerializeToString()
    try:
        merged = merge(data, default_schema_data(), prefer_shipped=prefer)
    except InvalidSchema:
        return
    schema = Schema(merged.data, merged.index)
    for name in schema.names:
        assert schema.find(f"/{name}") is not None
    told = schema.message("google.protobuf.Any").DESCRIPTOR
    assert [field.name for field in told.fields] == ["type_url", "value"]
    if (send := schema.find("/cosmos.bank.v1beta1.MsgSend")) is not None:
        true = {
            field.number: field.name
            for field in default_schema().message("cosmos.bank.v1beta1.MsgSend").DESCRIPTOR.fields
        }
        assert all(true.get(field.number, field.name) == field.name for field in send.DESCRIPTOR.fields)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_fault(data: bytes) -> None:
    with suppress(InvalidSchema):
        merge(data, default_schema_data())
    with suppress(InvalidSchema):
        SchemaIndex.from_json(data)
    with suppress(InvalidProtobuf):
        read_options(data)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60))
def test_imports_stand_before_what_imports_them(edges: list[tuple[int, int]]) -> None:
    imports: dict[str, list[str]] = {str(number): [] for number in range(31)}
    for one, other in edges:
        if one != other:
            imports[str(max(one, other))].append(str(min(one, other)))
    order = imports_first(imports)
    assert sorted(order) == sorted(imports)
    place = {name: number for number, name in enumerate(order)}
    assert all(place[needed] < place[name] for name, all_needed in imports.items() for needed in all_needed)


@given(st.lists(st.sampled_from(["A", "B", "C.D", "é"]), unique=True, min_size=1), st.text(max_size=5))
def test_an_index_survives_its_file(names: list[str], amino: str) -> None:
    file = FileDescriptorProto(name="a.proto", package="a")
    for name in names:
        encoded = amino.encode("utf-8", "replace")
        option = b"\x8a\xe7\xb0\x2a" + bytes([len(encoded)]) + encoded
        file.message_type.add(name=name).options.ParseFromString(option)
    _, index = build_index([file])
    assert SchemaIndex.from_json(index.to_json()) == index


@given(st.text(max_size=60))
def test_a_folder_is_named_after_one_chain(chain_id: str) -> None:
    name = _folder_name(chain_id)
    if name:
        assert "/" not in name
        assert name not in (".", "..")
        assert not name.startswith(".")
        assert _chain_id_of(name) == chain_id


@given(st.text(max_size=300))
def test_any_chain_id_can_be_asked_for(chain_id: str) -> None:
    assert ChainBook(Path("/nonexistent")).schema(chain_id) is default_schema()


MEMBERS = st.sampled_from(["base", "denom_units", "denom", "exponent", "aliases", "metadatas", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_coins_of_any_shape(value: object) -> None:
    with suppress(InvalidRequest):
        coins = read_coins(value)
        assert read_coins(list(coins.values())) == coins


@given(st.text(max_size=40) | st.from_regex(r"[a-z0-9.\[\]:]{1,30}:[0-9]{1,6}", fullmatch=True), st.booleans())
def test_targets_of_any_text(target: str, tls: bool) -> None:
    with suppress(BridgeError):
        check_target(target, tls=tls)
        assert "/" not in target
        assert target.isascii()
