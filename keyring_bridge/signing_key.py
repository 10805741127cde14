"""A key that the pipeline found for a name: where it is, and what must come out of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import KeyType
from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import CannotSign

if TYPE_CHECKING:
    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeyRef, Purpose
    from keyring_bridge.providers.base import ProviderBase


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A resolved key.

    Attributes:
        name: Of its record; empty for a key that has none yet.
        hashes: Whether it signs a digest (ECDSA) rather than the message (ed25519).
        until: Moment from which it signs no more, None for never.
    """

    name: str
    ref: KeyRef
    provider: ProviderBase
    purpose: Purpose
    public_key: PublicKey
    fingerprint: str
    hashes: bool
    until: datetime | None = None

    @classmethod
    def of(
        cls,
        name: str,
        ref: KeyRef,
        provider: ProviderBase,
        purpose: Purpose,
        public_key: PublicKey | None = None,
        until: datetime | None = None,
    ) -> SigningKey:
        """Return the key at ``ref``; ``public_key`` is the record's, which may hash and have its address otherwise."""
        key = public_key or ref.public_key
        return cls(name, ref, provider, purpose, key, key.fingerprint, key.key_type is not KeyType.ED25519, until)

    def require_current(self) -> None:
        """Raise CannotSign if the key was replaced by another one, and the time in which it still signs is over."""
        if self.until is not None and datetime.now(UTC) >= self.until:
            raise CannotSign(
                f"{self.name} was replaced by another key and only verifies since {self.until:%Y-%m-%dT%H:%M:%SZ}",
                hint="`hsm keys show` names its successor",
            )
