"""Messages as screens, by their descriptors (ADR-050).

Equal to the message renderer of ``x/tx/signing/textual`` v0.14: fields in the order of their numbers, each with its
name as title, and without those that are not set. What it cannot show it refuses: maps, floating point, fixed-width and
zigzag integers, groups, types and enum values that are not known. Some messages it shows without their fields; see
:mod:`cosmos_formats.signing.registries`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.options import field_options
from cosmos_formats.signing.messages import MAX_DEPTH, MessageReader, is_map, is_repeated
from cosmos_formats.signing.registries import is_complete, is_placeholder
from cosmos_formats.signing.textual import values
from cosmos_formats.signing.textual.coins import MetadataFor, format_coins
from cosmos_formats.signing.textual.screen import MAX_SCREENS

if TYPE_CHECKING:
    from cosmos_formats.schema import FieldDescriptor, Message, Schema

MAX_NESTING: Final = 64
"""How deep messages may be nested, whether packed or not. Go has no such limit; no chain's messages come near it."""

Line: TypeAlias = tuple[str, str, int]
"""Title, content and indentation of a screen."""

_ANY: Final = "google.protobuf.Any"
_COIN: Final = "cosmos.base.v1beta1.Coin"
_TIMESTAMP: Final = "google.protobuf.Timestamp"
_DURATION: Final = "google.protobuf.Duration"

