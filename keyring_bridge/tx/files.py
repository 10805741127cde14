"""Writing results: whole files or none, and never over something else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from keyring_bridge.tx.errors import TxConflict


def write_new(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write a file so that it is there with all of its contents or not at all, readable as the umask says.

    Args:
        path: The file.
        data: Its contents.
        replace: Whether it may be there already.

    Raises:
        TxConflict: It is there.
        OSError: It cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, path, replace=replace)
    finally:
        temporary.unlink(missing_ok=True)


def publish(temporary: Path, path: Path, *, replace: bool) -> None:
    """Give a finished file its name.

    Raises:
        TxConflict: The name is taken and must not be.
    """
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o666 & ~mask)
    if replace:
        temporary.replace(path)
    else:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise TxConflict(f"{path} is there already", hint="--force replaces it") from None
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def require_free(path: Path, *, replace: bool) -> None:
    """Check early, before anything is signed, that a result can be written.

    Raises:
        TxConflict: The file is there and must not be.
    """
    if not replace and path.exists():
        raise TxConflict(f"{path} is there already", hint="--force replaces it")


class PartFile:
    """A file that grows line by line beside the one that it becomes.

    Its name is that of the result with ``.part`` behind it. What an interruption leaves is complete lines, and perhaps
    the beginning of one more, which is cut off when the file is taken up again.

    Args:
        path: The result.
        resume: Whether to go on with what is there.
        replace: Whether other files of these names may be replaced.

    Attributes:
        lines: What was there, without line breaks.

    Raises:
        TxConflict: The result is there, or a part that nobody wants to go on with.
    """

    def __init__(self, path: Path, *, resume: bool = False, replace: bool = False) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._replace = replace
        require_free(path, replace=replace)
        if not resume and not replace and self._part.exists():
            raise TxConflict(f"{self._part} is there already", hint="--resume goes on with it, --force drops it")
        self._file = self._part.open("r+b" if resume and self._part.exists() else "wb+")
        content = self._file.read()
        complete = content[: content.rfind(b"\n") + 1]
        self.lines = complete.split(b"\n")[:-1]
        self._file.seek(len(complete))
        self._file.truncate()

    def put(self, line: bytes) -> None:
        """Add a line."""
        self._file.write(line + b"\n")

    def close(self) -> None:
        """Keep what is there on the disk. May be called twice."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def finish(self) -> None:
        """Give the file the name of the result.

        Raises:
            TxConflict: That name was taken meanwhile.
        """
        self.close()
        publish(self._part, self._path, replace=self._replace)
