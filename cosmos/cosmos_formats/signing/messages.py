"""The messages of a transaction, unpacked as far as the schema knows them.

What is shown must be what the chain will execute. So a message of a known type must re-serialise to the bytes it came
in, and may have no unknown fields except the non-critical ones of ADR-020 (field numbers with bit 11 set) where the
caller tolerates them; everything else is refused. A type that the schema does not have is shown as unknown, with its
bytes: judging that is the policy's job.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.quickclass import dataclass

if TYPE_CHECKING:
    from cosmos_formats.schema import Descriptor, FieldDescriptor, Message, MessageClass, Schema
    from cosmos_formats.signing.facts import MessageFacts

MAX_DEPTH: Final = 10
"""How deep packed messages may be nested; the SDK unpacks no deeper."""

_NON_CRITICAL: Final = 1 << 10
_ANY: Final = "google.protobuf.Any"


@dataclass(frozen=True, slots=True)
class MessageView:
    """One packed message.

    Attributes:
        type_url: Its type.
        value: Its protobuf bytes.
        known: Whether the schema has the type. If not, nothing but these three attributes is known.
        nested: The packed messages directly inside it (of MsgExec, proposals, grants, …), each with its own.
    """

    type_url: str
    value: bytes = field(repr=False)
    known: bool
    nested: tuple[MessageView, ...] = ()
    _message: Message = field(default=None, repr=False, compare=False)
    _schema: Schema | None = field(default=None, repr=False, compare=False)

    def walk(self) -> Iterator[MessageView]:
        """Yield the message and all inside it, outer ones first."""
        yield self
        for inner in self.nested:
            yield from inner.walk()

    @property
    def signers(self) -> tuple[str, ...] | None:
        """Addresses that must sign for the message; None if it is unknown or its type does not say who signs."""
        if self._message is None:
            return None
        from cosmos_formats.signing.facts import signers_of

        return signers_of(self._message)

    @property
    def facts(self) -> MessageFacts | None:
        """Signers, recipients and amounts of the message itself, None if it is unknown."""
        if self._message is None:
            return None
        from cosmos_formats.signing.facts import facts

        return facts(self._message)

    def fields(self) -> dict[str, object]:
        """Return the message's fields for JSON, as the SDK's commands print them.

        What has no JSON is shown as it is on the wire. Of an unknown message there is only ``value``, in base64.
        """
        if self._message is None or self._schema is None:
            from binascii import b2a_base64

            return {"value": b2a_base64(self.value, newline=False).decode("ascii")}
        from cosmos_formats.protojson import encode

        return encode(self._message, self._schema, lenient=True)


class MessageReader:
    """Reads the parts of one document.

    Args:
        schema: The message types that are known.

    Attributes:
        found_non_critical: Whether unknown non-critical fields were met and tolerated.
    """

    __slots__ = ("_schema", "found_non_critical")

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.found_non_critical = False

    def parse(self, message_class: MessageClass, data: bytes, what: str, *, tolerate: bool) -> Message:
        """Parse bytes that must be the canonical encoding of a message.

        Args:
            message_class: Its class.
            data: Its bytes.
            what: What it is, for the error.
            tolerate: Accept unknown fields that are not critical.

        Raises:
            InvalidSignDoc: They don't parse, don't re-serialise to the same bytes, or have unknown fields.
        """
        try:
            message = message_class.FromString(data)
        except self._schema.decode_error:
            raise InvalidSignDoc(f"{what} does not parse") from None
        try:
            same = message.SerializeToString(deterministic=True) == data
        except self._schema.encode_error:
            raise InvalidSignDoc(f"{what} lacks a required field") from None
        message.DiscardUnknownFields()
        if same and message.ByteSize() == len(data):
            return message
        return self._parse_unknown(message_class, data, what, tolerate)

    def unpack(self, type_url: str, value: bytes, depth: int = 1) -> MessageView:
        """View a packed message and all inside it.

        Args:
            type_url: Its type.
            value: Its bytes.
            depth: How deep it is nested; 1 for a message of the transaction itself.

        Raises:
            InvalidSignDoc: A message of a known type that is not canonical or has unknown critical fields, or messages
                nested too deep.
        """
        if depth > MAX_DEPTH:
            raise InvalidSignDoc(f"messages nested more than {MAX_DEPTH} deep")
        message_class = self._schema.find(type_url)
        if message_class is None:
            return MessageView(type_url, value, known=False)
        return self._view(type_url, value, self.parse(message_class, value, type_url, tolerate=True), depth)

    def view(self, type_url: str, message: Message) -> MessageView:
        """View a message of the transaction itself that was read from something else than protobuf.

        Args:
            type_url: Its type.
            message: The message; nobody changes it afterwards.

        Raises:
            InvalidSignDoc: As :meth:`unpack`, of what is inside it.
        """
        return self._view(type_url, message.SerializeToString(deterministic=True), message, 1)

    def _view(self, type_url: str, value: bytes, message: Message, depth: int) -> MessageView:
        nested = tuple([self.unpack(inner.type_url, inner.value, depth + 1) for inner in packed_in(message)])
        return MessageView(type_url, value, True, nested, message, self._schema)

    def _parse_unknown(self, message_class: MessageClass, data: bytes, what: str, tolerate: bool) -> Message:
        """Parse a message that has unknown fields or is not canonical; the slow path of :meth:`parse`."""
        message = message_class.FromString(data)
        unknown = list(_unknown_numbers(message))
        for number in unknown:
            if not number & _NON_CRITICAL:
                raise InvalidSignDoc(f"{what} has the unknown critical field {number}")
            if not tolerate:
                raise InvalidSignDoc(f"{what} has the unknown field {number}")
        message.DiscardUnknownFields()
        if message.SerializeToString(deterministic=True) != _known_part(data, message.DESCRIPTOR, what):
            raise InvalidSignDoc(f"{what} is not in canonical form")
        self.found_non_critical = True
        return message


def packed_in(message: Message) -> Iterator[Message]:
    """Yield each ``google.protobuf.Any`` in a message that is not inside another, in the order of the fields.

    A message that is one itself (packed twice) yields what it holds.
    """
    if message.DESCRIPTOR.full_name == _ANY:
        yield message
    for item, is_any in _fields_with_any(message.DESCRIPTOR):
        for value in field_values(message, item):
            if is_any:
                yield value
            else:
                yield from packed_in(value)


def field_values(message: Message, item: FieldDescriptor) -> list[Message]:
    """Return the messages in a field: all elements of a list or values of a map, or one, or none."""
    value = getattr(message, item.name)
    if is_map(item):
        return [value[key] for key in sorted(value)]
    if is_repeated(item):
        return list(value)
    return [value] if message.HasField(item.name) else []


def is_repeated(item: FieldDescriptor) -> bool:
    """Tell whether a field is a list or a map."""
    repeated = getattr(item, "is_repeated", None)  # protobuf before 6.31 has only the label, later ones warn about it
    return bool(item.label == 3 if repeated is None else repeated)


def is_map(item: FieldDescriptor) -> bool:
    """Tell whether a field is a map."""
    return item.message_type is not None and bool(item.message_type.GetOptions().map_entry)


@lru_cache(maxsize=4096)
def _fields_with_any(descriptor: Descriptor) -> tuple[tuple[FieldDescriptor, bool], ...]:
    """Return the fields of a type in which an ``Any`` can be, each with whether it is one itself."""
    found = []
    for item in descriptor.fields:
        target = _target(item)
        if target is not None and _holds_any(target):
            found.append((item, target.full_name == _ANY))
    return tuple(found)


@lru_cache(maxsize=4096)
def _holds_any(descriptor: Descriptor) -> bool:
    """Tell whether a message of this type can have an ``Any`` in it, at any depth, or is one."""
    seen = {descriptor.full_name}
    pending = [descriptor]
    while pending:
        current = pending.pop()
        if current.full_name == _ANY:
            return True
        for item in current.fields:
            target = _target(item)
            if target is not None and target.full_name not in seen:
                seen.add(target.full_name)
                pending.append(target)
    return False


@lru_cache(maxsize=4096)
def _fields_with_messages(descriptor: Descriptor) -> tuple[FieldDescriptor, ...]:
    """Return the fields of a type that hold messages."""
    return tuple(item for item in descriptor.fields if _target(item) is not None)


def _target(item: FieldDescriptor) -> Descriptor:
    """Return the message type that a field holds; of a map, that of its values."""
    if item.message_type is None:
        return None
    if is_map(item):
        return item.message_type.fields_by_name["value"].message_type
    return item.message_type


def _unknown_numbers(message: Message) -> Iterator[int]:
    """Yield the numbers of all unknown fields of a message and the messages in it (not those packed in an Any)."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    unknown: Any = UnknownFieldSet(message)  # the stubs don't know that it is a sequence
    for one in unknown:
        yield one.field_number
    for item in _fields_with_messages(message.DESCRIPTOR):
        for value in field_values(message, item):
            yield from _unknown_numbers(value)


def _known_part(data: bytes, descriptor: Descriptor, what: str) -> bytes:
    """Return the bytes of a message without its own unknown fields."""
    from cosmos_formats.wire import InvalidProtobuf, read_varint, skip_value

    kept = bytearray()
    at = 0
    try:
        while at < len(data):
            start = at
            tag, at = read_varint(data, at)
            at = skip_value(data, at, tag & 7)
            if tag >> 3 in descriptor.fields_by_number:
                kept += data[start:at]
    except InvalidProtobuf as error:
        raise InvalidSignDoc(f"{what} is not in canonical form: {error}") from error
    return bytes(kept)
