"""The file of a watermark: torn, damaged, replaced, full, locked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cosmos_formats.privval.canonical import vote_sign_bytes
from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import InsecureFile
from keyring_bridge.validator import local_files, slot_file, slots
from keyring_bridge.validator.errors import (
    WatermarkDamaged,
    WatermarkFailed,
    WatermarkLocked,
    WatermarkMissing,
    WatermarkMoved,
    WouldLower,
)
from keyring_bridge.validator.slot_file import SIZE, Look, WatermarkFile
from keyring_bridge.validator.slots import BLOCK, LARGEST_SIGN_BYTES, BadBlock, Slot
from keyring_bridge.validator.watermark import Place, Watermark
from tests.consensus import CHAIN, FRESH, NOW, START, Device, new_file, open_file, vote

KEY = Device().public_key
SIGNATURE = b"s" * 64


def mark(height: int, when: int = NOW) -> Watermark:
    return Watermark(Place(height, 0, 2), vote_sign_bytes(CHAIN, vote(height).vote), moment=when)


def signed(file: WatermarkFile, height: int) -> Watermark:
    file.reserve(file.current(), mark(height))
    file.keep(file.current(), SIGNATURE)
    return file.current()


def read(path: Path, tail: Place | None = START) -> Watermark:
    file = open_file(path, tail)
    try:
        return file.current()
    finally:
        file.close()


# --- what it remembers -----------------------------------------------------------------------------------------------


def test_what_was_signed_is_there_after_a_restart(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    assert read(path) == FRESH
    for height in range(1, 6):
        file = open_file(path)
        last = signed(file, height)
        file.close()
        assert read(path) == last
        assert (last.place.height, last.signature) == (height, SIGNATURE)
    assert path.stat().st_size == SIZE


def test_a_reservation_without_a_signature_is_there_after_a_restart(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    file = open_file(path)
    signed(file, 1)
    file.reserve(file.current(), mark(2))
    file.close()
    assert read(path) == mark(2)


def test_a_file_is_made_once_and_for_this_user(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(WouldLower):
        new_file(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["watermark"]
    with pytest.raises(WatermarkFailed):
        new_file(tmp_path / "no folder")


def test_a_floor_with_its_signature(tmp_path: Path) -> None:
    floor = Watermark(mark(9).place, mark(9).sign_bytes, SIGNATURE, NOW)
    assert read(new_file(tmp_path, floor)) == floor


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(WatermarkMissing):
        open_file(tmp_path / "watermark")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "chain"), [(PublicKey(KeyType.ED25519, bytes(32)), CHAIN), (KEY, "another"), (KEY, "")]
)
def test_the_file_of_another_key_or_chain(tmp_path: Path, key: PublicKey, chain: str) -> None:
    path = new_file(tmp_path)
    before = path.read_bytes()
    with pytest.raises(WatermarkDamaged):
        WatermarkFile(path, key, chain, audit_tail=START)
    assert path.read_bytes() == before


def test_a_place_is_taken_once(tmp_path: Path) -> None:
    file = open_file(new_file(tmp_path))
    signed(file, 5)
    for new in (mark(5), mark(4), Watermark(Place(6, 0, 2), moment=NOW), Watermark(Place(6, 0, 2), b"x", b"s", NOW)):
        with pytest.raises(WouldLower):
            file.reserve(file.current(), new)
    with pytest.raises(WatermarkMoved):
        file.reserve(FRESH, mark(6))
    with pytest.raises(WatermarkMoved):
        file.keep(mark(4), SIGNATURE)
    file.reserve(file.current(), mark(6))
    file.close()


def test_sign_bytes_that_do_not_fit(tmp_path: Path) -> None:
    file = open_file(new_file(tmp_path))
    file.reserve(file.current(), Watermark(Place(1, 0, 2), b"x" * LARGEST_SIGN_BYTES, moment=NOW))
    with pytest.raises(ValueError, match="at most"):
        file.reserve(file.current(), Watermark(Place(2, 0, 2), b"x" * (LARGEST_SIGN_BYTES + 1), moment=NOW))
    assert file.current().place.height == 1
    file.close()


# --- torn writes -----------------------------------------------------------------------------------------------------


def images(folder: Path) -> tuple[Path, bytes, bytes, Watermark, Watermark]:
    """Return a file's bytes before and after one reservation, and what they say."""
    path = new_file(folder)
    file = open_file(path)
    old = signed(file, 1)
    before = path.read_bytes()
    file.reserve(old, mark(2))
    after = path.read_bytes()
    file.close()
    assert len([at for at in range(0, SIZE, BLOCK) if before[at : at + BLOCK] != after[at : at + BLOCK]]) == 1
    return path, before, after, old, mark(2)


