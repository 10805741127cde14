"""The embedded store: records in a SQLite file, and nonces beside it."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import DuplicateAddress, InvalidName, KeyExists, KeyNotFound, StoreFailed
from keyring_bridge.model import Purpose
from keyring_bridge.names import ITEM_SUFFIX
from keyring_bridge.store.base import LastSigned, StoredRecord
from keyring_bridge.store.database import Database
from keyring_bridge.store.nonces import NonceMemory
from keyring_bridge.store.schema import RECORDS

if TYPE_CHECKING:
    # Inside the class "list" is the method.
    from builtins import list as List  # noqa: N812 - the name typing gave it
    from collections.abc import Mapping, Sequence
    from sqlite3 import Connection

    from cosmos_formats.record import Record
    from keyring_bridge.store.base import History
    from keyring_bridge.store.counters import Charge, Full, Taken
    from keyring_bridge.store.limits import LimitCounters

_COLUMNS = (
    "name, address, record, provider, uri, key_type, purpose, fingerprint, created_at, hardware, extractable, "
    "needs_floor, successor, verify_only_from"
)
_MARKS = ",".join("?" * 14)
_SELECT = f"SELECT {_COLUMNS} FROM records"  # noqa: S608 - constants only
_INSERT = f"INSERT INTO records ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608 - constants only
_UPDATE = f"UPDATE records SET ({_COLUMNS}) = ({_MARKS}) WHERE name = ?"  # noqa: S608 - constants only


class SqliteStore:
    """A :class:`~keyring_bridge.store.base.Store` for threads and processes of one machine.

    Record changes are synced before a method returns (WAL, ``synchronous=FULL``). Nonces are not: a power cut may
    lose the latest, a killed process none.

    Args:
        path: File of the records. The nonces are in files in a folder beside it, ``<stem>-nonces``; the counters of
            limits in a file of their own.

    Raises:
        StoreFailed: A file is damaged, another program's, of a newer version, or cannot be opened.
        InsecureFile: Others may write to a file.
    """

    def __init__(self, path: Path) -> None:
        self._records = Database(path, RECORDS)
        self._nonces = NonceMemory(path.with_name(f"{path.stem}-nonces"))
        self._path = path
        self._counters: LimitCounters | None = None
        self._counters_lock = threading.Lock()
        self._closed = False
        self._cache: dict[str, tuple[tuple[Any, ...], StoredRecord]] = {}
        self._cache_version = -1

    def add(self, record: StoredRecord) -> None:
        """See :class:`~keyring_bridge.store.base.Store`."""
        row = _to_row(record)
        with self._records.changing() as connection:
            self._forget()
            if connection.execute("SELECT 1 FROM records WHERE name = ?", (record.name,)).fetchone():
                raise KeyExists(f"{record.name}: key already exists")
            if connection.execute("SELECT 1 FROM records WHERE address = ?", (record.address,)).fetchone():
                raise DuplicateAddress("duplicated address created")
            connection.execute(_INSERT, row)

    def get(self, name: str) -> StoredRecord | None:
        """See :class:`~keyring_bridge.store.base.Store`."""
        cached = self._cache.get(name)
        if cached is not None and self._records.version() == self._cache_version:
            return cached[1]
        if not _is_text(name):
            return None
        with self._records.reading() as connection:
            self._check_cache(connection)
            row = connection.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
            return None if row is None else self._cached(row)

    def by_address(self, address: bytes) -> StoredRecord | None:
        """See :class:`~keyring_bridge.store.base.Store`."""
        with self._records.reading() as connection:
            row = connection.execute(f"{_SELECT} WHERE address = ?", (address,)).fetchone()
        return None if row is None else self._from_row(row)

    def list(self) -> List[StoredRecord]:
        """See :class:`~keyring_bridge.store.base.Store`."""
        with self._records.reading() as connection:
            self._check_cache(connection)
            rows = connection.execute(f"{_SELECT} ORDER BY name || ?", (ITEM_SUFFIX,)).fetchall()
            return [self._cached(row) for row in rows]

    def delete(self, name: str) -> None:
        """See :class:`~keyring_bridge.store.base.Store`."""
        with self._records.changing() as connection:
            self._forget()
            if not _is_text(name) or not connection.execute("DELETE FROM records WHERE name = ?", (name,)).rowcount:
                raise _not_found(name)

    def rename(self, old: str, new: str, uri: str | None = None) -> None:
        """See :class:`~keyring_bridge.store.base.Store`."""
        from dataclasses import replace

        with self._records.changing() as connection:
            self._forget()
            row = connection.execute(f"{_SELECT} WHERE name = ?", (old,)).fetchone() if _is_text(old) else None
            if row is None:
                raise _not_found(old)
            before = self._from_row(row)
            after = replace(
                before, name=new, record=replace(before.record, name=new), uri=before.uri if uri is None else uri
            )
            changed = _to_row(after)
            if new != old and connection.execute("SELECT 1 FROM records WHERE name = ?", (new,)).fetchone():
                raise KeyExists(f"rename failed, {new}: key already exists")
            connection.execute(_UPDATE, (*changed, old))

    def update(self, record: StoredRecord) -> None:
        """See :class:`~keyring_bridge.store.base.Store`."""
        row = _to_row(record)
        with self._records.changing() as connection:
            self._forget()
            holder = connection.execute("SELECT name FROM records WHERE address = ?", (record.address,)).fetchone()
            if holder is not None and holder[0] != record.name:
                raise DuplicateAddress("duplicated address created")
            if not connection.execute(_UPDATE, (*row, record.name)).rowcount:
                raise _not_found(record.name)

    def note_nonce(self, fingerprint: str, r: bytes, digest: bytes) -> bool:
        """See :class:`~keyring_bridge.store.base.Store`."""
        return self._nonces.note(fingerprint, r, digest)

    def note_last_signed(self, fingerprint: str, chain_id: str, signed: LastSigned) -> None:
        """See :class:`~keyring_bridge.store.base.Store`."""
        with self._records.changing() as connection:
            connection.execute(
                "INSERT INTO last_signed VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET "
                "height = excluded.height, round = excluded.round, step = excluded.step "
                "WHERE (excluded.height, excluded.round, excluded.step) > (height, round, step)",
                (fingerprint, chain_id, signed.height, signed.round, signed.step),
            )

    def last_signed(self, fingerprint: str) -> Mapping[str, LastSigned]:
        """See :class:`~keyring_bridge.store.base.Store`."""
        with self._records.reading() as connection:
            rows = connection.execute(
                "SELECT chain_id, height, round, step FROM last_signed WHERE fingerprint = ?", (fingerprint,)
            ).fetchall()
        try:
            return {chain_id: LastSigned(*signed) for chain_id, *signed in rows}
        except (ValueError, TypeError) as error:
            raise self._records.damaged("what a key signed elsewhere cannot be read", error) from error

    def reserve(self, charges: Sequence[Charge], history: History) -> tuple[Taken, ...] | Full:
        """See :class:`~keyring_bridge.store.base.Store`."""
        return self._limits.take(charges, history)

    @property
    def _limits(self) -> LimitCounters:
        """The counters; most stores never need them."""
        with self._counters_lock:
            if self._counters is None:
                if self._closed:
                    raise StoreFailed("the store is closed")
                from keyring_bridge.store.limits import LimitCounters

                self._counters = LimitCounters(self._path.with_name(f"{self._path.stem}-limits"))
            return self._counters

    def give_back(self, taken: Sequence[Taken]) -> None:
        """See :class:`~keyring_bridge.store.base.Store`."""
        self._limits.give_back(taken)

    def close(self) -> None:
        """See :class:`~keyring_bridge.store.base.Store`."""
        self._records.close()
        with self._counters_lock:
            self._closed = True
            if self._counters is not None:
                self._counters.close()
        self._nonces.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_cache(self, connection: Connection) -> None:
        """Empty the cache if a record changed since it was filled; own changes call :meth:`_forget`."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._cache_version:
            self._cache = {}
            self._cache_version = version

    def _forget(self) -> None:
        self._cache_version = -1

    def _cached(self, row: tuple[Any, ...]) -> StoredRecord:
        """Return the record of a row, decoded only if the row is not the one that was decoded before."""
        cached = self._cache.get(row[0])
        if cached is not None and cached[0] == row:
            return cached[1]
        record = self._from_row(row)
        self._cache[row[0]] = (row, record)
        return record

    def _from_row(self, row: tuple[Any, ...]) -> StoredRecord:
        from cosmos_formats.record import Record

        name, address, record, provider, uri, key_type, purpose, fingerprint, created_at, hardware, extractable = row[
            :11
        ]
        needs_floor, successor, verify_only_from = row[11:]
        try:
            # The fingerprint column does what a curve check would do, for a tenth of the time.
            decoded = Record.decode(record, check_point=False)
            if fingerprint != _fingerprint(decoded):
                raise ValueError("public key and fingerprint do not belong together")
            return StoredRecord(
                name=name,
                record=decoded,
                address=address,
                provider=provider,
                uri=uri,
                key_type=None if key_type is None else KeyType(key_type),
                purpose=Purpose(purpose),
                fingerprint=fingerprint,
                created_at=datetime.fromisoformat(created_at),
                hardware=None if hardware is None else bool(hardware),
                extractable=None if extractable is None else bool(extractable),
                needs_floor=bool(needs_floor),
                successor=successor,
                verify_only_from=None if verify_only_from is None else datetime.fromisoformat(verify_only_from),
            )
        except (ValueError, TypeError) as error:
            raise self._records.damaged("a record cannot be read", error) from error


def _fingerprint(record: Record) -> str | None:
    key = record.public_key
    return key.fingerprint if isinstance(key, PublicKey) else None


def _to_row(record: StoredRecord) -> tuple[object, ...]:
    if not _is_text(record.name):
        raise InvalidName("key name has half of a character")
    return (
        record.name,
        record.address,
        record.record.encode(),
        record.provider,
        record.uri,
        record.key_type,
        record.purpose,
        record.fingerprint,
        record.created_at.isoformat(timespec="microseconds"),
        record.hardware,
        record.extractable,
        record.needs_floor,
        record.successor,
        None if record.verify_only_from is None else record.verify_only_from.isoformat(timespec="microseconds"),
    )


def _is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8; lone surrogates, which JSON can carry, cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_found(name: str) -> KeyNotFound:
    return KeyNotFound(f"{name[:256]}{ITEM_SUFFIX}: key not found")
