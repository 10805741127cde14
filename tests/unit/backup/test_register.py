"""What is remembered of verified bundles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyring_bridge.backup.errors import BackupNotesDamaged
from keyring_bridge.backup.register import FOLDER, MADE_FOLDER, Covered, Holds, Register
from keyring_bridge.errors import InsecureFile

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)
KEY, OTHER = ("a" * 64, "b" * 64)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def test_nothing_is_covered_before_a_bundle_was_verified(state: Path) -> None:
    assert Register(state).covers(KEY) is None
    assert not list(state.iterdir())


def test_a_record_is_told_apart_from_a_key(state: Path) -> None:
    Register(state).note_made(ONE, NOON)
    Register(state).note_verified(ONE, NOON, {KEY: Holds.RECORD, OTHER: Holds.WRAPPED})
    again = Register(state)
    assert again.covers(KEY) == Covered(Holds.RECORD, ONE, NOON, made_here=True)
    assert again.covers(OTHER) == Covered(Holds.WRAPPED, ONE, NOON, made_here=True)
    assert [again.covers(KEY).has_key, again.covers(OTHER).has_key] == [False, True]
    assert again.covers("c" * 64) is None


def test_a_bundle_with_the_key_counts_more_than_a_later_one_without(state: Path) -> None:
    register = Register(state)
    register.note_made(TWO, NOON)
    register.note_verified(ONE, NOON, {KEY: Holds.SEALED})
    register.note_verified(TWO, NOON + timedelta(days=1), {KEY: Holds.WRAPPED})
    register.note_verified(THREE, NOON + timedelta(days=2), {KEY: Holds.RECORD})
    assert register.covers(KEY) == Covered(Holds.WRAPPED, TWO, NOON + timedelta(days=1), made_here=True)


def test_a_wrapped_key_counts_only_in_a_bundle_that_was_made_here(state: Path) -> None:
    register = Register(state)
    register.note_verified(ONE, NOON, {KEY: Holds.WRAPPED, OTHER: Holds.SEALED})
    assert [register.covers(KEY).has_key, register.covers(OTHER).has_key] == [False, True]
    register.note_made(ONE, NOON)
    assert register.covers(KEY).has_key
    (state / MADE_FOLDER / f"{ONE}.json").write_bytes(b"{}")
    with pytest.raises(BackupNotesDamaged):
        register.covers(KEY)


def test_verifying_again_renews_the_note(state: Path) -> None:
    register = Register(state)
    register.note_verified(ONE, NOON, {KEY: Holds.SEALED})
    register.note_verified(ONE, NOON + timedelta(hours=1), {KEY: Holds.SEALED})
    assert register.covers(KEY) == Covered(Holds.SEALED, ONE, NOON + timedelta(hours=1), made_here=False)
    assert len(list((state / FOLDER).iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"version": 2}', b"\xff", b'{"version": 1, "digest": "x"}'])
def test_a_damaged_note_is_not_passed_over(state: Path, content: bytes) -> None:
    register = Register(state)
    register.note_verified(ONE, NOON, {KEY: Holds.SEALED})
    path = state / FOLDER / f"{TWO}.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(BackupNotesDamaged):
        register.covers(KEY)


def test_a_note_that_others_could_write_is_not_believed(state: Path) -> None:
    register = Register(state)
    register.note_verified(ONE, NOON, {KEY: Holds.SEALED})
    (state / FOLDER / f"{ONE}.json").chmod(0o666)
    with pytest.raises(InsecureFile):
        register.covers(KEY)


def test_only_digests_become_names_of_files(state: Path) -> None:
    with pytest.raises(ValueError, match="not a digest"):
        Register(state).note_verified("../" + ONE[3:], NOON, {})
    with pytest.raises(ValueError, match="not a digest"):
        Register(state).note_verified(ONE, NOON, {"name": Holds.RECORD})
    with pytest.raises(ValueError, match="not a digest"):
        Register(state).note_made("../" + ONE[3:], NOON)
