"""What differs between a source, its journal, the records and the token is found, and told by the exit code."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.store.sqlite import SqliteStore
from tests.integration.migrate.folders import contents
from tests.keyring_directories import write_key
from tests.keyring_files import PASSWORD

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm


@pytest.fixture
def moved(token: Cli, tmp_path: Path) -> tuple[Cli, Path]:
    """A user who migrated two keys."""
    folder = tmp_path / "keyring-file"
    folder.mkdir(mode=0o700)
    for name in ("alice", "bob"):
        write_key(folder, name, KeyType.SECP256K1, os.urandom(32))
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_bytes(PASSWORD + b"\n")
    token.ok("migrate", str(folder), "--password", f"file:{tmp_path / 'password'}")
    return token, folder


def verified(user: Cli, folder: Path) -> tuple[int, dict[str, Any]]:
    done = user.run("-o", "json", "migrate", "verify", "--password", f"file:{folder.parent / 'password'}")
    assert done.data["same"] == (done.code == 0)
    return done.code, {key["name"]: key for key in done.data["keys"]}


def change_record(user: Cli, name: str, **fields: object) -> None:
    with SqliteStore(user.folder / "state" / "store.sqlite") as store:
        record = store.get(name)
        assert record is not None
        store.update(replace(record, **fields))  # type: ignore[arg-type]


def test_every_verification_proves_the_keys_anew(moved: tuple[Cli, Path]) -> None:
    user, folder = moved
    before = contents(folder)
    code, first = verified(user, folder)
    _, second = verified(user, folder)
    assert code == 0
    assert all(key["proved"] and not key["differences"] for key in first.values())
    assert first["alice"]["proof"]["message"] != second["alice"]["proof"]["message"]
    assert contents(folder) == before


def test_a_record_that_was_renamed_is_the_same_key(moved: tuple[Cli, Path]) -> None:
    user, folder = moved
    user.ok("keys", "rename", "alice", "treasury", "--yes")
    code, keys = verified(user, folder)
    assert code == 0
    assert "treasury" in keys["treasury"]["notes"][0]


def source_lost(user: Cli, folder: Path) -> None:
    (folder / "alice.info").unlink()


def source_exchanged(user: Cli, folder: Path) -> None:
    write_key(folder, "alice", KeyType.SECP256K1, os.urandom(32))


def source_damaged(user: Cli, folder: Path) -> None:
    path = folder / "alice.info"
    path.write_bytes(path.read_bytes()[:-9])


def record_lost(user: Cli, folder: Path) -> None:
    user.ok("keys", "delete", "alice", "--yes")


def record_elsewhere(user: Cli, folder: Path) -> None:
    with SqliteStore(user.folder / "state" / "store.sqlite") as store:
        bob = store.get("bob")
    assert bob is not None
    change_record(user, "alice", uri=bob.uri)


def token_lost(user: Cli, folder: Path) -> None:
    with SqliteStore(user.folder / "state" / "store.sqlite") as store:
        record = store.get("alice")
    assert record is not None
    user.ok("keys", "delete", "alice", "--destroy", "--yes")
    with SqliteStore(user.folder / "state" / "store.sqlite") as store:
        store.add(record)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (source_lost, "the source does not have it any more"),
        (source_exchanged, "the source has another key there"),
        (source_damaged, "cannot be read"),
        (record_lost, "there is no record of it"),
        (record_elsewhere, "another key in this place"),
        (token_lost, "not in the token"),
    ],
)
def test_a_difference_is_told(moved: tuple[Cli, Path], change: Callable[[Cli, Path], None], told: str) -> None:
    user, folder = moved
    change(user, folder)
    code, keys = verified(user, folder)
    assert code == 9
    assert any(told in difference for difference in keys["alice"]["differences"]), keys["alice"]
    assert not keys["bob"]["differences"]
    assert keys["bob"]["proved"]


def test_a_wrong_password_opens_no_comparison(moved: tuple[Cli, Path]) -> None:
    user, folder = moved
    wrong = folder.parent / "wrong"
    wrong.touch(0o600)
    wrong.write_text("another one\n")
    before = contents(folder)
    secret = ("--password", f"file:{wrong}")
    promised = ("--yes", "--accept-single-copy")
    for words in (["verify"], ["undo", str(folder), "--yes"], ["retire", str(folder), *promised]):
        user.fails("migrate", *words, *secret, code=7, error="source_password_incorrect")
    assert contents(folder) == before


def test_an_unknown_migration_is_named_by_nobody(token: Cli) -> None:
    assert token.json("migrate", "list") == []
    token.fails("migrate", "verify", code=4, error="migration_not_found")
    token.fails("migrate", "retire", "abcd", "--yes", code=4, error="migration_not_found")
