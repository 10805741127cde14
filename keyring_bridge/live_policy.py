"""The policy as it stands in its file, read again when the file changes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from keyring_bridge.errors import PolicyInvalid
from keyring_bridge.policy import Policy

_Stamp = tuple[int, int, int, int]


class LivePolicy:
    """A policy file that may change while the bridge runs.

    A change is taken up whole or not at all: a file that does not parse makes every decision fail with
    ``policy_invalid`` until it does, instead of going on with the old rules.

    Args:
        path: The policy file. While it does not exist the policy is empty, so nothing is signed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = os.fspath(path)
        self._lock = threading.Lock()
        self._loaded: tuple[_Stamp, Policy] | None = None

    def current(self) -> Policy:
        """Return the policy.

        Raises:
            PolicyInvalid: The file does not parse, or cannot be read.
            InsecureFile: Others can write it.
        """
        try:
            found = os.stat(self._name)
        except FileNotFoundError:
            return Policy.empty()
        except OSError as error:
            raise PolicyInvalid(f"{self._path}: the policy cannot be read ({error.strerror})") from error
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns)
        loaded = self._loaded
        if loaded is not None and loaded[0] == stamp:
            return loaded[1]
        with self._lock:
            policy = Policy.load(self._path)
            self._loaded = (stamp, policy)
            return policy