def written_slot(before: bytes, after: bytes) -> int:
    return next(at for at in (0, BLOCK) if before[at : at + BLOCK] != after[at : at + BLOCK])


def slots_of(content: bytes) -> list[Slot | None]:
    found: list[Slot | None] = []
    for at in (0, BLOCK):
        try:
            found.append(slots.read_slot(content[at : at + BLOCK], slots.owner_of(KEY.data, CHAIN)))
        except BadBlock:
            found.append(None)
    return found


def test_a_write_torn_at_any_byte_leaves_the_last_watermark(tmp_path: Path) -> None:
    """Both ways round: what was written first, or last. Every image is looked at; some go through a whole restart."""
    path, before, after, old, new = images(tmp_path)
    start = written_slot(before, after)
    seen = set()
    for cut in range(BLOCK + 1):
        at = start + cut
        for torn in (
            before[:start] + after[start:at] + before[at:],
            before[:at] + after[at : start + BLOCK] + before[start + BLOCK :],
        ):
            whole = [slot for slot in slots_of(torn) if slot is not None]
            last = max(whole, key=lambda slot: slot.sequence)
            assert last.mark.place in (old.place, new.place)
            seen.add((len(whole), last.mark.place))
            if cut % 500 in (0, 1):
                path.write_bytes(torn)
                assert read(path) in (old, new)
    assert seen == {(2, old.place), (2, new.place), (1, old.place)}


