"""A source that is moved into a sealed archive is there, whole, before anything of it goes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyring_bridge.backup.register import Holds, Register
from keyring_bridge.store.sqlite import SqliteStore
from tests.integration.migrate.folders import contents, restore, snapshot
from tests.integration.migrate.killing import NOTES, moments, run_until

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm

Copy = Callable[[str, str], Path]
ODD = ("--skip", "alice again", "--rename", "x.info=x", "--purpose", "account")
ALONE = ("--accept-single-copy", "--yes")


def secret_file(path: Path, content: str) -> str:
    path.touch(0o600)
    path.write_text(content)
    return f"file:{path}"


@pytest.fixture
def phrase(tmp_path: Path) -> str:
    """A source of the archive's passphrase."""
    return secret_file(tmp_path / "phrase", "correct horse battery staple")


def test_an_archive_gives_back_every_file(
    token: Cli, keyring: Copy, password: str, phrase: str, tmp_path: Path
) -> None:
    source = keyring("v045", "file")
    before = contents(source)
    options = ("--purpose", "account", "--password", password)
    token.ok("migrate", str(source), *options)
    archive, back = tmp_path / "archive", tmp_path / "back"
    command = ("migrate", "retire", str(source), *ALONE, "--password", password, "--archive", str(archive))
    done = token.json(*command, "--archive-passphrase", phrase)
    assert (done["how"], done["archive"], contents(source)) == ("archived", str(archive), {})
    assert archive.stat().st_mode & 0o777 == 0o600
    token.ok("migrate", "unpack", str(archive), "--to", str(back), "--archive-passphrase", phrase)
    # Those of the keys, and what the SDK checks the password with.
    assert contents(back) == before
    assert {path.stat().st_mode & 0o777 for path in back.iterdir()} == {0o600}
    wrong = secret_file(tmp_path / "wrong", "another one")
    error = token.run("-o", "json", "migrate", "unpack", str(archive), "--to", "x", "--archive-passphrase", wrong)
    assert error.code == 7, error
    token.fails(
        *("migrate", "unpack", str(archive), "--to", str(back), "--archive-passphrase", phrase),
        code=5,
        error="sealed_file_exists",
    )


@pytest.fixture
def single(token: Cli, tmp_path: Path) -> tuple[Cli, Path, bytes]:
    """A user who migrated the key of one file; the file, and what is in it."""
    folder = tmp_path / "source"
    folder.mkdir(mode=0o700)
    path = folder / "key.hex"
    path.touch(0o600)
    content = os.urandom(32).hex().encode()
    path.write_bytes(content)
    token.ok("migrate", str(path), "--name", "alone")
    return token, path, content


def test_an_archive_for_recipients_opens_without_this_program(single: tuple[Cli, Path, bytes], tmp_path: Path) -> None:
    from pyrage import decrypt, x25519

    user, path, content = single
    mine, other = x25519.Identity.generate(), x25519.Identity.generate()
    archive = tmp_path / "archive"
    command = ("migrate", "retire", str(path), *ALONE, "--archive", str(archive))
    recipient = ("--archive-recipient", str(mine.to_public()))
    user.fails(*command, *recipient, code=2, error="usage_error")
    wrong = secret_file(tmp_path / "other", str(other))
    # It could be made for somebody, and not be read back: then nothing goes.
    assert user.run(*command, *recipient, "--archive-identity", wrong).code != 0
    assert path.read_bytes() == content
    archive.unlink()
    identity = secret_file(tmp_path / "mine", str(mine))
    user.ok(*command, *recipient, "--archive-identity", identity)
    assert not path.exists()
    sealed = archive.read_bytes()
    assert content not in sealed
    opened = decrypt(sealed.split(b"\n", 2)[2], [mine]).split(b"\n", 1)[1]
    listed = subprocess.run(["tar", "-xOf", "-"], input=opened, capture_output=True, check=True)
    assert listed.stdout == content
    user.ok("migrate", "unpack", str(archive), "--to", str(tmp_path / "back"), "--archive-identity", identity)
    assert contents(tmp_path / "back") == {"key.hex": content}


