"""Which files a store trusts."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from keyring_bridge.errors import InsecureFile


def check_file(status: os.stat_result, path: Path, what: str) -> None:
    """Check that a file is a regular one of this user or of root that nobody else can write.

    Args:
        status: Of the file itself, not of what a symbolic link points at.
        path: Where it is.
        what: What it should be, for the error.

    Raises:
        InsecureFile: It is not.
    """
    if not stat.S_ISREG(status.st_mode):
        raise InsecureFile(f"{what} is not a regular file", detail=str(path))
    if status.st_uid not in (0, os.geteuid()):
        raise InsecureFile(f"{what} belongs to uid {status.st_uid}, neither to this user nor to root", detail=str(path))
    if status.st_mode & 0o022:
        raise InsecureFile(f"others may write to {what}", hint="chmod 600", detail=str(path))
