"""Votes and proposals, as a node asks for their signatures."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from cosmos_formats.privval.errors import InvalidMessage

YEAR_1: Final = -62_135_596_800
"""Seconds from 1970 back to the first moment of year 1, which stands for no time at all."""

YEAR_9999_END: Final = 253_402_300_799
NIL_ROUND: Final = -1
"""The proof-of-lock round of a proposal that has none."""

_HASH_LENGTH: Final = 32


class SignedType(IntEnum):
    """What can be signed in consensus."""

    PREVOTE = 1
    PRECOMMIT = 2
    PROPOSAL = 32


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A moment, in UTC.

    Attributes:
        seconds: Since 1970; from year 1 to year 9999.
        nanos: 0 to 999,999,999, forward from there.
    """

    seconds: int = YEAR_1
    nanos: int = 0

    def __post_init__(self) -> None:
        if not YEAR_1 <= self.seconds <= YEAR_9999_END or not 0 <= self.nanos < 1_000_000_000:
            raise InvalidMessage("timestamp out of range")


@dataclass(frozen=True, slots=True)
class BlockId:
    """A block, as votes name it.

    Attributes:
        hash: 32 bytes, or none.
        parts_total: How many parts it is sent in.
        parts_hash: 32 bytes, or none.
    """

    hash: bytes = b""
    parts_total: int = 0
    parts_hash: bytes = b""

    def __post_init__(self) -> None:
        if any(len(value) not in (0, _HASH_LENGTH) for value in (self.hash, self.parts_hash)):
            raise InvalidMessage("a hash of a block is not 32 bytes")
        if not 0 <= self.parts_total < 1 << 32:
            raise InvalidMessage("number of a block's parts out of range")

    @property
    def is_nil(self) -> bool:
        """Whether it names no block: a vote for nil."""
        return not self.hash and not self.parts_total and not self.parts_hash


NIL: Final = BlockId()


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote.

    Attributes:
        type: ``PREVOTE`` or ``PRECOMMIT``.
        height: Signed 64 bits. Sensible votes are above 0; what is signed is not decided here.
        round: Signed 32 bits.
        block_id: What it is for; :data:`NIL` for nil.
        timestamp: When the node made it.
        validator_address: Not signed.
        validator_index: Signed 32 bits. Not signed over.
        signature: Empty in a request.
        extension: Of the application; signed apart.
        extension_signature: Empty in a request.
    """

    type: SignedType
    height: int
    round: int
    block_id: BlockId = NIL
    timestamp: Timestamp = Timestamp()
    validator_address: bytes = b""
    validator_index: int = 0
    signature: bytes = field(default=b"", repr=False)
    extension: bytes = field(default=b"", repr=False)
    extension_signature: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if self.type not in (SignedType.PREVOTE, SignedType.PRECOMMIT):
            raise InvalidMessage("neither a prevote nor a precommit")
        check_range(self.height, 64, "height")
        check_range(self.round, 32, "round")
        check_range(self.validator_index, 32, "validator's index")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal of a block.

    Attributes:
        height: Signed 64 bits.
        round: Signed 32 bits.
        pol_round: Round of the proof of lock, :data:`NIL_ROUND` for none; signed 32 bits.
        block_id: The block.
        timestamp: When the node made it.
        signature: Empty in a request.
    """

    height: int
    round: int
    pol_round: int = NIL_ROUND
    block_id: BlockId = NIL
    timestamp: Timestamp = Timestamp()
    signature: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        check_range(self.height, 64, "height")
        check_range(self.round, 32, "round")
        check_range(self.pol_round, 32, "proof-of-lock round")


def check_range(value: int, bits: int, what: str) -> None:
    """Check that a number is a signed integer of so many bits.

    Raises:
        InvalidMessage: It is not.
    """
    if not -1 << (bits - 1) <= value < 1 << (bits - 1):
        raise InvalidMessage(f"{what} out of range")
