"""Keeping a process's memory to itself."""

from __future__ import annotations

import resource
import sys

_PR_SET_DUMPABLE = 4


def harden_process() -> None:
    """Switch off core dumps, and reading this process's memory by others of the same user (on Linux).

    Call it first in every program that will hold a PIN. It cannot be undone by the process itself. Root can read
    everything regardless.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
