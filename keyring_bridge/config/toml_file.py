"""Changing a TOML file by program.

Its comments and order are kept, changes by several processes come one after the other, and nothing is written that
would not load.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.config.files import locked, make_folders, read_trusted, write_atomic
from keyring_bridge.errors import ConfigError, ConfigMissing

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file, and what makes it a good one.

    Attributes:
        path: Its path; a symbolic link there is followed, not replaced.
        what: What to call it in errors.
        limit: Largest size in bytes.
        check: Raises if the content would not load.
        error: The class of errors to raise.
        table: How a person writes one of its tables, for the hint where a program cannot add one.
    """

    path: Path
    what: str
    limit: int
    check: Callable[[bytes, Path], object]
    error: type[ConfigError]
    table: str

    @contextmanager
    def changing(self, new: Callable[[], TOMLDocument] | None = None) -> Iterator[TOMLDocument]:
        """Yield the file's document under its lock, and write it back if it was changed.

        Args:
            new: Makes the document of a file that does not exist; missing folders are made too.

        Raises:
            ConfigMissing: The file does not exist, and there is no ``new``.
            ConfigError: It does not load, before or after the change, or cannot be written; it is as it was.
        """
        with self.writing(make_folder=new is not None) as path:
            document, before = self._read(path, new)
            yield document
            self.write(path, document, before)

    @contextmanager
    def writing(self, *, make_folder: bool = False) -> Iterator[Path]:
        """Hold the file's lock and yield its real path; errors of disk and TOML become :attr:`error`.

        Args:
            make_folder: Make the file's folder (0700) if it is missing.
        """
        from tomlkit.exceptions import TOMLKitError

        path = Path(os.path.realpath(self.path))
        try:
            if make_folder:
                make_folders(path.parent)
            with locked(path):
                yield path
        except OSError as error:
            raise self.error(f"{path}: cannot be written: {error.strerror or error}") from None
        except (ValueError, TOMLKitError) as error:
            raise self.error(
                f"{path}: cannot be changed as it is written now: {error}", hint=f"write each table as {self.table}"
            ) from None

    def write(self, path: Path, document: TOMLDocument, before: str = "") -> None:
        """Write a document, if it loads and differs from ``before``. Call it while :meth:`writing`."""
        import tomlkit

        text = tomlkit.dumps(document)
        if text != before:
            self.check(text.encode(), path)
            write_atomic(path, text.encode())

    def _read(self, path: Path, new: Callable[[], TOMLDocument] | None) -> tuple[TOMLDocument, str]:
        import tomlkit

        try:
            content = bytes(read_trusted(path, what=self.what, limit=self.limit))
        except FileNotFoundError:
            if new is None:
                raise ConfigMissing(f"{path}: there is no such file") from None
            return new(), ""
        # What does not load is for a person to mend.
        self.check(content, path)
        text = content.decode("utf-8")
        return tomlkit.parse(text), text
