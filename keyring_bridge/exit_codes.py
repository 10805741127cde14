"""Exit codes of the programs."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of ``hsm`` and ``keyring-plugin``."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    CONFIG = 3
    NOT_FOUND = 4
    CONFLICT = 5
    DENIED = 6
    AUTH = 7
    PROVIDER = 8
    INTEGRITY = 9
    UNAVAILABLE = 10
    MISSING_EXTRA = 11
