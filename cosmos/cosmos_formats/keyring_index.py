"""How the items of a keyring hang together.

Keys lie under ``<name>.info``; beside each, ``<hex address>.address`` leads from its address to it. The SDK's keyring
trusts the address items, and leaves false ones behind (a key that is overwritten keeps its old one; a second key with
the same public half takes the first one's). So they are compared with the keys, never followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cosmos_formats.keyring_entry import KeyringEntry

KEY_SUFFIX: Final = ".info"
ADDRESS_SUFFIX: Final = ".address"


class ItemKind(StrEnum):
    """What an item of a keyring is, by its key."""

    KEY = "key"
    ADDRESS = "address"
    OTHER = "other"
    """The ``keyhash`` of the ``file`` backend, or what does not belong there."""


class Fault(StrEnum):
    """What is wrong in a keyring."""

    NO_ADDRESS_ITEM = "no_address_item"
    """No address item leads to the key: the SDK finds it by name only."""
    LEADS_ELSEWHERE = "leads_elsewhere"
    """The key's address item leads to another key with the same address: two names for one key."""
    LIES = "lies"
    """An address item leads to a key with another address."""
    LEADS_NOWHERE = "leads_nowhere"
    """An address item leads to no key."""
    MISNAMED = "misnamed"
    """A key's item holds a record with another name: the file was moved by hand."""


@dataclass(frozen=True, slots=True)
class IndexFault:
    """One fault.

    Attributes:
        fault: Which.
        item_key: The item it was found in; for a missing one, where it should be.
        address: The address in question, 20 bytes (32 for secp256r1); empty if the item's key has none.
        leads_to: Where the address item leads, or the name that the record holds; empty if there is none.
    """

    fault: Fault
    item_key: str
    address: bytes
    leads_to: str = ""


def item_kind(item_key: str) -> ItemKind:
    """Tell what an item is."""
    if item_key.endswith(KEY_SUFFIX):
        return ItemKind.KEY
    return ItemKind.ADDRESS if item_key.endswith(ADDRESS_SUFFIX) else ItemKind.OTHER


def key_item(name: str) -> str:
    """Return the item key of a key's name."""
    return name + KEY_SUFFIX


def address_item(address: bytes) -> str:
    """Return the item key that leads from an address to its key."""
    return address.hex() + ADDRESS_SUFFIX


def check_index(keys: Mapping[str, KeyringEntry], addresses: Mapping[str, str]) -> list[IndexFault]:
    """Compare the address items of a keyring with its keys.

    Args:
        keys: All keys, by the key of the item they were read from.
        addresses: What :func:`cosmos_formats.keyring_entry.decode_address_item` gives, by item key.

    Returns:
        What is wrong, keys first, each in the order of the item keys; none for a sound keyring.
    """
    faults: list[IndexFault] = []
    for item, entry in sorted(keys.items()):
        if key_item(entry.name) != item:
            faults.append(IndexFault(Fault.MISNAMED, item, entry.address, entry.name))
        where = address_item(entry.address)
        target = addresses.get(where)
        if target is None:
            faults.append(IndexFault(Fault.NO_ADDRESS_ITEM, where, entry.address))
        elif target != item and target in keys and keys[target].address == entry.address:
            faults.append(IndexFault(Fault.LEADS_ELSEWHERE, where, entry.address, target))
    for where, target in sorted(addresses.items()):
        address = _address_of(where)
        if target not in keys:
            faults.append(IndexFault(Fault.LEADS_NOWHERE, where, address, target))
        elif keys[target].address != address:
            faults.append(IndexFault(Fault.LIES, where, address, target))
    return faults


def _address_of(item_key: str) -> bytes:
    try:
        address = bytes.fromhex(item_key.removesuffix(ADDRESS_SUFFIX))
    except ValueError:
        return b""
    return address if address_item(address) == item_key else b""
