"""The store under processes that work at once, die, or may not write."""

from __future__ import annotations

import signal
import sqlite3
import time
from pathlib import Path

import pytest

from keyring_bridge.errors import StoreFailed
from keyring_bridge.store.sqlite import SqliteStore
from tests.processes import DROP_RIGHTS, output, public_folder, running

PRELUDE = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Local, Record
from keyring_bridge.errors import BridgeError
from keyring_bridge.model import Purpose
from keyring_bridge.store.base import StoredRecord
from keyring_bridge.store.sqlite import SqliteStore

def record(name, data):
    key = PublicKey(KeyType.ED25519, data)
    return StoredRecord(name, Record(name, key, Local(None)), key.address, "hsm", f"pkcs11:object={name}",
                        key.key_type, Purpose.ACCOUNT, key.fingerprint, datetime.now(UTC), True)
"""

WRITER = (
    PRELUDE
    + """
store, name = SqliteStore(Path(sys.argv[1])), sys.argv[2]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 10**9
for number in range(count):
    one = f"{name}-{number}"
    store.add(record(one, os.urandom(32)))
    os.write(1, f"add {one}\\n".encode())
    r = os.urandom(32)
    assert store.note_nonce("ab" * 32, r, b"d" * 32)
    os.write(1, f"nonce {r.hex()}\\n".encode())
    if number % 3 == 0:
        store.rename(one, one + "-renamed", uri="pkcs11:object=renamed")
        os.write(1, f"rename {one}\\n".encode())
store.close()
"""
)


def expected_names(told: list[str]) -> tuple[set[str], set[str]]:
    """Return the names that must be there, and those that may be there under their new name already."""
    added = {line.split()[1] for line in told if line.startswith("add ")}
    renamed = {line.split()[1] for line in told if line.startswith("rename ")}
    return (added - renamed) | {f"{name}-renamed" for name in renamed}, added - renamed


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3])
def test_writers_killed_at_any_moment(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "store.sqlite"
    told: list[str] = []
    with running(WRITER, *((str(path), f"w{number}") for number in range(3))) as children:
        for child in children:
            assert child.stdout is not None
            told.append(child.stdout.readline().strip())
        time.sleep(delay)
        for child in children:
            child.kill()
        for child in children:
            text, _ = child.communicate(timeout=60)
            assert child.returncode == -signal.SIGKILL
            told += text.split("\n")[:-1]
    with SqliteStore(path) as store:
        records = store.list()
        names = {record.name for record in records}
        must, may_be_renamed = expected_names(told)
        for name in must:
            assert name in names or (name in may_be_renamed and f"{name}-renamed" in names)
        assert len({record.address for record in records}) == len(records)
        for line in told:
            if line.startswith("nonce "):
                assert not store.note_nonce("ab" * 32, bytes.fromhex(line.split()[1]), b"e" * 32)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


SIGNER = """
import os, sys
from pathlib import Path
from keyring_bridge.store.nonces import NonceMemory

memory, digest = NonceMemory(Path(sys.argv[1])), sys.argv[2].encode() * 32
for number in range(int(sys.argv[3])):
    r = number.to_bytes(32, "little")
    if memory.note("ab" * 32, r, digest):
        os.write(1, f"{number}\\n".encode())
"""


def test_a_nonce_is_good_for_one_process(tmp_path: Path) -> None:
    """Some are killed on the way."""
    count, file = 2_000, tmp_path / "nonces" / ("ab" * 32)
    with running(SIGNER, *((str(tmp_path / "nonces"), name, str(count)) for name in "abcd")) as children:
        while not file.exists() or file.stat().st_size < 64 * 300:
            time.sleep(0.001)
        for child in children[2:]:
            child.kill()
        told = [child.communicate(timeout=120)[0].split() for child in children]
    noted = [number for numbers in told for number in numbers]
    assert len(noted) == len(set(noted))
    # What is missing was noted by one that was killed before it could tell.
    assert count - 2 <= len(noted) <= count
    assert file.stat().st_size == 64 * (1 + count)


def test_processes_open_a_new_store_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with running(WRITER, *((str(path), f"w{number}", "5") for number in range(6))) as children:
        for child in children:
            child.communicate(timeout=60)
            assert child.returncode == 0
    with SqliteStore(path) as store:
        assert len(store.list()) == 30


SAME = (
    PRELUDE
    + """
store = SqliteStore(Path(sys.argv[1]))
won = 0
for number in range(20):
    try:
        store.add(record(f"key-{number}", bytes([number]) * 32))
        won += 1
    except BridgeError as error:
        assert error.code == "key_exists", error
print(won)
"""
)


def test_one_name_goes_to_one_process(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with running(SAME, *([(str(path),)] * 4)) as children:
        won = [int(child.communicate(timeout=60)[0]) for child in children]
    assert sum(won) == 20
    with SqliteStore(path) as store:
        assert len(store.list()) == 20


FULL = (
    PRELUDE
    + """
import resource
store = SqliteStore(Path(sys.argv[1]))
store.add(record("fits", b"\\1" * 32))
for room, call in (
    (4096, lambda: store.add(record("too-much", b"\\2" * 32))),
    (0, lambda: store.note_nonce("ab" * 32, b"r" * 32, b"d" * 32)),
    (70, lambda: store.note_nonce("ab" * 32, b"r" * 32, b"d" * 32)),
    (100, lambda: store.note_nonce("ab" * 32, b"r" * 32, b"d" * 32)),
):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        call()
    except BridgeError as error:
        print(error.code)
print([found.name for found in store.list()])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.add(record("room-again", b"\\2" * 32))
print(store.note_nonce("ab" * 32, b"r" * 32, b"e" * 32))
store.close()
"""
)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    assert output(FULL, str(path)).splitlines() == [*["store_failed"] * 4, "['fits']", "True"]
    with SqliteStore(path) as store:
        assert [record.name for record in store.list()] == ["fits", "room-again"]


# Everything is imported first: the interpreter's own folder may be closed to a user without rights.
OPEN = (
    PRELUDE
    + "import sqlite3\n"
    + DROP_RIGHTS
    + """
try:
    SqliteStore(Path(sys.argv[1])).list()
except BridgeError as error:
    print(error.code, error)
"""
)


def test_a_store_that_cannot_be_written_is_refused() -> None:
    with public_folder() as folder:
        path = folder / "store.sqlite"
        SqliteStore(path).close()
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)
        assert output(OPEN, str(path)).startswith("store_failed the store of key records cannot be ")


def test_a_writer_that_holds_the_store_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyring_bridge.store.database.BUSY_SECONDS", 0.05)
    path = tmp_path / "store.sqlite"
    with SqliteStore(path) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed, match="held by another process"):
            store.delete("x")
        assert store.list() == []
        holder.close()
