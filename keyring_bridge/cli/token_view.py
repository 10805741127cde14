"""What a token itself says about the key of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.model import KeyRef

if TYPE_CHECKING:
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.model import KeyInfo, TokenInfo
    from keyring_bridge.store.base import StoredRecord
    from keyring_bridge.token_keys import Comparison


def read_back(bridge: Bridge, record: StoredRecord) -> dict[str, object]:
    """Return the attributes of a record's key as its token tells them now."""
    public_key = record.record.public_key
    if record.provider is None or record.uri is None or not isinstance(public_key, PublicKey):
        return {}
    return attributes(bridge.device(record.provider).get_key(KeyRef(record.uri, public_key.plain)))


def attributes(info: KeyInfo) -> dict[str, object]:
    """Return what protects a key, ready for JSON; None where the backend cannot know."""
    return {
        "key_id": info.key_id.hex(),
        "extractable": info.extractable,
        "sensitive": info.sensitive,
        "origin": None if info.local is None else ("generated" if info.local else "imported"),
    }


def key_json(info: KeyInfo) -> dict[str, object]:
    """Return a key as its provider sees it, ready for JSON."""
    return {
        "label": info.label,
        "uri": info.uri,
        "key_type": info.key_type,
        "fingerprint": info.fingerprint,
        "purpose": info.purpose,
        "hardware": info.hardware,
        **attributes(info),
    }


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """Return the differences between store and provider, ready for JSON."""
    return {
        "provider": comparison.provider,
        "in_both": [record.name for record in comparison.in_both],
        "only_in_store": [{"name": record.name, "uri": record.uri} for record in comparison.only_in_store],
        "only_in_token": [key_json(info) for info in comparison.only_in_token],
        "extractable": comparison.extractable,
    }


def token_json(token: TokenInfo) -> dict[str, object]:
    """Return a token's description ready for JSON."""
    return {
        "label": token.label,
        "serial": token.serial,
        "manufacturer": token.manufacturer,
        "model": token.model,
        "firmware": token.firmware,
        "slot": token.slot_index,
        "slot_id": token.slot_id,
        "flags": sorted(token.flags),
    }
