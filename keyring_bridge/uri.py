"""Places of keys, written as URIs.

A record says where its key is by one string whose scheme is the backend's name: ``pkcs11:token=…;object=…``
(RFC 7512), ``software:store=…;id=…``, ``cosmosfile:name=…``, or whatever an outside provider chooses for its own
scheme. A place never holds a secret, and never says which code to load or where a PIN comes from: those are the
configuration's.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import ClassVar, Final, Self

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import InvalidUri

LONGEST_URI: Final = 8192
"""In characters; far above what any token's attributes need."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# What may stand for itself in a value (RFC 7512, section 2.3: unreserved, pk11-res-avail and "&").
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:[]@!$'()*+,=&")
_VALUE = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_HEX = re.compile(rb"[0-9a-f]{32}")
_NUMBER = re.compile(r"[0-9]{1,20}")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)?")


def scheme_of(text: str) -> str:
    """Return the scheme of a URI in lower case, which is the name of its backend.

    Raises:
        InvalidUri: The text does not begin with a scheme (RFC 3986, section 3.1), or it is far too long.
    """
    found = _SCHEME.match(text)
    if found is None or len(text) > LONGEST_URI:
        raise InvalidUri("not a URI of a key")
    return found[1].lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Uri:
    """A ``pkcs11:`` URI (RFC 7512). An attribute that is None says nothing and matches everything.

    An empty text is an attribute that is there and empty: a token whose label is empty.

    Attributes:
        token: Label of the token.
        manufacturer: Of the token.
        serial: Serial number of the token.
        model: Of the token.
        object: Label of the object (CKA_LABEL).
        id: Identifier of the object (CKA_ID), raw bytes.
        type: ``public``, ``private``, ``cert``, ``secret-key`` or ``data``.
        slot_id: The module's own number of the slot.
        slot_description: Of the slot.
        slot_manufacturer: Of the slot.
        library_description: Of the module.
        library_manufacturer: Of the module.
        library_version: ``3`` or ``1.23``.
    """

    SCHEME: ClassVar[str] = "pkcs11"
    TYPES: ClassVar[frozenset[str]] = frozenset({"public", "private", "cert", "secret-key", "data"})

    token: str | None = None
    manufacturer: str | None = None
    serial: str | None = None
    model: str | None = None
    object: str | None = None
    id: bytes | None = None
    type: str | None = None
    slot_id: int | None = None
    slot_description: str | None = None
    slot_manufacturer: str | None = None
    library_description: str | None = None
    library_manufacturer: str | None = None
    library_version: str | None = None

    def __post_init__(self) -> None:
        if self.type is not None and self.type not in self.TYPES:
            raise InvalidUri(f"a pkcs11 URI has the type {', '.join(sorted(self.TYPES))}, nothing else")
        if self.slot_id is not None and not 0 <= self.slot_id < 1 << 64:
            raise InvalidUri("the slot-id of a pkcs11 URI is a number of 64 bits")
        if self.library_version is not None and not _VERSION.fullmatch(self.library_version):
            raise InvalidUri("the library-version of a pkcs11 URI is a number like 3 or 1.23")
        if len(self.format()) > LONGEST_URI:
            raise InvalidUri("the pkcs11 URI is too long")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI.

        Refused besides what the RFC forbids: attributes that nobody here understands (they would have to match
        nothing), and the query part.

        Raises:
            InvalidUri: Says what is wrong; never repeats a value, which could be a PIN.
        """
        path, question_mark, query = _without_scheme(text, cls.SCHEME).partition("?")
        if "pin-value" in query:
            raise InvalidUri("a pkcs11 URI must not hold a PIN (pin-value)", hint="use `pin_source` of the provider")
        if question_mark:
            raise InvalidUri(
                "the part of a pkcs11 URI behind ? is not used: module and PIN source come from the configuration"
            )
        names = {_attribute(field.name): field.name for field in dataclasses.fields(cls)}
        given: dict[str, str | bytes | int] = {}
        for name, value in _attributes(path, cls.SCHEME, names).items():
            given[names[name]] = value if name == "id" else _number(name, value) if name == "slot-id" else _text(value)
        return cls(**given)  # type: ignore[arg-type]  # each attribute was converted to its field's type

    def format(self) -> str:
        """Return the URI as text, in one form for each set of attributes; :meth:`parse` reads the same back."""
        parts = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None:
                parts.append(f"{_attribute(field.name)}={_escaped(value)}")
        return f"{self.SCHEME}:{';'.join(parts)}"

    def __str__(self) -> str:
        return self.format()


@dataclass(frozen=True, slots=True)
class SoftwareUri:
    """The place of a key of the software provider: ``software:store=HEX;id=HEX``.

    Both are chosen at random when they are made and never change, so the URI outlives every rename and every move of
    the file.

    Attributes:
        store: Identifies the key file, 16 bytes.
        id: Identifies the key in it, 16 bytes.
    """

    SCHEME: ClassVar[str] = "software"
    LENGTH: ClassVar[int] = 16

    store: bytes
    id: bytes

    def __post_init__(self) -> None:
        if len(self.store) != self.LENGTH or len(self.id) != self.LENGTH:
            raise InvalidUri(f"store and id of a software URI have {self.LENGTH} bytes each")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI.

        Raises:
            InvalidUri: It is not one of this form.
        """
        attributes = _attributes(_without_scheme(text, cls.SCHEME), cls.SCHEME, {"store": "store", "id": "id"})
        if len(attributes) != 2:
            raise InvalidUri("a software URI has the attributes store and id")
        if not all(_HEX.fullmatch(value) for value in attributes.values()):
            raise InvalidUri("store and id of a software URI are 32 digits each, hexadecimal in lower case")
        return cls(**{name: bytes.fromhex(value.decode()) for name, value in attributes.items()})

    def format(self) -> str:
        """Return the URI as text."""
        return f"{self.SCHEME}:store={self.store.hex()};id={self.id.hex()}"

    def __str__(self) -> str:
        return self.format()


