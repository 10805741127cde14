"""How the messages of one type are written: its descriptor and options, worked out once.

What the SDK refuses for every message of a type is found out here too, and raised when one is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from cosmos_formats.options import field_options, message_options
from cosmos_formats.signing.amino_json import scalars
from cosmos_formats.signing.amino_json.text import JsonValue, canonical
from cosmos_formats.signing.messages import is_map, is_repeated
from cosmos_formats.signing.registries import is_placeholder

if TYPE_CHECKING:
    from cosmos_formats.options import FieldOptions
    from cosmos_formats.schema import Descriptor, FieldDescriptor
    from cosmos_formats.signing.amino_json.scalars import Scalar

_LEGACY_DEC: Final = "cosmossdk.io/math.LegacyDec"
_TYPE_GROUP: Final = 10
_TYPE_STRING: Final = 9
_TYPE_MESSAGE: Final = 11
_TYPE_BYTES: Final = 12
_SCALARS: Final = {
    1: scalars.NO_FLOATS,
    2: scalars.NO_FLOATS,
    3: scalars.INT64,
    4: scalars.UINT64,
    5: scalars.INT32,
    6: scalars.UINT64,
    7: scalars.UINT32,
    8: scalars.BOOL,
    _TYPE_STRING: scalars.TEXT,
    _TYPE_GROUP: scalars.NO_GROUPS,
    _TYPE_BYTES: scalars.BYTES,
    13: scalars.UINT32,
    14: scalars.INT32,  # enums are numbers
    15: scalars.INT32,
    16: scalars.INT64,
    17: scalars.INT32,
    18: scalars.INT64,
}
"""By the field type of a descriptor."""
_GO_NUMBERS: Final = {_TYPE_STRING: scalars.NUMBER_TEXT, _TYPE_BYTES: scalars.NUMBER_BYTES}
"""By field type, for fields that Go keeps as numbers and amino JSON writes as plain texts or bytes."""
_GO_NUMBER_TYPES: Final = frozenset(
    f"{package}.{name}"
    for package in ("cosmossdk.io/math", "github.com/cosmos/cosmos-sdk/types")
    for name in ("Int", "Uint", "Dec", "LegacyDec")
)
_ORDINARY: Final = (None, *_SCALARS.values(), *_GO_NUMBERS.values())
"""How fields without an encoding of their own are written; None for messages."""
_NUMBERS: Final = (
    *(scalars.INT_TEXT, scalars.INT_BYTES, scalars.DEC_TEXT, scalars.DEC_BYTES),
    *_GO_NUMBERS.values(),
)


class Shape(Enum):
    """What a message becomes."""

    OBJECT = auto()
    TIMESTAMP = auto()
    DURATION = auto()
    ANY = auto()
    KEY_FIELD = auto()
    """The bytes of the field ``key``, as of a public key."""
    MODULE_ACCOUNT = auto()
    THRESHOLD = auto()
    """A multisig public key."""


_WELL_KNOWN: Final = {
    "google.protobuf.Timestamp": Shape.TIMESTAMP,
    "google.protobuf.Duration": Shape.DURATION,
    "google.protobuf.Any": Shape.ANY,
}
_ENCODINGS: Final = {
    "key_field": Shape.KEY_FIELD,
    "module_account": Shape.MODULE_ACCOUNT,
    "threshold_string": Shape.THRESHOLD,
}
# Encodings that are written for one type; the SDK refuses any other that asks for them.
_OWNERS: Final = {
    Shape.MODULE_ACCOUNT: "cosmos.auth.v1beta1.ModuleAccount",
    Shape.THRESHOLD: "cosmos.crypto.multisig.LegacyAminoPubKey",
}


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field.

    Attributes:
        name: Its protobuf name.
        key: Its name in JSON.
        repeated: Whether it is a list.
        scalar: How a value, or each element of the list, is written; None for messages.
        placeholder: Some chains' binaries lack the type of its messages and write each as ``{}``; see ``registries``.
        kept: It is written even if it is empty.
        embedded: A message that is kept because Go has it inside its parent: a chain reads a transaction into Go types
            before it makes the document, so that one that was left out is an empty one in it.
        empty: Makes what is written for any other; raises InvalidSignDoc where the SDK has nothing to write.
        oneof: Name in JSON of the oneof around it, empty if there is none.
        oneof_type: What tells in JSON which field of the oneof is set.
    """

    name: str
    key: str
    repeated: bool
    scalar: Scalar | None
    placeholder: bool
    kept: bool
    embedded: bool
    empty: Callable[[], JsonValue]
    oneof: str
    oneof_type: str


