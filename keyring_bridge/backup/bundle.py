"""What is inside a sealed bundle: lines of JSON, each an object with one member that says what the line is.

In this order::

    {"bundle": …}   version of the content, when and by which bridge it was made
    {"config": …}   the configuration in force, which never holds a secret
    {"policy": …}   the policy's file as text; left out where there is none
    {"secret":"…"}  the private key of the record in the next line, 64 hexadecimal digits; only where it was put in
    {"key": …}      one for each record, with what its consensus key signed last and the wrapped key, if there is one
    {"audit": …}    the head of the audit log
    {"end": …}      how many keys there were: a bundle without this line is none

Everything that follows from a public key (address, fingerprint, type) is computed from it and not read. A private key
has to make the public key of its record. Its line has one spelling, so that it is written and read in buffers that are
wiped, and no text is made of it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from cosmos_formats.errors import FormatError
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Record
from cosmos_formats.wipeable import hexed, unhex
from keyring_bridge.backup.errors import BundleInvalid, BundleNewer
from keyring_bridge.backup.register import Holds
from keyring_bridge.errors import InvalidKey, InvalidName
from keyring_bridge.model import Purpose, WrappedKey
from keyring_bridge.names import check_name
from keyring_bridge.secrets import SecretBytes
from keyring_bridge.store.base import LastSigned, StoredRecord

KIND = "backup"
"""Kind of the sealed file."""

VERSION = 1
MAX_LINE = 32 << 20
MAX_KEYS = 1_000_000
_MAX_WRAPPED = 64 << 10
_SECRET = b'{"secret":"'
_SECRET_END = b'"}'
_SECRET_LINE = len(_SECRET) + 64 + len(_SECRET_END)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class BundleKey:
    """One record in a bundle.

    Attributes:
        record: As the store had it.
        last_signed: Of a consensus key, by chain id.
        wrapped: The private key, as far as its device gave it out.
        why: Why the private key is not in the bundle; empty if it is, or if the record has none.
        secret: The private key itself, 32 bytes, protected by the bundle's seal alone; in a line of its own.
    """

    record: StoredRecord
    last_signed: Mapping[str, LastSigned] = field(default_factory=dict)
    wrapped: WrappedKey | None = None
    why: str = ""
    secret: SecretBytes | None = field(default=None, repr=False)

    @property
    def holds(self) -> Holds:
        """What the bundle has of the key."""
        if self.secret is not None:
            return Holds.SEALED
        return Holds.RECORD if self.wrapped is None else Holds.WRAPPED

    def to_json(self) -> dict[str, object]:
        """Return the object of the key's line."""
        record, wrapped = self.record, self.wrapped
        return {
            "name": record.name,
            "fingerprint": record.fingerprint,
            "record": _text(record.record.encode()),
            "provider": record.provider,
            "uri": record.uri,
            "purpose": str(record.purpose),
            "created_at": record.created_at.isoformat(timespec="microseconds"),
            "hardware": record.hardware,
            "extractable": record.extractable,
            "needs_floor": record.needs_floor,
            "successor": record.successor,
            "verify_only_from": None
            if record.verify_only_from is None
            else record.verify_only_from.isoformat(timespec="microseconds"),
            "last_signed": {chain: [at.height, at.round, at.step] for chain, at in self.last_signed.items()},
            "wrapped": None
            if wrapped is None
            else {
                "form": wrapped.form,
                "by": wrapped.by,
                "check": wrapped.check.hex(),
                "data": _text(wrapped.data),
            },
            "why": self.why,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> BundleKey:
        """Return the key of a line (errors: ValueError, KeyError, TypeError, FormatError, InvalidName)."""
        decoded = Record.decode(_data(values["record"]))
        public_key = decoded.public_key
        single = public_key if isinstance(public_key, PublicKey) else None
        name = check_name(decoded.name)
        if name != values["name"] or values["fingerprint"] != (None if single is None else single.fingerprint):
            raise ValueError("name or fingerprint is not the record's")
        agrees = single is not None and single.key_type is KeyType.X25519
        record = StoredRecord(
            name=name,
            record=decoded,
            address=bytes.fromhex(single.fingerprint) if single is not None and agrees else public_key.address,
            provider=_optional(values["provider"], str),
            uri=_optional(values["uri"], str),
            key_type=None if single is None else single.key_type,
            purpose=Purpose(_only(values["purpose"], str)),
            fingerprint=None if single is None else single.fingerprint,
            created_at=_moment(values["created_at"]),
            hardware=_optional(values["hardware"], bool),
            extractable=_optional(values["extractable"], bool),
            needs_floor=_only(values["needs_floor"], bool),
            successor=_optional(values["successor"], str),
            verify_only_from=None if values["verify_only_from"] is None else _moment(values["verify_only_from"]),
        )
        signed = {
            chain: LastSigned(*(_only(number, int) for number in _only(numbers, list)))
            for chain, numbers in _only(values["last_signed"], dict).items()
        }
        return cls(record, signed, _wrapped(values["wrapped"]), _only(values["why"], str))


@dataclass(slots=True)
class Bundle:
    """What a bundle says besides its keys.

    Attributes:
        created_at: When it was made (UTC).
        bridge: Id of the bridge that made it.
        config: The configuration, as ``hsm config show`` has it.
        policy: Text of the policy's file, None if there was none.
        audit: Number and hash of the last entry of the audit log then.
        keys: How many records there are.
    """

    created_at: datetime
    bridge: str
    config: Mapping[str, object] = field(default_factory=dict)
    policy: str | None = None
    audit: tuple[int, str] | None = None
    keys: int = 0


def line(what: str, value: object) -> bytes:
    """Return one line."""
    return json.dumps({what: value}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def secret_line(secret: SecretBytes) -> SecretBytes:
    """Return the line of a private key, which goes before that of its record; the caller wipes it."""
    with SecretBytes(hexed(secret.reveal())) as digits:
        text = SecretBytes(bytearray(_SECRET_LINE + 1))
        buffer = text.reveal()
        buffer[: len(_SECRET)] = _SECRET
        buffer[len(_SECRET) : -len(_SECRET_END) - 1] = digits.reveal()
        buffer[-len(_SECRET_END) - 1 :] = _SECRET_END + b"\n"
    return text


class BundleReader:
    """Reads the lines of a bundle as they come; nothing that it tells counts before :meth:`finish` returned.

    Args:
        on_key: Takes every key, and wipes its secret.
    """

    def __init__(self, on_key: Callable[[BundleKey], object]) -> None:
        self._on_key = on_key
        self._rest = bytearray()
        self._bundle: Bundle | None = None
        self._ended = False
        self._secret: SecretBytes | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            BundleInvalid: They are not those of a bundle.
            BundleNewer: The bundle is of a newer version.
        """
        begun = len(self._rest)
        self._rest += data
        start = 0
        while (end := self._rest.find(b"\n", max(start, begun))) >= 0:
            if self._rest.startswith(_SECRET, start):
                self._take_secret(start, end)
            else:
                self._line(bytes(self._rest[start:end]))
            start = begun = end + 1
        del self._rest[:start]
        if len(self._rest) > MAX_LINE:
            raise BundleInvalid("the bundle has a line that is too long")

    def finish(self) -> Bundle:
        """Return what the bundle says.

        Raises:
            BundleInvalid: Something is missing at its end.
        """
        if self._bundle is None or not self._ended or self._rest:
            raise BundleInvalid("the bundle has no end")
        return self._bundle

    def wipe(self) -> None:
        """Let go of a private key whose record did not come."""
        if self._secret is not None:
            self._secret.wipe()

    def _take_secret(self, start: int, end: int) -> None:
        """Keep a private key for the record in the next line, and wipe the line where it stands."""
        try:
            if self._bundle is None or self._ended or self._secret is not None:
                raise BundleInvalid("the bundle has a private key in a wrong place")
            if end - start != _SECRET_LINE or not self._rest.endswith(_SECRET_END, start, end):
                raise ValueError("length or end")
            with (
                memoryview(self._rest) as whole,
                whole[start + len(_SECRET) : end - len(_SECRET_END)] as digits,
            ):
                self._secret = SecretBytes(unhex(digits))
        except ValueError:
            # Without what was found: it may be a part of the key.
            raise BundleInvalid("a line of the bundle (secret) cannot be read") from None
        finally:
            self._rest[start:end] = bytes(end - start)

    def _line(self, text: bytes) -> None:
        try:
            read = json.loads(text.decode())
            ((what, value),) = read.items()
        except (ValueError, AttributeError, RecursionError) as error:
            raise BundleInvalid("a line of the bundle cannot be read") from error
        try:
            self._take(what, value)
        except (ValueError, KeyError, TypeError, AttributeError, FormatError, InvalidName) as error:
            raise BundleInvalid(f"a line of the bundle ({str(what)[:20]}) cannot be read", detail=str(error)) from error

    def _take(self, what: str, value: object) -> None:
        if self._ended:
            raise BundleInvalid("the bundle goes on after its end")
        if self._secret is not None and what != "key":
            raise BundleInvalid("the bundle has a private key without a record")
        bundle = self._bundle
        if bundle is None:
            if what != "bundle":
                raise BundleInvalid("the bundle has no beginning")
            self._begin(_only(value, dict))
        elif what == "key":
            bundle.keys += 1
            if bundle.keys > MAX_KEYS:
                raise BundleInvalid("the bundle has too many keys")
            self._on_key(self._with_secret(BundleKey.from_json(_only(value, dict))))
        elif what == "config":
            bundle.config = _only(value, dict)
        elif what == "policy":
            bundle.policy = _only(value, str)
        elif what == "audit":
            head = _only(value, dict)
            bundle.audit = (_only(head["seq"], int), _only(head["hash"], str))
        elif what == "end":
            if _only(value, dict)["keys"] != bundle.keys:
                raise BundleInvalid("the bundle says that it has another number of keys")
            self._ended = True
        else:
            raise BundleNewer("the bundle has something in it that this program does not know")

    def _with_secret(self, key: BundleKey) -> BundleKey:
        if self._secret is None:
            return key
        if not makes(self._secret, key.record):
            raise BundleInvalid(f"the bundle has another private key for {key.record.name} than the record's")
        secret, self._secret = self._secret, None
        return replace(key, secret=secret)

    def _begin(self, value: dict[str, object]) -> None:
        version = _only(value["version"], int)
        if version > VERSION:
            raise BundleNewer(f"the bundle is of version {version}; this program reads up to {VERSION}")
        if version != VERSION:
            raise ValueError("version")
        self._bundle = Bundle(_moment(value["created_at"]), _only(value["bridge"], str))


def makes(secret: SecretBytes, record: StoredRecord) -> bool:
    """Whether a private key (32 bytes) is the one of a record."""
    from keyring_bridge.providers.private_keys import public_key_for

    public_key = record.record.public_key
    try:
        return isinstance(public_key, PublicKey) and public_key_for(public_key.key_type, secret) == public_key.plain
    except InvalidKey:
        return False


def _wrapped(value: object) -> WrappedKey | None:
    if value is None:
        return None
    values = _only(value, dict)
    data = _data(values["data"])
    if not 0 < len(data) <= _MAX_WRAPPED:
        raise ValueError("wrapped key of a wrong size")
    form, by = _only(values["form"], str), _only(values["by"], str)
    return WrappedKey(form, by, bytes.fromhex(_only(values["check"], str)), data)


def _only(value: object, kind: type[_T]) -> _T:
    # A bool is an int to isinstance.
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}")
    return value


def _optional(value: object, kind: type[_T]) -> _T | None:
    return None if value is None else _only(value, kind)


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_only(value, str))
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _data(value: object) -> bytes:
    try:
        return base64.b64decode(_only(value, str), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
