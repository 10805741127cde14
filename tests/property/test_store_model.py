"""Whatever is done to a store, through two connections, it behaves as a dictionary with unique addresses would."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Local, Record
from keyring_bridge.errors import DuplicateAddress, KeyExists, KeyNotFound
from keyring_bridge.model import Purpose
from keyring_bridge.store import StoredRecord
from keyring_bridge.store.sqlite import SqliteStore

names = st.sampled_from(["a", "b", "b-2", "b.info", "ключ", "a/b"]) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4
)
numbers = st.integers(0, 5)


def record(name: str, number: int) -> StoredRecord:
    key = PublicKey(KeyType.ED25519, bytes([number]) * 32)
    return StoredRecord(
        name=name,
        record=Record(name, key, Local(None)),
        address=key.address,
        provider="hsm",
        uri=f"pkcs11:id={number}",
        key_type=key.key_type,
        purpose=Purpose.ACCOUNT,
        fingerprint=key.fingerprint,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        hardware=None,
    )


class StoreMachine(RuleBasedStateMachine):
    """Two connections to one file, and a dictionary that knows what they must say."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "store.sqlite"
        self.stores = [SqliteStore(path), SqliteStore(path)]
        self.model: dict[str, StoredRecord] = {}

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()

    def holder(self, address: bytes) -> StoredRecord | None:
        return next((found for found in self.model.values() if found.address == address), None)

    @rule(which=st.integers(0, 1), name=names, number=numbers)
    def add(self, which: int, name: str, number: int) -> None:
        one = record(name, number)
        if name in self.model:
            with pytest.raises(KeyExists):
                self.stores[which].add(one)
        elif self.holder(one.address) is not None:
            with pytest.raises(DuplicateAddress):
                self.stores[which].add(one)
        else:
            self.stores[which].add(one)
            self.model[name] = one

    @rule(which=st.integers(0, 1), name=names, number=numbers)
    def update(self, which: int, name: str, number: int) -> None:
        one = replace(record(name, number), hardware=True)
        holder = self.holder(one.address)
        if holder is not None and holder.name != name:
            with pytest.raises(DuplicateAddress):
                self.stores[which].update(one)
        elif name not in self.model:
            with pytest.raises(KeyNotFound):
                self.stores[which].update(one)
        else:
            self.stores[which].update(one)
            self.model[name] = one

    @rule(which=st.integers(0, 1), old=names, new=names)
    def rename(self, which: int, old: str, new: str) -> None:
        if old not in self.model:
            with pytest.raises(KeyNotFound):
                self.stores[which].rename(old, new)
        elif new in self.model and new != old:
            with pytest.raises(KeyExists):
                self.stores[which].rename(old, new)
        else:
            self.stores[which].rename(old, new)
            before = self.model.pop(old)
            self.model[new] = replace(before, name=new, record=replace(before.record, name=new))

    @rule(which=st.integers(0, 1), name=names)
    def delete(self, which: int, name: str) -> None:
        if self.model.pop(name, None) is None:
            with pytest.raises(KeyNotFound):
                self.stores[which].delete(name)
        else:
            self.stores[which].delete(name)

    @rule(which=st.integers(0, 1), name=names, number=numbers)
    def look(self, which: int, name: str, number: int) -> None:
        assert self.stores[which].get(name) == self.model.get(name)
        address = record("x", number).address
        assert self.stores[which].by_address(address) == self.holder(address)

    @invariant()
    def both_list_the_same(self) -> None:
        expected = [self.model[name] for name in sorted(self.model, key=lambda name: f"{name}.info".encode())]
        for store in self.stores:
            assert store.list() == expected


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
