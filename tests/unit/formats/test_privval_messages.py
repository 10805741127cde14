"""Requests that no node sends, and how they are answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosmos_formats import wire
from cosmos_formats.privval import canonical, fields, parts
from cosmos_formats.privval.errors import InvalidMessage
from cosmos_formats.privval.fields import Kind
from cosmos_formats.privval.messages import (
    PingRequest,
    PubKeyRequest,
    PubKeyResponse,
    RawBytesRequest,
    RawBytesResponse,
    RemoteSignerError,
    SignedProposalResponse,
    SignedVoteResponse,
    SignProposalRequest,
    SignVoteRequest,
    decode,
    encode,
    number_of,
    refusal,
)
from cosmos_formats.privval.model import BlockId, Proposal, SignedType, Timestamp, Vote
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.wire import InvalidProtobuf

BLOCK = BlockId(b"h" * 32, 3, b"p" * 32)
VOTE = Vote(SignedType.PRECOMMIT, 5, 1, BLOCK, Timestamp(1_700_000_000, 1), extension=b"more")
PROPOSAL = Proposal(5, 1, -1, BLOCK, Timestamp(1_700_000_000, 1))
REFUSED = RemoteSignerError(0, "no")


def test_the_ping_of_a_node() -> None:
    assert encode(PingRequest()) == bytes.fromhex("3a00")


@pytest.mark.parametrize(
    ("data", "number"),
    [
        ("", None),  # no message
        ("0a003a00", None),  # two of them
        ("3a003a00", None),  # one twice
        ("5a00", None),  # one that there is not
        ("38", None),  # cut off
        ("3801", None),  # a number instead of a message
        ("3a0100", 7),  # field 0 in it
        ("1a00", 3),  # a request without a vote
        ("1a020a00", 3),  # a vote of no type
        ("1a040a020820", 3),  # a vote of a proposal's type
        ("1a050a03080122", 3),  # a vote that is cut off
        ("2a00", 5),
        ("2a020a00", 5),  # a proposal that is none
        ("1a080a0608012a050803", 3),  # lengths that contradict each other
        ("0a030a01ff", 1),  # a chain id that is not UTF-8
        ("0a020801", 1),  # a chain id that is a number
    ],
)
def test_what_is_no_message(data: str, number: int | None) -> None:
    with pytest.raises(InvalidMessage) as caught:
        decode(bytes.fromhex(data))
    assert caught.value.number == number


def test_fields_of_later_versions_are_passed_over() -> None:
    later = bytes.fromhex("6805720161" + "7d00000000" + "79" + 8 * "00")  # one of every wire type
    body = wire.message_field(1, parts.write_vote(VOTE) + later) + later
    outer = wire.message_field(3, body) + later
    assert decode(outer) == SignVoteRequest(VOTE)


def test_groups_are_not_passed_over() -> None:
    with pytest.raises(InvalidProtobuf):
        fields.read(bytes.fromhex("0b0c"), {})


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Kind.INT32, "088080808008"),  # 2^31
        (Kind.INT32, "08ffffffff7fffffffff"),
        (Kind.UINT32, "08ffffffffffffffffff01"),
        (Kind.BOOL, "0802"),
        (Kind.SFIXED64, "0900"),
        (Kind.SFIXED64, "0800"),
        (Kind.INT64, "08ffffffffffffffffff7f"),
        (Kind.BYTES, "0a0500"),
        (Kind.BYTES, "0800"),
    ],
)
def test_values_out_of_their_types(kind: Kind, data: str) -> None:
    with pytest.raises(InvalidProtobuf):
        fields.read(bytes.fromhex(data), {1: kind})


@pytest.mark.parametrize(
    "change",
    [
        {"height": 1 << 63},
        {"height": -(1 << 63) - 1},
        {"round": 1 << 31},
        {"validator_index": 1 << 31},
        {"type": SignedType.PROPOSAL},
    ],
)
def test_votes_that_cannot_be(change: dict[str, int]) -> None:
    with pytest.raises(InvalidMessage):
        replace(VOTE, **change)  # type: ignore[arg-type]  # the fields are all numbers


@pytest.mark.parametrize("change", [{"height": 1 << 63}, {"round": 1 << 31}, {"pol_round": 1 << 31}])
def test_proposals_that_cannot_be(change: dict[str, int]) -> None:
    with pytest.raises(InvalidMessage):
        replace(PROPOSAL, **change)  # type: ignore[arg-type]  # the fields are all numbers


@pytest.mark.parametrize(("seconds", "nanos"), [(-62_135_596_801, 0), (253_402_300_800, 0), (0, -1), (0, 10**9)])
def test_moments_that_cannot_be(seconds: int, nanos: int) -> None:
    with pytest.raises(InvalidMessage):
        Timestamp(seconds, nanos)


@pytest.mark.parametrize(
    "block", [{"hash": b"h" * 31}, {"parts_hash": b"p" * 33}, {"parts_total": 1 << 32}, {"parts_total": -1}]
)
def test_blocks_that_cannot_be(block: dict[str, bytes]) -> None:
    with pytest.raises(InvalidMessage):
        BlockId(**block)  # type: ignore[arg-type]  # a dictionary of bytes and of numbers


def test_replies_tell_one_thing() -> None:
    key = PublicKey(KeyType.ED25519, bytes(32))
    for kind, content in ((PubKeyResponse, key), (SignedVoteResponse, VOTE), (SignedProposalResponse, PROPOSAL)):
        for arguments in ((), (content, REFUSED)):
            with pytest.raises(InvalidMessage):
                kind(*arguments)
    with pytest.raises(InvalidMessage):
        PubKeyResponse(PublicKey(KeyType.SECP256R1, b"\2" + bytes(32)))


def test_every_request_can_be_refused_in_its_own_kind() -> None:
    requests = (PubKeyRequest("c"), SignVoteRequest(VOTE), SignProposalRequest(PROPOSAL), RawBytesRequest(b"\x0a\x01x"))
    replies = (PubKeyResponse, SignedVoteResponse, SignedProposalResponse, RawBytesResponse)
    for request, kind in zip(requests, replies, strict=True):
        reply = refusal(number_of(request), REFUSED)
        assert type(reply) is kind
        assert reply is not None
        assert decode(encode(reply)) == reply
        assert number_of(reply) == number_of(request) + 1
    for number in (None, 2, 4, 6, 7, 8, 10, 11):
        assert refusal(number, REFUSED) is None


@pytest.mark.parametrize(
    "body",
    [
        "",  # no key
        "0a0022",
        "1a2000" + "00" * 31,  # a key without its type
        "220765643235353139",  # a type without its key
        "1a20" + "00" * 32 + "220873656370323536",  # a type that there is not
        "0a220a20" + "00" * 32 + "1a20" + "01" * 32 + "220765643235353139",  # two keys
        "0a220a20" + "00" * 31,
    ],
)
def test_public_keys_that_are_none(body: str) -> None:
    data = bytes.fromhex(body)
    with pytest.raises(InvalidMessage):
        decode(bytes([0x12, len(data)]) + data)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: bytes([data[0] + 2]) + data[1:] + b"\x50\x01",  # a field more
        lambda data: bytes([data[0] + 4]) + data[1:3] + b"\x18\x01\x18\x01" + data[3:],
        lambda data: b"\x80" + data,
        lambda data: data.replace(b"\x08\x02\x11", b"\x08\x03\x11"),  # another type
        lambda data: b"",
    ],
)
def test_sign_bytes_that_are_not_canonical(change: object) -> None:
    data = canonical.vote_sign_bytes("testchain-1", VOTE)
    assert canonical.Canonical.from_sign_bytes(data).height == 5
    with pytest.raises(InvalidMessage):
        canonical.Canonical.from_sign_bytes(change(data))  # type: ignore[operator]  # a function from bytes to bytes


def test_extensions_are_signed_without_block_and_moment() -> None:
    other = replace(VOTE, block_id=BlockId(b"o" * 32, 1, b"q" * 32), timestamp=Timestamp(0))
    assert canonical.extension_sign_bytes("c", VOTE) == canonical.extension_sign_bytes("c", other)
    assert canonical.vote_sign_bytes("c", VOTE) == canonical.vote_sign_bytes("c", replace(VOTE, extension=b""))
