"""The watermark of one key on one chain in a file of its own: three blocks (:mod:`.slots`), written in place.

Rules:

* A new watermark goes into the slot that does not hold the last one, and is synced (``fdatasync``) before anybody may
  sign. So a write that was cut off at any byte leaves the last one as it was. The blocks were
  allocated when the file was made: a full disk does not matter, unless the file system copies on write (btrfs, zfs).
* Whatever goes wrong in writing or syncing, the file is not used any more by this process: a repeated sync may succeed
  without having written anything.
* What is found at the start is written again, into the other slot, and synced, before it is believed: the process
  before may have died before its sync, or because of it.
* One bad slot: the other one counts, or the last place in the audit log if that is higher. (The slot that was being
  written when the power went is bad, and its place was not signed. But a slot may also go bad on the disk, and then the
  audit log knows better.) Two bad slots: nothing is signed.
* The file is locked as long as it is open, and has to stay the one at its path.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from keyring_bridge.store.files import check_file
from keyring_bridge.validator.errors import (
    WatermarkDamaged,
    WatermarkFailed,
    WatermarkLocked,
    WatermarkMissing,
    WatermarkMoved,
    WouldLower,
)
from keyring_bridge.validator.local_files import check_local
from keyring_bridge.validator.slots import (
    BLOCK,
    BadBlock,
    Slot,
    owner_of,
    read_signature,
    read_slot,
    write_signature,
    write_slot,
)
from keyring_bridge.validator.watermark import Place, Watermark

if TYPE_CHECKING:
    from pathlib import Path

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.errors import BridgeError

SIZE: Final = 3 * BLOCK
_SIGNATURE_AT: Final = 2 * BLOCK
_WHAT: Final = "the watermark"


def create(path: Path, public_key: PublicKey, chain_id: str, floor: Watermark) -> None:
    """Make the file of a key that signed nothing here yet. It is durable when this returns.

    Args:
        path: The file; there must be none. Its folder exists.
        public_key: The key.
        chain_id: The chain.
        floor: What the key signed last elsewhere; zeros for a key that never signed.

    Raises:
        WouldLower: There is a file already.
        WatermarkFailed: It cannot be written, or is not on a local file system.
    """
    owner = owner_of(public_key.data, chain_id)
    blocks = [write_slot(Slot(sequence, floor, by_hand=True), owner) for sequence in (0, 1)]
    content = b"".join(blocks) + write_signature(floor, owner)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            check_local(fd)
            if os.write(fd, content) != len(content):
                raise _failed("cannot be written", path, "not all of it was written")
            os.fsync(fd)
            # Unlike a rename, a link does not replace a file that is there.
            os.link(temporary, path)
        finally:
            os.close(fd)
            os.unlink(temporary)
        _sync_folder(path.parent)
    except FileExistsError:
        raise WouldLower("there is a watermark of this key on this chain already", detail=str(path)) from None
    except OSError as error:
        raise _failed("cannot be written", path, error) from error


@dataclass(frozen=True, slots=True)
class Look:
    """What a file says, seen from outside.

    Attributes:
        mark: The later of the good slots, with its signature; None if there is none.
        by_hand: A person set it, not a request.
        bad: Which slots are bad, and why.
    """

    mark: Watermark | None
    by_hand: bool
    bad: tuple[str, ...]


def look(path: Path, public_key: PublicKey, chain_id: str) -> Look:
    """Read a file that another process may have open. What it says may have changed when this returns.

    Raises:
        WatermarkMissing: There is no file.
        WatermarkFailed: It cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            check_file(os.fstat(fd), path, _WHAT)
            content = os.pread(fd, SIZE, 0)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise WatermarkMissing("nobody said what this key signed before on this chain", detail=str(path)) from None
    except OSError as error:
        raise _failed("cannot be read", path, error) from error
    owner = owner_of(public_key.data, chain_id)
    slots, bad = _slots(content, owner)
    if not slots:
        return Look(None, False, bad)
    slot, _ = max(slots, key=lambda item: item[0].sequence)
    mark = replace(slot.mark, signature=read_signature(content[_SIGNATURE_AT:], slot.mark, owner))
    return Look(mark, slot.by_hand, bad)


