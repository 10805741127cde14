"""Properties of the remote signer protocol: what is written is read, and no bytes do more than be refused."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cosmos_formats.errors import FormatError
from cosmos_formats.privval import messages
from cosmos_formats.privval.canonical import Canonical
from cosmos_formats.privval.errors import InvalidMessage
from cosmos_formats.privval.frames import FRAME_SIZE
from cosmos_formats.privval.framing import MessageReader, frame
from cosmos_formats.privval.identity import Identity
from cosmos_formats.privval.model import YEAR_1, YEAR_9999_END, BlockId, Proposal, SignedType, Timestamp, Vote
from cosmos_formats.privval.secret_connection import SecretConnection, State
from cosmos_formats.pubkeys import KeyType, PublicKey
from tests.privval_vectors import load


def signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)


hashes = st.binary(min_size=32, max_size=32) | st.just(b"")
blocks = st.builds(BlockId, hashes, st.integers(0, 2**32 - 1), hashes)
moments = st.builds(Timestamp, st.integers(YEAR_1, YEAR_9999_END), st.integers(0, 10**9 - 1))
some = st.binary(max_size=80)
votes = st.builds(
    Vote,
    st.sampled_from([SignedType.PREVOTE, SignedType.PRECOMMIT]),
    signed(64),
    signed(32),
    blocks,
    moments,
    some,
    signed(32),
    some,
    some,
    some,
)
proposals = st.builds(Proposal, signed(64), signed(32), signed(32), blocks, moments, some)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
errors = st.builds(messages.RemoteSignerError, signed(32), texts)
keys = st.builds(PublicKey, st.just(KeyType.ED25519), st.binary(min_size=32, max_size=32)) | st.builds(
    PublicKey, st.just(KeyType.SECP256K1), st.binary(min_size=32, max_size=32).map(lambda x: b"\3" + x)
)


def reply(kind: type, content: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return content.map(kind) | errors.map(lambda error: kind(error=error))


requests = st.one_of(
    st.builds(messages.PubKeyRequest, texts),
    st.builds(messages.SignVoteRequest, votes, texts, st.booleans()),
    st.builds(messages.SignProposalRequest, proposals, texts),
    st.just(messages.PingRequest()),
    st.builds(messages.RawBytesRequest, some),
)
everything = st.one_of(
    requests,
    reply(messages.PubKeyResponse, keys),
    reply(messages.SignedVoteResponse, votes),
    reply(messages.SignedProposalResponse, proposals),
    st.just(messages.PingResponse()),
    st.builds(messages.RawBytesResponse, some, st.none() | errors),
)


@given(everything)
def test_messages_come_back(message: messages.Message) -> None:
    assert messages.decode(messages.encode(message)) == message


@given(votes | proposals, texts)
def test_sign_bytes_come_back(asked: Vote | Proposal, chain_id: str) -> None:
    make: Any = Canonical.of_vote if isinstance(asked, Vote) else Canonical.of_proposal
    said = make(chain_id, asked)
    assert Canonical.from_sign_bytes(said.to_sign_bytes()) == said


@given(votes | proposals, texts, st.data())
def test_sign_bytes_are_written_in_one_way(asked: Vote | Proposal, chain_id: str, data: st.DataObject) -> None:
    make: Any = Canonical.of_vote if isinstance(asked, Vote) else Canonical.of_proposal
    changed = mutate(make(chain_id, asked).to_sign_bytes(), data)
    with suppress(InvalidMessage):
        assert Canonical.from_sign_bytes(changed).to_sign_bytes() == changed


def mutate(content: bytes, data: st.DataObject) -> bytes:
    """Change, cut, double or put in some bytes."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed)))
        match data.draw(st.sampled_from(["set", "cut", "drop", "insert", "double"])):
            case "set":
                changed[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del changed[at:]
            case "drop":
                del changed[at : at + data.draw(st.integers(1, 5))]
            case "insert":
                changed[at:at] = data.draw(st.binary(max_size=5))
            case _:
                changed[at:at] = changed[: data.draw(st.integers(0, 200))]
    return bytes(changed)


@settings(max_examples=300)
@given(everything, st.data())
def test_mutated_messages_are_read_or_refused(message: messages.Message, data: st.DataObject) -> None:
    changed = mutate(messages.encode(message), data)
    with suppress(InvalidMessage):
        read = messages.decode(changed)
        assert messages.decode(messages.encode(read)) == read


FRAMES = int(os.environ.get("PRIVVAL_FRAMES", "20000"))
"""How many frames are mutated below; 200,000 by hand, before a release."""


def test_mutated_frames_of_cometbft_are_read_or_refused() -> None:
    seed = random.randrange(1 << 32)  # noqa: S311 - any number will do
    chance = random.Random(seed)  # noqa: S311 - nothing here is secret
    frames = [bytes.fromhex(vector["bytes"]) for vector in load("messages")]
    read = 0
    for number in range(FRAMES):
        changed = bytearray(chance.choice(frames))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(changed) + 1)
            if chance.random() < 0.7:
                changed[at : at + 1] = chance.randbytes(1)
            elif chance.random() < 0.5:
                del changed[at : at + chance.randint(1, 40)]
            else:
                changed[at:at] = chance.choice(frames)[: chance.randint(0, 60)]
        with suppress(InvalidMessage):
            message = messages.decode(bytes(changed))
            read += 1
            assert messages.decode(messages.encode(message)) == message, (seed, number)
    assert FRAMES // 20 < read < FRAMES


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(InvalidMessage):
        messages.decode(content)


@given(st.lists(st.binary(max_size=200), max_size=8), st.data())
def test_streams_come_back_in_any_pieces(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(frame, sent))
    reader, received = MessageReader(limit=200), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        reader.feed(stream[:size])
        stream = stream[size:]
        while (message := reader.next()) is not None:
            received.append(message)
        assert len(reader._buffer) <= 205
    reader.end()
    assert received == sent


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=20))
def test_any_stream_keeps_memory_bounded(pieces: list[bytes]) -> None:
    reader = MessageReader(limit=100)
    with suppress(FormatError):
        for piece in pieces:
            reader.feed(piece)
            while reader.next() is not None:
                pass
            assert len(reader._buffer) <= 105
        reader.end()


def ends(order: bool) -> tuple[SecretConnection, SecretConnection]:
    first, second = (bytearray([value]) * 32 for value in ((1, 2) if order else (2, 1)))
    return SecretConnection(Identity(b"a" * 32), first), SecretConnection(Identity(b"b" * 32), second)


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.lists(st.binary(max_size=3000), max_size=4), st.data())
def test_what_is_sent_is_received_in_any_pieces(order: bool, sent: list[bytes], data: st.DataObject) -> None:
    signer, node = ends(order)
    wire = node.data_to_send()
    node.receive(signer.data_to_send())
    signer.receive(wire[:35])
    wire = node.data_to_send()
    node.receive(signer.data_to_send())
    wire += b"".join(map(node.send, sent))
    received = b""
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        received += signer.receive(wire[:size])
        wire = wire[size:]
        assert len(signer._input) < FRAME_SIZE
    assert received == b"".join(sent)
    signer.end()


@settings(max_examples=100, deadline=None)
@given(st.booleans(), st.data())
def test_mutated_handshakes_are_refused(order: bool, data: st.DataObject) -> None:
    signer, node = ends(order)
    hello = node.data_to_send()
    node.receive(signer.data_to_send())
    wire = hello + node.data_to_send()
    changed = mutate(wire, data)
    if changed.startswith(wire):
        return
    with suppress(FormatError):
        signer.receive(changed)
    assert signer.state is not State.OPEN
    assert signer.peer is None
