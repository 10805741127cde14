"""Records: names and addresses are unique, the order is the SDK's, changes are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Local, Multi, Offline, Record
from keyring_bridge.errors import DuplicateAddress, InvalidName, KeyExists, KeyNotFound, StoreFailed
from keyring_bridge.model import Purpose
from keyring_bridge.store import Store, StoredRecord
from keyring_bridge.store.base import LastSigned
from keyring_bridge.store.sqlite import SqliteStore

WHEN = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def record(name: str, number: int = 1) -> StoredRecord:
    key = PublicKey(KeyType.ED25519, number.to_bytes(32, "big"))
    return StoredRecord(
        name=name,
        record=Record(name, key, Local(None)),
        address=key.address,
        provider="hsm",
        uri=f"pkcs11:object={number}",
        key_type=key.key_type,
        purpose=Purpose.ACCOUNT,
        fingerprint=key.fingerprint,
        created_at=WHEN,
        hardware=True,
        extractable=number % 2 == 0,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(path) as store:
        yield store


def test_it_is_a_store(store: SqliteStore) -> None:
    as_interface: Store = store
    assert as_interface.list() == []


def test_what_is_added_is_found(store: SqliteStore, path: Path) -> None:
    one = record("val")
    store.add(one)
    with SqliteStore(path) as later:
        for again in (store, later):
            assert again.get("val") == one
            assert again.by_address(one.address) == one
            assert again.list() == [one]
    assert store.get("other") is None
    assert store.by_address(b"x" * 20) is None


def test_records_without_a_private_key(store: SqliteStore) -> None:
    key = PublicKey(KeyType.ED25519, bytes(32))
    group = MultisigPublicKey(1, (key,))
    offline = replace(
        record("offline"), record=Record("offline", record("x").record.public_key, Offline()), provider=None, uri=None
    )
    multi = StoredRecord(
        "multi", Record("multi", group, Multi()), group.address, None, None, None, Purpose.ACCOUNT, None, WHEN, None
    )
    store.add(offline)
    store.add(multi)
    assert store.list() == [multi, offline]


@pytest.mark.parametrize(
    "name",
    ["a/b", "../../etc/passwd", "C:\\x", ".", "ключ", "鍵", "x\0y", "' OR 1=1 --", "val.info", "%41", "x" * 10_000],
)
def test_names_of_all_kinds(store: SqliteStore, name: str) -> None:
    one = record(name)
    store.add(one)
    assert store.get(name) == one
    store.rename(name, "plain")
    store.rename("plain", name)
    assert [found.name for found in store.list()] == [name]
    store.delete(name)
    assert store.list() == []


def test_half_a_character_is_no_name(store: SqliteStore) -> None:
    assert store.get("\ud800") is None
    with pytest.raises(KeyNotFound):
        store.delete("\ud800")
    with pytest.raises(KeyNotFound):
        store.rename("\ud800", "x")
    store.add(record("x"))
    for call in (lambda: store.add(record("\ud800", 2)), lambda: store.rename("x", "\ud800")):
        with pytest.raises((InvalidName, ValueError)):
            call()
    assert [found.name for found in store.list()] == ["x"]


def test_the_order_is_that_of_item_keys(store: SqliteStore) -> None:
    names = ["val", "val-2", "Ops", "val.x", "val/x", "ä", "a", "鍵", "\U0001f511", "\uffee"]
    for number, name in enumerate(names):
        store.add(record(name, number))
    assert [found.name for found in store.list()] == sorted(names, key=lambda name: f"{name}.info".encode())
    assert [found.name for found in store.list()][:3] == ["Ops", "a", "val-2"]


def test_a_name_is_taken_once(store: SqliteStore) -> None:
    one = record("val")
    store.add(one)
    with pytest.raises(KeyExists, match=r"^val: key already exists$"):
        store.add(record("val", 2))
    assert store.list() == [one]


def test_an_address_is_taken_once(store: SqliteStore) -> None:
    one = record("val")
    store.add(one)
    with pytest.raises(DuplicateAddress, match=r"^duplicated address created$"):
        store.add(record("other"))
    assert store.list() == [one]


def test_delete(store: SqliteStore) -> None:
    store.add(record("val"))
    store.delete("val")
    assert store.get("val") is None
    with pytest.raises(KeyNotFound, match=r"^val\.info: key not found$"):
        store.delete("val")
    store.add(record("val"))


def test_rename(store: SqliteStore) -> None:
    one = record("val")
    store.add(one)
    assert store.get("val") == one
    store.rename("val", "ops")
    moved = store.get("ops")
    assert moved == replace(one, name="ops", record=replace(one.record, name="ops"))
    assert store.get("val") is None
    store.rename("ops", "new", uri="pkcs11:object=new")
    found = store.get("new")
    assert found is not None
    assert found.uri == "pkcs11:object=new"
    assert store.by_address(one.address) == found


def test_rename_refuses(store: SqliteStore) -> None:
    store.add(record("val"))
    store.add(record("ops", 2))
    with pytest.raises(KeyExists, match=r"^rename failed, ops: key already exists$"):
        store.rename("val", "ops")
    with pytest.raises(KeyNotFound, match=r"^none\.info: key not found$"):
        store.rename("none", "ops")
    store.rename("val", "val")
    assert [found.name for found in store.list()] == ["ops", "val"]


def test_a_record_without_a_place_is_not_given_one_by_a_rename(store: SqliteStore) -> None:
    one = record("val")
    store.add(replace(one, record=Record("val", one.record.public_key, Offline()), provider=None, uri=None))
    with pytest.raises(ValueError, match="go together"):
        store.rename("val", "ops", uri="pkcs11:object=x")
    assert store.get("val") is not None


def test_update(store: SqliteStore) -> None:
    one = record("val")
    store.add(one)
    store.add(record("ops", 2))
    changed = replace(one, uri="pkcs11:object=elsewhere", purpose=Purpose.CONSENSUS, hardware=False)
    store.update(changed)
    assert store.get("val") == changed
    with pytest.raises(DuplicateAddress):
        store.update(record("val", 2))
    with pytest.raises(KeyNotFound):
        store.update(record("none", 3))
    assert store.get("val") == changed


def test_what_another_process_changes_is_seen_at_once(store: SqliteStore, path: Path) -> None:
    one = record("val")
    store.add(one)
    with SqliteStore(path) as other:
        assert store.get("val") == one
        assert other.get("val") == one
        changed = replace(one, uri="pkcs11:object=new")
        other.update(changed)
        assert store.get("val") == changed
        assert store.list() == [changed]
        store.rename("val", "ops")
        assert other.get("val") is None
        assert [found.name for found in other.list()] == ["ops"]
        other.delete("ops")
        assert store.list() == []


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with SqliteStore(tmp_path / "store.sqlite") as store:
            store.add(record("val"))
            store.note_nonce("ab" * 32, b"r" * 32, b"d" * 32)
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.rglob("*")}
    finally:
        os.umask(before)
    assert modes.pop("store-nonces") == 0o700
    assert set(modes.values()) == {0o600}
    assert {"store.sqlite", "ab" * 32} <= set(modes)


def test_a_closed_store(path: Path) -> None:
    store = SqliteStore(path)
    store.close()
    store.close()
    for call in (store.list, lambda: store.get("x"), lambda: store.add(record("x"))):
        with pytest.raises(StoreFailed):
            call()


def test_a_forked_child_cannot_use_it(store: SqliteStore) -> None:
    store.add(record("val"))
    child = os.fork()
    if child == 0:
        try:
            store.get("val")
        except StoreFailed:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert store.get("val") is not None


def test_times_are_kept_in_utc(store: SqliteStore) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    store.add(replace(record("val"), created_at=WHEN.astimezone(east)))
    found = store.get("val")
    assert found is not None
    assert (found.created_at, found.created_at.tzinfo) == (WHEN, UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"address": b""},
        {"address": b"x" * 65},
        {"provider": None},
        {"uri": None},
        {"created_at": datetime(2026, 1, 1)},
        {
            "record": Record(
                "val", record("val").record.public_key, Local(AnyValue("/cosmos.crypto.ed25519.PrivKey", b"\x0a\x01x"))
            )
        },
    ],
)
def test_records_that_cannot_exist(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(record("val"), **change)


def test_what_a_key_signed_elsewhere_is_only_raised(store: SqliteStore, path: Path) -> None:
    print_ = record("val").record.public_key.address.hex() * 2
    assert store.last_signed(print_) == {}
    store.note_last_signed(print_, "a-1", LastSigned(7, 1, 2))
    for lower in (LastSigned(7, 1, 1), LastSigned(7, 0, 3), LastSigned(6, 9, 3)):
        store.note_last_signed(print_, "a-1", lower)
    store.note_last_signed(print_, "", LastSigned(2**63 - 1, 2**31 - 1, 3))
    with SqliteStore(path) as later:
        assert later.last_signed(print_) == {"a-1": LastSigned(7, 1, 2), "": LastSigned(2**63 - 1, 2**31 - 1, 3)}
        later.note_last_signed(print_, "a-1", LastSigned(7, 2, 0))
    assert store.last_signed(print_)["a-1"] == LastSigned(7, 2, 0)


@pytest.mark.parametrize("signed", [(-1, 0, 0), (2**63, 0, 0), (0, -1, 0), (0, 2**31, 0), (0, 0, 4)])
def test_heights_that_no_chain_has(signed: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        LastSigned(*signed)


def test_a_replaced_key_and_one_without_a_floor_come_back_as_they_were(store: SqliteStore, path: Path) -> None:
    replaced = replace(record("old"), successor=record("new", 2).fingerprint, verify_only_from=WHEN + timedelta(days=1))
    waiting = replace(record("val", 3), purpose=Purpose.CONSENSUS, needs_floor=True)
    store.add(replaced)
    store.add(waiting)
    with SqliteStore(path) as later:
        assert [later.get("old"), later.get("val")] == [replaced, waiting]
    with pytest.raises(ValueError, match="only a consensus key"):
        replace(record("x"), needs_floor=True)
    with pytest.raises(ValueError, match="time zone"):
        replace(record("x"), verify_only_from=datetime(2026, 1, 1))  # what is refused