@dataclass(frozen=True, slots=True)
class CosmosFileUri:
    """The place of a key in a keyring directory of the SDK: ``cosmosfile:name=alice``.

    Which directory it is, the configuration says.

    Attributes:
        name: Name of the key, as its item has it.
    """

    SCHEME: ClassVar[str] = "cosmosfile"

    name: str

    def __post_init__(self) -> None:
        if not self.name or len(self.format()) > LONGEST_URI:
            raise InvalidUri("the name in a cosmosfile URI is empty, or too long")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI.

        Raises:
            InvalidUri: It is not one of this form.
        """
        attributes = _attributes(_without_scheme(text, cls.SCHEME), cls.SCHEME, {"name": "name"})
        if not attributes:
            raise InvalidUri("a cosmosfile URI has the attribute name")
        return cls(_text(attributes["name"]))

    def format(self) -> str:
        """Return the URI as text."""
        return f"{self.SCHEME}:name={_escaped(self.name)}"

    def __str__(self) -> str:
        return self.format()


def _attribute(field_name: str) -> str:
    return field_name.replace("_", "-")


def _without_scheme(text: str, scheme: str) -> str:
    if scheme_of(text) != scheme:
        raise InvalidUri(f"not a {scheme} URI")
    return text[len(scheme) + 1 :]


def _attributes(path: str, scheme: str, known: Mapping[str, str]) -> dict[str, bytes]:
    """Return the attributes of ``name=value;name=value`` with their values unescaped."""
    attributes: dict[str, bytes] = {}
    for part in path.split(";") if path else ():
        name, equals, value = part.partition("=")
        if name not in known:
            shown = f" {name!r}" if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name) and equals else ""
            raise InvalidUri(f"the {scheme} URI has an unknown attribute{shown}; known are {', '.join(sorted(known))}")
        if name in attributes:
            raise InvalidUri(f"the {scheme} URI has the attribute {name} twice")
        if not equals or not _VALUE.fullmatch(value):
            raise InvalidUri(f"the attribute {name} of the {scheme} URI has characters that must be percent-encoded")
        attributes[name] = _ESCAPE.sub(lambda escape: bytes((int(escape[1], 16),)), value.encode("ascii"))
    return attributes


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidUri("an attribute of the URI is not UTF-8") from None


def _number(name: str, value: bytes) -> int:
    text = _text(value)
    if not _NUMBER.fullmatch(text):
        raise InvalidUri(f"the attribute {name} of the URI is not a number")
    return int(text)


def _escaped(value: str | bytes | int) -> str:
    if isinstance(value, bytes):
        # RFC 7512, section 2.3: the id is best percent-encoded as a whole.
        return "".join(f"%{byte:02X}" for byte in value)
    try:
        raw = str(value).encode()
    except UnicodeEncodeError:
        raise InvalidUri("an attribute of the URI cannot be written as UTF-8") from None
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in raw)
