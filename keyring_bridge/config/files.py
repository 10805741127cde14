"""Files that the bridge trusts, and files that others must not see.

Everything durable goes through :func:`write_atomic`; every directory of our own through :func:`private_dir`; every
file that decides something (configuration, policy) is read with :func:`read_trusted`.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keyring_bridge.errors import InsecureFile

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def write_atomic(path: Path, data: bytes | bytearray | memoryview, mode: int = 0o600) -> None:
    """Replace a file whole and durably: temporary file, fsync, rename, fsync of the folder.

    Whoever reads ``path`` meanwhile, or after a crash at any moment, finds the old content or the new one. A symbolic
    link at ``path`` is replaced, not followed.

    Args:
        path: The file; its folder must exist.
        data: Its new content; a ``bytearray`` is written without a copy, so that a secret can be wiped afterwards.
        mode: Its permissions, whatever the umask.

    Raises:
        OSError: Nothing was changed, except where only the last fsync failed.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        temporary = f".{path.name[:100]}.{os.urandom(6).hex()}.tmp"
        try:
            _write_new(folder, temporary, data, mode)
            os.rename(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_new(folder: int, name: str, data: bytes | bytearray | memoryview, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        os.fchmod(descriptor, mode)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_durably(path: Path) -> None:
    """Unlink a file, if it exists, and sync its folder.

    Raises:
        OSError: The file may still be there, or come back after a power cut.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            os.unlink(path.name, dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)


def make_folders(path: Path) -> None:
    """Make a directory and its parents as 0700, as far as they are missing.

    Raises:
        OSError: One cannot be made.
    """
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        # Another process may be making the same one.
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)


def private_dir(path: Path) -> Path:
    """Return ``path`` after making sure that it is a directory of ours that nobody else can enter.

    It is created (with its parents) as 0700. One that exists is never changed: somebody may have named a shared one.

    Raises:
        InsecureFile: It belongs to somebody else, others have access to it, or it is no directory.
        OSError: It cannot be created.
    """
    make_folders(path)
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise InsecureFile(f"{path} is not a directory")
    if found.st_uid != os.geteuid():
        raise InsecureFile(f"{path} belongs to uid {found.st_uid}, not to the user that runs this")
    if found.st_mode & 0o077:
        raise InsecureFile(
            f"others have access to the directory {path} (mode {_mode(found)})",
            hint=f"chmod 700 {path}, if nothing else uses it",
        )
    return path


def read_trusted(path: Path, *, what: str, limit: int, private: bool = False) -> bytearray:
    """Read a file whose content decides what the bridge does.

    It must be a regular file of this user or of root that nobody else can write, in a folder where nobody else can
    replace it. Symbolic links are followed: what counts is the file they lead to.

    Args:
        path: The file.
        what: What to call it in errors, such as ``configuration``.
        limit: Largest size in bytes.
        private: Whether others must not be able to read it either.

    Returns:
        Its content, in a buffer that the caller may wipe.

    Raises:
        InsecureFile: Somebody else could have written it (or read it).
        FileNotFoundError: It does not exist.
        OSError: It cannot be read, or it is larger than ``limit``.
    """
    # Without O_NONBLOCK a FIFO in the file's place would hang us.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        _check_unwritable(path, found, what)
        if private and found.st_mode & 0o077:
            raise InsecureFile(f"others can read the {what} {path} (mode {_mode(found)})", hint=f"chmod 600 {path}")
        buffer = bytearray(min(found.st_size, limit) + 1)
        size = read_into(descriptor, buffer)
        if size == len(buffer):
            raise OSError(f"larger than {limit} bytes, or growing while it was read")
        del buffer[size:]
        return buffer
    finally:
        os.close(descriptor)


def read_into(descriptor: int, buffer: bytearray) -> int:
    """Read until the end of the file or until ``buffer`` is full; return the number of bytes read.

    Nothing but ``buffer`` ever holds the content.
    """
    size = 0
    with memoryview(buffer) as view:
        while size < len(view):
            count = os.readv(descriptor, [view[size:]])
            if count == 0:
                break
            size += count
    return size


def check_code_file(path: Path, *, what: str) -> None:
    """Make sure that nobody else could have put ``path`` there or changed it, before it is executed or loaded.

    Every step of the way counts, links included: whoever can replace one of them decides what is loaded. In a
    world-writable folder anybody can put a file first and have it kept there by the sticky bit, so code in such a
    folder is refused even with it; what it does protect is a folder of ours, such as ``/tmp/build``.

    Args:
        path: A program, library or module; symbolic links are followed.
        what: What to call it in errors.

    Raises:
        InsecureFile: Others can write it, it belongs to somebody else, or anybody can change the way to it.
        FileNotFoundError: It does not exist.
        OSError: It cannot be looked at.
    """
    real = Path(os.path.realpath(path, strict=True))
    for entry in _way_to(path):
        folder = entry.parent.stat()
        _check_owner_of_folder(entry.parent, folder, path, what)
        around = folder.st_mode
        if not around & stat.S_IWOTH:
            continue
        found = entry.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid in (0, os.geteuid())
        if not (around & stat.S_ISVTX and ours):
            raise InsecureFile(
                f"anybody can put the {what} {path} there, or replace it: {entry.parent} is world-writable",
                hint=f"move it to a folder that only you or root can write, or chmod o-w {entry.parent}",
            )
    _check_unwritable(real, real.stat(), what)


def _way_to(path: Path) -> Iterator[Path]:
    """Yield every folder, link and file that opening ``path`` goes through; the folder of each has no link in it."""
    here = Path("/")
    left = [*reversed(Path.cwd().joinpath(path).parts[1:])]
    while left:
        part = left.pop()
        if part == "..":
            here = here.parent
            continue
        entry = here / part
        yield entry
        if entry.is_symlink():
            target = Path(os.readlink(entry))
            if target.is_absolute():
                here = Path("/")
            left += reversed(target.parts[target.is_absolute() :])
        else:
            here = entry


def _check_unwritable(path: Path, found: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise InsecureFile(f"the {what} {path} is not a regular file")
    if found.st_uid not in (0, os.geteuid()):
        raise InsecureFile(f"the {what} {path} belongs to uid {found.st_uid}, neither to this user nor to root")
    if found.st_mode & _OTHERS_WRITE:
        raise InsecureFile(f"others can write the {what} {path} (mode {_mode(found)})", hint=f"chmod go-w {path}")
    folder = Path(os.path.realpath(path)).parent
    around = folder.stat()
    _check_owner_of_folder(folder, around, path, what)
    # The sticky bit keeps others from replacing what is ours, as in /tmp.
    if around.st_mode & stat.S_IWOTH and not around.st_mode & stat.S_ISVTX:
        raise InsecureFile(
            f"anybody can replace the {what} {path}: its folder is world-writable", hint=f"chmod o-w {folder}"
        )


def _check_owner_of_folder(folder: Path, found: os.stat_result, path: Path, what: str) -> None:
    """Refuse a folder of somebody else: its owner can put another file in the place of ours, sticky bit or not."""
    if found.st_uid not in (0, os.geteuid()):
        raise InsecureFile(
            f"uid {found.st_uid} can replace the {what} {path}: {folder} belongs to it",
            hint="move it to a folder that only you or root can write",
        )


def _mode(found: os.stat_result) -> str:
    return f"{stat.S_IMODE(found.st_mode):04o}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock, between processes and threads, for changing ``path`` by read and :func:`write_atomic`.

    The lock is a file beside it (``.NAME.lock``), because ``path`` itself is replaced.

    Raises:
        OSError: The folder cannot be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path.parent / f".{path.name}.lock", flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
