"""Sources of one key: a file of a validator, a node or a signer, an armor, a PEM file, digits, or words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.record import Local, Record
from keyring_bridge.migrate.errors import SourceChanged
from keyring_bridge.migrate.model import SourceKey, SourceKind

if TYPE_CHECKING:
    from cosmos_formats.private_keys import PrivateKey
    from cosmos_formats.pubkeys import KeyType
    from keyring_bridge.migrate.state_files import StateFile
    from keyring_bridge.model import Purpose
    from keyring_bridge.secrets import SecretBytes


class SingleSource:
    """One private key.

    Args:
        kind: What it is.
        path: The file; None for a secret that is in none.
        read: Opens it anew; the caller wipes the key.
        purpose: Tells what a key of a type is for, None if the source does not tell.
        secrets: What ``read`` needs; wiped by :meth:`close`.
        state: What it signed last, if it is a consensus key's source.
    """

    def __init__(
        self,
        kind: SourceKind,
        path: Path | None,
        read: Callable[[], PrivateKey],
        purpose: Callable[[KeyType], Purpose | None],
        *,
        secrets: tuple[SecretBytes, ...] = (),
        state: StateFile | None = None,
    ) -> None:
        self.kind = kind
        self.path = path
        self.state = state
        self._read = read
        self._secrets = secrets
        self._purpose = purpose
        self._key: SourceKey | None = None

    @property
    def identity(self) -> str:
        """See :class:`~keyring_bridge.migrate.model.Source`. Without a file, the public key names it."""
        if self.path is not None:
            return f"{self.kind}:{self.path.resolve()}"
        (key,) = self.keys()
        return f"{self.kind}:{getattr(key.record and key.record.public_key, 'fingerprint', '')}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """See :class:`~keyring_bridge.migrate.model.Source`."""
        return ()

    def keys(self) -> tuple[SourceKey, ...]:
        """See :class:`~keyring_bridge.migrate.model.Source`."""
        if self._key is None:
            opened = self._read()
            opened.wipe()
            files = () if self.path is None else (self.path,)
            purpose = self._purpose(opened.key_type)
            self._key = SourceKey("", "", Record("", opened.public_key, Local(None)), purpose, files=files)
        return (self._key,)

    def open(self, key: SourceKey) -> PrivateKey:
        """See :class:`~keyring_bridge.migrate.model.Source`."""
        opened = self._read()
        if key.record is None or opened.public_key != key.record.public_key:
            opened.wipe()
            raise SourceChanged("the source has another key now")
        return opened

    def close(self) -> None:
        """See :class:`~keyring_bridge.migrate.model.Source`."""
        for secret in self._secrets:
            secret.wipe()
