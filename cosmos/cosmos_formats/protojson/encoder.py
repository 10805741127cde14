"""Messages to JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cosmos_formats.protojson import values
from cosmos_formats.protojson.plan import Field, Kind, enum_names, plan_of, well_known
from cosmos_formats.protojson.text import Fault, Raw, dumps, parse

if TYPE_CHECKING:
    from cosmos_formats.schema import Message, Schema

MAX_DEPTH: Final = 64
"""How deep messages may be inside each other, packed or not."""

_ZERO_TIME: Final = "0001-01-01T00:00:00Z"


def encode(message: Message, schema: Schema, *, lenient: bool = False) -> dict[str, object]:
    """Return a message as the JSON object that the SDK's commands print.

    Args:
        message: The message.
        schema: Where packed messages inside it are looked up.
        lenient: For display: what the SDK would refuse (packed messages of unknown types, numbers and times that are
            none, too deep nesting) is shown as it is on the wire instead.

    Raises:
        InvalidTxJson: The message holds something that has no JSON.
    """
    try:
        return _Encoder(schema, lenient).fields(message, 0)
    except Fault as fault:
        raise fault.error() from None


def encode_text(message: Message, schema: Schema, *, ascii_only: bool = False) -> bytes:
    """Return a message as JSON text, byte for byte what the SDK's ``TxJSONEncoder`` writes.

    Raises:
        InvalidTxJson: As :func:`encode`.
    """
    return dumps(encode(message, schema), ascii_only=ascii_only).encode("utf-8")


class _Encoder:
    __slots__ = ("_lenient", "_schema")

    def __init__(self, schema: Schema, lenient: bool) -> None:
        self._schema = schema
        self._lenient = lenient

    def fields(self, message: Message, depth: int) -> dict[str, object]:
        """Return the members of a message that has no JSON form of its own."""
        if depth > MAX_DEPTH:
            if self._lenient:
                return {"…": "nested too deep to show"}
            raise Fault(f"messages nested more than {MAX_DEPTH} deep")
        result: dict[str, object] = {}
        for field in plan_of(message.DESCRIPTOR).fields:
            if field.oneof and not message.HasField(field.name):
                if field.optional:
                    result[field.name] = None
                continue
            try:
                result[field.name] = self._field(message, field, depth)
            except Fault as fault:
                raise fault.at(field.name) from None
        return result

    def _field(self, message: Message, field: Field, depth: int) -> object:
        value = getattr(message, field.name)
        if field.map_key is not None:
            # Go sorts keys as numbers where they are numbers.
            return {_key(key): self._value(value[key], field, depth) for key in sorted(value)}
        if field.repeated:
            items: list[object] = []
            for place, item in enumerate(value):
                try:
                    items.append(self._value(item, field, depth))
                except Fault as fault:
                    raise fault.at(place) from None
            return items
        if field.is_message and not field.oneof and not message.HasField(field.name):
            if field.nullable:
                return None
            if field.zero_time:
                return _ZERO_TIME
        elif not value and _null_if_empty(field):
            return None
        return self._value(value, field, depth)

    def _value(self, value: Message, field: Field, depth: int) -> object:
        kind = field.kind
        if kind is Kind.TEXT or kind is Kind.BOOL or kind is Kind.INT:
            return value
        if kind is Kind.LONG:
            return str(value)
        if kind is Kind.MESSAGE:
            return self.fields(value, depth + 1)
        try:
            return self._special(value, field, depth)
        except Fault:
            if not self._lenient:
                raise
        if isinstance(value, bytes):
            return values.base64_text(value)
        if isinstance(value, str):
            return value
        return {"seconds": str(value.seconds), "nanos": value.nanos}

    def _special(self, value: Message, field: Field, depth: int) -> object:
        match field.kind:
            case Kind.ENUM:
                return enum_names(field.enum_type).get(value, value)
            case Kind.BYTES:
                return values.base64_text(value)
            case Kind.BIG_INT:
                return values.int_from_wire(_text(value))
            case Kind.DEC:
                return values.dec_from_wire(_text(value))
            case Kind.ANY:
                return self._packed(value, depth)
            case Kind.TIMESTAMP | Kind.DURATION | Kind.WRAPPER:
                return self._well_known(value, field.kind, depth)
            case Kind.HEX:
                return value.hex().upper()
            case Kind.INLINE:
                return _inline(value)
            case _:
                return values.float_to_json(value)

    def _well_known(self, value: Message, kind: Kind, depth: int) -> object:
        if kind is Kind.TIMESTAMP:
            return values.timestamp_to_json(value.seconds, value.nanos)
        if kind is Kind.DURATION:
            return values.duration_to_json(value.seconds, value.nanos)
        if kind is Kind.ANY:
            return self._packed(value, depth)
        return self._value(value.value, plan_of(value.DESCRIPTOR).fields[0], depth)

    def _packed(self, value: Message, depth: int) -> dict[str, object]:
        url = value.type_url
        message_class = self._schema.find(url)
        try:
            message = None if message_class is None else message_class.FromString(value.value)
        except self._schema.decode_error:
            message = None
        if message is None:
            if self._lenient:
                return {"@type": url, "value": values.base64_text(value.value)}
            reason = "the schema does not have" if message_class is None else "the bytes are none of"
            raise Fault(f"{reason} the type {url[:200]!r}").at("@type")
        kind = well_known(message.DESCRIPTOR.full_name)
        if kind is not None:
            if depth > MAX_DEPTH:  # an Any in an Any, with nothing between them
                raise Fault(f"messages nested more than {MAX_DEPTH} deep")
            return {"@type": url, "value": self._well_known(message, kind, depth + 1)}
        return {"@type": url, **self.fields(message, depth + 1)}


def _null_if_empty(field: Field) -> bool:
    # Empty byte strings are nil slices in Go; custom types are pointers unless they are not nullable.
    if field.kind in (Kind.BYTES, Kind.INLINE):
        return not field.oneof or field.optional
    return field.kind in (Kind.BIG_INT, Kind.DEC) and field.nullable and not field.oneof


def _key(key: object) -> str:
    return ("true" if key else "false") if isinstance(key, bool) else str(key)


def _text(value: str | bytes) -> str:
    try:
        return value if isinstance(value, str) else value.decode("ascii")
    except UnicodeDecodeError:
        raise Fault("not a number") from None


def _inline(value: bytes) -> object:
    """Return JSON text as Go inlines it: without spaces, its escapes as they are, and those of HTML added."""
    from cosmos_formats.protojson.inline import compact

    try:
        text = value.decode("utf-8")
        parse(text)
    except ValueError:
        raise Fault("not JSON") from None
    return Raw(compact(text))
