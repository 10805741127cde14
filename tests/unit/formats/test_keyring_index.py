"""Whether address items and keys of a keyring fit together."""

from __future__ import annotations

import coincurve
import pytest

from cosmos_formats.keyring_entry import KeyringEntry
from cosmos_formats.keyring_index import (
    Fault,
    IndexFault,
    ItemKind,
    address_item,
    check_index,
    item_kind,
    key_item,
)
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Offline, Record


def key(number: int) -> PublicKey:
    return PublicKey(KeyType.SECP256K1, coincurve.PrivateKey(bytes([number]) * 32).public_key.format())


def entry(name: str, number: int) -> KeyringEntry:
    return KeyringEntry(Record(name, key(number), Offline()), None)


def where(number: int) -> str:
    return address_item(key(number).address)


KEYS = {"alice.info": entry("alice", 1), "bob.info": entry("bob", 2)}
ADDRESSES = {where(1): "alice.info", where(2): "bob.info"}


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ("alice.info", ItemKind.KEY),
        (".info", ItemKind.KEY),
        (where(1), ItemKind.ADDRESS),
        ("alice.address", ItemKind.ADDRESS),
        ("keyhash", ItemKind.OTHER),
        ("alice", ItemKind.OTHER),
        ("alice.INFO", ItemKind.OTHER),
    ],
)
def test_kinds_of_items(item: str, kind: ItemKind) -> None:
    assert item_kind(item) is kind


def test_names_of_items() -> None:
    assert key_item("a/b") == "a/b.info"
    assert address_item(bytes(range(20))) == "000102030405060708090a0b0c0d0e0f10111213.address"


def test_a_sound_keyring() -> None:
    assert check_index(KEYS, ADDRESSES) == []
    assert check_index({}, {}) == []


def test_a_missing_address_item() -> None:
    missing = IndexFault(Fault.NO_ADDRESS_ITEM, where(2), key(2).address)
    assert check_index(KEYS, {where(1): "alice.info"}) == [missing]


def test_an_address_item_that_lies() -> None:
    # As a key leaves it behind that is overwritten by another of the same name.
    lie = IndexFault(Fault.LIES, where(3), key(3).address, "bob.info")
    assert check_index(KEYS, ADDRESSES | {where(3): "bob.info"}) == [lie]


def test_an_address_item_that_was_changed() -> None:
    lie = IndexFault(Fault.LIES, where(1), key(1).address, "bob.info")
    assert check_index(KEYS, ADDRESSES | {where(1): "bob.info"}) == [lie]


def test_two_names_for_one_key() -> None:
    keys = KEYS | {"carol.info": entry("carol", 1)}
    for target, other in (("alice.info", "carol.info"), ("carol.info", "alice.info")):
        found = check_index(keys, ADDRESSES | {where(1): target})
        assert found == [IndexFault(Fault.LEADS_ELSEWHERE, where(1), key(1).address, target)]
        assert other in keys


def test_an_address_item_that_leads_nowhere() -> None:
    left = IndexFault(Fault.LEADS_NOWHERE, where(4), key(4).address, "dave.info")
    assert check_index(KEYS, ADDRESSES | {where(4): "dave.info"}) == [left]
    changed = check_index(KEYS, ADDRESSES | {where(1): "dave.info"})
    assert changed == [IndexFault(Fault.LEADS_NOWHERE, where(1), key(1).address, "dave.info")]


@pytest.mark.parametrize("name", ["zz.address", "AB.address", "ab cd.address", ".address"])
def test_an_address_item_without_an_address(name: str) -> None:
    assert check_index(KEYS, ADDRESSES | {name: "bob.info"}) == [IndexFault(Fault.LIES, name, b"", "bob.info")]


def test_a_file_that_was_moved() -> None:
    keys = {"alice.info": entry("alice", 1), "robert.info": entry("bob", 2)}
    assert check_index(keys, ADDRESSES | {where(2): "robert.info"}) == [
        IndexFault(Fault.MISNAMED, "robert.info", key(2).address, "bob")
    ]
    assert [found.fault for found in check_index(keys, ADDRESSES)] == [
        Fault.MISNAMED,
        Fault.LEADS_NOWHERE,
    ]
