"""The shipped descriptor set and sets that come from elsewhere."""

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

import cosmos_formats
from cosmos_formats.options import message_options
from cosmos_formats.schema import InvalidSchema, Schema, default_schema, default_schema_digest
from cosmos_formats.schema_index import SchemaIndex, build_index, descriptor_set_class

DATA = Path(cosmos_formats.__file__).parent / "data"
Field = descriptor_pb2.FieldDescriptorProto


def descriptor_set(*files: descriptor_pb2.FileDescriptorProto) -> bytes:
    return descriptor_pb2.FileDescriptorSet(file=files).SerializeToString()


def proto_file(name: str, *messages: str, imports: tuple[str, ...] = ()) -> descriptor_pb2.FileDescriptorProto:
    return descriptor_pb2.FileDescriptorProto(
        name=name,
        package="market.v1",
        syntax="proto3",
        dependency=imports,
        message_type=[descriptor_pb2.DescriptorProto(name=message) for message in messages],
    )


def amino_name(name: str) -> bytes:
    """The serialised MessageOptions with ``amino.name``, a text of field 11110001."""
    return b"\x8a\xe7\xb0\x2a" + bytes([len(name)]) + name.encode()


def test_finds_messages_by_type_url() -> None:
    schema = default_schema()
    found = schema.find("/cosmos.bank.v1beta1.MsgSend")
    assert found is not None
    assert found.DESCRIPTOR.full_name == "cosmos.bank.v1beta1.MsgSend"
    assert schema.find("/cosmos.bank.v1beta1.MsgSend") is found
    assert schema.message("cosmos.bank.v1beta1.MsgSend") is found
    assert default_schema() is schema


@pytest.mark.parametrize(
    "type_url",
    [
        "",
        "/",
        "//",
        "cosmos.bank.v1beta1.MsgSend",
        "type.googleapis.com/cosmos.bank.v1beta1.MsgSend",
        "//cosmos.bank.v1beta1.MsgSend",
        "/cosmos.bank.v1beta1.MsgSend/",
        "xcosmos.bank.v1beta1.MsgSend",
        "/cosmos.bank.v1beta1.MsgSent",
        "/cosmos.bank.v1beta1.MsgSend.Nothing",
        "/cosmos.bank.v1beta1.MsgSend.amount",
        "/cosmos.bank.v1beta1",
        "/virtengine.market.v1.MsgCreateOrder",
        "/\x00",
        "/é",
        "/" + "a." * 5000,
        "/cosmos.bank.v1beta1.MsgSend." + "x" * 1000,
        "/google.protobuf.FileDescriptorSet",
        "/google.protobuf.UninterpretedOption.NamePart",
        "/google.api.HttpRule",
        "/cosmos_proto.ScalarDescriptor",
    ],
)
def test_other_names_are_unknown_and_never_an_exception(type_url: str) -> None:
    assert default_schema().find(type_url) is None


def test_names_of_any_length_and_number_take_neither_time_nor_memory() -> None:
    """A sign document holds type URLs of whatever a client likes, and they are looked up before its policy is asked."""
    schema = default_schema()
    known = len(schema._classes)
    started = time.process_time()
    for number in range(1000):
        assert schema.find("/" + "a." * 370_000) is None
        assert schema.find(f"/cosmos.bank.v1beta1.MsgSend.Not{number}") is None
    assert time.process_time() - started < 2
    assert len(schema._classes) == known


def test_a_message_inside_another_is_found() -> None:
    found = default_schema().find("/cosmos.crypto.keyring.v1.Record.Local")
    assert found is not None
    assert found.DESCRIPTOR.full_name == "cosmos.crypto.keyring.v1.Record.Local"


def test_what_must_be_there() -> None:
    with pytest.raises(InvalidSchema, match=r"no\.such\.Message"):
        default_schema().message("no.such.Message")


def test_index_and_data_agree() -> None:
    """Reading the set without the index gives the same messages, and every one of them loads."""
    data = (DATA / "sdk.binpb").read_bytes()
    without_index = Schema.from_descriptor_set(data)
    assert without_index.names == default_schema().names
    assert len(without_index.names) > 1000
    assert dict(without_index._amino_names) == dict(default_schema()._amino_names)
    for name in without_index.names:
        one, other = without_index.message(name), default_schema().message(name)
        assert one.DESCRIPTOR.full_name == other.DESCRIPTOR.full_name == name


def test_every_amino_name_leads_to_its_messages() -> None:
    schema = default_schema()
    found: dict[str, set[str]] = {}
    for name in schema.names:
        waiting = [schema.message(name).DESCRIPTOR]
        while waiting:
            descriptor = waiting.pop()
            waiting += descriptor.nested_types
            if amino_name := message_options(descriptor).amino_name:
                found.setdefault(amino_name, set()).add(f"/{descriptor.full_name}")
    assert len(found) > 100
    assert {name: set(schema.by_amino_name(name)) for name in found} == found
    assert schema.by_amino_name("cosmos-sdk/MsgSend") == ("/cosmos.bank.v1beta1.MsgSend",)
    assert schema.by_amino_name("cosmos-sdk/MsgSent") == schema.by_amino_name("") == ()


