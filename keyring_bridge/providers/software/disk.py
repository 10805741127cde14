"""Key files on a disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from keyring_bridge.errors import (
    ConfigError,
    InvalidRequest,
    KeyFileDamaged,
    ProviderError,
    TokenFull,
    TokenNotFound,
)

if TYPE_CHECKING:
    from keyring_bridge.providers.software.key_file import KdfParameters
    from keyring_bridge.secrets import SecretBytes

SHORTEST_PASSPHRASE: Final = 8
"""In bytes."""

Stamp: TypeAlias = tuple[int, ...]
"""What tells one writing of a file from the next."""


def stamp_of(file: Path) -> Stamp:
    """Return the stamp of a file.

    Raises:
        OSError: It is not there.
    """
    found = os.stat(file)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_key_file(file: Path) -> tuple[Stamp, bytearray]:
    """Return the stamp and the content of a key file.

    Raises:
        TokenNotFound: It is not there.
        InsecureFile: Others can read or write it.
        KeyFileDamaged: It cannot be read, or is larger than any key file.
    """
    from keyring_bridge.config.files import read_trusted
    from keyring_bridge.providers.software.key_file import LARGEST_FILE

    try:
        # Before reading: a file that is replaced in between will be read once more, never missed.
        stamp = stamp_of(file)
        return stamp, read_trusted(file, what="key file", limit=LARGEST_FILE, private=True)
    except FileNotFoundError:
        raise TokenNotFound(
            "there is no key file", hint="`hsm init --backend software` makes one", detail=str(file)
        ) from None
    except OSError as error:
        raise KeyFileDamaged("the key file cannot be read", detail=str(error)) from None


@contextmanager
def changing(file: Path) -> Iterator[Path]:
    """Hold the lock of a key file that every writer takes, in whichever process, and return its real path.

    Writing replaces the file, so a symbolic link has to be followed first, or it would be replaced itself.

    Raises:
        TokenFull: The disk has no room.
        ProviderError: The file or its folder cannot be written.
    """
    from keyring_bridge.config.files import locked

    real = Path(os.path.realpath(file))
    try:
        with locked(real):
            yield real
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        kind = TokenFull if full else ProviderError
        raise kind("the key file cannot be written", detail=str(error)) from None


def create_key_file(path: Path, passphrase: SecretBytes, *, kdf: KdfParameters | None = None) -> None:
    """Make an empty key file. Its folder is made as 0700 if there is none.

    Args:
        path: The file; must not exist.
        passphrase: At least 8 bytes; the caller wipes it.
        kdf: What a guess at the passphrase shall cost; None for what is right today.

    Raises:
        InvalidRequest: The passphrase is too short.
        ConfigError: There is a file already.
        ProviderError: It cannot be written.
    """
    from keyring_bridge.config.files import private_dir, write_atomic
    from keyring_bridge.providers.software.key_file import FileKey, KdfParameters

    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise InvalidRequest(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")
    if not path.parent.exists():
        private_dir(path.parent)
    with changing(path) as real:
        if os.path.lexists(path):
            raise ConfigError(f"{path}: there is a key file already", hint="a key file is never overwritten")
        key = FileKey.create(passphrase, kdf or KdfParameters())
        try:
            write_atomic(real, key.seal(()))
        finally:
            key.wipe()
