"""JSON to messages, in the bytes that the SDK would make of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cosmos_formats.protojson import values
from cosmos_formats.protojson.encoder import MAX_DEPTH
from cosmos_formats.protojson.plan import Field, Kind, enum_numbers, plan_of, well_known
from cosmos_formats.protojson.text import Fault, InvalidTxJson, Number, dumps, parse

if TYPE_CHECKING:
    from cosmos_formats.schema import Message, MessageClass, Schema

_ZERO_TIME_SECONDS: Final = -62135596800
_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")


def decode(value: object, message_class: MessageClass, schema: Schema) -> Message:
    """Return the message that a JSON value says.

    Args:
        value: As :func:`cosmos_formats.protojson.parse` returns it (numbers as text of their own type), or with the
            numbers of :mod:`json`.
        message_class: Of the message.
        schema: Where packed messages inside it are looked up.

    Returns:
        A message whose deterministic bytes are those that the SDK would sign: fields that Go always writes are there.

    Raises:
        InvalidTxJson: It is not such a message.
    """
    return _run(_Decoder(schema, None), value, message_class)


def decode_text(text: str | bytes, message_class: MessageClass, schema: Schema) -> Message:
    """As :func:`decode`, from JSON text. Contracts' messages keep the escapes that their text has.

    Raises:
        InvalidTxJson: It is not JSON, or not such a message.
    """
    value = parse(text)
    content = text.decode("utf-8") if isinstance(text, bytes) else text
    return _run(_Decoder(schema, content), value, message_class)


def _run(decoder: _Decoder, value: object, message_class: MessageClass) -> Message:
    message = message_class()
    try:
        decoder.fill(message, value, 0)
    except Fault as fault:
        raise InvalidTxJson(fault.reason, [*decoder.path, *fault.path[::-1]]) from None
    return message


class _Decoder:
    """One run.

    Args:
        schema: Where packed messages are looked up.
        text: The whole document, if it is at hand.

    Attributes:
        path: Where it is; after a fault, where that was met.
    """

    __slots__ = ("_packed", "_schema", "_text", "path")

    def __init__(self, schema: Schema, text: str | None) -> None:
        self._schema = schema
        self._text = text
        self._packed = 0
        self.path: list[str | int] = []

    def fill(self, message: Message, value: object, depth: int) -> None:
        """Set the fields of a message that has no JSON form of its own."""
        if depth > MAX_DEPTH:
            raise Fault(f"messages nested more than {MAX_DEPTH} deep")
        if not isinstance(value, dict):
            raise Fault("must be an object")
        plan = plan_of(message.DESCRIPTOR)
        path = self.path
        seen: set[str] = set()
        for name, member in value.items():
            path.append(name)
            field = plan.by_name.get(name)
            if field is None:
                raise Fault(f"{message.DESCRIPTOR.full_name} has no such field")
            if field.name in seen:
                raise Fault(f"the field is there twice, as {field.name!r} and as {field.json_name!r}")
            seen.add(field.name)
            self._set(message, field, member, depth)
            path.pop()
        for field in plan.always:
            if field.name not in seen:
                self._set_default(message, field, depth)

    def _set(self, message: Message, field: Field, value: object, depth: int) -> None:
        """Set one field."""
        if field.repeated:
            self._extend(getattr(message, field.name), field, value, depth)
        elif field.map_key is not None:
            self._update(getattr(message, field.name), field, field.map_key, value, depth)
        elif value is None and self._is_unset(field):
            if field.oneof and not field.is_message and not field.optional:
                self._claim(message, field)
                setattr(message, field.name, getattr(message, field.name))
        else:
            if field.oneof:
                self._claim(message, field)
            if field.is_message:
                target = getattr(message, field.name)
                target.SetInParent()
                self._fill_any_kind(target, field.kind, value, depth)
            else:
                setattr(message, field.name, self._scalar(field, value))

    def _is_unset(self, field: Field) -> bool:
        """Tell whether null leaves a field as it is, as Go does for pointers and plain values."""
        if field.is_message or field.kind in (Kind.BIG_INT, Kind.DEC):
            return field.nullable or bool(field.oneof)
        return field.kind is not Kind.INLINE  # which is the text "null" then

    def _claim(self, message: Message, field: Field) -> None:
        other = message.WhichOneof(field.oneof)
        if other is not None:
            raise Fault(f"{other!r} is set already, and only one of them can be")

    def _set_default(self, message: Message, field: Field, depth: int) -> None:
        """Set a field that Go writes although nothing was said about it."""
        if not field.is_message:
            setattr(message, field.name, b"0" if field.is_bytes else "0")
            return
        target = getattr(message, field.name)
        target.SetInParent()
        if field.zero_time:
            target.seconds = _ZERO_TIME_SECONDS
        elif field.kind is Kind.MESSAGE:
            self.fill(target, {}, depth + 1)

    def _extend(self, items: Message, field: Field, value: object, depth: int) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            raise Fault("must be a list")
        path = self.path
        for place, item in enumerate(value):
            path.append(place)
            if field.is_message:
                self._fill_any_kind(items.add(), field.kind, item, depth)
            else:
                items.append(self._scalar(field, item))
            path.pop()

    def _update(self, items: Message, field: Field, key_field: Field, value: object, depth: int) -> None:
        if value is None:
            return
        if not isinstance(value, dict):
            raise Fault("must be an object")
        for name, item in value.items():
            self.path.append(name)
            if key_field.kind is Kind.BOOL:
                key = self._scalar(key_field, {"true": True, "false": False}.get(name, name))
            else:
                key = self._scalar(key_field, name)
            if key in items:
                raise Fault("this key is there twice")
            if field.is_message:
                self._fill_any_kind(items[key], field.kind, item, depth)
            else:
                items[key] = self._scalar(field, item)
            self.path.pop()

    def _fill_any_kind(self, target: Message, kind: Kind, value: object, depth: int) -> None:
        """Set a message of any kind."""
        if kind is Kind.MESSAGE:
            self.fill(target, {} if value is None and not self._in_list() else value, depth + 1)
        elif kind is Kind.ANY:
            self._pack(target, value, depth + 1)
        elif kind is Kind.TIMESTAMP:
            target.seconds, target.nanos = values.timestamp_from_json(value)
        elif kind is Kind.DURATION:
            target.seconds, target.nanos = values.duration_from_json(value)
        else:
            target.value = self._scalar(plan_of(target.DESCRIPTOR).fields[0], value)

    def _in_list(self) -> bool:
        return isinstance(self.path[-1], int)

    def _pack(self, target: Message, value: object, depth: int) -> None:
        """Set a ``google.protobuf.Any``."""
        if depth > MAX_DEPTH:
            raise Fault(f"messages nested more than {MAX_DEPTH} deep")
        if not isinstance(value, dict):
            raise Fault("must be an object with @type")
        members = dict(value)
        url = members.pop("@type", None)
        if type(url) is not str:
            raise Fault("must be an object with @type" if url is None else "must be text").at("@type")
        message_class = self._schema.find(url)
        if message_class is None:
            raise Fault(f"the schema does not have the type {url[:200]!r}").at("@type")
        message = message_class()
        kind = well_known(message.DESCRIPTOR.full_name)
        self._packed += 1
        if kind is None:
            self.fill(message, members, depth)
        else:
            if set(members) != {"value"}:
                raise Fault(f"a packed {message.DESCRIPTOR.full_name} has the members @type and value")
            self.path.append("value")
            self._fill_any_kind(message, kind, members["value"], depth)
            self.path.pop()
        self._packed -= 1
        target.type_url = url
        target.value = message.SerializeToString(deterministic=True)

    def _scalar(self, field: Field, value: object) -> object:
        """Return a value that is no message, as protobuf wants it."""
        kind = field.kind
        if kind is Kind.TEXT:
            if type(value) is str:
                if value.isascii() or _is_utf8(value):
                    return value
                raise Fault("has half of a surrogate pair, which UTF-8 cannot write")
            if value is not None:
                raise Fault("must be text")
            return ""
        if kind in (Kind.BIG_INT, Kind.DEC):
            text = values.int_from_json(value) if kind is Kind.BIG_INT else values.dec_from_json(value)
            return text.encode("ascii") if field.is_bytes else text
        if kind is Kind.INLINE:
            return self._inline(value)
        if kind in (Kind.BYTES, Kind.HEX):
            return b"" if value is None else _BYTES[kind](value)
        if value is None:
            return 0
        if kind is Kind.BOOL:
            if isinstance(value, bool):
                return value
            raise Fault("must be true or false")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = Number(value)  # from another parser
        if kind is Kind.ENUM:
            return _enum(field, value)
        if kind is Kind.FLOAT:
            return values.floating(value)
        return values.integer(value, field.low, field.high)

    def _inline(self, value: object) -> bytes:
        from cosmos_formats.protojson.inline import compact, text_at

        if self._text is None:
            text = compact(dumps(value))
            if not _is_utf8(text):
                raise Fault("has half of a surrogate pair, which UTF-8 cannot write")
            return text.encode("utf-8")
        text = text_at(self._text, self.path)
        # Go writes what is packed once more before it reads it, without spaces and with its escapes.
        return (compact(text) if self._packed else text).encode("utf-8")


def _enum(field: Field, value: object) -> int:
    if type(value) is str:
        number = enum_numbers(field.enum_type).get(value)
        if number is None:
            raise Fault(f"{value[:80]!r} is no value of {field.enum_type.full_name}")
        return number
    return values.integer(value, field.low, field.high)


def _hex(value: object) -> bytes:
    if type(value) is str and len(value) % 2 == 0 and set(value) <= _HEX_DIGITS:
        return bytes.fromhex(value)
    raise Fault("must be bytes in hexadecimal digits")


_BYTES: Final[dict[Kind, Callable[[object], bytes]]] = {Kind.BYTES: values.base64_bytes, Kind.HEX: _hex}


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
