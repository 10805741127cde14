"""The memory of nonces: has this key's device used a nonce twice?

Two ECDSA signatures of one key over different digests with the same ``r`` give the private key away. A device whose
random numbers repeat must not get its second signature out of the bridge.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path

from keyring_bridge.errors import StoreFailed
from keyring_bridge.store.nonce_file import WHAT, NonceFile

OPEN_FILES = 32
"""So many keys' files stay open and in memory, the latest used ones; each takes up to 3 MB."""


class NonceMemory:
    """The last nonces of every key, in one file per key. For threads and processes; not to be used after a fork.

    Args:
        folder: Where the files are; made, 0700, with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._files: OrderedDict[str, NonceFile] = OrderedDict()
        self._closed = False

    def note(self, fingerprint: str, r: bytes, digest: bytes) -> bool:
        """See :meth:`keyring_bridge.store.base.Store.note_nonce`."""
        with self._lock:
            file = self._files.get(fingerprint)
            if file is None:
                file = self._open(fingerprint)
            elif os.getpid() != self._process:
                raise StoreFailed(f"{WHAT} was opened before a fork")
            self._files.move_to_end(fingerprint)
            return file.note(r, digest)

    def close(self) -> None:
        """Close the files. May be called twice."""
        with self._lock:
            self._closed = True
            while self._files:
                self._files.popitem()[1].close()

    def _open(self, fingerprint: str) -> NonceFile:
        if self._closed:
            raise StoreFailed(f"{WHAT} is closed")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreFailed(f"{WHAT} cannot be opened", detail=f"{self._folder}: {error.strerror}") from error
        file = self._files[fingerprint] = NonceFile(self._folder / fingerprint, fingerprint)
        if len(self._files) > OPEN_FILES:
            self._files.popitem(last=False)[1].close()
        return file
