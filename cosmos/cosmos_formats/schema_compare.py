"""What two descriptor sets say differently about the same messages.

A message is written down as *facts*, a short text for each thing that decides how its bytes are read, signed or shown:
its signers, its amino name, each field by its number. Facts that both sides have and that differ contradict each other,
and so does an option that one side lacks; fields and messages that one side lacks are what another version adds or
drops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cosmos_formats.options import AMINO_NAME, read_options
from cosmos_formats.schema_index import join, messages_of

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import (
        DescriptorProto,
        EnumDescriptorProto,
        FieldDescriptorProto,
        FileDescriptorProto,
    )

Facts = Mapping[str, str]

SIGNERS: Final = "signers"
"""The fact of a message that names the fields with its signers' addresses."""
NONE: Final = "none"
"""What a fact says of an option that is not there."""

_MESSAGE_OPTIONS: Final = {AMINO_NAME: "amino.name", 11110002: "amino.message_encoding", 11110000: SIGNERS}
_FIELD_OPTIONS: Final = {
    93002: "scalar",
    65001: "nullable",
    65003: "customtype",
    65010: "stdtime",
    11110003: "amino.encoding",
    11110004: "amino.field_name",
    11110005: "amino.dont_omitempty",
    11110006: "amino.oneof_name",
}
# Options that are there and say what holds without them.
_DEFAULTS: Final = {(65001, 1), (65010, 0), (11110005, 0)}
# By their numbers in FieldDescriptorProto.Type, from 1.
_TYPES: Final = (
    "double",
    "float",
    "int64",
    "uint64",
    "int32",
    "fixed64",
    "fixed32",
    "bool",
    "string",
    "group",
    "message",
    "bytes",
    "uint32",
    "enum",
    "sfixed32",
    "sfixed64",
    "sint32",
    "sint64",
)
_NUMBER_OF: Final = "number of "
_LABELS: Final = ("", "required ", "repeated ")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that two sets say differently.

    Attributes:
        where: The message or enum and what of it, such as ``cosmos.bank.v1beta1.MsgSend field 1``.
        before: What the first set says; empty if it has no such thing.
        after: What the second set says; empty if it has no such thing.
    """

    where: str
    before: str
    after: str

    @property
    def contradicts(self) -> bool:
        """Whether both sets say something, so that one of them is wrong about the other's messages."""
        return bool(self.before and self.after)

    @property
    def name(self) -> str:
        """Full name of the message or enum."""
        return self.where.partition(" ")[0]

    def __str__(self) -> str:
        return f"{self.where}: {self.before or 'nothing'} / {self.after or 'nothing'}"


def all_facts(files: Iterable[FileDescriptorProto]) -> dict[str, Facts]:
    """Return the facts of every message and enum by its full name."""
    found: dict[str, Facts] = {}
    for file in files:
        for enum in file.enum_type:
            found[join(file.package, enum.name)] = _enum_facts(enum)
        for full_name, message in messages_of(file):
            found[full_name] = _message_facts(message, file)
            for enum in message.enum_type:
                found[f"{full_name}.{enum.name}"] = _enum_facts(enum)
    return found


def differences(before: Mapping[str, Facts], after: Mapping[str, Facts]) -> list[Difference]:
    """Return all that differs in the messages and enums that both sets have, in the order of their names.

    A field that kept its name and changed its number contradicts too: texts name fields, bytes number them.
    """
    found: list[Difference] = []
    for name in sorted(before.keys() & after.keys()):
        one, other = before[name], after[name]
        if one == other:
            continue
        found += (
            Difference(f"{name} {key}", one.get(key, ""), other.get(key, ""))
            for key in [*one, *(key for key in other if key not in one)]
            if one.get(key) != other.get(key)
            # A field that is new or gone is told once, by its number.
            and not (key.startswith(_NUMBER_OF) and (key not in one or key not in other))
        )
    return found


def _message_facts(message: DescriptorProto, file: FileDescriptorProto) -> Facts:
    facts = {"kind": f"message of {file.syntax or 'proto2'}"}
    if message.options.map_entry:
        facts["kind"] += ", entry of a map"
    options = _options(message, _MESSAGE_OPTIONS)
    facts |= {name: options.get(name, NONE) for name in _MESSAGE_OPTIONS.values()}
    for field in message.field:
        facts[f"field {field.number}"] = _field_text(field, message)
        facts[f"{_NUMBER_OF}{field.name}"] = str(field.number)
    return facts


def _enum_facts(enum: EnumDescriptorProto) -> Facts:
    facts = {"kind": "enum"}
    for value in enum.value:
        # Later names of a number are aliases, which are never printed.
        facts.setdefault(f"value {value.number}", value.name)
        facts[f"{_NUMBER_OF}{value.name}"] = str(value.number)
    return facts


def _field_text(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    """Return a field much as a .proto file writes it, without its number."""
    kind = _TYPES[field.type - 1] if 0 < field.type <= len(_TYPES) else f"type {field.type}"
    if field.type_name:
        kind = f"{kind} {field.type_name.removeprefix('.')}"
    extra = [f"{name}={value}" for name, value in _options(field, _FIELD_OPTIONS).items()]
    if field.proto3_optional:
        extra.append("optional")
    elif field.HasField("oneof_index") and 0 <= field.oneof_index < len(message.oneof_decl):
        extra.append(f"oneof={message.oneof_decl[field.oneof_index].name}")
    if field.HasField("options") and field.options.HasField("packed"):
        extra.append(f"packed={field.options.packed}")
    if field.HasField("default_value"):
        extra.append(f"default={field.default_value}")
    if field.json_name not in ("", default_json_name(field.name)):
        extra.append(f"json_name={field.json_name}")
    label = _LABELS[field.label - 1] if 0 < field.label <= len(_LABELS) else f"label {field.label} "
    return f"{label}{kind} {field.name}" + (f" [{', '.join(extra)}]" if extra else "")


def default_json_name(name: str) -> str:
    """Return the name of a field in JSON where nothing else is said: ``from_address`` becomes ``fromAddress``."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _options(described: Any, wanted: Mapping[int, str]) -> dict[str, str]:
    if not described.HasField("options"):
        return {}
    found = read_options(described.options.SerializeToString(deterministic=True))
    facts: dict[str, str] = {}
    for number, name in wanted.items():
        # Of options with one value the last one counts.
        values = found.get(number, []) if name == SIGNERS else found.get(number, [])[-1:]
        texts = [
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for value in values
            if (number, value) not in _DEFAULTS
        ]
        if texts:
            facts[name] = ", ".join(texts)
    return facts
