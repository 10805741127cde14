"""How a record of the keyring is shown.

The JSON object has the members of ``keys list --output json`` of a Cosmos chain's own command (``name``, ``type``,
``address``, ``pubkey``, the last one JSON in a string as there), and what the bridge knows besides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cosmos_formats import address as bech32_address
from cosmos_formats import eth_address
from cosmos_formats.pubkeys import KeyType
from keyring_bridge.cli.render import PLAIN, Style, details, readable, table, timestamp
from keyring_bridge.errors import KeyNotFound
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.store.base import StoredRecord

BECH_CHOICES = ("acc", "val", "cons")
NOT_HARDWARE = "NOT HARDWARE"
EXTRACTABLE = "EXTRACTABLE"
NEEDS_FLOOR = "NEEDS FLOOR"
REPLACED = "REPLACED"


def bech32(record: StoredRecord, prefix: str, bech: str | None = None) -> str | None:
    """Return a record's address as text.

    Args:
        record: The record.
        prefix: The chain's prefix for accounts, such as ``ve``.
        bech: ``acc``, ``val`` (operator) or ``cons``; None for what the key's purpose says.

    Returns:
        The address, or None for keys that have none (encryption keys).
    """
    if record.purpose is Purpose.ENCRYPTION:
        return None
    names = bech32_address.prefixes(prefix)
    wanted = bech if bech is not None else ("cons" if record.purpose is Purpose.CONSENSUS else "acc")
    human = {"acc": names.account, "val": names.valoper, "cons": names.valcons}[wanted]
    return bech32_address.encode(human, record.address)


def public_key_json(record: StoredRecord) -> str:
    """Return the public key in proto-JSON, as the SDK prints it."""
    return json.dumps(record.record.public_key.to_proto_json(), separators=(",", ":"))


def record_json(record: StoredRecord, prefix: str, bech: str | None = None) -> dict[str, object]:
    """Return a record as its JSON object."""
    return {
        "name": record.name,
        "type": record.record.kind,
        "address": bech32(record, prefix, bech),
        "pubkey": public_key_json(record),
        "key_type": record.key_type,
        "purpose": record.purpose,
        "provider": record.provider,
        "uri": record.uri,
        "fingerprint": record.fingerprint,
        "created_at": timestamp(record.created_at),
        "hardware": record.hardware,
        "extractable": record.extractable,
        **({"needs_floor": True} if record.needs_floor else {}),
        **({"successor": record.successor} if record.successor is not None else {}),
        **({"verify_only_from": timestamp(record.verify_only_from)} if record.verify_only_from is not None else {}),
        **({"eth_address": eth_address.encode(record.address)} if record.key_type is KeyType.ETH_SECP256K1 else {}),
    }


def records_table(records: Iterable[StoredRecord], prefix: str, style: Style = PLAIN) -> str:
    """Return records as a table for people."""
    rows = [
        (
            record.name,
            record.record.kind,
            record.key_type or "multisig",
            record.purpose,
            bech32(record, prefix),
            place(record),
        )
        for record in records
    ]
    if not rows:
        return "no keys"
    return table(("NAME", "TYPE", "ALGORITHM", "PURPOSE", "ADDRESS", "PLACE"), rows, style)


def place(record: StoredRecord) -> str:
    """Return where a record's private key is, in a few words."""
    if record.provider is None:
        return "no private key"
    known = (
        (NOT_HARDWARE, not record.hardware),
        (EXTRACTABLE, record.extractable),
        (NEEDS_FLOOR, record.needs_floor),
        (REPLACED, record.successor is not None),
    )
    marks = [mark for mark, it_is in known if it_is]
    return f"{record.provider} ({', '.join(marks)})" if marks else record.provider


def record_text(record: StoredRecord, prefix: str, style: Style = PLAIN, bech: str | None = None) -> str:
    """Return one record in full for people."""
    return details(readable(marked(record_json(record, prefix, bech))), style)


def marked(fields: Mapping[str, object]) -> dict[str, object]:
    """Return a record's JSON object with plain words where a key is protected less than a person may think."""
    told = dict(fields)
    if told["hardware"] is not None:
        told["hardware"] = hardware_text(bool(told["hardware"]))
    if told["extractable"]:
        told["extractable"] = f"yes: {EXTRACTABLE}, the private key may leave its place"
    if told.get("needs_floor"):
        told["needs_floor"] = f"yes: {NEEDS_FLOOR}, it signs no votes until the height above which it may is set"
    return told


def hardware_text(hardware: bool) -> str:
    """Return ``yes``, or a plain word that a key or provider is not hardware."""
    return "yes" if hardware else f"no: {NOT_HARDWARE}, a program holds the private key"


def find(keyring: Keyring, name_or_address: str) -> StoredRecord:
    """Return the record with this name or, if there is none and the text is an address, with this address.

    Raises:
        KeyNotFound: Neither exists.
    """
    try:
        return keyring.key(name_or_address)
    except KeyNotFound as missing:
        try:
            raw = bech32_address.decode(name_or_address)[1]
        except ValueError:
            raise missing from None
        return keyring.key_by_address(raw)
