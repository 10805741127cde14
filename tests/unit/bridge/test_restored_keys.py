"""Keys that come back: only the record's own, proved, and nothing half done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.pubkeys import ETH_TYPE_URLS, KeyType
from keyring_bridge.ceremony.errors import RecoveredOtherKey
from keyring_bridge.errors import (
    DuplicateAddress,
    InvalidKey,
    KeyAmbiguous,
    KeyExists,
    KeyMismatch,
    SignatureRejected,
)
from keyring_bridge.model import KeySpec, Purpose
from keyring_bridge.restored_keys import RestoredKeys
from keyring_bridge.secrets import SecretBytes
from tests.unit.bridge.pipeline import CALLER, Setup

if TYPE_CHECKING:
    from keyring_bridge.store.base import StoredRecord

SECRET = bytes(range(1, 33))
OTHER = bytes(range(2, 34))


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.bridge.close()


@pytest.fixture
def keys(setup: Setup) -> RestoredKeys:
    return RestoredKeys(setup.bridge, CALLER)


def lost(
    setup: Setup, name: str = "ops", algorithm: str = "secp256k1", purpose: Purpose = Purpose.ACCOUNT
) -> StoredRecord:
    """Import the key and let the token lose it."""
    record = setup.keyring.import_secret(name, SecretBytes(SECRET), algorithm, purpose)
    setup.provider.keys.clear()
    return record


@pytest.mark.parametrize("algorithm", ["secp256k1", "ed25519", *ETH_TYPE_URLS[:2]])
def test_a_lost_key_comes_back_under_its_record(setup: Setup, keys: RestoredKeys, algorithm: str) -> None:
    record = lost(setup, algorithm=algorithm)
    again = keys.restore_secret(record, SecretBytes(SECRET), source={"source": "words"})
    assert setup.keyring.list() == [again]
    assert again.uri in setup.provider.keys
    assert again == replace(record, uri=again.uri)
    told = [entry for entry in setup.entries() if str(entry["kind"]).startswith("key.restore")]
    assert [entry["kind"] for entry in told] == ["key.restore.intent", "key.restore.outcome"]
    assert SECRET.hex() not in str(told)


def test_a_record_of_a_backup_is_added(setup: Setup, keys: RestoredKeys) -> None:
    record = lost(setup)
    setup.keyring.delete("ops")
    moment = datetime(2031, 1, 1, tzinfo=UTC)
    kept = replace(record, provider="of-another-host", successor="ab" * 32, verify_only_from=moment)
    again = keys.restore_secret(kept, SecretBytes(SECRET))
    assert setup.keyring.list() == [again]
    assert (again.provider, again.created_at, again.successor) == ("memory", record.created_at, "ab" * 32)
    assert again.verify_only_from == moment


def test_a_consensus_key_comes_back_without_its_floor(setup: Setup, keys: RestoredKeys) -> None:
    record = replace(lost(setup, algorithm="ed25519", purpose=Purpose.CONSENSUS), needs_floor=False)
    setup.bridge.store.update(record)
    assert keys.restore_secret(record, SecretBytes(SECRET)).needs_floor


def test_another_key_is_not_imported(setup: Setup, keys: RestoredKeys) -> None:
    record = lost(setup)
    with pytest.raises(RecoveredOtherKey):
        keys.restore_secret(record, SecretBytes(OTHER))
    with pytest.raises(InvalidKey):
        keys.restore_secret(record, SecretBytes(bytes(32)))
    assert setup.provider.keys == {}
    assert setup.keyring.list() == [record]


def test_a_token_that_makes_another_key_of_it_loses_it_again(setup: Setup, keys: RestoredKeys) -> None:
    record = lost(setup)
    with pytest.raises(KeyMismatch):
        keys.restore(record, lambda device, spec: device.import_key(spec, SecretBytes(OTHER)))
    assert setup.provider.keys == {}
    assert setup.keyring.list() == [record]


def test_a_key_that_does_not_prove_itself_is_removed(setup: Setup, keys: RestoredKeys) -> None:
    record = lost(setup)
    setup.provider.bend = lambda signature: bytes(64)
    with pytest.raises(SignatureRejected):
        keys.restore_secret(record, SecretBytes(SECRET))
    assert setup.provider.keys == {}
    assert setup.keyring.list() == [record]


def test_a_key_that_is_there_is_not_brought_twice(setup: Setup, keys: RestoredKeys) -> None:
    record = lost(setup)
    info = setup.provider.import_key(KeySpec("half", KeyType.SECP256K1), SecretBytes(SECRET))
    again = keys.restore_secret(record, SecretBytes(SECRET))
    assert again.uri == info.uri
    assert len(setup.provider.keys) == 1
    # A failed proof of a key that was there before does not remove it.
    setup.provider.bend = lambda signature: bytes(64)
    with pytest.raises(SignatureRejected):
        keys.restore_secret(record, SecretBytes(SECRET))
    assert len(setup.provider.keys) == 1
    setup.provider.import_key(KeySpec("more", KeyType.SECP256K1), SecretBytes(SECRET))
    with pytest.raises(KeyAmbiguous):
        keys.restore_secret(record, SecretBytes(SECRET))


def test_names_and_addresses_of_others_are_respected(setup: Setup, keys: RestoredKeys) -> None:
    record = lost(setup)
    other = setup.keyring.import_secret("other", SecretBytes(OTHER), "secp256k1")
    with pytest.raises(KeyExists):
        keys.restore_secret(replace(other, name="ops", record=replace(other.record, name="ops")), SecretBytes(OTHER))
    with pytest.raises(KeyExists):
        keys.restore_secret(replace(record, purpose=Purpose.AUDIT), SecretBytes(SECRET))
    with pytest.raises(DuplicateAddress):
        keys.restore_secret(replace(record, name="new", record=replace(record.record, name="new")), SecretBytes(SECRET))
    assert len(setup.provider.keys) == 1
