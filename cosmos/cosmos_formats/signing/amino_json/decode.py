"""From amino JSON values to protobuf messages.

Amino JSON says less than protobuf: it names message types by a name that several may share, and leaves out what is
empty. So a message is rebuilt and written again, and counts only if that gives the same JSON. What the JSON cannot tell
comes back as absent, which is as the SDK writes it: an empty ``Int`` as ``0``, JSON that a message carries in canonical
form. Where a chain may have left out what it signs (see ``registries``), an empty object is not taken for an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.options import message_options
from cosmos_formats.signing.amino_json import scalars
from cosmos_formats.signing.amino_json.encode import Encoder
from cosmos_formats.signing.amino_json.plan import Shape, plan_of
from cosmos_formats.signing.amino_json.scalars import Mismatch
from cosmos_formats.signing.amino_json.text import MAX_DEPTH, JsonValue, canonical
from cosmos_formats.signing.amino_json.times import read_timestamp, split_nanos
from cosmos_formats.signing.registries import is_complete

if TYPE_CHECKING:
    from cosmos_formats.schema import Message, MessageClass, Schema
    from cosmos_formats.signing.amino_json.plan import FieldPlan


def decode_message(name: str, value: JsonValue, schema: Schema) -> tuple[str, Message] | None:
    """Rebuild a message of a sign document.

    Args:
        name: Its ``type``: an amino name, or the type URL of a message that has none.
        value: Its ``value``.
        schema: The message types that are known.

    Returns:
        Type URL and message; None if no known type of that name gives exactly this JSON, or more than one, or if one of
        them could give it with something left out.
    """
    try:
        text = canonical(value)
    except InvalidSignDoc:
        return None
    decoder = _Decoder(schema)
    encoder = Encoder(schema, in_full=True)
    fitting = []
    for type_url, message_class in decoder.candidates(name):
        message = message_class()
        try:
            decoder.fill(message, value, is_complete(message.DESCRIPTOR.full_name), MAX_DEPTH)
            again = encoder.plain(message)
        except _LeftOut:
            return None
        except (Mismatch, InvalidSignDoc):
            continue
        if canonical(again) == text:
            fitting.append((type_url, message))
    return fitting[0] if len(fitting) == 1 else None


class _LeftOut(Mismatch):
    """What a message of this type might be written as, with something in it that the document does not show."""


class _Decoder:
    """Fills messages from JSON values; what it accepts too much, the comparison finds out."""

    __slots__ = ("_schema",)

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def candidates(self, name: str) -> list[tuple[str, MessageClass]]:
        """Return the types that are written with a name, each with its type URL."""
        classes = [(type_url, self._schema.find(type_url)) for type_url in self._schema.by_amino_name(name)]
        found = self._schema.find(name) if name.startswith("/") else None
        if found is not None and not message_options(found.DESCRIPTOR).amino_name:
            classes.append((name, found))
        return [(type_url, found) for type_url, found in classes if found is not None]

    def fill(self, message: Message, value: Any, complete: bool, depth: int) -> None:
        """Fill an empty message.

        Args:
            message: The message.
            value: What it is written as.
            complete: Whether any chain knows all types inside it.
            depth: How many messages there may be inside each other.

        Raises:
            Mismatch: The value is not what a message of this type is written as.
        """
        if depth == 0:
            raise Mismatch("nested too deep")
        match plan_of(message.DESCRIPTOR).shape:
            case Shape.OBJECT:
                self._fill_fields(message, _object(value), complete, depth - 1)
            case Shape.ANY:
                self._pack(message, _object(value), depth - 1)
            case Shape.TIMESTAMP:
                time = read_timestamp(value) if type(value) is str else None
                if time is None:
                    raise Mismatch("not a time")
                message.seconds, message.nanos = time
            case Shape.DURATION:
                message.seconds, message.nanos = split_nanos(scalars.INT64.decode(value))
            case Shape.KEY_FIELD:
                message.key = scalars.BYTES.decode(value)
            case Shape.THRESHOLD:
                self._fill_threshold(message, _object(value), complete, depth - 1)
            case Shape.MODULE_ACCOUNT:
                raise _LeftOut("amino JSON says too little of a module account")

    def _fill_fields(self, message: Message, value: dict[str, Any], complete: bool, depth: int) -> None:
        plan = plan_of(message.DESCRIPTOR)
        for key, encoded in value.items():
            one = plan.by_key.get(key)
            if one is not None:
                self._set(message, one, encoded, complete, depth)
            elif key not in plan.by_oneof:
                raise Mismatch("an unknown field")
            elif encoded is not None:
                choice = _object(encoded)
                one = plan.by_oneof[key].get(scalars.TEXT.decode(choice.get("type")))
                if one is None:
                    raise Mismatch("an unknown choice")
                self._set(message, one, _object(choice.get("value")).get(one.key), complete, depth)

    def _set(self, message: Message, one: FieldPlan, value: Any, complete: bool, depth: int) -> None:
        if one.repeated:
            self._extend(getattr(message, one.name), one, value, complete, depth)
        elif one.scalar is not None:
            setattr(message, one.name, one.scalar.decode(value))
        else:
            _refuse_hidden(one, value, complete)
            inner = getattr(message, one.name)
            inner.SetInParent()
            self.fill(inner, value, complete, depth)

    def _extend(self, target: Any, one: FieldPlan, value: Any, complete: bool, depth: int) -> None:
        if value is None:
            return
        if type(value) is not list:
            raise Mismatch("not a list")
        if one.scalar is not None:
            target.extend([one.scalar.decode(element) for element in value])
            return
        for element in value:
            _refuse_hidden(one, element, complete)
            self.fill(target.add(), element, complete, depth)

    def _fill_threshold(self, message: Message, value: dict[str, Any], complete: bool, depth: int) -> None:
        keys = value.get("pubkeys")
        if type(keys) is not list:
            raise Mismatch("not a list")
        for key in keys:
            self.fill(message.public_keys.add(), key, complete, depth)
        message.threshold = scalars.UINT32.decode(scalars.whole(value.get("threshold")))

    def _pack(self, target: Message, value: dict[str, Any], depth: int) -> None:
        candidates = self.candidates(scalars.TEXT.decode(value.get("type")))
        if len(candidates) != 1:
            raise Mismatch("an unknown type, or several of one name")
        ((type_url, message_class),) = candidates
        message = message_class()
        self.fill(message, value.get("value"), is_complete(message.DESCRIPTOR.full_name), depth)
        target.type_url = type_url
        target.value = message.SerializeToString(deterministic=True)


def _refuse_hidden(one: FieldPlan, value: Any, complete: bool) -> None:
    if one.placeholder and not complete and not value:
        raise _LeftOut("a message that may have been left out")


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Mismatch("not an object")
    return value
