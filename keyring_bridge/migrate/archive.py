"""The sealed archive that a retirement may move a source's files into: a tar file inside a sealed file.

``hsm migrate unpack`` opens it. One that was sealed for recipients also opens without this program, as
:mod:`keyring_bridge.sealing` tells, into a tar file.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.wipeable import wipe
from keyring_bridge.errors import BridgeError
from keyring_bridge.migrate.errors import ArchiveInvalid, RetirementRefused
from keyring_bridge.migrate.files import LARGEST
from keyring_bridge.sealing.errors import SealedFileExists

if TYPE_CHECKING:
    from typing import IO

    from keyring_bridge.migrate.files import Folder
    from keyring_bridge.migrate.history import FileDigest
    from keyring_bridge.sealing import Identities, Passphrase, Recipients

KIND = "source-archive"
LARGEST_ARCHIVE = 1 << 30
"""Most bytes of an archive's content."""

_BLOCK = 512


@dataclass(frozen=True, slots=True)
class SealedArchive:
    """An archive, to be made or made already.

    Attributes:
        path: The file.
        lock: Who can open it.
        key: What opens it, for reading it back.
    """

    path: Path
    lock: Recipients | Passphrase
    key: Identities | Passphrase

    def write(self, folder: Folder, files: Sequence[FileDigest], extra: Sequence[FileDigest]) -> None:
        """See :class:`keyring_bridge.migrate.retirement.Archive`."""
        from keyring_bridge.sealing import new_file, seal

        if not os.path.lexists(self.path):
            missing = [one.name for one in files if not folder.has(one.name)]
            if missing:
                raise RetirementRefused(f"{missing[0]} is removed already, and the archive with it is not there")
            with new_file(self.path) as out:
                seal(KIND, _tar(folder, (*files, *extra)), out.write, self.lock)
        self._check(files)

    def _check(self, files: Sequence[FileDigest]) -> None:
        try:
            content = read(self.path, self.key)
        except BridgeError as error:
            error.hint = "nothing was removed; move the archive away, or name another one"
            raise
        try:
            found = {name: sha256(view).hexdigest() for name, view in _members(content)}
        finally:
            wipe(content)
        wrong = [one.name for one in files if found.get(one.name) != one.sha256]
        if wrong:
            raise RetirementRefused(
                f"the archive does not hold {wrong[0]} as it is in the source", hint="name another archive"
            )


def read(path: Path, key: Identities | Passphrase) -> bytearray:
    """Return the tar file in an archive, in a buffer that the caller wipes.

    Raises:
        ArchiveInvalid: It cannot be read, or is too large.
        SealedError: It cannot be opened.
    """
    from keyring_bridge.sealing import unseal

    content = bytearray()

    def keep(data: bytes) -> None:
        if len(content) + len(data) > LARGEST_ARCHIVE:
            raise ArchiveInvalid("the archive is larger than any that is written")
        content.extend(data)

    try:
        with path.open("rb", buffering=0) as file:
            unseal(KIND, file.read, keep, key)
    except OSError as error:
        wipe(content)
        raise ArchiveInvalid("the archive cannot be read", detail=str(error)) from error
    except BaseException:
        wipe(content)
        raise
    return content


def unpack(path: Path, key: Identities | Passphrase, folder: Path) -> list[str]:
    """Write the files of an archive into a folder that is made for them, and return their names.

    Raises:
        ArchiveInvalid: It cannot be read, or the folder cannot be made (others as :func:`read`).
        SealedFileExists: The folder is there already.
    """
    content = read(path, key)
    try:
        members = _members(content)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            raise SealedFileExists(f"{folder} exists already", hint="name a folder that does not exist yet") from None
        except OSError as error:
            raise ArchiveInvalid(f"{folder} cannot be made", detail=str(error)) from error
        for name, view in members:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(folder / name, flags, 0o600)
            try:
                rest = view
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return [name for name, _ in members]
    finally:
        wipe(content)


def _tar(folder: Folder, files: Sequence[FileDigest]) -> Iterator[bytes | bytearray]:
    """Yield a tar file piece by piece; the pieces with contents are wiped when the next one is asked for."""
    for one in files:
        content = folder.read(one)
        try:
            header = tarfile.TarInfo(one.name)
            header.size, header.mode = len(content), 0o600
            yield header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
            yield content
            yield bytes(-len(content) % _BLOCK)
        finally:
            wipe(content)
    yield bytes(2 * _BLOCK)


class _Window(io.RawIOBase):
    """Reads from a buffer without a copy of it: only what is asked for is copied, and that is headers."""

    def __init__(self, content: bytearray) -> None:
        self._content = content
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._content)}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = len(self._content) if size < 0 else self._at + size
        data = bytes(self._content[self._at : end])
        self._at += len(data)
        return data


def _members(content: bytearray) -> list[tuple[str, memoryview]]:
    """Return the files of a tar file, as parts of its buffer.

    Raises:
        ArchiveInvalid: It is none, or has something else in it than files of one folder.
    """
    view = memoryview(content)
    found = []
    try:
        window: IO[bytes] = _Window(content)  # type: ignore[assignment]  # all that tarfile needs of a file
        with tarfile.open(fileobj=window, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            for member in archive:
                name, start, end = member.name, member.offset_data, member.offset_data + member.size
                if not member.isreg() or "/" in name or name in ("", ".", "..") or "\0" in name:
                    raise ArchiveInvalid("the archive has something else in it than files")
                if member.size > LARGEST or end > len(content):
                    raise ArchiveInvalid("a file in the archive is too large, or cut off")
                found.append((name, view[start:end]))
    except (tarfile.TarError, EOFError) as error:
        raise ArchiveInvalid("the archive holds no tar file", detail=str(error)) from None
    if len({name for name, _ in found}) != len(found):
        raise ArchiveInvalid("a file is in the archive twice")
    return found
