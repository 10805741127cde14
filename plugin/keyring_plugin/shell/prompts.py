"""Questions as the chain's commands ask them: shown on a terminal alone, answered by a line of standard input.

Lines are read byte by byte, so that whoever reads standard input next finds the next line.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from keyring_plugin.shell.errors import ShellFailed

_INPUT: Final = 0
_LONGEST: Final = 64 << 10


def read_line() -> str:
    """Return a line of standard input without the spaces around it.

    Raises:
        ShellFailed: ``EOF``: there is none.
    """
    line = bytearray()
    while len(line) < _LONGEST:
        try:
            byte = os.read(_INPUT, 1)
        except OSError:
            byte = b""
        if not byte and not line:
            raise ShellFailed("EOF")
        if byte in (b"", b"\n"):
            break
        line += byte
    return line.decode("utf-8", "replace").strip()


def confirm(question: str) -> bool:
    """Return whether a person says yes: an answer that starts with ``y``."""
    if on_terminal():
        sys.stderr.write(f"{question} [y/N]: ")
        sys.stderr.flush()
    return read_line().lower().startswith("y")


def on_terminal() -> bool:
    """Whether standard input is a terminal."""
    try:
        return os.isatty(_INPUT)
    except OSError:
        return False
