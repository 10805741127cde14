"""A migration that is killed at every step it has, two that meet, and what SoftHSM2 leaves of a killed process."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyring_bridge.migrate.journal import FOLDER, Journal
from tests.integration.migrate.folders import restore, snapshot
from tests.integration.migrate.harness import objects, whole
from tests.integration.migrate.husks import husk_of
from tests.integration.migrate.killing import NOTES, moments, run_until

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm

Copy = Callable[[str, str], Path]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_every_step_it_finishes_the_next_time(token: Cli, keyring: Copy, tmp_path: Path) -> None:
    source = keyring("v053", "test")
    command = ("migrate", str(source), "--key", "alice", "--key", "device")
    points = (
        *NOTES,
        "keyring_bridge.device:Device.import_key",
        "keyring_bridge.bridge:Bridge.prove",
        "keyring_bridge.store.sqlite:SqliteStore.add",
        "keyring_bridge.policy.write:add_starters",
    )
    fresh = snapshot(token, tmp_path / "fresh")
    done = run_until(token, points, 0, "never", *command)
    private = ["import_key", "prove", "note:proved", "add", "note:recorded"]
    assert done.steps == ["note:planned", *private, "add", "note:recorded", "note:finished", "add_starters"]
    for at, when in moments(done.steps):
        restore(token, fresh)
        assert run_until(token, points, at, when, *command).killed
        # An interrupted migration is not retired, whatever was promised.
        if at in (2, 8):
            options = ("--accept-single-copy", "--yes")
            token.fails("migrate", "retire", str(source), *options, code=5, error="migration_retirement_refused")
        token.ok(*command)
        verified = token.json("migrate", "verify")
        assert (verified["same"], verified["state"]) == (True, "done"), (at, when)
        # A key that was in the token without a record is adopted, and undoing would remove it all the same.
        how = {key["name"]: key["how"].replace("adopted", "imported") for key in verified["keys"]}
        assert how == {"alice": "imported", "device": "saved"}, (at, when)
        assert objects(token) == whole("alice"), (at, when)
        assert "[keys.alice]" in (token.folder / "policy.toml").read_text(), (at, when)


def test_of_two_that_meet_the_second_touches_nothing(token: Cli, keyring: Copy) -> None:
    source = keyring("v053", "test")
    command = ("migrate", str(source), "--key", "alice")
    token.ok(*command)
    (one,) = token.json("migrate", "list")
    before = objects(token)
    with Journal.open(token.folder / "state", one["id"]):
        assert [known["state"] for known in token.json("migrate", "list")] == ["running"]
        for words in (command, ("migrate", "undo", one["id"], "--yes"), ("migrate", "report")):
            error = token.fails(*words, code=10, error="migration_busy")
            assert "another process" in error["message"]
        token.fails(*("migrate", "retire", one["id"], "--yes", "--accept-single-copy"), code=10, error="migration_busy")
    assert objects(token) == before
    assert token.json("migrate", "verify")["state"] == "done"


def test_two_at_once_make_every_key_once(token: Cli, keyring: Copy) -> None:
    source = keyring("v053", "test")
    words = [sys.executable, "-m", "keyring_bridge.cli", "migrate", str(source), "--key", "alice", "--key", "a/b"]
    running = [
        subprocess.Popen(words, env=token.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [(process.communicate(), process.returncode) for process in running]
    codes = Counter(code for _, code in ended)
    assert codes[0] >= 1, ended
    # Whoever came second was told so, or came when all was done.
    assert codes.keys() <= {0, 10}, ended
    assert objects(token) == whole("alice", "a/b")
    assert len(list((token.folder / "state" / FOLDER).iterdir())) == 1
    assert token.json("migrate", "verify")["same"]


def test_empty_objects_that_an_interruption_left_are_removed_and_nothing_else(token: Cli, keyring: Copy) -> None:
    source = keyring("v053", "test")
    command = ("migrate", str(source), "--key", "alice", "--key", "a/b")
    token.ok("keygen", "--label", "mine")
    (folder,) = (token.home.parent / "softhsm" / "tokens").iterdir()
    kinds = ("mine", "public and private key and note")
    assert len(list(folder.glob("*.object"))) - 1 == 3, kinds
    husks = {path.stem: husk_of(path.read_bytes()) for path in folder.glob("*-*-*.object")}
    assert run_until(token, NOTES, 1, "after", *command).killed
    # Where nothing was interrupted, nobody looks for them.
    left = []
    for name, content in husks.items():
        path = folder / f"{name[:-4]}beef.object"
        path.write_bytes(content)
        path.with_suffix(".lock").touch()
        left.append(path)
    assert sum(objects(token).values()) == 3 + len(left)
    token.ok(*command)
    assert objects(token) == whole("alice", "a/b", "mine")
    assert not any(path.exists() for path in left)
