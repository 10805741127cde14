"""Message types of a made-up chain, to test every rule of amino JSON; shared by several test files."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from cosmos_formats.schema import Schema
from cosmos_formats.wire import bytes_field, text_field

AMINO_NAME, AMINO_MESSAGE_ENCODING = 11110001, 11110002
AMINO_ENCODING, AMINO_FIELD_NAME, AMINO_KEPT, AMINO_ONEOF_NAME = 11110003, 11110004, 11110005, 11110006
SCALAR, NULLABLE, CUSTOM_TYPE, STD_TIME = 93002, 65001, 65003, 65010

DOUBLE, INT64, UINT64, INT32, FIXED64, FIXED32, BOOL, STRING = 1, 3, 4, 5, 6, 7, 8, 9
MESSAGE, BYTES, UINT32, ENUM, SFIXED32, SFIXED64, SINT32, SINT64 = 11, 12, 13, 14, 15, 16, 17, 18

KEPT = {AMINO_KEPT: True}
INSIDE = {NULLABLE: False}
"""Go has the value itself rather than a pointer to it."""
INT = {SCALAR: "cosmos.Int"}
DEC = {SCALAR: "cosmos.Dec", CUSTOM_TYPE: "cosmossdk.io/math.LegacyDec"}
JSON = {AMINO_ENCODING: "inline_json"}


def options(values: dict[int, str | bool]) -> bytes:
    """Return options as they are on the wire."""
    written = b""
    for number, value in values.items():
        written += _flag(number, value) if isinstance(value, bool) else text_field(number, value)
    return written


def _flag(number: int, value: bool) -> bytes:
    # As a byte string of one byte, but with the tag of a varint.
    tag = bytearray(bytes_field(number, b"x")[:-2])
    tag[0] &= 0xF8
    return bytes((*tag, value))


class File:
    """A file of message types.

    Args:
        path: Its name.
        go_package: Where its Go code would be.
        needs: The files that it imports, besides those of ``google.protobuf``.
    """

    def __init__(self, path: str, go_package: str = "chain/types", needs: tuple[str, ...] = ()) -> None:
        self.proto = FileDescriptorProto(name=path, package="chain.v1", syntax="proto3")
        self.proto.options.go_package = go_package
        self.proto.dependency.extend([*GOOGLE, *needs])

    def message(self, name: str, amino_name: str = "", encoding: str = "") -> Message:
        """Add a message type."""
        proto = self.proto.message_type.add(name=name)
        texts: dict[int, str | bool] = {AMINO_NAME: amino_name, AMINO_MESSAGE_ENCODING: encoding}
        proto.options.MergeFromString(options({number: text for number, text in texts.items() if text}))
        return Message(proto)


class Message:
    """A message type that fields are added to."""

    def __init__(self, proto: DescriptorProto) -> None:
        self.proto = proto

    def field(
        self,
        name: str,
        kind: int | str,
        chosen: dict[int, Any] | None = None,
        *,
        repeated: bool = False,
        oneof: str = "",
        optional: bool = False,
    ) -> Message:
        """Add a field; a kind that is a text is the name of a message type."""
        number = len(self.proto.field) + 1
        label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        wire_type: Any = MESSAGE if isinstance(kind, str) else kind  # the stubs know only named constants
        field = self.proto.field.add(
            name=name, number=number, label=label, type=FieldDescriptorProto.Type.Name(wire_type)
        )
        if isinstance(kind, str):
            field.type_name = f".{kind}"
        elif kind == ENUM:
            field.type_name = ".chain.v1.Colour"
        field.options.MergeFromString(options(chosen or {}))
        if oneof or optional:
            around = oneof or f"_{name}"
            declared = [one.name for one in self.proto.oneof_decl]
            if around not in declared:
                self.proto.oneof_decl.add(name=around)
                declared.append(around)
            field.oneof_index = declared.index(around)
            field.proto3_optional = optional
        return self


GOOGLE = ("google/protobuf/any.proto", "google/protobuf/timestamp.proto", "google/protobuf/duration.proto")


def descriptor_set(*files: File) -> FileDescriptorSet:
    """Return a descriptor set with an enum, the types of ``google.protobuf`` and these files."""
    from google.protobuf import any_pb2, duration_pb2, timestamp_pb2

    found = FileDescriptorSet()
    for module in (any_pb2, timestamp_pb2, duration_pb2):
        module.DESCRIPTOR.CopyToProto(found.file.add())
    colours = File("chain/v1/colour.proto")
    colour = colours.proto.enum_type.add(name="Colour")
    for number, name in enumerate(("NONE", "RED", "BLUE")):
        colour.value.add(name=name, number=number)
    for file in (colours, *files):
        if file is not colours:
            file.proto.dependency.append("chain/v1/colour.proto")
        found.file.append(file.proto)
    return found


def schema_of(*files: File) -> Schema:
    """Return the schema of these files."""
    return Schema.from_descriptor_set(descriptor_set(*files).SerializeToString())


def every_kind() -> File:
    """Return a file with a type ``chain.v1.All`` that has every kind of field, and ``chain.v1.Kept``, which omits none.

    ``chain.v1.Lists`` has lists that are written even if they are empty.
    """
    file = File("chain/v1/all.proto")
    kinds = {
        "i64": INT64, "u64": UINT64, "i32": INT32, "f64": FIXED64, "f32": FIXED32, "flag": BOOL, "text": STRING,
        "data": BYTES, "u32": UINT32, "colour": ENUM, "sf32": SFIXED32, "sf64": SFIXED64, "s32": SINT32, "s64": SINT64,
    }  # fmt: skip
    special: dict[str, tuple[int, dict[int, Any]]] = {
        "int": (STRING, INT), "int_bytes": (BYTES, INT), "dec": (STRING, DEC), "dec_bytes": (BYTES, DEC),
        "plain_dec": (STRING, {SCALAR: "cosmos.Dec"}), "other": (STRING, {AMINO_ENCODING: "unheard_of"}),
    }  # fmt: skip
    everything, kept = file.message("All", "chain/All"), file.message("Kept", "chain/Kept")
    lists = file.message("Lists")
    for name, kind in kinds.items():
        everything.field(name, kind)
        kept.field(name, kind, KEPT)
        lists.field(name, kind, KEPT, repeated=True)
    for name, (kind, chosen) in special.items():
        everything.field(name, kind, chosen)
        kept.field(name, kind, {**chosen, **KEPT})
    everything.field("json", BYTES, JSON)
    everything.field("renamed", STRING, {AMINO_FIELD_NAME: "aRenamed"})
    everything.field("time", "google.protobuf.Timestamp").field("span", "google.protobuf.Duration")
    everything.field("inner", "chain.v1.All").field("packed", "google.protobuf.Any")
    everything.field("inners", "chain.v1.All", repeated=True)
    lists.field("inners", "chain.v1.All", KEPT, repeated=True)
    lists.field("coins", "chain.v1.All", {**KEPT, AMINO_ENCODING: "legacy_coins"}, repeated=True)
    lists.field("words", STRING, {**KEPT, AMINO_ENCODING: "legacy_coins"}, repeated=True)
    return file
