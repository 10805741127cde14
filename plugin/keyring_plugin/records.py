"""Records as they travel."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    from keyring_bridge.store.base import StoredRecord


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
