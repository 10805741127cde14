"""Keyring directories of the SDK on disk: the ``file`` and ``test`` backends. They are read, never written.

What is in a file is :mod:`cosmos_formats.file_keyring`'s and :mod:`cosmos_formats.keyring_entry`'s matter.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from cosmos_formats import file_keyring, keyring_entry
from cosmos_formats.errors import FormatError, WrongPassword
from cosmos_formats.keyring_index import ItemKind, item_kind
from keyring_bridge.errors import ConfigError, KeyringDamaged, ObjectNotFound, PinIncorrect, TokenNotFound

if TYPE_CHECKING:
    from cosmos_formats.keyring_entry import KeyringEntry
    from keyring_bridge.secrets import SecretBytes

KEYHASH: Final = "keyhash"
"""File of the ``file`` backend with the bcrypt text of its password."""

_LARGEST_KEYHASH: Final = 1024
_MOST_TRIED: Final = 3

Stamp: TypeAlias = tuple[int, ...]
"""What tells one writing of a file from the next."""


class KeyringKind(StrEnum):
    """Which backend of the SDK a directory belongs to."""

    FILE = "file"
    """Encrypted with a password that somebody chose."""
    TEST = "test"
    """Encrypted with the word ``test``: whoever reads the files has the keys."""

    @property
    def folder(self) -> str:
        """What the SDK calls the directory, in a chain's home."""
        return f"keyring-{self}"


