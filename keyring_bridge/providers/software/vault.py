"""The decrypted keys of one key file, from unlocking to wiping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from keyring_bridge.errors import ObjectNotFound
from keyring_bridge.model import KeyInfo
from keyring_bridge.providers.software.disk import Stamp, stamp_of
from keyring_bridge.uri import SoftwareUri

if TYPE_CHECKING:
    from keyring_bridge.providers.software.key_file import FileKey, StoredKey


class Vault:
    """Keys that are decrypted, as the file had them at one moment.

    It never changes; after a change of the file there is another one. It is wiped when it was retired and the last
    operation that uses it has ended.

    Args:
        file_key: Opens the file; taken over.
        keys: In the file's order; taken over.
        stamp: Of the file that they were read from.
    """

    def __init__(self, file_key: FileKey, keys: Iterable[StoredKey], stamp: Stamp) -> None:
        self.file_key = file_key
        self.keys: Mapping[str, StoredKey] = MappingProxyType({self.uri_of(key): key for key in keys})
        self._stamp = stamp
        self._lock = threading.Lock()
        self._users = 0
        self._last_used = time.monotonic()
        self._retired = threading.Event()

    def is_current(self, file: Path) -> bool:
        """Whether the file is still the one that the keys were read from."""
        try:
            return stamp_of(file) == self._stamp
        except OSError:
            return False

    def locate(self, uri: str) -> StoredKey:
        """Return the key at ``uri``.

        Raises:
            InvalidUri: Not a URI of a key of this backend.
            ObjectNotFound: The key is not there, or in another file.
        """
        key = self.keys.get(uri)
        if key is not None:
            return key
        parsed = SoftwareUri.parse(uri)
        if parsed.store != self.file_key.header.store:
            raise ObjectNotFound("the key is in another key file", detail=uri)
        key = self.keys.get(parsed.format())
        if key is None:
            raise ObjectNotFound("the key is not in the key file", detail=uri)
        return key

    def uri_of(self, key: StoredKey) -> str:
        """Return the place of a key; it stays when the key is renamed or the file is moved."""
        return SoftwareUri(self.file_key.header.store, key.id).format()

    def describe(self, key: StoredKey) -> KeyInfo:
        """Return what listings show of a key. It can be copied with the file, so it counts as extractable."""
        return KeyInfo(
            label=key.label,
            key_id=key.id,
            public_key=key.public_key,
            uri=self.uri_of(key),
            extractable=True,
            sensitive=False,
            local=not key.imported,
            created_at=key.created_at,
            purpose=key.purpose,
            hardware=False,
        )

    def enter(self) -> bool:
        """Begin an operation; False if the vault was retired."""
        with self._lock:
            if self._retired.is_set():
                return False
            self._users += 1
            return True

    def leave(self) -> None:
        """End an operation."""
        with self._lock:
            self._users -= 1
            self._last_used = time.monotonic()
            self._wipe_if_done()

    def retire(self) -> None:
        """Let nobody enter any more, and wipe everything as soon as nobody is inside."""
        with self._lock:
            self._retired.set()
            self._wipe_if_done()

    def watch(self, idle_timeout: float, on_idle: Callable[[Vault], None]) -> None:
        """Call ``on_idle`` once, in a thread of its own, when nobody has used the keys for so many seconds."""

        def run() -> None:
            while not self._retired.wait(max(0.01, idle_timeout - self._idle_for())):
                if self._idle_for() >= idle_timeout:
                    on_idle(self)
                    return

        threading.Thread(target=run, name="software-idle", daemon=True).start()

    def _idle_for(self) -> float:
        with self._lock:
            return 0.0 if self._users else time.monotonic() - self._last_used

    def _wipe_if_done(self) -> None:
        if self._retired.is_set() and self._users == 0:
            self.file_key.wipe()
            for key in self.keys.values():
                key.secret.wipe()
