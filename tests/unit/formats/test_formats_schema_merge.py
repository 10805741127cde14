"""A chain's descriptor set beside the shipped one: what it may add, and what it may not say differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

import cosmos_formats
from cosmos_formats.options import message_options
from cosmos_formats.schema import Schema, default_schema
from cosmos_formats.schema_index import PLUMBING, InvalidSchema
from cosmos_formats.schema_merge import _FIXED, LARGEST_SET, SchemaContradicts, merge
from cosmos_formats.signing.registries import is_placeholder
from tests.amino_types import STD_TIME, options

SHIPPED = (Path(cosmos_formats.__file__).parent / "data" / "sdk.binpb").read_bytes()
BANK_TX = "cosmos/bank/v1beta1/tx.proto"
Change = Callable[[FileDescriptorSet], object]


def shipped_set(*changes: Change) -> bytes:
    files = FileDescriptorSet.FromString(SHIPPED)
    for change in changes:
        change(files)
    return files.SerializeToString()


def file_of(files: FileDescriptorSet, name: str) -> FileDescriptorProto:
    return next(file for file in files.file if file.name == name)


def message_of(files: FileDescriptorSet, file: str, message: str) -> DescriptorProto:
    return next(one for one in file_of(files, file).message_type if one.name == message)


def send(files: FileDescriptorSet) -> DescriptorProto:
    return message_of(files, BANK_TX, "MsgSend")


def swap_parties(files: FileDescriptorSet) -> None:
    sender, recipient, _ = send(files).field
    sender.name, recipient.name = recipient.name, sender.name
    sender.json_name, recipient.json_name = recipient.json_name, sender.json_name


def market(files: FileDescriptorSet) -> None:
    """Add a module of the chain's own, which uses the SDK's coins."""
    file = files.file.add(
        name="market/v1/tx.proto",
        package="market.v1",
        syntax="proto3",
        dependency=["cosmos/base/v1beta1/coin.proto", "cosmos/msg/v1/msg.proto", "amino/amino.proto"],
    )
    order = file.message_type.add(name="MsgCreateOrder")
    # cosmos.msg.v1.signer = "owner", amino.name = "market/Order"
    order.options.ParseFromString(bytes.fromhex("82e7b02a056f776e65728ae7b02a0c6d61726b65742f4f72646572"))
    order.field.add(name="owner", number=1, type=9, label=1)
    order.field.add(name="price", number=2, type=11, label=3, type_name=".cosmos.base.v1beta1.Coin")


def only(*names: str) -> Change:
    def drop(files: FileDescriptorSet) -> None:
        kept = [file for file in files.file if file.name in names]
        del files.file[:]
        files.file.extend(kept)

    return drop


def test_the_shipped_set_agrees_with_itself() -> None:
    merged = merge(SHIPPED, SHIPPED)
    assert merged.settled == merged.left_out == ()
    assert set(default_schema().names) <= set(Schema(merged.data, merged.index).names)


def test_files_that_are_always_the_shipped_ones_do_ship() -> None:
    names = {file.name for file in merge(SHIPPED, SHIPPED).index.files}
    assert names >= _FIXED
    shipped = {file.name for file in FileDescriptorSet.FromString(SHIPPED).file}
    assert {name for name in shipped if name.startswith((*PLUMBING, "google/"))} <= _FIXED


@pytest.mark.parametrize("alone", [False, True])
def test_a_chain_s_own_messages_are_found_beside_the_sdk_s(alone: bool) -> None:
    """Also from a file that has nothing but the module: what it imports ships."""
    changes = (market, only("market/v1/tx.proto")) if alone else (market,)
    merged = merge(shipped_set(*changes), SHIPPED)
    schema = Schema(merged.data, merged.index)
    order = schema.message("market.v1.MsgCreateOrder")
    assert message_options(order.DESCRIPTOR).signers == ("owner",)
    assert schema.by_amino_name("market/Order") == ("/market.v1.MsgCreateOrder",)
    assert schema.by_amino_name("cosmos-sdk/MsgSend") == ("/cosmos.bank.v1beta1.MsgSend",)
    assert (
        order.DESCRIPTOR.fields_by_name["price"].message_type is schema.message("cosmos.base.v1beta1.Coin").DESCRIPTOR
    )
    assert order(owner="me").SerializeToString() == b"\x0a\x02me"
    assert default_schema().find("/market.v1.MsgCreateOrder") is None


def renamed(files: FileDescriptorSet) -> None:
    send(files).field[1].name = "recipient"


def other_number(files: FileDescriptorSet) -> None:
    send(files).field[1].number = 7


def other_type(files: FileDescriptorSet) -> None:
    send(files).field[1].type = FieldDescriptorProto.TYPE_BYTES


def other_message_type(files: FileDescriptorSet) -> None:
    send(files).field[2].type_name = ".cosmos.base.v1beta1.DecCoin"


def not_repeated(files: FileDescriptorSet) -> None:
    send(files).field[2].label = FieldDescriptorProto.LABEL_OPTIONAL


def no_signer(files: FileDescriptorSet) -> None:
    send(files).ClearField("options")


def two_signers(files: FileDescriptorSet) -> None:
    send(files).options.MergeFromString(bytes.fromhex("82e7b02a0a") + b"to_address")


def no_field_options(files: FileDescriptorSet) -> None:
    send(files).field[1].ClearField("options")


def json_name(files: FileDescriptorSet) -> None:
    send(files).field[0].json_name = "payer"


def in_a_oneof(files: FileDescriptorSet) -> None:
    send(files).oneof_decl.add(name="either")
    send(files).field[1].oneof_index = 0


def optional(files: FileDescriptorSet) -> None:
    send(files).oneof_decl.add(name="_to_address")
    send(files).field[1].oneof_index = 0
    send(files).field[1].proto3_optional = True


def proto2(files: FileDescriptorSet) -> None:
    file_of(files, "cosmos/base/v1beta1/coin.proto").syntax = "proto2"


def swapped_votes(files: FileDescriptorSet) -> None:
    options = file_of(files, "cosmos/gov/v1/gov.proto").enum_type[0]
    options.value[1].name, options.value[3].name = options.value[3].name, options.value[1].name


def message_as_enum(files: FileDescriptorSet) -> None:
    file = file_of(files, "cosmos/bank/v1beta1/tx.proto")
    number = next(at for at, message in enumerate(file.message_type) if message.name == "MsgSendResponse")
    del file.message_type[number]
    del file.service[:]
    file.enum_type.add(name="MsgSendResponse").value.add(name="NOTHING", number=0)


def other_go_time(files: FileDescriptorSet) -> None:
    """Decides what amino JSON writes for a time that is not set."""
    file = file_of(files, "cosmos/authz/v1beta1/authz.proto")
    (grant,) = [message for message in file.message_type if message.name == "Grant"]
    (expiration,) = [field for field in grant.field if field.name == "expiration"]
    expiration.options.MergeFromString(options({STD_TIME: False}))


def other_any(files: FileDescriptorSet) -> None:
    url, value = file_of(files, "google/protobuf/any.proto").message_type[0].field
    url.number, value.number = 2, 1


def other_empty(files: FileDescriptorSet) -> None:
    """A type of protobuf's own that the SDK's set has not."""
    files.file.add(name="google/protobuf/wrappers.proto", package="google.protobuf", syntax="proto3").message_type.add(
        name="Int64Value"
    ).field.add(name="value", number=2, type=3, label=1)


@pytest.mark.parametrize(
    ("lie", "where"),
    [
        (swap_parties, "cosmos.bank.v1beta1.MsgSend field 1"),
        (renamed, "cosmos.bank.v1beta1.MsgSend field 2"),
        (other_number, "cosmos.bank.v1beta1.MsgSend number of to_address"),
        (other_type, "cosmos.bank.v1beta1.MsgSend field 2"),
        (other_message_type, "cosmos.bank.v1beta1.MsgSend field 3"),
        (not_repeated, "cosmos.bank.v1beta1.MsgSend field 3"),
        (no_signer, "cosmos.bank.v1beta1.MsgSend amino.name"),
        (two_signers, "cosmos.bank.v1beta1.MsgSend signers"),
        (no_field_options, "cosmos.bank.v1beta1.MsgSend field 2"),
        (json_name, "cosmos.bank.v1beta1.MsgSend field 1"),
        (in_a_oneof, "cosmos.bank.v1beta1.MsgSend field 2"),
        (optional, "cosmos.bank.v1beta1.MsgSend field 2"),
        (proto2, "cosmos.base.v1beta1.Coin kind"),
        (swapped_votes, "cosmos.gov.v1.VoteOption value 1"),
        (message_as_enum, "cosmos.bank.v1beta1.MsgSendResponse kind"),
        (other_go_time, "cosmos.authz.v1beta1.Grant field 2"),
        (other_any, "google.protobuf.Any field 1"),
        (other_empty, "google.protobuf.Int64Value number of value"),
    ],
)
def test_nothing_that_ships_may_be_told_differently(lie: Change, where: str) -> None:
    given = shipped_set(lie)
    with pytest.raises(SchemaContradicts) as caught:
        merge(given, SHIPPED)
    assert where in [contradiction.where for contradiction in caught.value.contradictions]
    assert where in str(caught.value)
    assert caught.value.code == "schema_contradicts"
    # What ships is taken where that is said, and the lie is gone.
    merged = merge(given, SHIPPED, prefer_shipped=True)
    assert where in [contradiction.where for contradiction in merged.settled]
    schema = Schema(merged.data, merged.index)
    for name in ("cosmos.bank.v1beta1.MsgSend", "cosmos.gov.v1.MsgVote", "google.protobuf.Any"):
        told, true = schema.message(name).DESCRIPTOR, default_schema().message(name).DESCRIPTOR
        assert [(field.number, field.name) for field in told.fields] == [(f.number, f.name) for f in true.fields]
        assert message_options(told) == message_options(true)


def test_an_error_names_ten_contradictions_and_counts_the_rest() -> None:
    def no_options_at_all(files: FileDescriptorSet) -> None:
        for message in file_of(files, "cosmos/staking/v1beta1/tx.proto").message_type:
            message.ClearField("options")

    with pytest.raises(SchemaContradicts) as caught:
        merge(shipped_set(no_options_at_all), SHIPPED)
    count = len(caught.value.contradictions)
    assert count > 10
    assert str(caught.value).endswith(f"; and {count - 10} more")


def test_other_versions_add_and_drop_fields_and_messages() -> None:
    def newer(files: FileDescriptorSet) -> None:
        send(files).field.add(name="note", number=4, type=9, label=1)
        file_of(files, BANK_TX).message_type.add(name="MsgBurn")
        file_of(files, "cosmos/gov/v1/gov.proto").enum_type[0].value.add(name="VOTE_OPTION_SPAM", number=5)

    def older(files: FileDescriptorSet) -> None:
        body = message_of(files, "cosmos/tx/v1beta1/tx.proto", "TxBody")
        del body.field[next(at for at, field in enumerate(body.field) if field.name == "unordered")]

    merged = merge(shipped_set(newer, older), SHIPPED)
    schema = Schema(merged.data, merged.index)
    assert [field.name for field in schema.message("cosmos.bank.v1beta1.MsgSend").DESCRIPTOR.fields][-1] == "note"
    assert schema.find("/cosmos.bank.v1beta1.MsgBurn") is not None
    assert "unordered" not in schema.message("cosmos.tx.v1beta1.TxBody").DESCRIPTOR.fields_by_name


def test_shipped_files_that_do_not_go_with_the_chain_s_are_left_out() -> None:
    """A chain whose bank lacks a type: the authorization that needs it is unknown, and nothing raises."""

    def without_metadata(files: FileDescriptorSet) -> None:
        bank = file_of(files, "cosmos/bank/v1beta1/bank.proto")
        del bank.message_type[next(at for at, one in enumerate(bank.message_type) if one.name == "Params")]
        only("cosmos/bank/v1beta1/bank.proto")(files)

    merged = merge(shipped_set(without_metadata), SHIPPED)
    schema = Schema(merged.data, merged.index)
    assert schema.find("/cosmos.bank.v1beta1.MsgUpdateParams") is None
    assert schema.find("/cosmos.bank.v1beta1.MsgSend") is None
    assert schema.find("/cosmos.bank.v1beta1.Metadata") is not None
    assert schema.find("/cosmos.staking.v1beta1.MsgDelegate") is not None
    assert all(schema.find(f"/{name}") is not None for name in schema.names)


def test_the_digest_does_not_depend_on_who_wrote_the_set() -> None:
    def dressed(files: FileDescriptorSet) -> None:
        for file in files.file:
            file.options.java_package = "com.example.api"
            file.options.go_package += ";types"
            file.source_code_info.location.add(leading_comments="for people")
            for message in file.message_type:
                for field in message.field:
                    if field.json_name != field.name:
                        field.ClearField("json_name")
        reverse = list(files.file)[::-1]
        del files.file[:]
        files.file.extend(reverse)

    plain, other = merge(shipped_set(market), SHIPPED), merge(shipped_set(market, dressed), SHIPPED)
    assert plain == other
    assert plain.digest != merge(SHIPPED, SHIPPED).digest


def test_go_packages_stay_and_count() -> None:
    """They decide what the sign documents of some types leave out, so nobody may change them unseen."""

    def other(files: FileDescriptorSet) -> None:
        file_of(files, "cosmwasm/wasm/v1/tx.proto").options.go_package = "example.com/api"

    merged = merge(SHIPPED, SHIPPED)
    schema = Schema(merged.data, merged.index)
    for name in default_schema().names:
        before, after = default_schema().message(name).DESCRIPTOR, schema.message(name).DESCRIPTOR
        for field in before.fields:
            if field.message_type is not None or field.enum_type is not None:
                assert is_placeholder(after.fields_by_name[field.name]) == is_placeholder(field), field.full_name
    assert merge(shipped_set(other), SHIPPED).digest != merged.digest


def test_the_files_of_options_and_of_protobuf_are_the_shipped_ones() -> None:
    """Whatever a chain says of them does not count, not even for the digest."""

    def other(files: FileDescriptorSet) -> None:
        file_of(files, "amino/amino.proto").message_type.add(name="Unheard")
        file_of(files, "gogoproto/gogo.proto").extension[0].number = 65_999
        file_of(files, "google/protobuf/any.proto").message_type.add(name="Unheard")

    assert merge(shipped_set(other), SHIPPED) == merge(SHIPPED, SHIPPED)


def new_file(name: str, package: str, message: str = "Message", *, imports: tuple[str, ...] = ()) -> Change:
    def add(files: FileDescriptorSet) -> None:
        file = files.file.add(name=name, package=package, syntax="proto3", dependency=imports)
        file.message_type.add(name=message)

    return add


def alone(name: str, package: str, message: str) -> bytes:
    """A set of this file and none that ships."""
    files = FileDescriptorSet()
    new_file(name, package, message)(files)
    return files.SerializeToString()


def unresolved(files: FileDescriptorSet) -> None:
    new_file("market/v1/tx.proto", "market.v1")(files)
    files.file[-1].message_type[0].field.add(name="what", number=1, type=11, label=1, type_name=".market.v1.Nothing")


def ambiguous_json(files: FileDescriptorSet) -> None:
    new_file("market/v1/tx.proto", "market.v1")(files)
    files.file[-1].message_type[0].field.add(name="buyer", number=1, type=9, label=1, json_name="seller")
    files.file[-1].message_type[0].field.add(name="seller", number=2, type=9, label=1, json_name="buyer")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"\xff", "not a FileDescriptorSet"),
        (b"\x0a" * 3, "not a FileDescriptorSet"),
        (bytes(LARGEST_SET + 1), "the most are"),
        (b"\x0a\x00" * 10_001, "10001 files"),
        (b"\x0a\x00", "without a name"),
        (shipped_set(new_file("a.proto", "a"), new_file("a.proto", "b")), "file twice: 'a.proto'"),
        (shipped_set(new_file("a.proto", "a", imports=("none.proto",))), "lacks 'none.proto'"),
        (
            shipped_set(new_file("a.proto", "a", imports=("b.proto",)), new_file("b.proto", "b", imports=("a.proto",))),
            "circle",
        ),
        (shipped_set(new_file("a.proto", "a"), new_file("b.proto", "a")), "contradicts itself"),
        (shipped_set(new_file("a.proto", "cosmos.bank.v1beta1", "MsgSend")), "contradicts"),
        (shipped_set(unresolved), "contradicts itself"),
        (shipped_set(ambiguous_json), "two fields are called 'seller'"),
        (shipped_set(new_file("a.proto", "google.protobuf")), "redefines google.protobuf"),
        (shipped_set(new_file("google/protobuf/more.proto", "google.protobuf.more")), "redefines google.protobuf"),
        (shipped_set(new_file("gogoproto/bank.proto", "market.v1")), "hides messages of 'market.v1'"),
        (shipped_set(new_file("google/api/bank.proto", "cosmos.bank.v1beta1")), "hides messages"),
        # Without the file that they are in, they would stand for protobuf's own.
        (alone("amino/x.proto", "google.protobuf", "Any"), "hides messages of 'google.protobuf'"),
        (alone("amino/x.proto", "cosmos_proto", "Any"), "hides messages of 'cosmos_proto'"),
        (alone("google/protobuf/compiler/x.proto", "google.protobuf", "Any"), "hides messages"),
        (alone("google/protobuf/descriptor.proto.x", "google.protobuf", "Any"), "hides messages"),
        (shipped_set(new_file("a b.proto", "a", "A B")), "contradicts itself"),
    ],
)
def test_sets_that_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(InvalidSchema, match=says):
        merge(data, SHIPPED)
