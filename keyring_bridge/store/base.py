"""What a store is: key records with their invariants, what consensus keys signed elsewhere, and a memory of nonces.

Rules that every store keeps, also between processes:

* A name and an address belong to one record. The SDK silently overwrites; a store refuses.
* A change of records is durable when the method returns, and happens as a whole or not at all.
* Of every key the last :data:`NONCES_KEPT` nonces are remembered. They survive a killed process; a power cut may
  take the last half minute.
* No sequence of reservations, by however many threads and processes, takes more from a limit's counter than it allows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from cosmos_formats.quickclass import dataclass
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cosmos_formats.pubkeys import KeyType
    from cosmos_formats.record import Record
    from keyring_bridge.store.counters import Charge, Full, Taken

    History = Callable[[Charge], Iterable[tuple[float, int]]]
    """What counts of earlier signatures: how many seconds ago, and how much; oldest first."""

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
        needs_floor: Of a consensus key that came from elsewhere: it signs nothing until somebody says above which
            height it may, because nobody here knows what it signed before.
        successor: Fingerprint of the key that takes this one's place, if it was rotated.
        verify_only_from: Moment (UTC, microseconds) from which the key signs nothing any more; None for never.
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
    needs_floor: bool = False
    successor: str | None = None
    verify_only_from: datetime | None = None

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
        if self.needs_floor and self.purpose is not Purpose.CONSENSUS:
            raise ValueError("only a consensus key has a floor")
        if self.verify_only_from is not None:
            if self.verify_only_from.tzinfo is None:
                raise ValueError("verify_only_from needs a time zone")
            object.__setattr__(self, "verify_only_from", self.verify_only_from.astimezone(UTC))


@dataclass(frozen=True, slots=True, order=True)
class LastSigned:
    """The highest vote or proposal that a consensus key is known to have signed elsewhere.

    A floor that is set for the key later lies above it, and undoing a migration writes it back into the source's state.

    Attributes:
        height: Of the block.
        round: Within the height.
        step: CometBFT's: 1 a proposal, 2 a prevote, 3 a precommit, 0 nothing yet.
    """

    height: int
    round: int
    step: int

    def __post_init__(self) -> None:
        if not (0 <= self.height < 2**63 and 0 <= self.round < 2**31 and 0 <= self.step <= 3):
            raise ValueError("height, round or step is out of range")


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

    def note_last_signed(self, fingerprint: str, chain_id: str, signed: LastSigned) -> None:
        """Remember what a consensus key signed elsewhere; what is known already is only ever raised.

        Args:
            fingerprint: The key's, 64 hexadecimal digits.
            chain_id: The chain; empty where its source does not tell, as CometBFT's state file.
            signed: The highest that is known.
        """
        ...

    def last_signed(self, fingerprint: str) -> Mapping[str, LastSigned]:
        """Return what a consensus key signed elsewhere, by chain id."""
        ...

    def reserve(self, charges: Sequence[Charge], history: History) -> tuple[Taken, ...] | Full:
        """Take from counters of limits, from all of them or from none.

        What is taken is seen at once by every process that uses the store, and survives this one.

        Args:
            charges: What to take, each from another counter.
            history: Tells what was signed before a counter was kept; asked once for each new one.

        Returns:
            What to give back if nothing is signed, or the first counter from which not enough can be taken.
        """
        ...

    def give_back(self, taken: Sequence[Taken]) -> None:
        """Give back what :meth:`reserve` took, because it is certain that no signature came of it."""
        ...

    def close(self) -> None:
        """Give back files and locks. May be called twice; any other method fails afterwards."""
        ...
