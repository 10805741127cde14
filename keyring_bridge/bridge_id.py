"""The name of this installation in audit logs."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from keyring_bridge.errors import StoreFailed

_BRIDGE_ID = re.compile(rb"[0-9a-f]{16}\n")


def bridge_id(state_dir: Path) -> str:
    """Return this installation's name in the audit log: 16 hexadecimal digits, made once.

    Raises:
        StoreFailed: The file that keeps it is damaged or cannot be read.
    """
    path = state_dir / "bridge-id"
    with suppress(FileExistsError):
        # Of several processes that start for the first time, one makes the file.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(8).hex().encode() + b"\n")
    for _ in range(100):
        try:
            found = path.read_bytes()
        except OSError as error:
            raise StoreFailed("the bridge's id cannot be read", detail=str(error)) from error
        if _BRIDGE_ID.fullmatch(found):
            return found[:16].decode("ascii")
        # The process that makes it may be about to write it.
        time.sleep(0.01)
    raise StoreFailed("the file with the bridge's id is damaged", hint="remove it", detail=str(path))