@dataclass(frozen=True, slots=True)
class MessagePlan:
    """The messages of one type.

    Attributes:
        name: What stands as ``type`` beside a packed message: ``amino.name``, or else the type URL.
        shape: What such a message becomes; only objects have fields.
        refusal: Why no message of this type can be written; empty if it can.
        fields: By field number.
        by_key: Those outside a oneof, by their name in JSON.
        by_oneof: For each oneof's name in JSON its fields, by what tells which one is set.
        kept: The fields that are written even if they are empty.
        unset: For each oneof's name in JSON what makes its value if none of its fields is set.
    """

    name: str
    shape: Shape
    refusal: str
    fields: dict[int, FieldPlan]
    by_key: dict[str, FieldPlan]
    by_oneof: dict[str, dict[str, FieldPlan]]
    kept: tuple[FieldPlan, ...]
    unset: dict[str, Callable[[], JsonValue]]


@lru_cache(maxsize=4096)
def plan_of(descriptor: Descriptor) -> MessagePlan:
    """Return how messages of a type are written."""
    name = message_options(descriptor).amino_name or f"/{descriptor.full_name}"
    shape = _shape(descriptor)
    plans = [(item.number, _field_plan(item)) for item in descriptor.fields] if shape is Shape.OBJECT else []
    fields = dict(plans)
    by_oneof: dict[str, dict[str, FieldPlan]] = {}
    unset: dict[str, Callable[[], JsonValue]] = {}
    for _, one in plans:
        if one.oneof:
            by_oneof.setdefault(one.oneof, {})[one.oneof_type] = one
            # The SDK writes null, unless the first field has an encoding of its own.
            unset.setdefault(one.oneof, _null if one.scalar in _ORDINARY else one.empty)
    return MessagePlan(
        name=name,
        shape=shape,
        refusal=_refusal(descriptor, name, shape, fields),
        fields=fields,
        by_key={one.key: one for one in fields.values() if not one.oneof},
        by_oneof=by_oneof,
        kept=tuple([one for one in fields.values() if one.kept and not one.oneof]),
        unset=unset,
    )


def _shape(descriptor: Descriptor) -> Shape:
    known = _WELL_KNOWN.get(descriptor.full_name)
    return known or _ENCODINGS.get(message_options(descriptor).amino_encoding, Shape.OBJECT)


def _refusal(descriptor: Descriptor, name: str, shape: Shape, fields: dict[int, FieldPlan]) -> str:
    what = descriptor.full_name
    if shape in _OWNERS and what != _OWNERS[shape]:
        return f"{what} has the amino encoding of {_OWNERS[shape]}"
    if shape is Shape.KEY_FIELD and not _has_key_bytes(descriptor):
        return f"{what} has the amino encoding of a key but no bytes in a field named key"
    members = [item for item in descriptor.fields if item.containing_oneof is not None]
    if shape is Shape.OBJECT and not all(field_options(item).amino_oneof_name for item in members):
        return f"{what} has an optional field or a oneof without amino names"
    if any(one.oneof and one.kept for one in fields.values()):
        return f"{what} has a field in a oneof that may not be left out"
    # The SDK writes names into the document as they stand, and a second field of a name too.
    keys = Counter([one.key for one in fields.values() if not one.oneof])
    keys.update({one.oneof for one in fields.values() if one.oneof})
    keys.update([f"{one.oneof} {one.oneof_type}" for one in fields.values() if one.oneof])
    twice = [key for key, count in keys.items() if count > 1]
    if twice:
        return f"{what} has two fields with the amino name {twice[0]!r}"
    plain = [name, *(text for one in fields.values() for text in (one.oneof, one.oneof_type))]
    if any(canonical(text) != f'"{text}"'.encode() for text in plain):
        return f"{what} has an amino name with characters that JSON escapes"
    return ""


