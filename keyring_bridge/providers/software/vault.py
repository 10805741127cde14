"""The decrypted keys of one key file, from unlocking to wiping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from keyring_bridge.errors import ObjectNotFound
from keyring_bridge.model import KeyInfo
from keyring_bridge.providers.held import Held
from keyring_bridge.providers.software.disk import Stamp, stamp_of
from keyring_bridge.uri import SoftwareUri

if TYPE_CHECKING:
    from keyring_bridge.providers.software.key_file import FileKey, StoredKey


class Vault(Held):
    """Keys that are decrypted, as the file had them at one moment.

    It never changes; after a change of the file there is another one.

    Args:
        file_key: Opens the file; taken over.
        keys: In the file's order; taken over.
        stamp: Of the file that they were read from.
    """

    def __init__(self, file_key: FileKey, keys: Iterable[StoredKey], stamp: Stamp) -> None:
        super().__init__()
        self.file_key = file_key
        self.keys: Mapping[str, StoredKey] = MappingProxyType({self.uri_of(key): key for key in keys})
        self._stamp = stamp

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

    def _wipe(self) -> None:
        self.file_key.wipe()
        for key in self.keys.values():
            key.secret.wipe()
