"""New files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keyring_bridge.sealing.errors import SealedFileExists, SealedNotWritten


class NewFile:
    """A file that is being written under another name.

    Args:
        descriptor: Where it is written.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes | bytearray) -> None:
        """Write all of ``data``.

        Raises:
            SealedNotWritten: It cannot be written.
        """
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise _not_written(error) from error


@contextmanager
def new_file(path: Path) -> Iterator[NewFile]:
    """Write a new file of mode 0600: it gets its name when the block has ended well, synced; otherwise nothing stays.

    Args:
        path: The file; its folder must exist. One that exists, even as a link, is never replaced.

    Raises:
        SealedFileExists: There is one of that name.
        SealedNotWritten: It cannot be written, for want of space for example.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _not_written(error) from error
    try:
        if os.path.lexists(path):
            raise SealedFileExists(f"{path.name} exists already")
        temporary = f".{path.name[:100]}.{os.urandom(6).hex()}.tmp"
        descriptor = _create(folder, temporary)
        try:
            try:
                yield NewFile(descriptor)
                _sync(descriptor)
            finally:
                os.close(descriptor)
            _give_name(folder, temporary, path.name)
        finally:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
        _sync(folder)
    finally:
        os.close(folder)


def _create(folder: int, name: str) -> int:
    try:
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    except OSError as error:
        raise _not_written(error) from error


def _give_name(folder: int, temporary: str, name: str) -> None:
    """Name a file without ever replacing another."""
    try:
        # A link, unlike a renaming, fails if another file took the name meanwhile.
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError:
        raise SealedFileExists(f"{name} exists already") from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise _not_written(error) from error
        # FAT and its kin, as on a USB stick, have no links.
        try:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as failure:
            raise _not_written(failure) from failure


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise _not_written(error) from error


def _not_written(error: OSError) -> SealedNotWritten:
    return SealedNotWritten(f"the file could not be written: {error.strerror}", detail=str(error))
