"""Votes, proposals and their parts in protobuf."""

from __future__ import annotations

from typing import Final

from cosmos_formats import wire
from cosmos_formats.privval import fields
from cosmos_formats.privval.errors import InvalidMessage
from cosmos_formats.privval.fields import Kind
from cosmos_formats.privval.model import BlockId, Proposal, SignedType, Timestamp, Vote

_TIMESTAMP: Final = {1: Kind.INT64, 2: Kind.INT32}
_BLOCK_ID: Final = {1: Kind.BYTES, 2: Kind.MESSAGE}
_PARTS: Final = {1: Kind.UINT32, 2: Kind.BYTES}
_VOTE: Final = {
    1: Kind.INT32,
    2: Kind.INT64,
    3: Kind.INT32,
    4: Kind.MESSAGE,
    5: Kind.MESSAGE,
    6: Kind.BYTES,
    7: Kind.INT32,
    8: Kind.BYTES,
    9: Kind.BYTES,
    10: Kind.BYTES,
}
_PROPOSAL: Final = {
    1: Kind.INT32,
    2: Kind.INT64,
    3: Kind.INT32,
    4: Kind.INT32,
    5: Kind.MESSAGE,
    6: Kind.MESSAGE,
    7: Kind.BYTES,
}


def write_timestamp(moment: Timestamp) -> bytes:
    """Return ``google.protobuf.Timestamp``."""
    return fields.integer(1, moment.seconds) + fields.integer(2, moment.nanos)


def read_timestamp(data: bytes | None) -> Timestamp:
    """Read ``google.protobuf.Timestamp``; an absent one is year 1, as Go has it.

    Raises:
        InvalidMessage: Out of range.
        InvalidProtobuf: Not protobuf.
    """
    if data is None:
        return Timestamp()
    found = fields.read(data, _TIMESTAMP)
    return Timestamp(found.number(1), found.number(2))


def write_block_id(block: BlockId) -> bytes:
    """Return ``BlockID``, and ``CanonicalBlockID``, which is the same."""
    parts = fields.integer(1, block.parts_total) + wire.bytes_field(2, block.parts_hash)
    return wire.bytes_field(1, block.hash) + wire.message_field(2, parts)


def read_block_id(data: bytes | None) -> BlockId:
    """Read ``BlockID``; an absent one is nil.

    Raises:
        InvalidMessage: A hash of a wrong length.
        InvalidProtobuf: Not protobuf.
    """
    found = fields.read(data or b"", _BLOCK_ID)
    parts = fields.read(found.binary(2), _PARTS)
    return BlockId(found.binary(1), parts.number(1), parts.binary(2))


def write_vote(vote: Vote) -> bytes:
    """Return ``Vote``."""
    return b"".join(
        (
            fields.integer(1, vote.type),
            fields.integer(2, vote.height),
            fields.integer(3, vote.round),
            wire.message_field(4, write_block_id(vote.block_id)),
            wire.message_field(5, write_timestamp(vote.timestamp)),
            wire.bytes_field(6, vote.validator_address),
            fields.integer(7, vote.validator_index),
            wire.bytes_field(8, vote.signature),
            wire.bytes_field(9, vote.extension),
            wire.bytes_field(10, vote.extension_signature),
        )
    )


def read_vote(data: bytes) -> Vote:
    """Read ``Vote``.

    Raises:
        InvalidMessage: Another type than a vote's, a hash of a wrong length, a moment out of range.
        InvalidProtobuf: Not protobuf.
    """
    found = fields.read(data, _VOTE)
    try:
        kind = SignedType(found.number(1))
    except ValueError:
        raise InvalidMessage("neither a prevote nor a precommit") from None
    return Vote(
        type=kind,
        height=found.number(2),
        round=found.number(3),
        block_id=read_block_id(found.message(4)),
        timestamp=read_timestamp(found.message(5)),
        validator_address=found.binary(6),
        validator_index=found.number(7),
        signature=found.binary(8),
        extension=found.binary(9),
        extension_signature=found.binary(10),
    )


def write_proposal(proposal: Proposal) -> bytes:
    """Return ``Proposal``."""
    return b"".join(
        (
            fields.integer(1, SignedType.PROPOSAL),
            fields.integer(2, proposal.height),
            fields.integer(3, proposal.round),
            fields.integer(4, proposal.pol_round),
            wire.message_field(5, write_block_id(proposal.block_id)),
            wire.message_field(6, write_timestamp(proposal.timestamp)),
            wire.bytes_field(7, proposal.signature),
        )
    )


def read_proposal(data: bytes) -> Proposal:
    """Read ``Proposal``.

    Raises:
        InvalidMessage: Another type than a proposal's, a hash of a wrong length, a moment out of range.
        InvalidProtobuf: Not protobuf.
    """
    found = fields.read(data, _PROPOSAL)
    if found.number(1) != SignedType.PROPOSAL:
        raise InvalidMessage("not a proposal")
    return Proposal(
        height=found.number(2),
        round=found.number(3),
        pol_round=found.number(4),
        block_id=read_block_id(found.message(5)),
        timestamp=read_timestamp(found.message(6)),
        signature=found.binary(7),
    )
