"""The nonces of one key in a file: a ring of slots, shared by processes.

The file begins with 64 bytes that name the format and the key. Then come up to :data:`SLOTS` slots of 64 bytes, all
numbers little-endian::

    8   n: number of the signature, from 1; it is in slot (n - 1) mod SLOTS
    24  the first bytes of r
    28  the first bytes of the SHA-256 of the digest
    4   CRC-32 of the 60 bytes before

192 bits tell ten thousand nonces apart as well as 256 do. Digests are hashed because a caller may choose them freely:
nobody finds two whose hashes agree in 224 bits. The whole slot fits in one sector of a disk, so a write never leaves
half of one.

Rules, under an exclusive lock on the file:

* A process reads the slots that others filled since it last looked, so it knows what the file knows.
* A nonce that is known with another digest is refused. Any other is written to the next slot, over the oldest.
* Nothing is synced: what was written survives the process, but a power cut may take the last half minute.
"""

from __future__ import annotations

import os
import struct
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path
from zlib import crc32

from keyring_bridge.errors import StoreFailed
from keyring_bridge.locking import lock, unlock
from keyring_bridge.store.base import NONCES_KEPT
from keyring_bridge.store.files import check_file

WHAT = "the memory of nonces"
LOST_HINT = "stop the bridge and move the file away: the key's memory of nonces begins anew"

SLOTS = NONCES_KEPT
LOCK_SECONDS = 10.0

_SLOT = struct.Struct("<Q24s28sI")
_BODY = struct.Struct("<Q24s28s")
_NUMBER = struct.Struct("<Q")
_FORMAT = b"keyring-bridge nonces "
_VERSION = b"2\n"


class NonceFile:
    """The last nonces of one key. Threads must take turns.

    Args:
        path: The file; made, 0600, if missing, in a folder that exists.
        fingerprint: The key's, 64 hexadecimal digits.

    Raises:
        StoreFailed: It cannot be opened or read, is damaged, or is something else.
        InsecureFile: It is no regular file, or others may write to it.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._header = (_FORMAT + _VERSION + bytes.fromhex(fingerprint)).ljust(_SLOT.size, b"\0")
        self._last = 0
        self._digests: OrderedDict[bytes, bytes] = OrderedDict()
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        except OSError as error:
            raise self._failed("cannot be opened", error) from error
        try:
            check_file(os.fstat(self._fd), path, WHAT)
            self._lock()
            try:
                self._check_header()
                self._read_all()
            finally:
                unlock(self._fd)
        except OSError as error:
            self.close()
            raise self._failed("cannot be read or written", error) from error
        except BaseException:
            self.close()
            raise

    def note(self, r: bytes, digest: bytes) -> bool:
        """See :meth:`keyring_bridge.store.base.Store.note_nonce`."""
        r, digest = r[:24], sha256(digest).digest()[:28]
        self._lock()
        try:
            self._catch_up()
            if self._digests.get(r, digest) != digest:
                return False
            number = self._last + 1
            body = _BODY.pack(number, r, digest)
            slot = body + crc32(body).to_bytes(4, "little")
            if os.pwrite(self._fd, slot, _offset(number)) != len(slot):
                raise StoreFailed(f"{WHAT} cannot be written: the storage is full", detail=str(self._path))
        except OSError as error:
            raise self._failed("cannot be read or written", error) from error
        finally:
            unlock(self._fd)
        self._take(number, r, digest)
        return True

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _lock(self) -> None:
        try:
            locked = lock(self._fd, LOCK_SECONDS)
        except OSError as error:
            raise self._failed("cannot be locked", error) from error
        if not locked:
            raise StoreFailed(
                f"{WHAT} is held by another process for more than {LOCK_SECONDS:.0f} seconds", detail=str(self._path)
            )

    def _check_header(self) -> None:
        found = os.pread(self._fd, len(self._header), 0)
        if found == self._header:
            return
        if self._header.startswith(found):
            # New, or somebody was killed or found no room when it was.
            if os.pwrite(self._fd, self._header, 0) != len(self._header):
                raise StoreFailed(f"{WHAT} cannot be written: the storage is full", detail=str(self._path))
            return
        if not found.startswith(_FORMAT):
            raise StoreFailed(f"the file named as {WHAT} belongs to another program", detail=str(self._path))
        if not found.startswith(_FORMAT + _VERSION):
            raise StoreFailed(
                f"{WHAT} was written by another release",
                hint=f"use that release, or {LOST_HINT}",
                detail=str(self._path),
            )
        raise self._damaged("it is another key's")

    def _catch_up(self) -> None:
        """Read what other processes wrote."""
        while True:
            slot = os.pread(self._fd, _SLOT.size, _offset(self._last + 1))
            if len(slot) < _SLOT.size:
                return
            (number,) = _NUMBER.unpack_from(slot)
            if number <= self._last:
                return
            if number > self._last + 1:
                self._read_all()
                return
            self._take(*self._checked(slot))

    def _read_all(self) -> None:
        data = os.pread(self._fd, SLOTS * _SLOT.size, _offset(1))
        found = []
        for at in range(0, len(data) - _SLOT.size + 1, _SLOT.size):
            slot = data[at : at + _SLOT.size]
            if any(slot):
                filled = self._checked(slot)
                if _offset(filled[0]) != _offset(1) + at:
                    raise self._damaged(f"the slot at {at} is out of place")
                found.append(filled)
        self._digests.clear()
        for number, r, digest in sorted(found):
            self._take(number, r, digest)

    def _take(self, number: int, r: bytes, digest: bytes) -> None:
        self._last = number
        digests = self._digests
        digests[r] = digest
        digests.move_to_end(r)
        if len(digests) > SLOTS:
            digests.popitem(last=False)

    def _checked(self, slot: bytes) -> tuple[int, bytes, bytes]:
        number, r, digest, checksum = _SLOT.unpack(slot)
        if crc32(slot[: _BODY.size]) != checksum:
            raise self._damaged("a slot has a wrong checksum")
        return number, r, digest

    def _damaged(self, why: str) -> StoreFailed:
        return StoreFailed(f"{WHAT} is damaged", hint=LOST_HINT, detail=f"{self._path}: {why}")

    def _failed(self, how: str, error: OSError) -> StoreFailed:
        return StoreFailed(f"{WHAT} {how}", detail=f"{self._path}: {error.strerror}")


def _offset(number: int) -> int:
    """Return where the slot of a signature begins."""
    return _SLOT.size * (1 + (number - 1) % SLOTS)
