"""Types of the values that travel: each checks and converts what comes in, and describes itself in JSON Schema."""

from __future__ import annotations

from abc import ABC, abstractmethod
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import InvalidKey, InvalidRequest
from keyring_plugin.jsonrpc import MAX_ID_CHARACTERS, is_id

Schema = Mapping[str, object]


class FieldType(ABC):
    """One type."""

    @property
    @abstractmethod
    def schema(self) -> Schema:
        """The type as JSON Schema."""

    @abstractmethod
    def read(self, value: object) -> object:
        """Return what a handler gets for a JSON value.

        Raises:
            InvalidRequest: The value is not of this type; the message says what was expected, not what came.
        """


@dataclass(frozen=True, slots=True)
class Text(FieldType):
    """A text of at most ``limit`` characters.

    Attributes:
        error: Raised for one that is too long.
    """

    limit: int
    error: type[InvalidRequest] = InvalidRequest

    @property
    def schema(self) -> Schema:
        """See the base class."""
        return {"type": "string", "maxLength": self.limit}

    def read(self, value: object) -> str:
        """Return the text."""
        if not isinstance(value, str):
            raise InvalidRequest("expected a text")
        if len(value) > self.limit:
            raise self.error(f"{len(value)} characters, at most {self.limit} are allowed")
        return value


@dataclass(frozen=True, slots=True)
class Secret(FieldType):
    """A text that nobody else may see; the handler gets a ``SecretBytes`` and wipes it."""

    limit: int = 4096

    @property
    def schema(self) -> Schema:
        """See the base class."""
        return {"type": "string", "maxLength": self.limit, "writeOnly": True}

    def read(self, value: object) -> object:
        """Return the text's UTF-8 in a buffer that can be wiped."""
        from keyring_bridge.secrets import SecretBytes

        if not isinstance(value, str):
            raise InvalidRequest("expected a text")
        if len(value) > self.limit:
            raise InvalidRequest(f"more than {self.limit} characters")
        return SecretBytes(bytearray(value, "utf-8"))


@dataclass(frozen=True, slots=True)
class Base64(FieldType):
    """Bytes in base64 (RFC 4648 §4): padded, on one line, and in the one form that encodes them.

    Attributes:
        limit: Most bytes.
        exactly: The only length allowed, or None.
    """

    limit: int
    exactly: int | None = None

    @property
    def schema(self) -> Schema:
        """See the base class."""
        size = self.exactly if self.exactly is not None else self.limit
        return {"type": "string", "contentEncoding": "base64", "maxLength": (size + 2) // 3 * 4}

    def read(self, value: object) -> bytes:
        """Return the bytes."""
        if not isinstance(value, str):
            raise InvalidRequest("expected base64")
        try:
            data = a2b_base64(value, strict_mode=True)
        except (Base64Error, ValueError):
            raise InvalidRequest("not base64") from None
        if not _is_canonical(value, data):
            raise InvalidRequest("base64 with unused bits that are not zero")
        if self.exactly is not None and len(data) != self.exactly:
            raise InvalidRequest(f"{len(data)} bytes, expected {self.exactly}")
        if len(data) > self.limit:
            raise InvalidRequest(f"{len(data)} bytes, at most {self.limit} are allowed")
        return data


@dataclass(frozen=True, slots=True)
class Integer(FieldType):
    """An integer from ``low`` to ``high``."""

    low: int
    high: int

    @property
    def schema(self) -> Schema:
        """See the base class."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def read(self, value: object) -> int:
        """Return the number."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            raise InvalidRequest(f"expected an integer from {self.low} to {self.high}")
        return value


@dataclass(frozen=True, slots=True)
class Boolean(FieldType):
    """Yes or no."""

    @property
    def schema(self) -> Schema:
        """See the base class."""
        return {"type": "boolean"}

    def read(self, value: object) -> bool:
        """Return the value."""
        if not isinstance(value, bool):
            raise InvalidRequest("expected true or false")
        return value


@dataclass(frozen=True, slots=True)
class Identifier(FieldType):
    """The id of a request."""

    @property
    def schema(self) -> Schema:
        """See the base class."""
        return {"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": MAX_ID_CHARACTERS}]}

    def read(self, value: object) -> object:
        """Return the id."""
        if not is_id(value):
            raise InvalidRequest("expected the id of a request")
        return value


