"""Files of a source: looked at, and taken away for good.

A file is taken away in steps that can be interrupted anywhere: it gets a hidden name that only a retirement uses, its
content is overwritten, it is unlinked; each step is synced. Whatever has the hidden name was looked at before. All
names are looked up in the folder that was opened, and links are not followed.

What this cannot promise: an SSD, a copy-on-write file system, a snapshot or a backup may keep what was overwritten.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from cosmos_formats.wipeable import wipe
from keyring_bridge.migrate.errors import RetirementRefused, SourceChanged
from keyring_bridge.migrate.history import FileDigest

LARGEST = 16 << 20
"""Most bytes of a file that is handled here."""

_PREFIX = ".keyring-bridge-retired-"


def digest(path: Path) -> FileDigest:
    """Return what tells a file's content; links are followed, as they are when it is read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        content = _content(descriptor, path.name)
        try:
            return FileDigest(path.name, sha256(content).hexdigest(), len(content))
        finally:
            wipe(content)
    finally:
        os.close(descriptor)


def hidden_name(migration: str, name: str) -> str:
    """Return the name that a file has while it is taken away."""
    return f"{_PREFIX}{migration}-{sha256(os.fsencode(name)).hexdigest()[:16]}"


class Folder:
    """An open folder of a source.

    Args:
        path: The folder; links in the way to it are followed now, and never again.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)

    def names(self) -> list[str]:
        """Return the names of everything in it, sorted."""
        return sorted(os.listdir(self._descriptor))

    def has(self, name: str) -> bool:
        """Whether there is something of that name, be it a link that leads nowhere."""
        try:
            os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def look(self, name: str) -> FileDigest:
        """Return what tells a file and its content, if it is one that may be removed.

        Raises:
            RetirementRefused: It is a link or no file, has a second name, belongs to somebody else, or is too large.
            FileNotFoundError: It is not there.
        """
        self._check(name, os.stat(name, dir_fd=self._descriptor, follow_symlinks=False))
        descriptor = os.open(name, _READ, dir_fd=self._descriptor)
        try:
            found = os.fstat(descriptor)
            self._check(name, found)
            content = _content(descriptor, name)
            try:
                return FileDigest(name, sha256(content).hexdigest(), len(content), found.st_dev, found.st_ino)
            finally:
                wipe(content)
        finally:
            os.close(descriptor)

    def read(self, expected: FileDigest) -> bytearray:
        """Return a file's content, which the caller wipes.

        Raises:
            SourceChanged: It is not the file or the content that is expected.
        """
        descriptor = os.open(expected.name, _READ, dir_fd=self._descriptor)
        try:
            found = os.fstat(descriptor)
            content = _content(descriptor, expected.name)
        finally:
            os.close(descriptor)
        if not _is_same(found, content, expected):
            wipe(content)
            raise SourceChanged(f"{expected.name} was changed since it was compared")
        return content

    def check_writable(self) -> None:
        """Raise RetirementRefused if names in it cannot be removed."""
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=self._descriptor):
            raise RetirementRefused(f"nothing can be removed from {self.path}: it is not writable")

    def set_aside(self, expected: FileDigest, hidden: str) -> None:
        """Give a file its hidden name, durably, if it still is what was looked at.

        Raises:
            SourceChanged: It is not; it was left as it is.
        """
        wipe(self.read(expected))
        os.rename(expected.name, hidden, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        try:
            wipe(self.read(replace(expected, name=hidden)))
        except SourceChanged:
            # Somebody put another file there at that very moment.
            os.rename(hidden, expected.name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
            raise
        os.fsync(self._descriptor)

    def erase(self, hidden: str) -> None:
        """Overwrite a file that was set aside with random bytes, and unlink it; each step is on disk before the next.

        Raises:
            RetirementRefused: It has another name by now; it was not changed.
            OSError: It could not be done; it still has its hidden name.
        """
        descriptor = os.open(hidden, _READ, dir_fd=self._descriptor)
        try:
            found = os.fstat(descriptor)
            self._check(hidden, found)
            if found.st_mode & 0o200 == 0:
                os.fchmod(descriptor, 0o600)
            writing = os.open(hidden, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._descriptor)
            try:
                if not os.path.samestat(os.fstat(writing), found):
                    raise SourceChanged("a file was replaced while it was erased")
                _overwrite(writing, found.st_size)
            finally:
                os.close(writing)
        finally:
            os.close(descriptor)
        os.unlink(hidden, dir_fd=self._descriptor)
        os.fsync(self._descriptor)

    @staticmethod
    def _check(name: str, found: os.stat_result) -> None:
        if stat.S_ISLNK(found.st_mode):
            raise RetirementRefused(f"{name} is a symbolic link: what it leads to would stay")
        if not stat.S_ISREG(found.st_mode):
            raise RetirementRefused(f"{name} is not a regular file")
        if found.st_nlink != 1:
            raise RetirementRefused(
                f"{name} has {found.st_nlink} names (hard links)", hint="remove the other names first, or keep the file"
            )
        if found.st_uid != os.geteuid() and os.geteuid() != 0:
            raise RetirementRefused(f"{name} belongs to uid {found.st_uid}")
        if found.st_size > LARGEST:
            raise RetirementRefused(f"{name} is larger than any file with keys")


_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def _content(descriptor: int, name: str) -> bytearray:
    from keyring_bridge.config.files import read_into

    size = os.fstat(descriptor).st_size
    if size > LARGEST:
        raise RetirementRefused(f"{name} is larger than any file with keys")
    content = bytearray(size + 1)
    read = read_into(descriptor, content)
    if read > size:
        raise SourceChanged(f"{name} grew while it was read")
    del content[read:]
    return content


def _is_same(found: os.stat_result, content: bytearray, expected: FileDigest) -> bool:
    return (found.st_dev, found.st_ino) == (expected.device, expected.inode) and (
        sha256(content).hexdigest() == expected.sha256
    )


def _overwrite(descriptor: int, size: int) -> None:
    left = size
    while left:
        left -= os.write(descriptor, os.urandom(min(left, 1 << 16)))
    os.fsync(descriptor)
