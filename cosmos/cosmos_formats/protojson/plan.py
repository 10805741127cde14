"""What the descriptor of a message says about its JSON, worked out once per type."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cosmos_formats.options import field_options, read_options
from cosmos_formats.signing.messages import is_map, is_repeated

if TYPE_CHECKING:
    from cosmos_formats.schema import Descriptor, FieldDescriptor

_GOGO_CASTTYPE: Final = 65007
_GOGO_STDTIME: Final = 65010


class Kind(IntEnum):
    """How one value of a field is written."""

    TEXT = 0
    BOOL = 1
    INT = 2
    """32 bits: a number."""
    LONG = 3
    """64 bits: a number in a string."""
    FLOAT = 4
    ENUM = 5
    BYTES = 6
    """Base64."""
    HEX = 7
    """Bytes of the Go type ``HexBytes``."""
    INLINE = 8
    """Bytes that hold JSON, which is written as it is (messages of contracts)."""
    BIG_INT = 9
    """``math.Int`` and ``math.Uint``."""
    DEC = 10
    """``math.LegacyDec``."""
    TIMESTAMP = 11
    DURATION = 12
    ANY = 13
    WRAPPER = 14
    """A message of ``google/protobuf/wrappers.proto``: its value stands for itself."""
    MESSAGE = 15


_WELL_KNOWN: Final = {
    "google.protobuf.Timestamp": Kind.TIMESTAMP,
    "google.protobuf.Duration": Kind.DURATION,
    "google.protobuf.Any": Kind.ANY,
    **{
        f"google.protobuf.{name}Value": Kind.WRAPPER
        for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
    },
}

# By the numbers of FieldDescriptor.CPPTYPE_*.
_SCALARS: Final = {1: Kind.INT, 2: Kind.LONG, 3: Kind.INT, 4: Kind.LONG, 5: Kind.FLOAT, 6: Kind.FLOAT, 7: Kind.BOOL}
_RANGES: Final = {
    1: (-(1 << 31), (1 << 31) - 1),
    2: (-(1 << 63), (1 << 63) - 1),
    3: (0, (1 << 32) - 1),
    4: (0, (1 << 64) - 1),
    8: (-(1 << 31), (1 << 31) - 1),
}
_CPP_ENUM: Final = 8
_TYPE_BYTES: Final = 12
# The one enum whose JSON is made by Go code of its module (wasmd, x/wasm/types/params.go), which no descriptor tells.
_GO_NAMES: Final = {
    "cosmwasm.wasm.v1.AccessType": {0: "Unspecified", 1: "Nobody", 3: "Everybody", 4: "AnyOfAddresses"},
}
_FROM_BIG: Final = frozenset({"Int", "Uint"})
_FROM_DEC: Final = frozenset({"LegacyDec"})
_RAW_JSON: Final = frozenset({"RawContractMessage", "RawMessage"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field, or the keys or values of a map.

    Attributes:
        name: In the .proto file and in the JSON that is written.
        json_name: In camel case; read too.
        kind: Of one value.
        repeated: A list.
        map_key: The keys, if the field is a map; ``kind`` and the rest are those of its values.
        oneof: Name of the oneof that it is a member of, empty for none: such a field is written only if it is set.
        optional: Declared ``optional``: null if it is not set.
        nullable: A pointer or slice in Go; if not, it is there even when nothing was said.
        zero_time: A message that Go keeps as ``time.Time``, whose zero value is the year 1.
        is_bytes: Bytes on the wire (of TEXT kinds: custom types).
        low: Smallest integer.
        high: Largest integer.
        message_type: Descriptor of a message.
        enum_type: Descriptor of an enum.
    """

    name: str
    json_name: str
    kind: Kind
    repeated: bool
    map_key: Field | None
    oneof: str
    optional: bool
    nullable: bool
    zero_time: bool
    is_bytes: bool
    low: int
    high: int
    message_type: Descriptor
    enum_type: Descriptor

    @property
    def is_message(self) -> bool:
        """Whether a value is a message on the wire."""
        return self.kind >= Kind.TIMESTAMP


