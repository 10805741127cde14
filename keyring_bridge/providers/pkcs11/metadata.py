"""What a token keeps about a key besides its attributes.

PKCS#11 has no attribute for a key's purpose, and tokens refuse dates on private keys. So the bridge lays a data
object (CKO_DATA) beside each key that it makes. Another host that opens the token reads from it what the key is for.

The object is PRIVATE, so only who has the PIN can make or change one. Its CKA_APPLICATION is
``keyring-bridge/key/`` and the key's CKA_ID in hexadecimal; its CKA_VALUE is JSON::

    {"v": 1, "fingerprint": …, "public_key": hex, "key_type": …, "purpose": …, "created_at": RFC 3339}

Tokens without data objects are fine: the bridge's own store knows the same, on this host.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cosmos_formats.errors import FormatError
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.quickclass import dataclass
from keyring_bridge.model import Purpose
from keyring_bridge.providers.pkcs11.faults import TokenFault, binding
from keyring_bridge.providers.pkcs11.search import search

if TYPE_CHECKING:
    import pkcs11.types

_APPLICATION = "keyring-bridge/key/"
_LARGEST = 4096


@dataclass(frozen=True, slots=True)
class Metadata:
    """A key's note.

    Attributes:
        fingerprint: Of the public key that the note is about.
    """

    fingerprint: str
    public_key: PublicKey | None
    purpose: Purpose | None
    created_at: datetime | None

    def encode(self) -> bytes:
        """Return the JSON text that goes into the token."""
        note: dict[str, Any] = {"v": 1, "fingerprint": self.fingerprint}
        if self.public_key is not None:
            note["public_key"] = self.public_key.data.hex()
            note["key_type"] = self.public_key.key_type.value
        if self.purpose is not None:
            note["purpose"] = self.purpose.value
        if self.created_at is not None:
            note["created_at"] = self.created_at.isoformat()
        return json.dumps(note, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, value: bytes) -> Metadata | None:
        """Read a note; None if it is not one, or of a later version."""
        try:
            note = json.loads(value) if len(value) <= _LARGEST else None
            if not isinstance(note, dict) or note.get("v") != 1:
                return None
            public_key = None
            if "public_key" in note:
                public_key = PublicKey(KeyType(note["key_type"]), bytes.fromhex(note["public_key"]))
            created = datetime.fromisoformat(note["created_at"]) if "created_at" in note else None
            return cls(
                fingerprint=str(note["fingerprint"]),
                public_key=public_key,
                purpose=Purpose(note["purpose"]) if "purpose" in note else None,
                created_at=created if created is None or created.tzinfo is not None else None,
            )
        except (ValueError, KeyError, TypeError, RecursionError, FormatError):
            return None


def write(session: pkcs11.types.Session, key_id: bytes, label: str, note: Metadata) -> None:
    """Lay the note beside the key (errors: TokenFault)."""
    from pkcs11 import Attribute, ObjectClass

    with binding("C_CreateObject"):
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.DATA,
                Attribute.TOKEN: True,
                Attribute.PRIVATE: True,
                Attribute.LABEL: label,
                Attribute.APPLICATION: _APPLICATION + key_id.hex(),
                Attribute.VALUE: note.encode(),
            }
        )


def read_one(session: pkcs11.types.Session, key_id: bytes) -> Metadata | None:
    """Return the note of one key, None if there is none, or more than one."""
    from pkcs11 import Attribute

    notes = [_decoded(found, Attribute.VALUE) for found in objects(session, key_id)]
    return notes[0] if len(notes) == 1 else None


def read_all(session: pkcs11.types.Session) -> Mapping[bytes, Metadata]:
    """Return every note by key id; ids that several notes claim are left out."""
    from pkcs11 import Attribute

    notes: dict[bytes, Metadata] = {}
    repeated = set()
    for found in objects(session, None):
        key_id, note = _key_id(found), _decoded(found, Attribute.VALUE)
        if key_id is None or note is None:
            continue
        if key_id in notes:
            repeated.add(key_id)
        notes[key_id] = note
    return {key_id: note for key_id, note in notes.items() if key_id not in repeated}


def key_ids(session: pkcs11.types.Session) -> set[bytes]:
    """Return the ids of the keys that notes are about, whatever is in the notes."""
    return {key_id for found in objects(session, None) if (key_id := _key_id(found)) is not None}


def objects(session: pkcs11.types.Session, key_id: bytes | None) -> list[pkcs11.types.Object]:
    """Return the data objects that are notes: of one key, or all."""
    from pkcs11 import Attribute, ObjectClass

    template: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.DATA}
    if key_id is not None:
        template[Attribute.APPLICATION] = _APPLICATION + key_id.hex()
    try:
        return search(session, template)
    except TokenFault as fault:
        if fault.recoverable:
            raise
        # A token without data objects may refuse the class.
        return []


def _key_id(found: pkcs11.types.Object) -> bytes | None:
    from pkcs11 import Attribute

    application = _value(found, Attribute.APPLICATION)
    if not isinstance(application, str) or not application.startswith(_APPLICATION):
        return None
    try:
        return bytes.fromhex(application.removeprefix(_APPLICATION))
    except ValueError:
        return None


def _decoded(found: pkcs11.types.Object, kind: Any) -> Metadata | None:
    value = _value(found, kind)
    return Metadata.decode(value) if isinstance(value, bytes) else None


def _value(found: pkcs11.types.Object, kind: Any) -> Any:
    from pkcs11.exceptions import PKCS11Error

    try:
        return found[kind]
    except (PKCS11Error, ValueError):
        return None
