"""Reading secrets into buffers that can be wiped, without leaving copies."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from keyring_bridge.config.files import read_into
from keyring_bridge.errors import InsecureFile, PinRequired
from keyring_bridge.secrets.secret_bytes import SecretBytes, wipe

MAX_SECRET_BYTES = 4096
WAIT_SECONDS = 30.0


def read_file(path: Path, what: str, *, forbidden: int) -> SecretBytes:
    """Read a secret from a regular file of this user or of root, without following a symbolic link at its end.

    Args:
        path: The file.
        what: What the secret is, for errors.
        forbidden: Permission bits that the file must not have.

    Raises:
        InsecureFile: It is a link, not a regular file, somebody else's, or has a forbidden bit.
        PinRequired: It is missing, unreadable, empty or too large.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if path.is_symlink():
            raise InsecureFile(
                f"the file of the {what} is a symbolic link", hint="name the file itself", detail=str(path)
            ) from None
        raise PinRequired(f"no {what}: its file cannot be opened ({error.strerror})", detail=str(path)) from None
    try:
        found = os.fstat(descriptor)
        mode = stat.S_IMODE(found.st_mode)
        if not stat.S_ISREG(found.st_mode):
            raise InsecureFile(f"the file of the {what} is not a regular file", detail=str(path))
        if found.st_uid not in (0, os.geteuid()):
            raise InsecureFile(
                f"the file of the {what} belongs to uid {found.st_uid}, neither to this user nor to root",
                detail=str(path),
            )
        if mode & forbidden:
            raise InsecureFile(
                f"others have access to the file of the {what} (mode {mode:04o})", hint="chmod 600", detail=str(path)
            )
        buffer = bytearray(MAX_SECRET_BYTES + 1)
        try:
            return nonempty(_taken(buffer, read_into(descriptor, buffer), what), what)
        finally:
            wipe(buffer)
    except OSError as error:
        raise PinRequired(f"no {what}: its file cannot be read ({error.strerror})", detail=str(path)) from None
    finally:
        os.close(descriptor)


def read_stream(descriptor: int, what: str, *, first_line: bool) -> SecretBytes:
    """Read a secret from a pipe, to its end or to the first newline, waiting no longer than :data:`WAIT_SECONDS`.

    Raises:
        PinRequired: Nothing came, or too much, or not in time.
        OSError: The descriptor cannot be read.
    """
    import select
    import time

    deadline = time.monotonic() + WAIT_SECONDS
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    buffer = bytearray(MAX_SECRET_BYTES + 1)
    size = 0
    try:
        with memoryview(buffer) as view:
            while size < len(view) and not (first_line and b"\n" in buffer):
                if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    raise PinRequired(f"no {what}: nothing came within {WAIT_SECONDS:.0f} seconds")
                count = os.readv(descriptor, [view[size:]])
                if count == 0:
                    break
                size += count
        if first_line and b"\n" in buffer:
            size = buffer.index(b"\n") + 1
        return nonempty(_taken(buffer, size, what), what)
    finally:
        wipe(buffer)


def _taken(buffer: bytearray, size: int, what: str) -> bytearray:
    """Return the first ``size`` bytes of ``buffer`` in a buffer of their own, without one newline at the end."""
    if size > MAX_SECRET_BYTES:
        raise PinRequired(f"no {what}: its source gives more than {MAX_SECRET_BYTES} bytes")
    if size and buffer[size - 1] == 0x0A:
        size -= 2 if size > 1 and buffer[size - 2] == 0x0D else 1
    with memoryview(buffer) as view:
        return bytearray(view[:size])


def nonempty(content: bytearray, what: str) -> SecretBytes:
    """Return the secret that takes ``content`` over, or raise PinRequired if there is nothing in it."""
    if not content:
        raise PinRequired(f"no {what}: its source is empty")
    return SecretBytes(content)