def test_amino_names_of_a_set_without_an_index() -> None:
    one, other = proto_file("one.proto", "One", "Outer"), proto_file("other.proto", "Other", "Nameless")
    inner = one.message_type[1].nested_type.add(name="Inner")
    for message in (one.message_type[0], other.message_type[0]):
        message.options.ParseFromString(amino_name("market/Same"))
    inner.options.ParseFromString(amino_name("market/Overwritten") + amino_name("market/Inner"))
    schema = Schema.from_descriptor_set(descriptor_set(one, other))
    assert schema.by_amino_name("market/Same") == ("/market.v1.One", "/market.v1.Other")
    assert schema.by_amino_name("market/Inner") == ("/market.v1.Outer.Inner",)
    assert schema.by_amino_name("market/Overwritten") == ()


def test_an_index_survives_its_file() -> None:
    data, index = build_index(descriptor_set_class().FromString((DATA / "sdk.binpb").read_bytes()).file)
    assert SchemaIndex.from_json(index.to_json()) == index
    assert (data, index.to_json()) == ((DATA / "sdk.binpb").read_bytes(), (DATA / "sdk.index.json").read_bytes())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"version":1,"files":[]}', b'{"version":2,"files":[[]]}'])
def test_what_is_not_an_index(data: bytes) -> None:
    with pytest.raises(InvalidSchema):
        SchemaIndex.from_json(data)


def test_the_origin_note_is_about_this_data() -> None:
    note = (DATA / "ORIGIN.md").read_text(encoding="utf-8")
    assert default_schema_digest() in note
    count = re.search(r"of (\d+) files", note)
    assert count is not None
    files = descriptor_pb2.FileDescriptorSet.FromString((DATA / "sdk.binpb").read_bytes()).file
    assert len(files) == int(count[1])
    assert {path.name for path in (DATA / "licenses").iterdir()} == {"gogoproto.txt", "ibc-go.txt", "protobuf.txt"}


def test_threads_share_a_schema() -> None:
    schema = Schema.from_descriptor_set((DATA / "sdk.binpb").read_bytes())
    names = [name for name in schema.names if ".Msg" in name]
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(schema.message, names * 4))
    assert [one.DESCRIPTOR.full_name for one in loaded] == names * 4


def test_a_set_of_a_chain() -> None:
    orders = proto_file("market/order.proto", "MsgCreateOrder", imports=("market/base.proto",))
    schema = Schema.from_descriptor_set(descriptor_set(orders, proto_file("market/base.proto", "Base")))
    assert schema.names == ("market.v1.Base", "market.v1.MsgCreateOrder")
    assert schema.find("/market.v1.MsgCreateOrder") is not None
    assert schema.find("/cosmos.bank.v1beta1.MsgSend") is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff", "not a FileDescriptorSet"),
        (descriptor_set(proto_file("a.proto", "A", imports=("b.proto",))), "lacks 'b.proto'"),
        (
            descriptor_set(
                proto_file("a.proto", "A", imports=("b.proto",)), proto_file("b.proto", "B", imports=("a.proto",))
            ),
            "circle",
        ),
        (descriptor_set(proto_file("a.proto", "A"), proto_file("b.proto", "A")), "twice"),
        (descriptor_set(proto_file("a.proto", imports=("a.proto",))), "circle"),
        (descriptor_set(proto_file("a.proto", "A"), proto_file("a.proto", "B")), "twice"),
    ],
)
def test_sets_that_cannot_be_used(data: bytes, says: str) -> None:
    with pytest.raises(InvalidSchema, match=says):
        Schema.from_descriptor_set(data)


def test_imports_of_any_depth() -> None:
    files = [proto_file(f"{n}.proto", f"M{n}", imports=(f"{n + 1}.proto",) if n < 2999 else ()) for n in range(3000)]
    assert Schema.from_descriptor_set(descriptor_set(*files)).find("/market.v1.M0") is not None


def test_a_set_that_contradicts_itself() -> None:
    broken = proto_file("a.proto", "A")
    broken.message_type[0].field.add(
        name="b", number=1, type=Field.TYPE_MESSAGE, type_name=".market.v1.Missing", label=Field.LABEL_OPTIONAL
    )
    schema = Schema.from_descriptor_set(descriptor_set(broken))
    with pytest.raises(InvalidSchema, match="contradicts"):
        schema.find("/market.v1.A")


@pytest.mark.parametrize(
    "module", ["record", "pubkeys", "multisig", "address", "signature", "verify", "signing.tx_view", "schema"]
)
def test_imports_stay_light(module: str) -> None:
    """Cold start matters: none of these may pull in what the first signature alone needs."""
    code = (
        f"import sys, cosmos_formats.{module}; "
        "heavy = {'google.protobuf', 'coincurve', 'cryptography', 'logging', 'asyncio'} & set(sys.modules); "
        "raise SystemExit(f'{heavy}' if heavy else 0)"
    )
    root = Path(cosmos_formats.__file__).parent.parent
    subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[str(root), *sys.path]!r}; {code}"], check=True
    )
