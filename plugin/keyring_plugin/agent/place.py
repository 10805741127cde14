"""Where the agent's socket is, and whether that place belongs to this user alone.

The relay starts with this module, so it imports next to nothing.
"""

from __future__ import annotations

import os
import stat

PLACE_VARIABLE = "KEYRING_BRIDGE_SOCKET"
USE_VARIABLE = "KEYRING_BRIDGE_AGENT"
"""``off``: no agent is looked for, and none is started on demand. ``manual``: one that runs is used. ``start``: also
``keyring-plugin`` without arguments starts one. Anything else: one that runs is used, and commands that need one start
it."""

_FOLDER = "keyring-bridge"
_NAME = "agent.sock"
_OTHERS = 0o077
TOLD_NAME = "agent.config"
"""File beside the socket in which an agent says which configuration it uses."""


class UnsafePlace(Exception):
    """Somebody else could be behind the socket, or could reach it. The text may be shown."""


def socket_path() -> str:
    """Return the path of this user's agent's socket.

    ``$KEYRING_BRIDGE_SOCKET``, else ``$XDG_RUNTIME_DIR/keyring-bridge/agent.sock``, else the same below
    ``$XDG_STATE_HOME`` or ``~/.local/state``; never a folder that users share.

    Raises:
        UnsafePlace: ``$KEYRING_BRIDGE_SOCKET`` is not an absolute path.
    """
    named = os.environ.get(PLACE_VARIABLE)
    if named:
        if not os.path.isabs(named) or "\0" in named or named.endswith("/"):
            raise UnsafePlace(f"${PLACE_VARIABLE} is not the absolute path of a socket")
        return named
    for variable in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        base = os.environ.get(variable, "")
        if os.path.isabs(base):
            return os.path.join(base, _FOLDER, _NAME)
    return os.path.join(os.path.expanduser("~"), ".local", "state", _FOLDER, _NAME)


def wanted() -> str:
    """Return what ``$KEYRING_BRIDGE_AGENT`` says, ``auto`` if it says nothing."""
    return os.environ.get(USE_VARIABLE) or "auto"


def told_configuration(folder: int) -> str | None:
    """Return the configuration that the agent in the open folder said it uses; None if it said nothing."""
    try:
        descriptor = os.open(TOLD_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:
        return os.fsdecode(os.read(descriptor, 8192))
    finally:
        os.close(descriptor)


def own_configuration() -> str:
    """Return the configuration that this process would use (see :func:`keyring_bridge.config.find`)."""
    home = os.path.expanduser("~")
    named = os.environ.get("KEYRING_BRIDGE_CONFIG")
    if named:
        return os.path.abspath(os.path.expanduser(named))
    base = os.environ.get("XDG_CONFIG_HOME", "")
    usual = os.path.join(base if os.path.isabs(base) else os.path.join(home, ".config"), _FOLDER, "config.toml")
    other = os.path.join(home, ".virtengine", "hsm.json")
    return other if os.path.exists(other) and not os.path.exists(usual) else usual


def open_folder(path: str) -> int:
    """Open the folder of a socket and return its descriptor, by which it stays the one that was looked at.

    Raises:
        UnsafePlace: It is a symbolic link, somebody else's (root may own it), or others have access to it.
        OSError: It does not exist, or cannot be opened.
    """
    folder = os.path.dirname(path)
    if os.path.islink(folder):
        raise UnsafePlace(f"{folder} is a symbolic link")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    problem = ""
    if found.st_uid not in (os.geteuid(), 0):
        problem = f"{folder} belongs to uid {found.st_uid}"
    elif found.st_mode & _OTHERS:
        problem = f"others have access to {folder} (mode {stat.S_IMODE(found.st_mode):04o}, expected 0700)"
    if problem:
        os.close(descriptor)
        raise UnsafePlace(problem)
    return descriptor


def check_socket(folder: int, name: str) -> bool:
    """Return whether the socket called ``name`` is in the open folder.

    Raises:
        UnsafePlace: What is there is a symbolic link or no socket, or somebody else's (root may own it).
    """
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(found.st_mode):
        raise UnsafePlace(f"{name} is a symbolic link, not a socket")
    if not stat.S_ISSOCK(found.st_mode):
        raise UnsafePlace(f"{name} is not a socket")
    if found.st_uid not in (os.geteuid(), 0):
        raise UnsafePlace(f"the socket belongs to the user with id {found.st_uid}")
    return True


def address(folder: int, path: str) -> str:
    """Return what to bind or connect to: the socket in the open folder, however long its path is."""
    # The kernel takes 108 bytes at most, and looks the folder up again.
    through = f"/proc/self/fd/{folder}"
    return f"{through}/{os.path.basename(path)}" if os.path.isdir(through) else path
