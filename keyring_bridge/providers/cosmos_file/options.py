"""Options of a ``cosmosfile`` provider."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.errors import ConfigError
from keyring_bridge.keyring_directory import KeyringKind
from keyring_bridge.secrets import parse_source

if TYPE_CHECKING:
    from keyring_bridge.secrets import SecretSource


@dataclass(frozen=True, slots=True)
class Options:
    """What ``[providers.NAME]`` of a ``cosmosfile`` backend may say.

    Attributes:
        directory: The keyring directory, or the one above it (a chain's ``--keyring-dir`` or ``--home``).
        kind: ``file`` or ``test``, the SDK's backend that wrote it; found out if nothing is said.
        passphrase_source: Where the password of a ``file`` keyring comes from, a source of
            :mod:`keyring_bridge.secrets`; ``prompt`` if nothing is said.
        pin_source: The same by the name that other backends have for it.
        idle_timeout: Seconds without an operation after which password and keys are wiped from memory; 0 for never.
    """

    directory: Path
    kind: str | None = None
    passphrase_source: str | None = None
    pin_source: str | None = None
    idle_timeout: float = 900.0

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in tuple(KeyringKind):
            raise ConfigError("`kind` must be `file` or `test`")
        if self.passphrase_source is not None and self.pin_source is not None:
            raise ConfigError("`passphrase_source` and `pin_source` are the same; say one of them")
        parse_source(self._source)
        if not 0 <= self.idle_timeout <= 31_536_000:
            raise ConfigError("`idle_timeout` must be between 0 and 31536000 seconds")

    @property
    def keyring_kind(self) -> KeyringKind | None:
        """Which backend wrote the directory, if it is said."""
        return KeyringKind(self.kind) if self.kind is not None else None

    @property
    def source(self) -> SecretSource:
        """Where the password comes from."""
        return parse_source(self._source)

    @property
    def _source(self) -> str:
        return next((said for said in (self.passphrase_source, self.pin_source) if said is not None), "prompt")