class WatermarkFile:
    """The open, locked file. For one thread at a time: :class:`~keyring_bridge.validator.guard.Guard` has a mutex.

    Args:
        path: The file that :func:`create` made.
        public_key: The key.
        chain_id: The chain.
        audit_tail: The last place in the audit log that this key may have signed on this chain, (0, 0, 0) if there is
            none; None if there is no log to look at. Then a bad slot is not made up for.

    Raises:
        WatermarkMissing: There is no file.
        WatermarkLocked: Another process has it open.
        WatermarkDamaged: It does not say what was signed last.
        WatermarkFailed: It cannot be opened, read or written, or is not on a local file system.
        InsecureFile: Others may write to it.
    """

    def __init__(self, path: Path, public_key: PublicKey, chain_id: str, *, audit_tail: Place | None = None) -> None:
        self._path = path
        self._owner = owner_of(public_key.data, chain_id)
        self._usable = False
        self.found: str | None = None
        """What was wrong with the file when it was opened and was made up for; None if nothing was."""
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise WatermarkMissing("nobody said what this key signed before on this chain", detail=str(path)) from None
        except OSError as error:
            raise _failed("cannot be opened", path, error) from error
        try:
            self._identity = self._lock()
            self._current, self._at = self._recover(audit_tail)
        except OSError as error:
            os.close(self._fd)
            raise _failed("cannot be read", path, error) from error
        except BaseException:
            os.close(self._fd)
            raise

    def current(self) -> Watermark:
        """Return what was signed last, or is about to be.

        Raises:
            WatermarkFailed: The file failed, or is closed.
        """
        self._check_usable()
        return self._current.mark

    def reserve(self, expected: Watermark, new: Watermark) -> None:
        """Take a place, durably. See :meth:`keyring_bridge.validator.guard.WatermarkStore.reserve`."""
        if self.current() != expected:
            raise WatermarkMoved("the watermark is another one by now")
        if new.place <= expected.place or not new.sign_bytes or new.signature:
            raise WouldLower("a place is taken once, for bytes that are not signed yet")
        self._put(Slot(self._current.sequence + 1, new))

    def keep(self, mark: Watermark, signature: bytes) -> None:
        """Remember a signature. See :meth:`keyring_bridge.validator.guard.WatermarkStore.keep`."""
        current = self.current()
        if replace(current, signature=b"") != replace(mark, signature=b""):
            raise WatermarkMoved("the watermark is another one by now")
        signed = replace(current, signature=signature)
        block = write_signature(signed, self._owner)
        # Without a sync: what a power cut takes is made again from the bytes in the slot.
        self._usable = False
        self._write(block, _SIGNATURE_AT)
        self._current = replace(self._current, mark=signed)
        self._usable = True

    def set(self, new: Watermark, *, lower: bool = False) -> None:
        """Set the watermark by hand, durably.

        Args:
            new: What is taken for signed from now on.
            lower: Also if that makes it possible to sign again what was signed. Only a person may say so.

        Raises:
            WouldLower: It would, and nobody said so.
            WatermarkFailed: It is not certain that it is durable.
        """
        mark = self.current()
        keeps = new.place > mark.place or (new.place == mark.place and new.sign_bytes in (b"", mark.sign_bytes))
        if not keeps and not lower:
            raise WouldLower(f"the watermark is at {_told(mark.place)}, above {_told(new.place)} or other bytes there")
        self._put(Slot(self._current.sequence + 1, replace(new, signature=b""), by_hand=True))
        if new.signature:
            self.keep(new, new.signature)
            self._sync()

    def close(self) -> None:
        """Sync what may be in memory, and give the file and its lock back. May be called twice."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            if self._usable:
                os.fdatasync(fd)
        except OSError as error:
            raise _failed("cannot be synced", self._path, error) from error
        finally:
            self._usable = False
            os.close(fd)

    # --- opening -----------------------------------------------------------------------------------------------------

    def _lock(self) -> tuple[int, int]:
        status = os.fstat(self._fd)
        check_file(status, self._path, _WHAT)
        check_local(self._fd)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WatermarkLocked("another process serves this key on this chain", detail=str(self._path)) from None
        # Where it was replaced between opening and locking, another process may have locked the new one.
        self._identity = (status.st_dev, status.st_ino)
        self._check_in_place()
        if status.st_size != SIZE:
            raise WatermarkDamaged(f"the watermark has {status.st_size} bytes, not {SIZE}", detail=str(self._path))
        return self._identity

    def _recover(self, audit_tail: Place | None) -> tuple[Slot, int]:
        """Find what was signed last, and write it into the other slot before it is believed."""
        content = os.pread(self._fd, SIZE, 0)
        slots, bad = _slots(content, self._owner)
        self.found = "; ".join(bad) or None
        last, at = self._newest(slots, audit_tail)
        mark = replace(last.mark, signature=read_signature(content[_SIGNATURE_AT:], last.mark, self._owner))
        last = replace(last, mark=mark)
        if audit_tail is not None and audit_tail > mark.place:
            self.found = f"the audit log is at {_told(audit_tail)}, above {_told(mark.place)}"
            last = Slot(last.sequence, Watermark(audit_tail, moment=mark.moment))
        self._current, self._at, self._usable = last, at, True
        self._put(replace(last, sequence=last.sequence + 1))
        return self._current, self._at

    def _newest(self, slots: list[tuple[Slot, int]], audit_tail: Place | None) -> tuple[Slot, int]:
        detail = f"{self._path}: {self.found}"
        if not slots:
            raise WatermarkDamaged("both slots of the watermark are bad", detail=detail)
        if len(slots) == 1:
            if audit_tail is None:
                raise WatermarkDamaged("a slot of the watermark is bad, and no audit log tells more", detail=detail)
            return slots[0]
        (older, _), newest = sorted(slots, key=lambda item: item[0].sequence)
        slot = newest[0]
        if slot.sequence != older.sequence + 1 or (slot.mark.place < older.mark.place and not slot.by_hand):
            raise WatermarkDamaged("the slots of the watermark contradict each other", detail=str(self._path))
        return newest

    # --- writing -----------------------------------------------------------------------------------------------------

    def _put(self, slot: Slot) -> None:
        """Write into the slot that does not hold the last watermark, and sync."""
        self._check_usable()
        block = write_slot(slot, self._owner)
        other = 1 - self._at
        # Whatever interrupts this, the file is not used any more.
        self._usable = False
        self._check_in_place()
        self._write(block, other * BLOCK)
        self._sync()
        self._current, self._at = slot, other
        self._usable = True

    def _write(self, block: bytes, offset: int) -> None:
        try:
            written = os.pwrite(self._fd, block, offset)
        except OSError as error:
            raise _failed("cannot be written", self._path, error) from error
        if written != len(block):
            raise _failed("cannot be written", self._path, f"only {written} of {len(block)} bytes")

    def _sync(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._usable = False
            raise _failed("cannot be synced", self._path, error) from error

    def _check_usable(self) -> None:
        if not self._usable:
            raise WatermarkFailed(
                "the watermark cannot be used until a restart", hint="look in the log for what went wrong first"
            )

    def _check_in_place(self) -> None:
        try:
            status = os.stat(self._path, follow_symlinks=False)
        except OSError as error:
            raise _failed("is not in its place any more", self._path, error) from error
        if (status.st_dev, status.st_ino) != self._identity:
            raise _failed("was replaced by another file", self._path)


def _slots(content: bytes, owner: bytes) -> tuple[list[tuple[Slot, int]], tuple[str, ...]]:
    """Return the good slots and where each is, and what is wrong with the others."""
    slots, bad = [], []
    for at in (0, 1):
        try:
            slots.append((read_slot(content[at * BLOCK : (at + 1) * BLOCK], owner), at))
        except BadBlock as error:
            bad.append(f"slot {at}: {error}")
    return slots, tuple(bad)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _told(place: Place) -> str:
    return f"height {place.height}, round {place.round}, step {place.step}"


def _failed(what: str, path: Path, cause: OSError | str = "") -> BridgeError:
    reason = cause.strerror if isinstance(cause, OSError) else cause
    return WatermarkFailed(f"the watermark {what}", detail=f"{path}: {reason}" if reason else str(path))