@dataclass(frozen=True, slots=True)
class KeyringDirectory:
    """One keyring directory.

    Attributes:
        path: The folder that holds the items.
        kind: Which backend wrote it.
    """

    path: Path
    kind: KeyringKind

    @classmethod
    def find(cls, path: Path, kind: KeyringKind | None = None) -> KeyringDirectory:
        """Return the keyring that is at ``path``, or below it if that is a chain's home.

        Args:
            path: The directory itself, or what a chain calls ``--keyring-dir`` or ``--home``.
            kind: Which backend it is of; found out if None.

        Raises:
            TokenNotFound: There is no such directory, or no keyring in it.
            ConfigError: It could be of either kind, so the kind must be said.
        """
        if not path.is_dir():
            raise TokenNotFound("there is no keyring directory", detail=str(path))
        below = [one for one in KeyringKind if (kind is None or one is kind) and (path / one.folder).is_dir()]
        if len(below) > 1:
            raise ConfigError(
                f"{path}: holds a keyring of the `file` and one of the `test` backend", hint="say which by `kind`"
            )
        if below:
            return cls(path / below[0].folder, below[0])
        return cls(path, kind or _kind_of(path))

    def items(self) -> list[str]:
        """Return the keys of the items of keys and addresses, sorted; other files do not belong to the keyring.

        Raises:
            TokenNotFound: The directory is gone.
            KeyringDamaged: It cannot be read.
        """
        return sorted(
            key for name in self._names() if (key := _item_key(name)) and item_kind(key) is not ItemKind.OTHER
        )

    def strays(self) -> list[str]:
        """Return the names of files that end as those of items do, and that no keyring gives: the SDK cannot open them.

        Raises:
            TokenNotFound: The directory is gone (others as :meth:`items`).
        """
        return sorted(
            name for name in self._names() if item_kind(name) is not ItemKind.OTHER and _item_key(name) is None
        )

    def stamp(self, item_key: str) -> Stamp | None:
        """Return the stamp of an item's file; None if there is none."""
        try:
            found = os.stat(self.file_of(item_key))
        except (OSError, ValueError):
            return None
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def read(self, item_key: str) -> bytearray:
        """Return the content of an item's file, still encrypted.

        Raises:
            ObjectNotFound: It is not there.
            InsecureFile: Others can read or write it.
            KeyringDamaged: It cannot be read, or is larger than any item.
        """
        return self._read(self.file_of(item_key), file_keyring.LARGEST)

    def open(self, item_key: str, password: bytes | bytearray) -> file_keyring.Item:
        """Decrypt an item; the caller wipes it.

        Raises:
            WrongPassword: The password is wrong, or the file is damaged (an error of the formats).
            KeyringDamaged: It is no item, it was changed, or it lay under another name (others as :meth:`read`).
        """
        try:
            item = file_keyring.open_item(self.read(item_key), password)
        except WrongPassword:
            raise
        except FormatError as error:
            raise KeyringDamaged(f"an item of the keyring cannot be read: {error}", detail=item_key) from None
        if item.key != item_key:
            item.wipe()
            raise KeyringDamaged("an item of the keyring lies under another item's name", detail=item_key)
        return item

    def entry(self, item_key: str, password: bytes | bytearray) -> KeyringEntry:
        """Return what is kept of a key; the caller wipes it.

        Args:
            item_key: Such as ``alice.info``.
            password: Of the directory.

        Raises:
            KeyringDamaged: It holds no record (others as :meth:`open`).
        """
        item = self.open(item_key, password)
        try:
            return keyring_entry.decode(item.data)
        except FormatError as error:
            raise KeyringDamaged(f"an item of the keyring holds no key: {error}", detail=item_key) from None
        finally:
            item.wipe()

    def keyhash(self) -> bytes | None:
        """Return the text that the ``file`` backend checks passwords with; None if it has not made any.

        Raises:
            InsecureFile: Others can write it, or read it.
            KeyringDamaged: It cannot be read.
        """
        try:
            return bytes(self._read(self.path / KEYHASH, _LARGEST_KEYHASH))
        except ObjectNotFound:
            return None

    def check_password(self, password: SecretBytes) -> None:
        """Make sure that a password is that of the directory, as the SDK does it.

        Without a ``keyhash`` it must open one of the first items; of an empty directory, any password is right.

        Raises:
            PinIncorrect: It is not.
            KeyringDamaged: It cannot be told.
        """
        from cosmos_formats import bcrypt_text

        text = self.keyhash()
        if text is None:
            right = self._opens_something(password.reveal())
        else:
            try:
                right = bcrypt_text.check(text, password.reveal())
            except FormatError as error:
                raise KeyringDamaged(f"the keyring's `keyhash` cannot be used: {error}") from None
        if not right:
            raise PinIncorrect("the password of the keyring directory is wrong")

    def _opens_something(self, password: bytearray) -> bool:
        tried = 0
        for item_key in self.items():
            try:
                self.open(item_key, password).wipe()
            except WrongPassword:
                tried += 1
                if tried == _MOST_TRIED:
                    return False
            except (KeyringDamaged, ObjectNotFound):
                continue
            else:
                return True
        return tried == 0

    def file_of(self, item_key: str) -> Path:
        """Return where an item's file is, or would be."""
        return self.path / file_keyring.file_name(item_key)

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.path)
        except FileNotFoundError:
            raise TokenNotFound("there is no keyring directory", detail=str(self.path)) from None
        except OSError as error:
            raise KeyringDamaged("the keyring directory cannot be read", detail=str(error)) from None

    def _read(self, path: Path, limit: int) -> bytearray:
        from keyring_bridge.config.files import read_trusted

        try:
            return read_trusted(path, what="keyring file", limit=limit, private=True)
        except FileNotFoundError:
            raise ObjectNotFound("the key is not in the keyring directory", detail=path.name) from None
        except (OSError, ValueError) as error:
            raise KeyringDamaged("a file of the keyring cannot be read", detail=str(error)) from None


def _item_key(file_name: str) -> str | None:
    """Return the key of the item that a file is, None if it is none: one that an editor or a backup left there."""
    try:
        file_name.encode()
        return file_keyring.item_key(file_name)
    except (FormatError, UnicodeEncodeError):
        return None


def _kind_of(path: Path) -> KeyringKind:
    for kind in KeyringKind:
        if path.resolve().name == kind.folder:
            return kind
    if (path / KEYHASH).exists():
        return KeyringKind.FILE
    if not any((key := _item_key(name)) and item_kind(key) is not ItemKind.OTHER for name in os.listdir(path)):
        raise TokenNotFound("there is no keyring in the directory", detail=str(path))
    raise ConfigError(
        f"{path}: cannot tell whether the keyring is of the `file` or the `test` backend", hint="say which by `kind`"
    )
