"""Keys as they travel: key entries, on the server's side and on the client's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import PeerFailed
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey
    from cosmos_formats.pubkeys import KeyType
    from keyring_bridge.store.base import StoredRecord

KINDS = ("local", "ledger", "multi", "offline")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key of the keyring, as a client sees it.

    Attributes:
        name: Its name.
        kind: ``local``, ``ledger``, ``multi`` or ``offline``, as the SDK's ``type`` of a key.
        public_key: Its public half.
        address: Bech32 text with the configured prefix; None for keys that have no address.
        key_type: Curve; None for multisig keys.
        purpose: What it is for.
        fingerprint: SHA-256 of the public key's bytes in hexadecimal; None for multisig keys.
        provider: Where the private key is; None without one.
        hardware: Whether that is hardware; None without one.
        extractable: Whether it may give the private key out, wrapped; None without one, or where nobody could tell.
        created_at: When it was made or saved.
        record: The SDK's record in proto-JSON.
    """

    name: str
    kind: str
    public_key: AnyPublicKey
    address: str | None
    key_type: KeyType | None
    purpose: Purpose
    fingerprint: str | None
    provider: str | None
    hardware: bool | None
    extractable: bool | None
    created_at: datetime
    record: Mapping[str, object]

    @classmethod
    def from_wire(cls, value: Any) -> KeyEntry:
        """Read what :func:`entry` returns.

        Raises:
            PeerFailed: It is something else.
        """
        from cosmos_formats.multisig import pubkey_from_proto_json
        from cosmos_formats.pubkeys import KeyType

        try:
            record, key_type = value["record"], value["key_type"]
            return cls(
                name=str(record["name"]),
                kind=next(kind for kind in KINDS if kind in record),
                public_key=pubkey_from_proto_json(record["pub_key"]),
                address=value["address"],
                key_type=None if key_type is None else KeyType(key_type),
                purpose=Purpose(value["purpose"]),
                fingerprint=value["fingerprint"],
                provider=value["provider"],
                hardware=value["hardware"],
                extractable=value["extractable"],
                created_at=datetime.fromisoformat(value["created_at"]),
                record=record,
            )
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise PeerFailed("the server sent something that is no key entry") from error


def entry(record: StoredRecord, prefix: str) -> dict[str, object]:
    """Return what the protocol calls a key entry.

    Args:
        record: The record.
        prefix: Prefix of account addresses; consensus keys get the one of consensus addresses.
    """
    return {
        "record": record.record.to_proto_json(),
        "address": _address(record, prefix),
        "key_type": record.key_type,
        "purpose": record.purpose,
        "fingerprint": record.fingerprint,
        "provider": record.provider,
        "hardware": record.hardware,
        "extractable": record.extractable,
        "created_at": timestamp(record.created_at),
    }


def timestamp(moment: datetime) -> str:
    """Return a moment in UTC as RFC 3339 has it."""
    return moment.isoformat().replace("+00:00", "Z")


def _address(record: StoredRecord, prefix: str) -> str | None:
    from cosmos_formats.address import encode, prefixes

    if record.purpose is Purpose.ENCRYPTION:
        return None
    return encode(prefixes(prefix).valcons if record.purpose is Purpose.CONSENSUS else prefix, record.address)
