"""From protobuf messages to amino JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.signing.amino_json.plan import Shape, plan_of
from cosmos_formats.signing.amino_json.scalars import base64_text
from cosmos_formats.signing.amino_json.text import MAX_DEPTH, JsonValue
from cosmos_formats.signing.amino_json.times import duration_text, timestamp_text
from cosmos_formats.signing.messages import MAX_DEPTH as MAX_PACKED
from cosmos_formats.signing.messages import MessageReader
from cosmos_formats.signing.registries import is_complete

if TYPE_CHECKING:
    from cosmos_formats.schema import Message, Schema
    from cosmos_formats.signing.amino_json.plan import FieldPlan, MessagePlan

_MOST_ABSENT: Final = 100_000


def encode_message(message: Message, schema: Schema) -> dict[str, JsonValue]:
    """Return a message as it stands among the ``msgs`` of a sign document: its ``type`` and its ``value``.

    Args:
        message: Any message of the schema.
        schema: The message types that are known, for those packed inside.

    Raises:
        InvalidSignDoc: The SDK refuses it, a packed message is unknown or not canonical, or they are nested too deep.
    """
    return Encoder(schema).named(message)


class Encoder:
    """Encodes the messages of one document; one that has raised an error is of no more use.

    Args:
        schema: The message types that are known.
        in_full: Write what chains leave out because their binaries lack its type; see ``registries``.
    """

    __slots__ = ("_absent", "_in_full", "_packed", "_reader", "_schema")

    def __init__(self, schema: Schema, *, in_full: bool = False) -> None:
        self._schema = schema
        self._reader = MessageReader(schema)
        self._in_full = in_full
        self._packed = 0
        self._absent = 0

    def named(self, message: Message, depth: int = MAX_DEPTH) -> dict[str, JsonValue]:
        """Encode a message with its name; see :func:`encode_message`.

        Args:
            message: Any message.
            depth: How many messages there may be inside each other.
        """
        complete = self._in_full or is_complete(message.DESCRIPTOR.full_name)
        return {"type": plan_of(message.DESCRIPTOR).name, "value": self.plain(message, complete, depth)}

    def packed(self, type_url: str, value: bytes, depth: int = MAX_DEPTH) -> JsonValue:
        """Encode a packed message with its name.

        Args:
            type_url: Its type.
            value: Its bytes.
            depth: How many messages there may be inside each other.
        """
        message_class = self._schema.find(type_url)
        if message_class is None:
            raise InvalidSignDoc(f"the message type {type_url[:256]!r} is not known")
        if self._packed == MAX_PACKED:
            raise InvalidSignDoc(f"messages packed more than {MAX_PACKED} deep")
        self._packed += 1
        encoded = self.named(self._reader.parse(message_class, value, type_url, tolerate=False), depth)
        self._packed -= 1
        return encoded

    def plain(self, message: Message, complete: bool = True, depth: int = MAX_DEPTH) -> JsonValue:
        """Encode a message without its name.

        Args:
            message: Any message.
            complete: Whether the chain knows all types inside it.
            depth: How many messages there may be inside each other.
        """
        plan = plan_of(message.DESCRIPTOR)
        if plan.refusal:
            raise InvalidSignDoc(plan.refusal)
        if depth == 0:
            raise InvalidSignDoc(f"messages nested more than {MAX_DEPTH} deep")
        match plan.shape:
            case Shape.OBJECT:
                return self._object(message, plan, complete, depth - 1)
            case Shape.ANY:
                return self.packed(message.type_url, message.value, depth - 1)
            case Shape.TIMESTAMP:
                return timestamp_text(message.seconds, message.nanos)
            case Shape.DURATION:
                return duration_text(message.seconds, message.nanos)
            case Shape.KEY_FIELD:
                return base64_text(message.key) if message.key else None
            case Shape.THRESHOLD:
                keys: list[JsonValue] = [self.plain(key, complete, depth - 1) for key in message.public_keys]
                return {"pubkeys": keys, "threshold": str(message.threshold)}
            case Shape.MODULE_ACCOUNT:
                return _module_account(message)

    def _object(self, message: Message, plan: MessagePlan, complete: bool, depth: int) -> JsonValue:
        found: dict[str, JsonValue] = {}
        for item, value in message.ListFields():
            one = plan.fields[item.number]
            encoded = self._value(one, value, complete, depth)
            if one.oneof:
                found[one.oneof] = {"type": one.oneof_type, "value": {one.key: encoded}}
            else:
                found[one.key] = encoded
        for one in plan.kept:
            if one.key not in found:
                found[one.key] = self._filled_in(message, one, complete, depth) if one.embedded else one.empty()
        for name, make in plan.unset.items():
            if name not in found:
                found[name] = make()
        return found

    def _filled_in(self, message: Message, one: FieldPlan, complete: bool, depth: int) -> JsonValue:
        # Types with two such messages in them, level below level, would double with each.
        self._absent += 1
        if self._absent > _MOST_ABSENT:
            raise InvalidSignDoc(f"the transaction leaves out more than {_MOST_ABSENT} messages")
        return self._value(one, getattr(message, one.name), complete, depth)

    def _value(self, one: FieldPlan, value: Any, complete: bool, depth: int) -> JsonValue:
        if one.scalar is not None:
            encode = one.scalar.encode
            return [encode(element) for element in value] if one.repeated else encode(value)
        if one.placeholder and not complete:
            return [{} for _ in value] if one.repeated else {}
        if one.repeated:
            return [self.plain(element, complete, depth) for element in value]
        return self.plain(value, complete, depth)


def _module_account(message: Message) -> JsonValue:
    """Encode ``cosmos.auth.v1beta1.ModuleAccount``: its numbers stay numbers, and its public key is left out."""
    account = message.base_account
    permissions: list[JsonValue] = list(message.permissions)
    return {
        "account_number": account.account_number,
        "address": account.address,
        "name": message.name,
        "permissions": permissions or None,
        "public_key": "",
        "sequence": account.sequence,
    }