def test_an_archive_of_something_else_keeps_the_files(
    single: tuple[Cli, Path, bytes], phrase: str, tmp_path: Path
) -> None:
    user, path, content = single
    archive = tmp_path / "archive"
    command = (*ALONE, "--archive", str(archive), "--archive-passphrase", phrase)
    # An archive of a file of the same name, and one that somebody damaged.
    (tmp_path / "second").mkdir(mode=0o700)
    second = tmp_path / "second" / "key.hex"
    second.touch(0o600)
    second.write_text(os.urandom(32).hex())
    user.ok("migrate", str(second), "--name", "second")
    user.ok("migrate", "retire", str(second), *command)
    user.fails("migrate", "retire", str(path), *command, code=5, error="migration_retirement_refused")
    sealed = bytearray(archive.read_bytes())
    sealed[-40] ^= 1
    archive.write_bytes(sealed)
    assert user.run("migrate", "retire", str(path), *command).code == 9
    assert path.read_bytes() == content


def test_killed_at_any_step_the_archive_comes_first(
    single: tuple[Cli, Path, bytes], phrase: str, tmp_path: Path
) -> None:
    user, path, content = single
    (tmp_path / "kept").mkdir()
    (tmp_path / "out").mkdir(mode=0o700)
    archive = tmp_path / "out" / "archive"
    points = (
        *NOTES,
        "keyring_bridge.migrate.archive:SealedArchive._check",
        "keyring_bridge.migrate.files:Folder.set_aside",
        "keyring_bridge.migrate.files:Folder.erase",
    )
    plain = ("migrate", "retire", str(path), *ALONE)
    command = (*plain, "--archive", str(archive), "--archive-passphrase", phrase)
    kept = snapshot(user, tmp_path / "kept", path.parent, archive.parent)
    whole = run_until(user, points, 0, "never", *command)
    order = ["_check", "note:retiring", "set_aside", "erase", "note:retired", "note:retirement_finished"]
    assert whole.steps == order, whole
    for at, when in moments(whole.steps):
        restore(user, kept, path.parent, archive.parent)
        assert run_until(user, points, at, when, *command).killed
        if at in (3, 4, 5):
            # It was begun with an archive, and is not ended without.
            user.fails(*plain, code=5, error="migration_retirement_refused")
        if when == "before":
            user.ok(*command)
        assert not path.exists()
        assert contents(archive.parent).keys() == {"archive"}
    user.ok("migrate", "unpack", str(archive), "--to", str(tmp_path / "back"), "--archive-passphrase", phrase)
    assert contents(tmp_path / "back") == {"key.hex": content}


def test_an_archive_that_vanished_keeps_what_is_left_of_the_files(
    single: tuple[Cli, Path, bytes], phrase: str, tmp_path: Path
) -> None:
    user, path, content = single
    archive = tmp_path / "archive"
    command = ("migrate", "retire", str(path), *ALONE, "--archive", str(archive), "--archive-passphrase", phrase)
    assert run_until(user, ("keyring_bridge.migrate.files:Folder.erase",), 1, "before", *command).killed
    archive.unlink()
    user.fails(*command, code=5, error="migration_retirement_refused")
    (hidden,) = path.parent.iterdir()
    assert hidden.read_bytes() == content


def test_a_verified_backup_of_the_key_itself_is_enough(single: tuple[Cli, Path, bytes]) -> None:
    user, path, content = single
    with SqliteStore(user.folder / "state" / "store.sqlite") as store:
        record = store.get("alone")
    assert record is not None
    assert record.fingerprint is not None
    register = Register(user.folder / "state")
    register.note_verified("ab" * 32, datetime.now(UTC), {record.fingerprint: Holds.RECORD})
    user.fails("migrate", "retire", str(path), "--yes", code=5, error="migration_retirement_refused")
    assert path.read_bytes() == content
    register.note_verified("cd" * 32, datetime.now(UTC), {record.fingerprint: Holds.SEALED})
    user.ok("migrate", "retire", str(path), "--yes")
    assert not path.exists()
