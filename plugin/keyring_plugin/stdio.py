"""Standard input and output as a connection that nothing else can touch."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from keyring_plugin.connection import Connection
from keyring_plugin.service import Peer

_INPUT, _OUTPUT, _ERRORS = 0, 1, 2


def take_over() -> Connection:
    """Move standard input and output elsewhere and return them as a connection.

    From then on whatever writes to descriptor 1 — C libraries too — reaches standard error, and whatever reads from
    descriptor 0 finds it empty: neither a device's library nor a command that fetches a PIN can touch the protocol.

    Raises:
        OSError: Standard input or output is closed.
    """
    # A descriptor that is closed would be the next one that is given out.
    os.fstat(_INPUT)
    os.fstat(_OUTPUT)
    null = os.open(os.devnull, os.O_RDWR)
    try:
        # Copies are not inherited by child processes.
        reading, writing = os.dup(_INPUT), os.dup(_OUTPUT)
        try:
            os.fstat(_ERRORS)
        except OSError:
            os.dup2(null, _ERRORS)
        os.dup2(null, _INPUT)
        os.dup2(_ERRORS, _OUTPUT)
    finally:
        if null > _ERRORS:
            os.close(null)
    if sys.stderr is None:
        sys.stderr = open(_ERRORS, "w", closefd=False)  # noqa: SIM115  # it lives as long as the process
    return Connection(reading, writing)


def parent() -> Peer:
    """Return who is on the other side of the pipes: our parent, which runs as our own user."""
    pid = os.getppid()
    hints = [("transport", "stdio"), ("pid", str(pid))]
    with suppress(OSError):  # another user's process, or no /proc
        hints.append(("exe", os.readlink(f"/proc/{pid}/exe")))
    return Peer(f"uid:{os.getuid()}", tuple(hints))
