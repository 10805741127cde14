"""Files that are damaged, somebody else's, too new, or unsafe."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Local, Record
from keyring_bridge.errors import InsecureFile, StoreFailed
from keyring_bridge.model import Purpose
from keyring_bridge.store import StoredRecord
from keyring_bridge.store.database import Database
from keyring_bridge.store.files import check_file
from keyring_bridge.store.schema import RECORDS, Schema
from keyring_bridge.store.sqlite import SqliteStore

KEY = PublicKey(KeyType.ED25519, bytes(32))
RECORD = StoredRecord(
    name="val",
    record=Record("val", KEY, Local(None)),
    address=KEY.address,
    provider="hsm",
    uri="pkcs11:object=val",
    key_type=KEY.key_type,
    purpose=Purpose.ACCOUNT,
    fingerprint=KEY.fingerprint,
    created_at=datetime(2026, 1, 2, tzinfo=UTC),
    hardware=True,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store.sqlite"
    with SqliteStore(path) as store:
        store.add(RECORD)
        store.note_nonce(KEY.fingerprint, b"r" * 32, b"d" * 32)
    return path


@pytest.fixture(params=["store.sqlite", f"store-nonces/{KEY.fingerprint}"])
def file(request: pytest.FixtureRequest, path: Path) -> Path:
    return path.parent / str(request.param)


def use(path: Path) -> None:
    with SqliteStore(path) as store:
        store.list()
        store.note_nonce(KEY.fingerprint, b"s" * 32, b"d" * 32)


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"hello" * 2000,
        lambda data: b"x" + data[1:],
        lambda data: data[:100] + b"\xff" * (len(data) - 100),
    ],
)
def test_a_damaged_file(path: Path, file: Path, harm: Callable[[bytes], bytes]) -> None:
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(StoreFailed, match=r"damaged|another program") as caught:
        use(path)
    assert str(file.parent) not in str(caught.value)
    assert str(file) in (caught.value.detail or "")


def test_a_file_that_was_cut(path: Path) -> None:
    os.truncate(path, 5000)
    with pytest.raises(StoreFailed, match="damaged"):
        use(path)


def test_a_newer_file_is_left_alone(path: Path) -> None:
    change(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match="newer release"):
        use(path)
    assert path.read_bytes() == before


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    change(path, "CREATE TABLE theirs (x)")
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match="another program"):
        use(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET record = x'ff'",
        "UPDATE records SET purpose = 'nothing'",
        "UPDATE records SET created_at = 'yesterday'",
        "UPDATE records SET created_at = '2026-01-02'",
        "UPDATE records SET key_type = 'rsa'",
        "UPDATE records SET fingerprint = 'other'",
        "UPDATE records SET name = 'other'",
        "UPDATE records SET address = x''",
        "UPDATE records SET uri = NULL",
    ],
)
def test_a_record_that_somebody_changed(path: Path, statement: str) -> None:
    change(path, statement)
    with pytest.raises(StoreFailed, match="damaged: a record cannot be read"):
        use(path)


def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    """A process that was killed between making the file and filling it leaves it so."""
    path = tmp_path / "store.sqlite"
    path.touch(0o600)
    use(path)


def test_files_that_others_may_write_are_refused(path: Path, file: Path) -> None:
    for mode in (0o620, 0o602):
        file.chmod(mode)
        with pytest.raises(InsecureFile):
            use(path)
    file.chmod(0o640)
    use(path)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("other")])
def test_only_regular_files_are_stores(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "store.sqlite")
    with pytest.raises(InsecureFile):
        SqliteStore(tmp_path / "store.sqlite")


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="cannot be opened"):
        SqliteStore(tmp_path / "none" / "store.sqlite")


def grown(*migrations: tuple[str, ...]) -> Schema:
    return Schema(RECORDS.what, RECORDS.application_id, (*RECORDS.migrations, *migrations), "FULL", RECORDS.lost_hint)


def test_an_older_file_is_migrated(path: Path) -> None:
    newer = grown(("ALTER TABLE records ADD COLUMN note TEXT", "UPDATE records SET note = 'x'"))
    database = Database(path, newer)
    with database.reading() as connection:
        assert connection.execute("SELECT name, note FROM records").fetchall() == [("val", "x")]
        assert connection.execute("PRAGMA user_version").fetchone() == (newer.version,)
    database.close()
    Database(path, newer).close()
    with pytest.raises(StoreFailed, match="newer release"):
        use(path)


def test_records_of_the_first_release_do_not_tell_whether_keys_are_extractable(tmp_path: Path) -> None:
    first = Schema(RECORDS.what, RECORDS.application_id, RECORDS.migrations[:1], "FULL", RECORDS.lost_hint)
    path = tmp_path / "first.sqlite"
    database = Database(path, first)
    columns = "name, address, record, provider, uri, key_type, purpose, fingerprint, created_at, hardware"
    row = ("val", KEY.address, RECORD.record.encode(), "hsm", RECORD.uri, "ed25519", "account", KEY.fingerprint)
    with database.changing() as connection:
        connection.execute(
            f"INSERT INTO records ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - constants only
            (*row, "2026-01-02T00:00:00+00:00", 1),
        )
    database.close()
    with SqliteStore(path) as store:
        assert store.list() == [RECORD]
        assert RECORD.extractable is None


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    with pytest.raises(StoreFailed):
        Database(path, grown(("DELETE FROM records",), ("no SQL",)))
    with SqliteStore(path) as store:
        assert store.list() == [RECORD]


def test_a_change_is_whole_or_not_at_all(path: Path) -> None:
    database = Database(path, RECORDS)

    def half() -> None:
        with database.changing() as connection:
            connection.execute("DELETE FROM records")
            raise RuntimeError("between two statements")

    with pytest.raises(RuntimeError):
        half()
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (1,)
    database.close()


def test_durability_is_what_the_schema_says(path: Path) -> None:
    database = Database(path, RECORDS)
    with database.reading() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_damaged_schema_that_sqlite_cannot_even_name(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    SqliteStore(path).close()
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE \xff\xfe\xffLE"))
    with pytest.raises(StoreFailed, match="damaged") as caught:
        SqliteStore(path)
    assert caught.value.hint is not None


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    SqliteStore(path).close()
    found = list(path.stat())
    found[4] = os.geteuid() + 4711
    with pytest.raises(InsecureFile, match="belongs to uid"):
        check_file(os.stat_result(found), path, "the store")
    found[4] = 0
    check_file(os.stat_result(found), path, "the store")
