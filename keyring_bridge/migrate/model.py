"""What a source of keys is, and what it tells about each of them before anything secret is needed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cosmos_formats.private_keys import PrivateKey
    from cosmos_formats.record import Record
    from keyring_bridge.migrate.state_files import StateFile
    from keyring_bridge.model import Purpose


class SourceKind(StrEnum):
    """Where keys can come from."""

    KEYRING_FILE = "keyring-file"
    """The SDK's ``file`` keyring."""
    KEYRING_TEST = "keyring-test"
    """The SDK's ``test`` keyring."""
    ARMOR = "armor"
    """What a chain's ``keys export`` wrote."""
    HEX = "hex"
    """64 hexadecimal digits."""
    MNEMONIC = "mnemonic"
    """BIP-39 words."""
    VALIDATOR = "validator-key"
    """CometBFT's ``priv_validator_key.json``."""
    NODE = "node-key"
    """CometBFT's ``node_key.json``."""
    TMKMS = "tmkms"
    """A softsign key of tmkms."""
    COSMOS_KMS = "cosmos-kms"
    """A key file of Cosmos-KMS."""
    PEM = "pem"
    """PKCS#8 or SEC 1 in PEM, encrypted or not."""


@dataclass(frozen=True, slots=True)
class SourceKey:
    """One key of a source.

    Attributes:
        item: Names it within the source for good, such as ``alice.info``; empty where a source is one key.
        name: What the source calls it; empty if it has no name there.
        record: All that is public of it; None if it cannot be read.
        purpose: What it is for, None if the source does not tell.
        trouble: Why it cannot be read, else empty.
        legacy: It was written by SDK 0.45 or earlier.
        files: What retirement removes: the key's own file first, then what leads to it.
    """

    item: str
    name: str
    record: Record | None
    purpose: Purpose | None = None
    trouble: str = ""
    legacy: bool = False
    files: tuple[Path, ...] = ()

    @property
    def holds_secret(self) -> bool:
        """Whether the source has the key's private half."""
        return self.record is not None and self.record.kind == "local"


class Source(Protocol):
    """Keys that are to be migrated. Reading never changes a source.

    Attributes:
        kind: What it is.
        path: Where it is; None for a secret that came from nowhere on disk.
        state: The file that says what a consensus key signed last, if the source has one.
    """

    kind: SourceKind
    path: Path | None
    state: StateFile | None

    @property
    def identity(self) -> str:
        """Names the source for good, so that an interrupted migration finds itself again."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the source and does no harm to its keys; complete after :meth:`keys`."""
        ...

    def keys(self) -> tuple[SourceKey, ...]:
        """Return every key, with private halves opened, checked against the public ones and wiped again.

        Raises:
            SourcePasswordIncorrect: The password is wrong.
            SourceUnreadable: Nothing can be read.
        """
        ...

    def open(self, key: SourceKey) -> PrivateKey:
        """Return a private key; the caller wipes it. May be called from several threads.

        Raises:
            SourceChanged: It is not the key any more that :meth:`keys` told of.
        """
        ...

    def close(self) -> None:
        """Wipe what opens the source."""
        ...