@dataclass(frozen=True, slots=True)
class Plan:
    """A message type.

    Attributes:
        fields: In the order of the .proto file, in which they are written.
        by_name: By both of their names.
        always: The fields that Go writes to the wire even if nothing was said: not nullable, and no plain value.
    """

    fields: tuple[Field, ...]
    by_name: dict[str, Field]
    always: tuple[Field, ...]


@lru_cache(maxsize=4096)
def plan_of(descriptor: Descriptor) -> Plan:
    """Return the plan of a message type."""
    fields = tuple([_field(item) for item in descriptor.fields])
    by_name = {field.json_name: field for field in fields}
    by_name.update({field.name: field for field in fields})
    always = tuple(
        [
            field
            for field in fields
            if not (field.nullable or field.repeated or field.map_key or field.oneof)
            and (field.is_message or field.kind in (Kind.BIG_INT, Kind.DEC))
        ]
    )
    return Plan(fields, by_name, always)


@lru_cache(maxsize=1024)
def enum_names(enum_type: Descriptor) -> dict[int, str]:
    """Return the names of an enum's values by their numbers; the first name, if a number has several."""
    own = _GO_NAMES.get(enum_type.full_name)
    return dict(own) if own else {value.number: value.name for value in reversed(enum_type.values)}


@lru_cache(maxsize=1024)
def enum_numbers(enum_type: Descriptor) -> dict[str, int]:
    """Return the numbers of an enum's values by their names."""
    # Looked up here, not in the descriptor: protobuf's own lookup breaks on text that UTF-8 cannot write.
    own = _GO_NAMES.get(enum_type.full_name)
    if own:
        return {name: number for number, name in own.items()}
    return {value.name: value.number for value in enum_type.values}


@lru_cache(maxsize=64)
def well_known(full_name: str) -> Kind | None:
    """Return the kind of a message type with a JSON form of its own, None for others."""
    return _WELL_KNOWN.get(full_name)


def _field(item: FieldDescriptor) -> Field:
    of_map = is_map(item)
    value = item.message_type.fields_by_name["value"] if of_map else item
    options = field_options(item)
    more = read_options(item.GetOptions().SerializeToString())
    low, high = _RANGES.get(value.cpp_type, (0, 0))
    oneof = item.containing_oneof
    # `optional` makes a oneof of its own, named after the field.
    optional = oneof is not None and oneof.name == f"_{item.name}" and len(oneof.fields) == 1
    return Field(
        name=item.name,
        json_name=item.json_name,
        kind=_kind(value, options.custom_type, _last(more.get(_GOGO_CASTTYPE, ()))),
        repeated=is_repeated(item) and not of_map,
        map_key=_field(item.message_type.fields_by_name["key"]) if of_map else None,
        oneof="" if oneof is None else oneof.name,
        optional=optional,
        nullable=options.nullable,
        zero_time=bool(more.get(_GOGO_STDTIME)),
        is_bytes=value.type == _TYPE_BYTES,
        low=low,
        high=high,
        message_type=value.message_type,
        enum_type=value.enum_type,
    )


def _kind(item: FieldDescriptor, custom_type: str, cast_type: str) -> Kind:
    if item.message_type is not None:
        return _WELL_KNOWN.get(item.message_type.full_name, Kind.MESSAGE)
    if item.cpp_type == _CPP_ENUM:
        return Kind.ENUM
    if item.cpp_type in _SCALARS:
        return _SCALARS[item.cpp_type]
    go_type = custom_type.rpartition(".")[2]
    if go_type in _FROM_BIG:
        return Kind.BIG_INT
    if go_type in _FROM_DEC or custom_type == "github.com/cosmos/cosmos-sdk/types.Dec":
        return Kind.DEC
    if item.type != _TYPE_BYTES:
        return Kind.TEXT
    cast = cast_type.rpartition(".")[2]
    if cast in _RAW_JSON:
        return Kind.INLINE
    return Kind.HEX if cast == "HexBytes" else Kind.BYTES


def _last(values: object) -> str:
    found = values[-1] if isinstance(values, list) and values else b""
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else ""
