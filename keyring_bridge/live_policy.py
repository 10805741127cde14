"""The policy as it stands in its file, read again when the file changes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from keyring_bridge.errors import PolicyInvalid
from keyring_bridge.policy import Policy

_Stamp = tuple[int, int, int, int]

SETTLED_SECONDS = 0.2
"""A file that is rewritten in its place is taken up once it has been left alone for so long."""

_PATIENCE_SECONDS = 2.0


class LivePolicy:
    """A policy file that may change while the bridge runs.

    A change is taken up whole or not at all: a file that does not parse makes every decision fail with
    ``policy_invalid`` until it does, instead of going on with the old rules. An editor that writes into the file itself
    leaves half of it there for a moment, and half a policy may parse and allow more: so such a file is read only once
    nobody has written to it for :data:`SETTLED_SECONDS`. A file that replaced the old one is read at once.

    Args:
        path: The policy file. While it does not exist the policy is empty, so nothing is signed.
        changed: Called with each policy before it counts for the first time; if it raises, the policy is not taken up.
    """

    def __init__(self, path: Path, changed: Callable[[Policy], None] | None = None) -> None:
        self._path = path
        self._name = os.fspath(path)
        self._changed = changed
        self._lock = threading.Lock()
        self._loaded: tuple[_Stamp | None, Policy] | None = None

    def current(self) -> Policy:
        """Return the policy.

        Raises:
            PolicyInvalid: The file does not parse, cannot be read, or is being written.
            InsecureFile: Others can write it.
        """
        stamp = self._stamp()
        loaded = self._loaded
        if loaded is not None and loaded[0] == stamp:
            return loaded[1]
        with self._lock:
            loaded = self._loaded
            stamp, policy = self._read(loaded)
            if self._changed is not None and (loaded is None or loaded[1].digest != policy.digest):
                self._changed(policy)
            self._loaded = (stamp, policy)
            return policy

    def _read(self, loaded: tuple[_Stamp | None, Policy] | None) -> tuple[_Stamp | None, Policy]:
        """Return the policy of a file that did not change while it was read, with the file's stamp."""
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while True:
            stamp = self._stamp()
            if stamp is None:
                return None, Policy.empty()
            in_place = loaded is not None and loaded[0] is not None and loaded[0][2] == stamp[2]
            if not in_place or _age(stamp) >= SETTLED_SECONDS:
                policy = Policy.load(self._path)
                if self._stamp() == stamp:
                    return stamp, policy
            if time.monotonic() > give_up:
                raise PolicyInvalid(f"{self._path}: the policy is being written again and again")
            time.sleep(0.02)

    def _stamp(self) -> _Stamp | None:
        """Return what changes when the file does; None if there is none."""
        try:
            found = os.stat(self._name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PolicyInvalid(f"{self._path}: the policy cannot be read ({error.strerror})") from error
        return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns)


def _age(stamp: _Stamp) -> float:
    """Return how many seconds ago a file was written; a moment to come is long ago: the clock was set back."""
    seconds = (time.time_ns() - max(stamp[0], stamp[3])) / 1e9
    return seconds if seconds >= 0 else SETTLED_SECONDS