# google.protobuf.FieldDescriptorProto.Type
_TYPE_NAMES: Final = {
    1: "double",
    2: "float",
    3: "int64",
    4: "uint64",
    5: "int32",
    6: "fixed64",
    7: "fixed32",
    8: "bool",
    9: "string",
    10: "group",
    12: "bytes",
    13: "uint32",
    15: "sfixed32",
    16: "sfixed64",
    17: "sint32",
    18: "sint64",
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is known about a field from its descriptor.

    Attributes:
        title: Its name in sentence case.
        kind: What its elements are called in the header of a list.
        repeated: It is a list.
        coins: It is a list of coins, which is shown in one screen.
        placeholder: Its type is not known to Go where its message is not in the complete registry.
        text: How one value is written; None for messages.
    """

    title: str
    kind: str
    repeated: bool
    coins: bool
    placeholder: bool
    text: Callable[..., str] | None


class Renderer:
    """Renders the messages of one transaction into :attr:`lines`.

    Args:
        schema: The message types that are known.
        metadata: Where the metadata of coins is found.
        complete: All types are in the complete registry.
    """

    __slots__ = ("_complete", "_metadata", "_reader", "_schema", "lines")

    def __init__(self, schema: Schema, metadata: MetadataFor, *, complete: bool) -> None:
        self._schema = schema
        self._metadata = metadata
        self._complete = complete
        self._reader = MessageReader(schema)
        self.lines: list[Line] = []

    def add(self, title: str, content: str, indent: int = 0) -> None:
        """Add a screen.

        Raises:
            InvalidSignDoc: There are too many.
        """
        if len(self.lines) >= MAX_SCREENS:
            raise InvalidSignDoc(f"more than {MAX_SCREENS} screens")
        self.lines.append((title, content, indent))

    def top_field(self, item: FieldDescriptor, value: Message, title: str, *, tolerate: bool) -> None:
        """Add the screens of a field that is set, at the outermost level.

        Args:
            item: The field.
            value: Its value; a sequence if it is repeated.
            title: What to call it.
            tolerate: Accept unknown fields that are not critical (ADR-020) in packed messages.

        Raises:
            InvalidSignDoc: Something in it cannot be shown.
        """
        self._field(item, value, title, _Place(0, 0, 0, tolerate, True))

    def top_packed(self, type_url: str, value: bytes, title: str, *, tolerate: bool) -> None:
        """Add the screens of a packed message, at the outermost level; see :meth:`top_field`."""
        self._packed(type_url, value, title, _Place(0, 0, 0, tolerate, True))

    def _fields(self, message: Message, place: _Place) -> None:
        # ListFields gives the fields that are set, by number: Go's rule for what is shown, and its order.
        for item, value in message.ListFields():
            self._field(item, value, _shape(item).title, place)

    def _field(self, item: FieldDescriptor, value: Message, title: str, place: _Place) -> None:
        shape = _shape(item)
        if not shape.repeated:
            self._value(shape, value, title, place)
        elif shape.coins:
            self.add(title, format_coins([(coin.denom, coin.amount) for coin in value], self._metadata), place.indent)
        else:
            self.add(title, f"{len(value)} {shape.kind}", place.indent)
            inner = place.indented()
            for number, element in enumerate(value, 1):
                self._value(shape, element, f"{title} ({number}/{len(value)})", inner)
            self.add("", f"End of {title}", place.indent)

    def _value(self, shape: _Shape, value: Message, title: str, place: _Place) -> None:
        placeholder = shape.placeholder and not place.complete
        if shape.text is not None:
            if placeholder:
                raise InvalidSignDoc(f"the values of {shape.kind} are not known to the SDK in this mode")
            self.add(title, shape.text(value), place.indent)
        elif value.DESCRIPTOR.full_name == _ANY:
            self._packed(value.type_url, value.value, title, place)
        else:
            text = self._one_line(value)
            self.add(title, f"{value.DESCRIPTOR.name} object" if text is None else text, place.indent)
            if text is None and not placeholder:
                self._fields(value, place.inside(place.complete))

    def _packed(self, type_url: str, data: bytes, title: str, place: _Place) -> None:
        self.add(title, type_url, place.indent)
        message_class = self._schema.find(type_url)
        if message_class is None:
            raise InvalidSignDoc(f"the message type {type_url[:100]!r} is not known")
        # Go looks up each packed type anew, in the complete registry first.
        place = place.inside(self._complete or is_complete(message_class.DESCRIPTOR.full_name), packed=True)
        message = self._reader.parse(message_class, data, type_url, tolerate=place.tolerate)
        if message_class.DESCRIPTOR.full_name == _ANY:
            self._packed(message.type_url, message.value, "", place)
            return
        text = self._one_line(message)
        if text is None:
            self._fields(message, place)
        else:
            self.add("", text, place.indent)

    def _one_line(self, message: Message) -> str | None:
        """Return the text of a message of a type that is shown in one screen."""
        name = message.DESCRIPTOR.full_name
        if name == _COIN:
            return format_coins([(message.denom, message.amount)], self._metadata)
        if name == _TIMESTAMP:
            return values.timestamp(message.seconds, message.nanos)
        if name == _DURATION:
            return values.duration(message.seconds, message.nanos)
        return None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the transaction something is.

    Attributes:
        indent: Of its screen.
        depth: In how many messages it is.
        packed: In how many packed messages it is.
        tolerate: Unknown fields that are not critical are accepted there.
        complete: The message that it is in is from the complete registry.
    """

    indent: int
    depth: int
    packed: int
    tolerate: bool
    complete: bool

    def indented(self) -> _Place:
        return _Place(self.indent + 1, self.depth, self.packed, self.tolerate, self.complete)

    def inside(self, complete: bool, *, packed: bool = False) -> _Place:
        """Return the place of the fields of a message here.

        Raises:
            InvalidSignDoc: That is too deep.
        """
        if packed and self.packed >= MAX_DEPTH:
            raise InvalidSignDoc(f"messages nested more than {MAX_DEPTH} deep")
        if self.depth >= MAX_NESTING:
            raise InvalidSignDoc(f"fields nested more than {MAX_NESTING} deep")
        return _Place(self.indent + 1, self.depth + 1, self.packed + packed, self.tolerate, complete)


def sentence_case(name: str) -> str:
    """Return the name of a field or type as a title: ``validator_address`` as ``Validator address``."""
    return name[:1].upper() + name[1:].replace("_", " ")


@lru_cache(maxsize=8192)
def _shape(item: FieldDescriptor) -> _Shape:
    repeated = is_repeated(item)
    title = sentence_case(item.name)
    if item.type == item.TYPE_MESSAGE:
        if is_map(item):
            raise InvalidSignDoc(f"{item.full_name} is a map, which SIGN_MODE_TEXTUAL cannot show")
        kind = sentence_case(item.message_type.name)
        coins = repeated and item.message_type.full_name == _COIN
        return _Shape(title, kind, repeated, coins, is_placeholder(item), None)
    if item.type == item.TYPE_ENUM:
        return _Shape(title, sentence_case(item.enum_type.name), repeated, False, is_placeholder(item), _enum(item))
    kind = _TYPE_NAMES.get(item.type, "unknown")
    text = _TEXTS.get(kind)
    if text is None:
        raise InvalidSignDoc(f"{item.full_name} is of the type {kind}, which SIGN_MODE_TEXTUAL cannot show")
    if kind == "string":
        text = _SCALARS.get(field_options(item).scalar, text)
    return _Shape(title, sentence_case(kind), repeated, False, False, text)


def _enum(item: FieldDescriptor) -> Callable[[int], str]:
    names: dict[int, str] = {}
    declared: Sequence[FieldDescriptor] = item.enum_type.values
    for value in declared:
        names.setdefault(value.number, value.name)  # of several names of a number, Go takes the first

    def text(number: int) -> str:
        name = names.get(number)
        if name is None:
            raise InvalidSignDoc(f"{number} is not a value of {item.enum_type.full_name}")
        return name

    return text


def _string(value: str) -> str:
    return value


def _bool(value: bool) -> str:
    return "True" if value else "False"


def _number(value: int) -> str:
    return values.integer(str(value))


_TEXTS: Final[dict[str, Callable[..., str]]] = {
    "string": _string,
    "bytes": values.data,
    "bool": _bool,
    "int32": _number,
    "int64": _number,
    "uint32": _number,
    "uint64": _number,
}

_SCALARS: Final[dict[str, Callable[..., str]]] = {"cosmos.Int": values.integer, "cosmos.Dec": values.decimal_field}
