"""The source's copies go once the token has proved that it has the keys, and nothing else goes."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.store.sqlite import SqliteStore
from tests.integration.migrate.folders import contents, private_objects, restore, snapshot
from tests.integration.migrate.killing import NOTES, moments, run_until
from tests.keyring_directories import write_key

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm

Copy = Callable[[str, str], Path]
ODD = ("--skip", "alice again", "--rename", "x.info=x", "--purpose", "account")
ALONE = ("--accept-single-copy", "--yes")
HIDDEN = ".keyring-bridge-retired-"


def kinds(user: Cli) -> Counter[str]:
    lines = (user.folder / "state" / "audit.jsonl").read_text().splitlines()
    return Counter(json.loads(line)["kind"] for line in lines)


def state_of(user: Cli) -> str:
    (one,) = user.json("migrate", "list")
    return str(one["state"])


def test_a_keyring_is_retired_file_by_file(token: Cli, keyring: Copy, password: str, tmp_path: Path) -> None:
    source = keyring("v053", "file")
    (source / "notes.txt").write_text("not ours")
    before = contents(source)
    held = {name: os.open(source / name, os.O_RDONLY) for name in before if name.endswith(".info")}
    token.ok("migrate", str(source), *ODD, "--password", password)
    assert contents(source) == before
    done = token.json("migrate", "retire", str(source), *ALONE, "--password", password)
    left = contents(source)
    # What stays: what was not migrated, an address item that lies, and what is nobody's; with it the password's hash.
    stays = {"alice again.info", "keyhash", "notes.txt"}
    assert {name for name in left if not name.endswith(".address")} == stays
    assert left.items() <= before.items()
    assert sorted(done["files"]) == sorted(before.keys() - left.keys())
    assert "x" in done["keys"]
    # The file system's own copy was overwritten: whoever still has a file open reads random bytes.
    for name, descriptor in held.items():
        now = os.pread(descriptor, 1 << 20, 0)
        os.close(descriptor)
        assert (now == before[name]) is (name in left), name
        assert len(now) == len(before[name])
    assert state_of(token) == "retired"
    keys = {key["name"]: key for key in token.json("migrate", "verify")["keys"]}
    assert keys["alice"]["proved"]
    assert kinds(token)["key.retire.intent"] == len(done["keys"])
    token.fails("migrate", "retire", str(source), *ALONE, code=5, error="migration_retirement_refused")
    assert token.run("audit", "verify").code == 0


def test_a_keyring_of_an_old_release_is_empty_afterwards(token: Cli, keyring: Copy, password: str) -> None:
    source = keyring("v045", "file")
    assert (source / "keyhash").exists()
    options = ("--purpose", "account", "--password", password)
    done = token.json("migrate", str(source), *options, "--retire", *ALONE)
    assert done["retired"]["left"] == []
    assert contents(source) == {}
    assert state_of(token) == "retired"


def seed() -> bytes:
    return os.urandom(32)


def tmkms(folder: Path) -> Path:
    (folder / "secrets").mkdir(mode=0o700)
    path = folder / "secrets" / "consensus.key"
    path.write_bytes(base64.b64encode(seed()))
    return path


def cosmos_kms(folder: Path) -> Path:
    path = folder / "kms.key"
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    path.write_bytes(base64.b64encode(key.private_bytes_raw() + public))
    return path


def pem(folder: Path) -> Path:
    path = folder / "key.pem"
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def digits(folder: Path) -> Path:
    path = folder / "key.hex"
    path.write_text(seed().hex())
    return path


def validator(folder: Path) -> Path:
    fixtures = Path(__file__).resolve().parents[3] / "fixtures" / "validators" / "ed25519"
    path = folder / "priv_validator_key.json"
    shutil.copyfile(fixtures / "priv_validator_key.json", path)
    shutil.copyfile(fixtures / "state_precommit.json", folder / "priv_validator_state.json")
    (folder / "priv_validator_state.json").chmod(0o600)
    return path


@pytest.mark.parametrize("make", [validator, tmkms, cosmos_kms, pem, digits])
def test_a_file_with_one_key_is_retired(token: Cli, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    folder = tmp_path / "source"
    folder.mkdir(mode=0o700)
    (folder / "other").write_text("not ours")
    path = make(folder)
    path.chmod(0o400)
    rest = {found: found.read_bytes() for found in folder.rglob("*") if found.is_file() and found != path}
    purpose = ("--purpose", "account") if make is pem else ()
    link = tmp_path / "link"
    link.symlink_to(path)
    token.ok("migrate", str(link), "--name", "val", *purpose)
    consensus = make in (validator, tmkms, cosmos_kms)
    if consensus:
        error = token.fails("migrate", "retire", str(link), *ALONE, code=5, error="migration_retirement_refused")
        assert "old signer" in error["message"]
        assert path.exists()
    token.ok("migrate", "retire", str(path), *ALONE, *(("--old-signer-stopped",) if consensus else ()))
    assert {found: found.read_bytes() for found in folder.rglob("*") if found.is_file()} == rest
    assert (state_of(token), token.json("migrate", "verify")["same"]) == ("retired", True)


@pytest.fixture
def one(token: Cli, keyring: Copy) -> tuple[Cli, Path]:
    """A user who migrated three keys of a `test` keyring."""
    source = keyring("v053", "test")
    token.ok("migrate", str(source), *ODD, "--key", "alice", "--key", "a/b", "--key", "x.info")
    return token, source


def refused(user: Cli, source: Path, *options: str, error: str = "migration_retirement_refused") -> str:
    """A retirement that has to be refused, with nothing removed."""
    before = contents(source)
    done = user.run("--output", "json", "migrate", "retire", str(source), *options)
    assert (done.code != 0, done.error["code"]) == (True, error), done
    assert contents(source) == before
    assert state_of(user) == "done"
    return str(done.error["message"])


def test_nothing_goes_without_being_asked_for(one: tuple[Cli, Path]) -> None:
    user, source = one
    assert "backup" in refused(user, source, "--yes")
    refused(user, source, "--accept-single-copy", error="not_confirmed")
    said_no = user.on_terminal("migrate", "retire", str(source), "--accept-single-copy", answers={"to go on:": "no"})
    assert said_no.code == 2
    assert "alice" in said_no.out
    assert state_of(user) == "done"
    said_yes = user.on_terminal(
        "migrate", "retire", str(source), "--accept-single-copy", answers={"to go on:": "retire"}
    )
    assert said_yes.code == 0, said_yes
    assert "snapshot" in said_yes.out
    assert state_of(user) == "retired"


def test_a_migration_asks_again_before_it_retires(token: Cli, keyring: Copy) -> None:
    source = keyring("v053", "test")
    before = contents(source)
    command = ("migrate", str(source), *ODD, "--key", "alice", "--retire")
    token.fails(*command, "--accept-single-copy", code=2, error="not_confirmed")
    token.fails(*command, "--yes", code=5, error="migration_retirement_refused")
    assert contents(source) == before
    assert state_of(token) == "done"
    token.ok(*command, *ALONE)
    assert before.keys() - contents(source).keys() == {"alice.info"}


def test_a_key_that_the_token_lost_keeps_all_files(one: tuple[Cli, Path]) -> None:
    user, source = one
    with SqliteStore(user.folder / "state" / "store.sqlite") as store:
        record = store.get("alice")
    assert record is not None
    user.ok("keys", "delete", "alice", "--destroy", "--yes")
    assert "no record" in refused(user, source, *ALONE)
    with SqliteStore(user.folder / "state" / "store.sqlite") as store:
        store.add(record)
    assert "token" in refused(user, source, *ALONE)
    verified = user.run("--output", "json", "migrate", "verify")
    assert (verified.code, verified.data["same"]) == (9, False)


def test_a_source_with_another_key_by_now_keeps_all_files(one: tuple[Cli, Path], keyring: Copy) -> None:
    user, source = one
    (source / "alice.info").write_bytes((source / "100%25.info").read_bytes())
    assert "alice" in refused(user, source, *ALONE)
    (source / "alice.info").unlink()
    # Somebody else removed it: the token has it, so that is no reason to keep the others.
    done = user.json("migrate", "retire", str(source), *ALONE)
    assert "alice.info" not in done["files"]
    assert state_of(user) == "retired"


def test_links_keep_all_files(one: tuple[Cli, Path], tmp_path: Path) -> None:
    user, source = one
    (tmp_path / "second").hardlink_to(source / "alice.info")
    assert "hard links" in refused(user, source, *ALONE)
    (tmp_path / "second").unlink()
    (source / "alice.info").rename(tmp_path / "elsewhere")
    (source / "alice.info").symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in refused(user, source, *ALONE)


def test_a_second_copy_stays_with_the_address_item_that_leads_to_it_by_now(token: Cli, tmp_path: Path) -> None:
    folder, secret = tmp_path / "keyring-test", os.urandom(32)
    folder.mkdir(mode=0o700)
    leading = f"{write_key(folder, 'alice', KeyType.SECP256K1, secret).address.hex()}.address"
    token.ok("migrate", str(folder))
    # As the SDK does it: the address item is repointed.
    write_key(folder, "copy", KeyType.SECP256K1, secret)
    done = token.run("migrate", "retire", str(folder), *ALONE)
    assert done.code == 0
    assert "copy IS A SECOND COPY" in done.err
    assert contents(folder).keys() == {"copy.info", leading}


def address_of(name: str) -> str:
    fixtures = Path(__file__).resolve().parents[3] / "fixtures" / "keyrings" / "v053" / "keys.json"
    keys = json.loads(fixtures.read_text())["keys"]
    return str(next(key["address"] for key in keys if key["name"] == name))


POINTS = (
    *NOTES,
    "keyring_bridge.migrate.files:Folder.set_aside",
    "keyring_bridge.migrate.files:Folder.erase",
    "keyring_bridge.migrate.files:_overwrite",
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_any_step_a_retirement_is_finished_the_next_time(
    token: Cli, keyring: Copy, password: str, tmp_path: Path
) -> None:
    source = keyring("v053", "file")
    keep = {"a%2Fb.info", "two words.info", "keyhash", f"{address_of('a/b')}.address"}
    for path in source.iterdir():
        if path.name not in keep:
            path.unlink()
    token.ok("migrate", str(source), "--password", password)
    assert contents(source).keys() == keep
    command = ("migrate", "retire", str(source), *ALONE, "--password", password)
    kept = snapshot(token, tmp_path / "kept", source)
    whole = run_until(token, POINTS, 0, "never", *command)
    assert whole.code == 0, whole
    assert {"note:retiring", "set_aside", "erase", "_overwrite", "note:retired", "note:retirement_finished"} <= set(
        whole.steps
    )
    assert contents(source) == {}
    for at, when in moments(whole.steps, "_overwrite"):
        restore(token, kept, source)
        assert run_until(token, POINTS, at, when, *command).killed
        if (at, when) != (len(whole.steps), "after"):
            token.ok(*command)
        assert contents(source) == {}, (at, when)
        verified = token.json("migrate", "verify")
        assert [verified["state"], *(key["proved"] for key in verified["keys"])] == ["retired", True, True], (at, when)
    assert private_objects(token) == Counter({"a/b": 1, "two words": 1})


def test_an_interrupted_retirement_wants_the_same_promises_again(token: Cli, keyring: Copy, tmp_path: Path) -> None:
    source = keyring("v053", "test")
    token.ok("migrate", str(source), *ODD, "--key", "alice")
    command = ("migrate", "retire", str(source), *ALONE)
    assert run_until(token, ("keyring_bridge.migrate.files:Folder.erase",), 1, "before", *command).killed
    (hidden,) = source.glob(f"{HIDDEN}*")
    kept = hidden.read_bytes()
    # The key in the token is gone meanwhile: what is left of its file is the last copy, and stays.
    user_store = token.folder / "state" / "store.sqlite"
    with SqliteStore(user_store) as store:
        record = store.get("alice")
    token.ok("keys", "delete", "alice", "--destroy", "--yes")
    token.fails(*command, code=5, error="migration_retirement_refused")
    with SqliteStore(user_store) as store:
        assert record is not None
        store.add(record)
    token.fails(*command, code=5, error="migration_retirement_refused")
    assert hidden.read_bytes() == kept
    assert token.run("migrate", "undo", str(source), "--yes").code == 5
