"""Compares what a migration moved: source, journal, records and token must tell of the same keys.

The last word is the token's: every key signs a fresh challenge, which is verified with the public key of its record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.errors import (
    CannotSign,
    KeyAmbiguous,
    KeyMismatch,
    NonceReuse,
    ObjectNotFound,
    SignatureRejected,
)
from keyring_bridge.migrate.errors import SourceChanged

if TYPE_CHECKING:
    from keyring_bridge.migrate.history import History, KeyState
    from keyring_bridge.migrate.keys import MigratedKeys
    from keyring_bridge.migrate.model import Source, SourceKey
    from keyring_bridge.model import KeyInfo, Proof
    from keyring_bridge.store.base import StoredRecord

Progress = Callable[[int, int], object]

# What is wrong with one key. Other errors, such as a lost token, say nothing about keys and end the comparison.
_OF_THE_KEY = (ObjectNotFound, KeyMismatch, KeyAmbiguous, SignatureRejected, NonceReuse, CannotSign)


@dataclass(frozen=True, slots=True)
class Compared:
    """One key, seen from four sides.

    Attributes:
        key: What the journal says.
        record: Its record; None if there is none.
        info: What the token tells of it; None if it has no private half, or is not there.
        proof: What it signed just now; None likewise.
        source_key: The source's; None if the source was not opened, or does not have it.
        differences: What is not as it must be.
        notes: What is worth knowing.
    """

    key: KeyState
    record: StoredRecord | None
    info: KeyInfo | None
    proof: Proof | None
    source_key: SourceKey | None
    differences: tuple[str, ...]
    notes: tuple[str, ...]


def compare(
    keys: MigratedKeys,
    history: History,
    source: Source | None,
    *,
    gone: frozenset[str] = frozenset(),
    only: Callable[[KeyState], bool] = lambda key: True,
    progress: Progress = lambda done, of: None,
) -> list[Compared]:
    """Compare the keys of a migration.

    Args:
        keys: Of the caller.
        history: Of the migration.
        source: Opened again; None if it is not there any more, or never was on disk.
        gone: Names of keys that the source need not have any more, besides those that were retired.
        only: Which keys.
        progress: Called with how many keys are compared, of how many.

    Raises:
        BridgeError: The token cannot be asked, or the source cannot be read at all.
    """
    chosen = [key for key in history.keys.values() if not key.undone and only(key)]
    keys.device(history.provider).connect()
    found = () if source is None else source.keys()
    comparer = _Comparer(keys, history, None if source is None else {key.item: key for key in found})
    compared = []
    for done, key in enumerate(chosen):
        progress(done, len(chosen))
        compared.append(comparer.compare(key, gone=key.name in gone))
    progress(len(chosen), len(chosen))
    return compared


class _Comparer:
    def __init__(self, keys: MigratedKeys, history: History, source: dict[str, SourceKey] | None) -> None:
        self._keys = keys
        self._listing = keys.listing(history.provider)
        self._history = history
        self._source = source

    def compare(self, key: KeyState, *, gone: bool) -> Compared:
        differences: list[str] = []
        notes: list[str] = []
        if not key.how:
            differences.append("the journal does not say that it was migrated: run the migration again")
        source_key = self._in_source(key, differences, notes, gone=gone)
        record = self._record(key, differences, notes)
        info = proof = None
        if key.private and record is not None and record.provider is not None:
            info, proof = self._in_token(record, differences)
        return Compared(key, record, info, proof, source_key, tuple(differences), tuple(notes))

    def _in_source(self, key: KeyState, differences: list[str], notes: list[str], *, gone: bool) -> SourceKey | None:
        found = None if self._source is None else self._source.get(key.item)
        if key.retired:
            notes.append(f"retired: the source's copy was {key.retired}")
            if found is not None:
                differences.append("the source has an item of its name again")
            return found
        if self._source is None:
            if not gone:
                notes.append("not compared with the source")
            return None
        if found is None:
            if not gone:
                differences.append("the source does not have it any more")
        elif found.record is None:
            differences.append(f"the source's item cannot be read: {found.trouble}")
        elif _identity(found) != (key.fingerprint, key.address):
            differences.append("the source has another key there")
        return found

    def _record(self, key: KeyState, differences: list[str], notes: list[str]) -> StoredRecord | None:
        record = self._keys.record_of(key)
        if record is None:
            differences.append("there is no record of it")
            return None
        if record.name != key.name:
            notes.append(f"its record is called {record.name} now")
        if key.fingerprint and record.fingerprint != key.fingerprint:
            differences.append("its record has another public key")
        if key.private and record.provider != self._history.provider:
            differences.append(f"its record says that it is in {record.provider or 'no token'}")
        if key.purpose and record.purpose != key.purpose:
            differences.append(f"its record is for {record.purpose}, not {key.purpose}")
        return record

    def _in_token(self, record: StoredRecord, differences: list[str]) -> tuple[KeyInfo | None, Proof | None]:
        try:
            info = self._listing.look(record)
        except _OF_THE_KEY as error:
            differences.append(f"the token: {error}")
            return None, None
        if info.extractable and not record.extractable:
            differences.append("the token would let it out")
        if info.sensitive is False and info.hardware:
            differences.append("the token would show it")
        try:
            return info, self._keys.prove(record)
        except _OF_THE_KEY as error:
            differences.append(f"it did not prove itself: {error}")
            return info, None


def _identity(found: SourceKey) -> tuple[str, str]:
    """Return fingerprint (empty for multisigs) and address of a source's key."""
    if found.record is None:
        raise SourceChanged("the source's item cannot be read")
    public_key = found.record.public_key
    fingerprint = public_key.fingerprint if isinstance(public_key, PublicKey) else ""
    return fingerprint, public_key.address.hex()


def same_key(found: SourceKey, key: KeyState) -> bool:
    """Whether a source's key is the one that the journal tells of."""
    return found.record is not None and _identity(found) == (key.fingerprint, key.address)


def troubled(compared: Iterable[Compared]) -> list[str]:
    """Return all differences, each with the name of its key."""
    return [f"{one.key.name}: {difference}" for one in compared for difference in one.differences]
