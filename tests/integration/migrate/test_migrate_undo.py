"""What a migration made is removed again, as long as the source has the keys, and nothing else is."""

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

from cosmos_formats import sign_state, signer_files
from cosmos_formats.pubkeys import KeyType
from keyring_bridge.store.base import LastSigned
from keyring_bridge.store.sqlite import SqliteStore
from tests.integration.migrate.folders import contents, private_objects, restore, snapshot
from tests.integration.migrate.killing import NOTES, moments, run_until
from tests.keyring_directories import write_key

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm

Copy = Callable[[str, str], Path]
ODD = ("--skip", "alice again", "--rename", "x.info=x", "--purpose", "account")
SOME = ("--key", "alice", "--key", "a/b", "--key", "device", "--key", "group", *ODD)
FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"


def names(user: Cli) -> list[str]:
    return [record["name"] for record in user.json("keys", "list")]


def state_of(user: Cli) -> str:
    (one,) = user.json("migrate", "list")
    return str(one["state"])


def refused(user: Cli, *arguments: str, error: str = "migration_undo_refused") -> str:
    """An undo that has to be refused, with nothing removed."""
    before = (names(user), private_objects(user))
    done = user.run("--output", "json", "migrate", "undo", *arguments)
    assert (done.code != 0, done.error["code"]) == (True, error), done
    assert (names(user), private_objects(user)) == before
    return str(done.error["message"])


def test_a_keyring_is_taken_out_again_and_can_come_back(token: Cli, keyring: Copy, password: str) -> None:
    source = keyring("v053", "file")
    before = contents(source)
    command = ("migrate", str(source), *SOME, "--password", password)
    token.ok(*command)
    assert private_objects(token) == Counter(["alice", "a/b"])
    refused(token, str(source), "--password", password, error="not_confirmed")
    done = token.json("migrate", "undo", str(source), "--password", password, "--yes")
    assert {key["name"] for key in done["keys"] if key["key_destroyed"]} == {"alice", "a/b"}
    assert all(key["record_removed"] for key in done["keys"])
    assert (names(token), private_objects(token), state_of(token)) == ([], Counter(), "undone")
    assert contents(source) == before
    token.ok("migrate", "undo", str(source), "--password", password, "--yes")
    token.ok(*command)
    assert private_objects(token) == Counter(["alice", "a/b"])
    assert token.json("migrate", "verify", "--password", password)["same"]
    assert token.run("audit", "verify").code == 0


def test_what_was_there_before_stays(token: Cli, keyring: Copy, tmp_path: Path) -> None:
    source = keyring("v053", "test")
    # alice has key and record already, a/b a key without a record.
    token.ok("migrate", str(source), "--key", "alice", "--key", "a/b")
    for journal in (token.folder / "state" / "migrations").glob("*.jsonl"):
        journal.unlink()
    with SqliteStore(token.folder / "state" / "store.sqlite") as store:
        store.delete("a/b")
    token.ok("migrate", str(source), "--key", "alice", "--key", "a/b", "--key", "two words")
    done = token.json("migrate", "undo", str(source), "--yes")
    told = {key["name"]: (key["key_destroyed"], key["record_removed"]) for key in done["keys"]}
    assert told == {"alice": (False, False), "a/b": (False, True), "two words": (True, True)}
    assert names(token) == ["alice"]
    assert private_objects(token) == Counter(["alice", "a/b"])


def test_a_key_that_came_in_another_way_since_stays(token: Cli, tmp_path: Path) -> None:
    secret = os.urandom(32)
    folder = tmp_path / "keyring-test"
    folder.mkdir(mode=0o700)
    write_key(folder, "alice", KeyType.SECP256K1, secret)
    write_key(folder, "bob", KeyType.SECP256K1, os.urandom(32))
    token.ok("migrate", str(folder))
    token.ok("keys", "delete", "alice", "--destroy", "--yes")
    token.ok("keys", "import-hex", "alice", "--source", "stdin", stdin=secret.hex().encode())
    done = token.json("migrate", "undo", str(folder), "--yes")
    told = {key["name"]: (key["key_destroyed"], key["record_removed"]) for key in done["keys"]}
    assert told == {"alice": (False, False), "bob": (True, True)}
    assert (names(token), private_objects(token)) == (["alice"], Counter(["alice"]))


