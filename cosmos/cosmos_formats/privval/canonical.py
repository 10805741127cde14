"""The bytes that a consensus key signs: canonical votes, proposals and vote extensions, each behind its length.

They name type, height, round, block, moment and chain, but not the validator. The specification is CometBFT's
``types/canonical.go`` and ``canonical.proto``. A message is written here in one way only, so two of them are the same
exactly if their bytes are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cosmos_formats import wire
from cosmos_formats.privval import fields
from cosmos_formats.privval.errors import InvalidMessage
from cosmos_formats.privval.fields import Kind
from cosmos_formats.privval.model import NIL, BlockId, Proposal, SignedType, Timestamp, Vote, check_range
from cosmos_formats.privval.parts import read_block_id, read_timestamp, write_block_id, write_timestamp

_TYPE: Final = {1: Kind.INT32}
_VOTE: Final = {
    1: Kind.INT32,
    2: Kind.SFIXED64,
    3: Kind.SFIXED64,
    4: Kind.MESSAGE,
    5: Kind.MESSAGE,
    6: Kind.TEXT,
}
_PROPOSAL: Final = {
    1: Kind.INT32,
    2: Kind.SFIXED64,
    3: Kind.SFIXED64,
    4: Kind.INT64,
    5: Kind.MESSAGE,
    6: Kind.MESSAGE,
    7: Kind.TEXT,
}


@dataclass(frozen=True, slots=True)
class Canonical:
    """What the sign bytes of a vote or a proposal say.

    Attributes:
        type: Which of the three it is.
        height: Signed 64 bits.
        round: Signed 32 bits.
        block_id: :data:`NIL` for a vote for nil.
        timestamp: The moment in it.
        chain_id: The chain.
        pol_round: Of a proposal; 0 for votes.
    """

    type: SignedType
    height: int
    round: int
    block_id: BlockId
    timestamp: Timestamp
    chain_id: str
    pol_round: int = 0

    def __post_init__(self) -> None:
        check_range(self.height, 64, "height")
        check_range(self.round, 32, "round")
        check_range(self.pol_round, 32, "proof-of-lock round")

    @classmethod
    def of_vote(cls, chain_id: str, vote: Vote) -> Canonical:
        """Return what the signature of a vote is over."""
        return cls(vote.type, vote.height, vote.round, vote.block_id, vote.timestamp, chain_id)

    @classmethod
    def of_proposal(cls, chain_id: str, proposal: Proposal) -> Canonical:
        """Return what the signature of a proposal is over."""
        return cls(
            SignedType.PROPOSAL,
            proposal.height,
            proposal.round,
            proposal.block_id,
            proposal.timestamp,
            chain_id,
            proposal.pol_round,
        )

    def to_sign_bytes(self) -> bytes:
        """Return length and message.

        Raises:
            InvalidProtobuf: The chain id cannot be written as UTF-8.
        """
        proposal = self.type is SignedType.PROPOSAL
        block = 5 if proposal else 4
        message = b"".join(
            (
                fields.integer(1, self.type),
                fields.fixed(2, self.height),
                fields.fixed(3, self.round),
                fields.integer(4, self.pol_round) if proposal else b"",
                b"" if self.block_id.is_nil else wire.message_field(block, write_block_id(self.block_id)),
                wire.message_field(block + 1, write_timestamp(self.timestamp)),
                wire.text_field(block + 2, self.chain_id),
            )
        )
        return wire.varint(len(message)) + message

    @classmethod
    def from_sign_bytes(cls, data: bytes) -> Canonical:
        """Read length and message.

        Raises:
            InvalidMessage: Anything but the canonical bytes of a vote or a proposal.
        """
        try:
            size, start = wire.read_varint(data, 0)
            message = data[start:]
            kind = SignedType(fields.read(message, _TYPE).number(1))
            found = fields.read(message, _PROPOSAL if kind is SignedType.PROPOSAL else _VOTE)
            block = 5 if kind is SignedType.PROPOSAL else 4
            nil = found.message(block) is None
            read = cls(
                kind,
                found.number(2),
                found.number(3),
                NIL if nil else read_block_id(found.message(block)),
                read_timestamp(found.message(block + 1)),
                found.text(block + 2),
                found.number(4) if kind is SignedType.PROPOSAL else 0,
            )
            same = size == len(message) and read.to_sign_bytes() == data
        except ValueError:
            raise InvalidMessage("sign bytes that are no canonical vote or proposal") from None
        if not same:
            raise InvalidMessage("sign bytes that are no canonical vote or proposal")
        return read


def vote_sign_bytes(chain_id: str, vote: Vote) -> bytes:
    """Return what the signature of a vote is over: length and ``CanonicalVote``.

    Raises:
        InvalidProtobuf: The chain id cannot be written as UTF-8.
    """
    return Canonical.of_vote(chain_id, vote).to_sign_bytes()


def proposal_sign_bytes(chain_id: str, proposal: Proposal) -> bytes:
    """Return what the signature of a proposal is over: length and ``CanonicalProposal``.

    Raises:
        InvalidProtobuf: The chain id cannot be written as UTF-8.
    """
    return Canonical.of_proposal(chain_id, proposal).to_sign_bytes()


def extension_sign_bytes(chain_id: str, vote: Vote) -> bytes:
    """Return what the signature of a vote's extension is over: length and ``CanonicalVoteExtension``.

    Raises:
        InvalidProtobuf: The chain id cannot be written as UTF-8.
    """
    message = b"".join(
        (
            wire.bytes_field(1, vote.extension),
            fields.fixed(2, vote.height),
            fields.fixed(3, vote.round),
            wire.text_field(4, chain_id),
        )
    )
    return wire.varint(len(message)) + message
