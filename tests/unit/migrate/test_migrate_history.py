"""What a journal's lines come to."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from keyring_bridge.migrate.errors import JournalDamaged, MigrationAmbiguous, MigrationBusy, MigrationNotFound
from keyring_bridge.migrate.history import FileDigest, History, State
from keyring_bridge.migrate.journal import FOLDER, Journal, read
from keyring_bridge.migrate.known import find, known

FILE = FileDigest("alice.info", "ab" * 32, 300, 5, 6)


def planned(*names: str, source: str = "/home/keyring-file") -> dict[str, Any]:
    keys = [
        {
            "name": name,
            "item": f"{name}.info",
            "kind": "local",
            "purpose": "account",
            "fingerprint": "cd" * 32,
            "address": "ef" * 20,
            "key_id": "0102",
            "files": [FILE.to_json()],
        }
        for name in names
    ]
    return {
        "source": f"keyring-file:{source}",
        "kind": "keyring-file",
        "path": source,
        "provider": "pkcs11",
        "keys": keys,
    }


def folded(*lines: tuple[str, dict[str, Any]]) -> History:
    history = History()
    for event, fields in lines:
        history.fold({"event": event, "time": "2026-01-01T00:00:00.000+00:00", **fields})
    return history


PLANNED = ("planned", planned("alice", "bob"))
RECORDED = [("recorded", {"name": name, "how": "imported", "ours": True}) for name in ("alice", "bob")]
DONE = [PLANNED, *RECORDED, ("finished", {})]
RETIRING = ("retiring", {"how": "erased", "archive": "", "keys": [{"name": "alice", "files": [FILE.to_json()]}]})
RETIRED = [("retired", {"name": name, "how": "erased"}) for name in ("alice", "bob")]
UNDONE = [("undone", {"name": name}) for name in ("alice", "bob")]


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ([PLANNED], State.INTERRUPTED),
        ([PLANNED, *RECORDED], State.INTERRUPTED),
        (DONE, State.DONE),
        ([*DONE, PLANNED], State.INTERRUPTED),
        ([*DONE, RETIRING], State.INTERRUPTED),
        ([*DONE, RETIRING, *RETIRED], State.INTERRUPTED),
        ([*DONE, RETIRING, RETIRED[0], ("retirement_finished", {})], State.DONE),
        ([*DONE, RETIRING, *RETIRED, ("retirement_finished", {})], State.RETIRED),
        ([*DONE, ("undoing", {})], State.INTERRUPTED),
        ([*DONE, ("undoing", {}), *UNDONE, ("undo_finished", {})], State.UNDONE),
        ([*DONE, ("undoing", {}), *UNDONE, ("undo_finished", {}), *DONE], State.DONE),
        ([PLANNED, ("undoing", {}), *UNDONE, ("undo_finished", {})], State.UNDONE),
        ([*DONE, ("something of a later release", {})], State.DONE),
    ],
)
def test_the_lines_tell_how_far_it_is(lines: list[tuple[str, dict[str, Any]]], state: State) -> None:
    assert folded(*lines).state is state


def test_what_was_undone_is_not_ours_any_more() -> None:
    history = folded(*DONE, ("proved", {"name": "alice", "message": "00", "signature": "11"}), *UNDONE)
    alice = history.keys["alice"]
    assert (alice.how, alice.ours, alice.proof, alice.undone) == ("", False, None, True)


def test_a_key_that_is_planned_again_is_in_the_source_again() -> None:
    history = folded(*DONE, RETIRING, *RETIRED, ("retirement_finished", {}), ("planned", planned("alice")))
    assert (history.keys["alice"].retired, history.keys["bob"].retired) == ("", "erased")


def test_a_journal_of_the_first_release_is_read() -> None:
    key = {"name": "alice", "fingerprint": "cd" * 32, "key_id": ""}
    history = folded(("planned", {"source": "x:/x", "kind": "pem", "path": "/x", "provider": "p", "keys": [key]}))
    assert (history.keys["alice"].kind, history.keys["alice"].files, history.options) == ("local", (), {})


def written(state: Path, identifier: str, *lines: tuple[str, dict[str, Any]]) -> Path:
    with Journal.open(state, identifier) as journal:
        for event, fields in lines:
            journal.note(event, fields)
        return journal.path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


def test_reading_changes_nothing_and_tells_of_a_process_at_work(state: Path) -> None:
    path = written(state, "a" * 16, *DONE)
    torn = path.read_bytes() + b'{"v":1,"ev'
    path.write_bytes(torn)
    history, busy = read(path)
    assert (history.state, busy) == (State.DONE, False)
    with Journal.open(state, "a" * 16):
        torn = path.read_bytes()
        assert read(path)[1] is True
        assert [one.state for one in known(state)] == [State.RUNNING]
        with pytest.raises(MigrationBusy), Journal.open(state, "a" * 16):
            raise AssertionError("two processes had it")
    assert path.read_bytes() == torn


def test_a_reader_that_looks_for_a_moment_keeps_nobody_out(state: Path) -> None:
    path = written(state, "a" * 16, *DONE)
    reader = os.open(path, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)
    try:
        # Whoever only reads holds the lock for less than what a writer waits.
        with pytest.raises(MigrationBusy), Journal.open(state, "a" * 16):
            raise AssertionError("the lock means nothing")
    finally:
        os.close(reader)
    with Journal.open(state, "a" * 16) as journal:
        assert journal.history.state is State.DONE


def test_a_migration_is_found_by_its_id_its_beginning_and_its_source(state: Path) -> None:
    first, second = "abcd" + "0" * 12, "abce" + "0" * 12
    written(state, first, ("planned", planned("alice", source="/home/one/keyring-file")), ("finished", {}))
    assert find(state, None).id == first
    written(state, second, ("planned", planned("alice", source="/home/two/keyring-file")), ("finished", {}))
    assert find(state, first).id == first
    assert find(state, "abcd").id == first
    assert find(state, "/home/two/keyring-file").id == second
    assert find(state, "/home/two").id == second
    for wanted in (None, "abc", "/home"):
        with pytest.raises((MigrationAmbiguous, MigrationNotFound)):
            find(state, wanted)


def test_a_damaged_journal_is_told_and_hides_no_other(state: Path) -> None:
    written(state, "a" * 16, *DONE)
    bad = written(state, "b" * 16, *DONE)
    bad.write_text('{"v":2,"event":"planned"}\n')
    assert {one.id: one.state for one in known(state)} == {"a" * 16: State.DONE, "b" * 16: None}
    with pytest.raises(JournalDamaged):
        find(state, "b" * 16)


def test_an_empty_journal_is_no_migration(state: Path) -> None:
    written(state, "a" * 16)
    assert known(state) == []
    assert (state / FOLDER).is_dir()


def test_nothing_is_known_where_nothing_was_migrated(state: Path) -> None:
    assert known(state) == []
    with pytest.raises(MigrationNotFound):
        find(state, None)


def test_digests_come_back_as_they_were(state: Path) -> None:
    assert FileDigest.from_json(json.loads(json.dumps(FILE.to_json()))) == FILE