def test_a_source_that_lost_a_key_keeps_the_tokens(token: Cli, keyring: Copy) -> None:
    source = keyring("v053", "test")
    token.ok("migrate", str(source), "--key", "alice", "--key", "a/b")
    kept = (source / "alice.info").read_bytes()
    (source / "alice.info").unlink()
    assert "source" in refused(token, str(source), "--yes")
    (source / "alice.info").touch(0o600)
    (source / "alice.info").write_bytes((source / "100%25.info").read_bytes())
    assert "source" in refused(token, str(source), "--yes")
    shutil.copyfile(source / "alice again.info", source / "alice.info")
    assert "source" in refused(token, str(source), "--yes")
    (source / "alice.info").write_bytes(kept)
    token.ok("migrate", "undo", str(source), "--yes")


def test_a_secret_from_nowhere_cannot_be_looked_for(token: Cli, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(os.urandom(32).hex())
    token.ok("migrate", "--hex", f"file:{secret}", "--name", "alone")
    (one,) = token.json("migrate", "list")
    assert "source" in refused(token, one["id"], "--yes")


def test_a_key_that_signed_since_is_kept_unless_that_is_said(token: Cli, keyring: Copy) -> None:
    source = keyring("v053", "test")
    token.ok("migrate", str(source), "--key", "alice", "--key", "a/b")
    policy = token.folder / "policy.toml"
    policy.write_text(policy.read_text().replace("\nsign_modes", "\narbitrary_data = true\nsign_modes"))
    token.ok("arbitrary", "sign", "alice", stdin=b"hello")
    assert "alice signed" in refused(token, str(source), "--yes")
    token.ok("migrate", "undo", str(source), "--yes", "--even-if-used")
    assert private_objects(token) == Counter()


# --- consensus keys ---------------------------------------------------------------------------------------------------


def new_state(path: Path, state: sign_state.SignState | None, kind: str) -> None:
    if state is None:
        return
    if kind == "tmkms":
        path.write_bytes(signer_files.write_tmkms_state(signer_files.TmkmsState.from_sign_state(state)))
    else:
        path.write_bytes(sign_state.write(state, round_as_text=kind == "horcrux"))
    path.chmod(0o600)


def consensus_source(folder: Path, kind: str, state: sign_state.SignState | None) -> tuple[Path, Path]:
    """A signer's key, and its state as that signer writes it."""
    if kind == "tmkms":
        for name in ("secrets", "state"):
            (folder / name).mkdir(mode=0o700, parents=True)
        key, place = folder / "secrets" / "val.key", folder / "state" / "val.json"
        key.write_bytes(base64.b64encode(os.urandom(32)))
    else:
        folder.mkdir(mode=0o700)
        key, place = folder / "priv_validator_key.json", folder / "priv_validator_state.json"
        shutil.copyfile(FIXTURES / "validators" / "ed25519" / "priv_validator_key.json", key)
    key.chmod(0o600)
    new_state(place, state, kind)
    return key, place


def signed_here(user: Cli, signed: LastSigned) -> None:
    """What the validator's part will say one day."""
    with SqliteStore(user.folder / "state" / "store.sqlite") as store:
        record = store.get("val")
        assert record is not None
        assert record.fingerprint is not None
        store.note_last_signed(record.fingerprint, "", signed)


@pytest.mark.parametrize("kind", ["cometbft", "horcrux", "tmkms"])
def test_an_undone_consensus_key_leaves_its_watermark_with_the_old_signer(
    token: Cli, tmp_path: Path, kind: str
) -> None:
    key, place = consensus_source(tmp_path / "signer", kind, sign_state.SignState(100, 0, 2))
    token.ok("migrate", str(key), "--name", "val")
    signed_here(token, LastSigned(250, 1, 3))
    done = token.json("migrate", "undo", str(key), "--yes")
    assert done["states_written"] == [str(place)]
    written = place.read_bytes()
    assert place.stat().st_mode & 0o777 == 0o600
    members = json.loads(written)
    if kind == "tmkms":
        # It names no block, so it has to say the next step: tmkms would sign nil at the same one.
        assert (members["height"], members["round"], members["step"], members["block_id"]) == ("250", "2", 0, None)
    else:
        assert (members["height"], members["step"]) == ("250", 3)
        assert members["round"] == ("1" if kind == "horcrux" else 1)
        assert "signature" not in members
    assert (names(token), private_objects(token)) == ([], Counter())


def test_the_old_signers_state_is_never_lowered(token: Cli, tmp_path: Path) -> None:
    key, place = consensus_source(tmp_path / "signer", "cometbft", sign_state.SignState(100, 0, 2))
    token.ok("migrate", str(key), "--name", "val")
    signed_here(token, LastSigned(250, 1, 3))
    new_state(place, sign_state.SignState(251, 0, 1), "cometbft")
    before = place.read_bytes()
    assert token.json("migrate", "undo", str(key), "--yes")["states_written"] == []
    assert place.read_bytes() == before


def test_an_undo_without_the_signers_state_is_refused_until_it_is_named(token: Cli, tmp_path: Path) -> None:
    key, place = consensus_source(tmp_path / "signer", "tmkms", None)
    token.ok("migrate", str(key), "--name", "val")
    signed_here(token, LastSigned(7, 0, 1))
    assert "state" in refused(token, str(key), "--yes")
    assert "written" in refused(token, str(key), "--yes", "--state", str(tmp_path / "nowhere" / "state.json"))
    token.ok("migrate", "undo", str(key), "--yes", "--state", str(place))
    assert json.loads(place.read_bytes())["step"] == 1


def test_a_watermark_that_the_format_cannot_hold_keeps_the_key(token: Cli, tmp_path: Path) -> None:
    key, place = consensus_source(tmp_path / "signer", "tmkms", sign_state.SignState(5, 0, 1))
    token.ok("migrate", str(key), "--name", "val")
    signed_here(token, LastSigned(2**63 - 1, 2**31 - 1, 3))
    before = place.read_bytes()
    assert "cannot hold" in refused(token, str(key), "--yes")
    assert place.read_bytes() == before


def test_a_key_whose_floor_was_set_is_not_given_back_blindly(token: Cli, tmp_path: Path) -> None:
    from dataclasses import replace

    key, _ = consensus_source(tmp_path / "signer", "cometbft", sign_state.SignState(5, 0, 1))
    token.ok("migrate", str(key), "--name", "val")
    with SqliteStore(token.folder / "state" / "store.sqlite") as store:
        record = store.get("val")
        assert record is not None
        store.update(replace(record, needs_floor=False))
    assert "floor" in refused(token, str(key), "--yes")


# --- interruptions ----------------------------------------------------------------------------------------------------


def test_an_interrupted_migration_can_be_undone(token: Cli, keyring: Copy, tmp_path: Path) -> None:
    source = keyring("v053", "test")
    fresh = snapshot(token, tmp_path / "fresh")
    points = (
        *NOTES,
        "keyring_bridge.store.sqlite:SqliteStore.add",
        "keyring_bridge.providers.pkcs11.cryptoki:Cryptoki.create_object",
    )
    command = ("migrate", str(source), "--key", "alice", "--key", "device")
    whole = run_until(token, points, 0, "never", *command)
    for at, when in moments(whole.steps, "create_object", "add"):
        restore(token, fresh)
        assert run_until(token, points, at, when, *command).killed
        if token.json("migrate", "list"):
            token.ok("migrate", "undo", str(source), "--yes")
            assert state_of(token) == "undone"
        assert (names(token), private_objects(token)) == ([], Counter()), (at, when)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_any_step_an_undo_is_finished_the_next_time(token: Cli, tmp_path: Path) -> None:
    key, place = consensus_source(tmp_path / "signer", "cometbft", sign_state.SignState(100, 0, 2))
    token.ok("migrate", str(key), "--name", "val")
    signed_here(token, LastSigned(250, 1, 3))
    kept = snapshot(token, tmp_path / "kept", key.parent)
    points = (
        *NOTES,
        "keyring_bridge.migrate.state_files:StateFile.raise_to",
        "keyring_bridge.device:Device.delete_key",
        "keyring_bridge.store.sqlite:SqliteStore.delete",
    )
    command = ("migrate", "undo", str(key), "--yes")
    whole = run_until(token, points, 0, "never", *command)
    assert whole.code == 0, whole
    order = ["note:undoing", "raise_to", "delete_key", "delete", "note:undone", "note:undo_finished"]
    assert whole.steps == order
    for at, when in moments(whole.steps):
        restore(token, kept, key.parent)
        assert run_until(token, points, at, when, *command).killed
        if at > order.index("delete_key") + 1:
            # Nothing goes from the token before the old signer knows.
            assert sign_state.read(place.read_bytes()).height == 250
        token.ok(*command)
        assert (names(token), private_objects(token), state_of(token)) == ([], Counter(), "undone"), (at, when)
        assert sign_state.read(place.read_bytes()).height == 250