def _has_key_bytes(descriptor: Descriptor) -> bool:
    item = descriptor.fields_by_name.get("key")
    return item is not None and item.type == _TYPE_BYTES and not is_repeated(item)


def _field_plan(item: FieldDescriptor) -> FieldPlan:
    options = field_options(item)
    around = item.containing_oneof
    scalar = _scalar(item, options)
    # Go writes these whatever they are: messages inside their parents, and numbers of its own types.
    always = around is None and not options.nullable and not is_repeated(item)
    embedded = always and scalar is None and not options.std_time
    return FieldPlan(
        name=item.name,
        key=options.amino_name or item.name,
        repeated=is_repeated(item),
        scalar=scalar,
        placeholder=scalar is None and is_placeholder(item),
        kept=options.dont_omitempty or (always and (scalar is None or scalar in _NUMBERS)),
        embedded=embedded,
        empty=_zero_time if always and options.std_time else _empty(item, options, scalar),
        oneof="" if around is None else _camel(around.name),
        oneof_type=options.amino_oneof_name,
    )


def _scalar(item: FieldDescriptor, options: FieldOptions) -> Scalar | None:
    """Return how a field's values are written: its own encoding goes first, then its scalar, then its type."""
    if is_map(item):
        return scalars.NO_MAPS
    own: Scalar | None = None
    where = ""
    if options.amino_encoding == "legacy_coins":
        if not is_repeated(item):
            return scalars.refused(f"{item.full_name} has the amino encoding of coins but is no list")
    elif options.amino_encoding == "inline_json":
        own, where = (scalars.INLINE_JSON if item.type == _TYPE_BYTES else None), "JSON"
    elif options.scalar == "cosmos.Int":
        text = scalars.INT_TEXT if options.custom_type.endswith(".Int") else scalars.ANY_INT_TEXT
        own, where = {_TYPE_STRING: text, _TYPE_BYTES: scalars.INT_BYTES}.get(item.type), "an Int"
    elif options.scalar == "cosmos.Dec" and options.custom_type == _LEGACY_DEC:
        # Without the Go type the text on the wire has its decimal point already.
        own, where = {_TYPE_STRING: scalars.DEC_TEXT, _TYPE_BYTES: scalars.DEC_BYTES}.get(item.type), "a Dec"
    if where:
        if own is None or is_repeated(item):
            return scalars.refused(f"{item.full_name} has the amino encoding of {where} but another type")
        return own
    if options.custom_type in _GO_NUMBER_TYPES and item.type in _GO_NUMBERS:
        return _GO_NUMBERS[item.type]
    return None if item.type == _TYPE_MESSAGE else _SCALARS[item.type]


def _empty(item: FieldDescriptor, options: FieldOptions, scalar: Scalar | None) -> Callable[[], JsonValue]:
    if is_repeated(item) and scalar in _ORDINARY:
        return list if options.amino_encoding == "legacy_coins" else _null
    if scalar is None:
        return partial(scalars.refused(f"{item.full_name} is not set and may not be left out").encode, None)
    if scalar in (scalars.DEC_TEXT, scalars.DEC_BYTES) and options.nullable:
        return lambda: "0"
    if scalar is scalars.NUMBER_TEXT and options.nullable:
        return str
    absent = scalar is scalars.BYTES or (scalar is scalars.NUMBER_BYTES and options.nullable)
    return _null if absent else partial(scalar.encode, item.default_value)


def _null() -> JsonValue:
    return None


def _zero_time() -> JsonValue:
    return "0001-01-01T00:00:00Z"


def _camel(name: str) -> str:
    """Return the name of a oneof in JSON: ``sum_of_x2y`` is ``SumOfX2Y``, and ``URLs`` is ``Urls``."""
    written = []
    previous = "_"
    for character in name:
        if character.isalpha():
            if not previous.isalpha():
                written.append(character.upper())
            else:
                written.append(character.lower() if previous.isupper() and character.isupper() else character)
        elif character.isdigit():
            written.append(character)
        previous = character
    return "".join(written)