@dataclass(frozen=True, slots=True)
class SignModeField(FieldType):
    """A sign mode in proto-JSON: its name in ``cosmos.tx.signing.v1beta1.SignMode``, or its number."""

    @property
    def schema(self) -> Schema:
        """See the base class."""
        from cosmos_formats.signing import SignMode

        names = [f"SIGN_MODE_{mode.name}" for mode in SignMode if mode]
        return {"oneOf": [{"type": "string", "enum": names}, {"type": "integer", "enum": [m for m in SignMode if m]}]}

    def read(self, value: object) -> object:
        """Return the :class:`cosmos_formats.signing.SignMode`."""
        from cosmos_formats.signing import SignMode

        try:
            if isinstance(value, str) and value.startswith("SIGN_MODE_"):
                mode = SignMode[value.removeprefix("SIGN_MODE_")]
            elif isinstance(value, int) and not isinstance(value, bool):
                mode = SignMode(value)
            else:
                raise InvalidRequest("expected the name or the number of a sign mode")
        except (KeyError, ValueError):
            raise InvalidRequest("not a sign mode of this release") from None
        if not mode:
            raise InvalidRequest("the sign mode must be named")
        return mode


@dataclass(frozen=True, slots=True)
class PublicKeyField(FieldType):
    """A public key of any kind in proto-JSON."""

    @property
    def schema(self) -> Schema:
        """See the base class."""
        return {"$ref": "#/components/schemas/PublicKey"}

    def read(self, value: object) -> object:
        """Return a ``PublicKey`` or ``MultisigPublicKey``."""
        from cosmos_formats.errors import FormatError
        from cosmos_formats.multisig import pubkey_from_proto_json

        try:
            return pubkey_from_proto_json(value)
        except FormatError as error:
            raise InvalidKey(str(error)) from None


@dataclass(frozen=True, slots=True)
class Structure(FieldType):
    """An object with known members.

    Attributes:
        members: Type of each member.
        required: Those that must be there.
    """

    members: Mapping[str, FieldType]
    required: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """See the base class."""
        properties = {name: member.schema for name, member in self.members.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(self.required),
            "additionalProperties": False,
        }

    def read(self, value: object) -> dict[str, object]:
        """Return the members, each read."""
        if not isinstance(value, dict):
            raise InvalidRequest("expected an object")
        return read_members(value, self.members, self.required)


@dataclass(frozen=True, slots=True)
class ListOf(FieldType):
    """An array of at most ``limit`` values of one type."""

    item: FieldType
    limit: int

    @property
    def schema(self) -> Schema:
        """See the base class."""
        return {"type": "array", "items": self.item.schema, "maxItems": self.limit}

    def read(self, value: object) -> list[object]:
        """Return the values, each read."""
        if not isinstance(value, list) or len(value) > self.limit:
            raise InvalidRequest(f"expected an array of at most {self.limit} values")
        return [self.item.read(item) for item in value]


@dataclass(frozen=True, slots=True)
class CoinMetadataField(FieldType):
    """The metadata of denominations, as the bank module's query writes it."""

    limit: int = 256

    @property
    def schema(self) -> Schema:
        """See the base class."""
        return {"type": "array", "items": {"type": "object"}, "maxItems": self.limit}

    def read(self, value: object) -> object:
        """Return the metadata by base denomination."""
        from cosmos_formats.errors import FormatError
        from cosmos_formats.signing.textual import CoinMetadata

        if not isinstance(value, list) or len(value) > self.limit:
            raise InvalidRequest(f"expected an array of at most {self.limit} objects")
        try:
            return {metadata.base: metadata for metadata in map(CoinMetadata.from_json, value)}
        except FormatError as error:
            raise InvalidRequest(str(error)) from None


def read_members(
    given: Mapping[str, object], types: Mapping[str, FieldType], required: tuple[str, ...]
) -> dict[str, object]:
    """Read the members of an object.

    Raises:
        InvalidRequest: A member is unknown, missing or of another type. The class is that of the type's own error.
    """
    members: dict[str, object] = {}
    for name, value in given.items():
        kind = types.get(name)
        if kind is None:
            raise InvalidRequest(f"{name[:64]!r} is unknown", hint=f"known: {', '.join(types) or 'none'}")
        try:
            members[name] = kind.read(value)
        except InvalidRequest as error:
            raise type(error)(f"{name}: {error.message}", hint=error.hint) from None
    for name in required:
        if name not in members:
            raise InvalidRequest(f"{name} is missing")
    return members


def _is_canonical(text: str, data: bytes) -> bool:
    """Tell whether the bits of the last character that encode nothing are zero (RFC 4648 §3.5)."""
    rest = len(data) % 3
    if rest == 0:
        return True
    from binascii import b2a_base64

    return text[-4:] == b2a_base64(data[-rest:], newline=False).decode("ascii")
