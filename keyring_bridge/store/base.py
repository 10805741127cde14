"""What a store is: key records with their invariants, and a memory of nonces.

Rules that every store keeps, also between processes:

* A name and an address belong to one record. The SDK silently overwrites; a store refuses.
* A change of records is durable when the method returns, and happens as a whole or not at all.
* Of every key the last :data:`NONCES_KEPT` nonces are remembered. They survive a killed process; a power cut may
  take the last half minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cosmos_formats.pubkeys import KeyType
    from cosmos_formats.record import Record
    from keyring_bridge.model import Purpose

NONCES_KEPT = 10_000
"""How many of a key's nonces a store remembers, at least."""

MAX_ADDRESS_BYTES = 64


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A keyring record and what the bridge knows about its key.

    Attributes:
        name: Name of the key, unique; equal to ``record.name``.
        record: The SDK's record, without a private key.
        address: Raw address bytes, unique.
        provider: Name of the configured provider that holds the private key; None for records without one.
        uri: The key's place in that provider; set exactly when ``provider`` is.
        key_type: Curve; None for multisig records.
        purpose: What the key is for, fixed for its life.
        fingerprint: SHA-256 of the public key's bytes in hexadecimal; None for multisig records.
        created_at: When the key was made or the record saved, UTC, microseconds.
        hardware: Whether the private key is in hardware; None for records without one.
        extractable: Whether the token may give the private key out (wrapped), as it said when the record was made; None
            for records without one, and where nobody could tell.
    """

    name: str
    record: Record
    address: bytes
    provider: str | None
    uri: str | None
    key_type: KeyType | None
    purpose: Purpose
    fingerprint: str | None
    created_at: datetime
    hardware: bool | None
    extractable: bool | None = None

    def __post_init__(self) -> None:
        if self.name != self.record.name:
            raise ValueError("the record has another name")
        if not 1 <= len(self.address) <= MAX_ADDRESS_BYTES:
            raise ValueError(f"address of {len(self.address)} bytes")
        if (self.provider is None) != (self.uri is None):
            raise ValueError("provider and uri go together")
        if getattr(self.record.item, "private_key", None) is not None:
            raise ValueError("private keys do not belong in a store")
        if self.created_at.tzinfo is None:
            raise ValueError("created_at needs a time zone")
        object.__setattr__(self, "created_at", self.created_at.astimezone(UTC))


class Store(Protocol):
    """Durable records and counters. Used from several threads and by several processes at once.

    Every method raises :class:`~keyring_bridge.errors.StoreFailed` when the storage fails.
    """

    def add(self, record: StoredRecord) -> None:
        """Add a record.

        Raises:
            KeyExists: The name is taken.
            DuplicateAddress: Another record has the address.
        """
        ...

    def get(self, name: str) -> StoredRecord | None:
        """Return the record called ``name``, or None."""
        ...

    def by_address(self, address: bytes) -> StoredRecord | None:
        """Return the record with this raw address, or None."""
        ...

    def list(self) -> list[StoredRecord]:
        """Return all records, ordered as the SDK does: by the UTF-8 bytes of the name followed by ``.info``."""
        ...

    def delete(self, name: str) -> None:
        """Remove a record; the key itself is not touched.

        Raises:
            KeyNotFound: There is none of that name.
        """
        ...

    def rename(self, old: str, new: str, uri: str | None = None) -> None:
        """Give a record another name, and its key another place if ``uri`` is given.

        Raises:
            KeyNotFound: There is none called ``old``.
            KeyExists: ``new`` is taken.
        """
        ...

    def update(self, record: StoredRecord) -> None:
        """Replace the record of the same name.

        Raises:
            KeyNotFound: There is none of that name.
            DuplicateAddress: Another record has the address.
        """
        ...

    def note_nonce(self, fingerprint: str, r: bytes, digest: bytes) -> bool:
        """Remember that a key's signature over ``digest`` has the nonce point ``r``.

        Args:
            fingerprint: The key's, 64 hexadecimal digits.
            r: First half of the signature, 32 bytes.
            digest: What was signed, 32 bytes.

        Returns:
            False if one of the key's last :data:`NONCES_KEPT` signatures has the same ``r`` over another digest; such
            a signature gives the private key away. Otherwise True.
        """
        ...

    def close(self) -> None:
        """Give back files and locks. May be called twice; any other method fails afterwards."""
        ...
