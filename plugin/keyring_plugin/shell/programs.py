"""Finding a chain's program, and telling which commands are for it alone.

This is on the way of every command, so it imports next to nothing.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BACKEND = "hsm"
MARK = "# keyring-plugin shell: made by --install, removed by --uninstall"
"""A line of the scripts that lead here."""


class ProgramNotFound(Exception):
    """There is no such program; the text may be shown."""


def is_plain(arguments: Sequence[str], prefix: str) -> bool:
    """Whether a command has nothing to do with the bridge, as far as can be told without looking closer.

    The same rules as in the script of :mod:`keyring_plugin.shell.shim`.

    Args:
        arguments: Of the chain's program.
        prefix: Of its variables; empty if it is not known yet.
    """
    if arguments and arguments[0].startswith("__complete"):
        return True
    if "hsm" in arguments[:3]:
        return False
    backend = None
    before = ""
    for word in arguments:
        if before == "--keyring-backend":
            backend = word
        if word == "--":
            break
        if word.startswith("--keyring-backend="):
            backend = word.partition("=")[2]
        before = word
    if backend is not None:
        return backend != BACKEND
    if prefix:
        return os.environ.get(f"{prefix}_KEYRING_BACKEND") != BACKEND
    return not any(value == BACKEND and name.endswith("_KEYRING_BACKEND") for name, value in os.environ.items())


def find_program(name: str) -> str:
    """Return the absolute path of a chain's program, skipping the scripts that lead here.

    Raises:
        ProgramNotFound: It is not there.
    """
    if os.sep in name:
        path = os.path.abspath(name)
        if not os.path.exists(path):
            raise ProgramNotFound(f"{name}: there is no such program")
        if is_shim(path):
            raise ProgramNotFound(f"{name} is a shim, not the chain's program")
        return path
    for place in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.abspath(os.path.join(place, name))
        if place and os.path.isfile(path) and os.access(path, os.X_OK) and not is_shim(path):
            return path
    raise ProgramNotFound(f"{name}: there is no such program on PATH")


def is_shim(path: str) -> bool:
    """Whether a file is one of the scripts that lead here."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return MARK.encode() in os.read(descriptor, 256)
    except OSError:
        return False
    finally:
        os.close(descriptor)
