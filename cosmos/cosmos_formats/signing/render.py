"""Messages as JSON, by their descriptors: proto-JSON with original field names and defaults written out."""

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING, Final

from cosmos_formats.signing.messages import is_map, is_repeated

if TYPE_CHECKING:
    from cosmos_formats.schema import FieldDescriptor, Message, Schema

_DEPTH: Final = 32
"""How deep messages are followed; deeper ones are shown as a note. Unpacking has its own, lower limit for Anys."""

_WELL_KNOWN_TEXT: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})


def to_json(message: Message, schema: Schema, depth: int = 0) -> dict[str, object]:
    """Return a message's fields.

    Args:
        message: The message.
        schema: Where packed messages inside it are looked up.
        depth: How deep it is nested.

    Returns:
        64-bit integers as text, bytes in base64, enums by name, times as RFC 3339 and durations as seconds, absent
        messages as None; packed messages with ``@type``, and with ``value`` in base64 if their type is unknown.
    """
    if depth > _DEPTH:
        return {"…": "nested too deep to show"}
    result: dict[str, object] = {}
    for item in message.DESCRIPTOR.fields:
        if item.containing_oneof is not None and not message.HasField(item.name):
            continue
        result[item.name] = _field(message, item, schema, depth)
    return result


def _field(message: Message, item: FieldDescriptor, schema: Schema, depth: int) -> object:
    value = getattr(message, item.name)
    if is_map(item):
        element = item.message_type.fields_by_name["value"]
        return {str(key): _value(value[key], element, schema, depth) for key in sorted(value)}
    if is_repeated(item):
        return [_value(one, item, schema, depth) for one in value]
    if item.message_type is not None and not message.HasField(item.name):
        return None
    return _value(value, item, schema, depth)


def _value(value: object, item: FieldDescriptor, schema: Schema, depth: int) -> object:
    if item.message_type is not None:
        return _message(value, schema, depth)
    if item.enum_type is not None:
        named = item.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    if item.cpp_type in (item.CPPTYPE_INT64, item.CPPTYPE_UINT64):
        return str(value)
    if isinstance(value, bytes):
        return b2a_base64(value, newline=False).decode("ascii")
    return value


def _message(value: Message, schema: Schema, depth: int) -> object:
    name = value.DESCRIPTOR.full_name
    if name in _WELL_KNOWN_TEXT:
        try:
            return value.ToJsonString()
        except ValueError:
            return {"seconds": str(value.seconds), "nanos": value.nanos}
    if name == "google.protobuf.Any":
        return _packed(value, schema, depth)
    return to_json(value, schema, depth + 1)


def _packed(value: Message, schema: Schema, depth: int) -> dict[str, object]:
    from google.protobuf.message import DecodeError

    message_class = schema.find(value.type_url)
    if message_class is not None:
        try:
            return {"@type": value.type_url, **to_json(message_class.FromString(value.value), schema, depth + 1)}
        except DecodeError:
            pass
    return {"@type": value.type_url, "value": b2a_base64(value.value, newline=False).decode("ascii")}
