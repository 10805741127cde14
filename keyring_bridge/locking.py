"""An exclusive lock on an open file, between processes."""

from __future__ import annotations

import fcntl
import time


def lock(fd: int, seconds: float) -> bool:
    """Lock a file with ``flock``, waiting for other processes; False if one kept it for all the ``seconds``.

    Threads that share the descriptor are not told apart: they need a lock of their own around this one.

    Raises:
        OSError: The file system has no locks.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _wait(fd, seconds)
    return True


def unlock(fd: int) -> None:
    """Give the lock back."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def _wait(fd: int, seconds: float) -> bool:
    give_up = time.monotonic() + seconds
    pause = 0.00002
    while time.monotonic() < give_up:
        time.sleep(pause)
        pause = min(pause * 2, 0.002)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False