def test_a_torn_signature_harms_nothing(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    file = open_file(path)
    signed(file, 1)
    file.reserve(file.current(), mark(2))
    before = path.read_bytes()
    file.keep(file.current(), SIGNATURE)
    after = path.read_bytes()
    file.close()
    assert before[: 2 * BLOCK] == after[: 2 * BLOCK]
    owner = slots.owner_of(KEY.data, CHAIN)
    old, new = before[2 * BLOCK :], after[2 * BLOCK :]
    for cut in range(BLOCK + 1):
        for torn in (new[:cut] + old[cut:], old[:cut] + new[cut:]):
            # The signature before is not taken for that of these bytes.
            assert slots.read_signature(torn, mark(2), owner) == (SIGNATURE if torn == new else b"")


def test_every_changed_byte_of_a_block_is_noticed() -> None:
    owner = slots.owner_of(KEY.data, CHAIN)
    slot = Slot(7, mark(3), by_hand=True)
    block = slots.write_slot(slot, owner)
    assert slots.read_slot(block, owner) == slot
    for at in range(BLOCK):
        changed = bytearray(block)
        changed[at] ^= 0x80
        with pytest.raises(BadBlock):
            slots.read_slot(bytes(changed), owner)
    for size in (0, BLOCK - 1, BLOCK + 1):
        with pytest.raises(BadBlock):
            slots.read_slot((block * 2)[:size], owner)


@pytest.mark.parametrize("flags_at", [45, 46, 4000])
def test_blocks_with_good_checksums_that_were_not_written_here(flags_at: int) -> None:
    import hashlib

    owner = slots.owner_of(KEY.data, CHAIN)
    body = bytearray(slots.write_slot(Slot(7, mark(3)), owner)[:-32])
    body[flags_at] |= 0x82
    with pytest.raises(BadBlock):
        slots.read_slot(bytes(body) + hashlib.sha256(body).digest(), owner)


# --- bad slots -------------------------------------------------------------------------------------------------------


def damage(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_one_bad_slot_is_made_up_for(tmp_path: Path) -> None:
    path, before, after, old, new = images(tmp_path)
    start = written_slot(before, after)
    for content, bad, expected in ((after, start, old), (after, BLOCK - start, new)):
        path.write_bytes(content)
        damage(path, bad + 100)
        file = open_file(path)
        assert file.current() == expected
        assert file.found is not None
        file.close()
        # Both slots are good again.
        file = open_file(path, None)
        assert file.found is None
        file.close()


def test_the_audit_log_knows_what_a_bad_slot_said(tmp_path: Path) -> None:
    path, before, after, old, new = images(tmp_path)
    damage(path, written_slot(before, after) + 100)
    file = open_file(path, new.place)
    assert file.current() == Watermark(new.place, moment=old.moment)
    assert file.found is not None
    file.close()
    assert read(path).place == new.place


def test_without_an_audit_log_a_bad_slot_is_not_made_up_for(tmp_path: Path) -> None:
    path, _, _, _, _ = images(tmp_path)
    damage(path, 0)
    before = path.read_bytes()
    with pytest.raises(WatermarkDamaged, match="no audit log"):
        open_file(path, None)
    assert path.read_bytes() == before


def test_a_file_from_a_backup_is_older_than_the_audit_log(tmp_path: Path) -> None:
    path, before, _, _, new = images(tmp_path)
    path.write_bytes(before)
    file = open_file(path, new.place)
    assert file.current().place == new.place
    assert file.current().sign_bytes == b""
    assert "above" in (file.found or "")
    file.close()


def test_two_bad_slots(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    damage(path, 0)
    damage(path, BLOCK)
    for tail in (None, START, Place(5, 0, 3)):
        with pytest.raises(WatermarkDamaged, match="both"):
            open_file(path, tail)


def swapped(content: bytes) -> bytes:
    return content[:BLOCK] * 2 + content[2 * BLOCK :]


@pytest.mark.parametrize(
    "change", [swapped, lambda content: content[:-1], lambda content: content + b"\0", lambda _: b""]
)
def test_files_that_contradict_themselves(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    path = new_file(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(WatermarkDamaged):
        open_file(path)


def test_a_watermark_that_fell_without_anybody_saying_so(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    owner = slots.owner_of(KEY.data, CHAIN)
    for by_hand in (True, False):
        high, low = Slot(8, mark(9)), Slot(9, mark(1), by_hand)
        path.write_bytes(slots.write_slot(high, owner) + slots.write_slot(low, owner) + bytes(BLOCK))
        if by_hand:
            assert read(path) == mark(1)
        else:
            with pytest.raises(WatermarkDamaged, match="contradict"):
                open_file(path)


def test_what_is_found_is_written_again_before_it_is_believed(tmp_path: Path) -> None:
    """The process before may have died before its sync: then only memory has the newest slot."""
    path, _, after, _, new = images(tmp_path)
    path.write_bytes(after)
    file = open_file(path)
    both = [slot for slot in slots_of(path.read_bytes()) if slot is not None]
    assert [slot.mark for slot in both] == [new, new]
    file.close()


def test_a_look_from_outside(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    assert slot_file.look(path, KEY, CHAIN) == Look(FRESH, True, ())
    file = open_file(path)
    last = signed(file, 3)
    before = path.read_bytes()
    assert slot_file.look(path, KEY, CHAIN) == Look(last, False, ())
    assert slot_file.look(path, KEY, "another").mark is None
    assert path.read_bytes() == before
    file.close()
    damage(path, 0)
    found = slot_file.look(path, KEY, CHAIN)
    assert found.mark is not None
    assert len(found.bad) == 1
    damage(path, BLOCK)
    assert len(slot_file.look(path, KEY, CHAIN).bad) == 2
    path.chmod(0o620)
    with pytest.raises(InsecureFile):
        slot_file.look(path, KEY, CHAIN)
    with pytest.raises(WatermarkMissing):
        slot_file.look(tmp_path / "none", KEY, CHAIN)


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_a_watermark_is_raised_and_not_lowered(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    file = open_file(path)
    signed(file, 5)
    last = file.current()
    for new in (mark(4), Watermark(last.place, b"other bytes", moment=NOW), Watermark(Place(5, 0, 1), moment=NOW)):
        with pytest.raises(WouldLower):
            file.set(new)
    assert file.current() == last
    file.set(Watermark(last.place, moment=NOW))  # nothing is signed there any more
    file.set(Watermark(Place(7, 1, 3), moment=NOW))
    file.close()
    assert read(path) == Watermark(Place(7, 1, 3), moment=NOW)
    file = open_file(path)
    file.set(mark(2), lower=True)
    file.close()
    assert read(path) == mark(2)


def test_a_watermark_is_set_with_its_signature(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    file = open_file(path)
    imported = Watermark(mark(9).place, mark(9).sign_bytes, SIGNATURE, NOW)
    file.set(imported)
    file.close()
    assert read(path) == imported


# --- what goes wrong -------------------------------------------------------------------------------------------------


def is_dead(file: WatermarkFile) -> bool:
    for act in (
        file.current,
        lambda: file.reserve(FRESH, mark(9)),
        lambda: file.keep(FRESH, SIGNATURE),
        lambda: file.set(mark(9)),
    ):
        with pytest.raises(WatermarkFailed, match="until a restart"):
            act()
    return True


def exchange(file: WatermarkFile, other: str) -> None:
    """Put another open file behind the descriptor: the system's own errors are what the tests need."""
    fd = os.open(other, os.O_RDWR)
    os.dup2(fd, file._fd)
    os.close(fd)


@pytest.mark.parametrize(("device", "message"), [("/dev/full", "written"), ("/dev/null", "synced")])
def test_a_failed_write_or_sync_ends_it(tmp_path: Path, device: str, message: str) -> None:
    file = open_file(new_file(tmp_path))
    last = file.current()
    exchange(file, device)
    with pytest.raises(WatermarkFailed, match=message):
        file.reserve(last, mark(1))
    assert is_dead(file)
    file.close()
    assert read(tmp_path / "watermark") == last


def test_a_signature_that_cannot_be_kept_ends_it(tmp_path: Path) -> None:
    file = open_file(new_file(tmp_path))
    file.reserve(file.current(), mark(1))
    exchange(file, "/dev/full")
    with pytest.raises(WatermarkFailed):
        file.keep(mark(1), SIGNATURE)
    assert is_dead(file)
    file.close()
    assert read(tmp_path / "watermark") == mark(1)


def test_an_interrupt_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = open_file(new_file(tmp_path))

    def interrupted(fd: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            file.reserve(file.current(), mark(1))
    assert is_dead(file)
    file.close()


def test_a_file_that_was_replaced_or_removed_ends_it(tmp_path: Path) -> None:
    for number, act in enumerate((lambda path: path.unlink(), lambda path: path.rename(path.with_suffix(".old")))):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = new_file(folder)
        file = open_file(path)
        act(path)
        if number:
            new_file(folder)
        with pytest.raises(WatermarkFailed, match=r"place|replaced"):
            file.reserve(file.current(), mark(1))
        assert is_dead(file)
        file.close()


def test_a_closed_file(tmp_path: Path) -> None:
    file = open_file(new_file(tmp_path))
    file.close()
    file.close()
    assert is_dead(file)


def test_one_at_a_time(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    first = open_file(path)
    with pytest.raises(WatermarkLocked):
        open_file(path)
    first.reserve(first.current(), mark(1))
    first.close()
    assert read(path) == mark(1)


def test_files_that_others_could_have_written(tmp_path: Path) -> None:
    path = new_file(tmp_path)
    path.chmod(0o620)
    with pytest.raises(InsecureFile):
        open_file(path)
    path.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(WatermarkFailed):
        open_file(link)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InsecureFile):
        open_file(tmp_path / "fifo")


def test_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = new_file(tmp_path)
    with path.open("rb") as file, Path("/proc/self/status").open("rb") as proc:
        assert local_files.magic(file.fileno()) in local_files.LOCAL
        assert local_files.magic(proc.fileno()) == 0x9FA0
        with pytest.raises(WatermarkFailed, match="local file system"):
            local_files.check_local(proc.fileno())
    with pytest.raises(WatermarkFailed, match="not known"):
        local_files.magic(-1)
    for network in (0x6969, 0x517B, 0xFF534D42, 0xFE534D42, 0x65735546, 0x00C36400, 0x01021997, 0x0BD00BD0):
        assert network not in local_files.LOCAL
    monkeypatch.setattr(local_files, "magic", lambda fd: 0x6969)
    with pytest.raises(WatermarkFailed, match="local file system"):
        open_file(path)
    with pytest.raises(WatermarkFailed, match="local file system"):
        slot_file.create(tmp_path / "other", KEY, CHAIN, FRESH)
    assert [entry.name for entry in tmp_path.iterdir()] == ["watermark"]
