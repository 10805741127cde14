"""Messages over both transports."""

from __future__ import annotations

import pytest

from cosmos_formats.privval import messages
from cosmos_formats.privval.errors import BrokenFrame, HandshakeFailed, InvalidFraming, StreamEnded
from cosmos_formats.privval.identity import Identity
from cosmos_formats.privval.messages import PingRequest, PingResponse, PubKeyRequest, RawBytesRequest
from cosmos_formats.privval.secret_connection import SecretConnection
from cosmos_formats.privval.stream import PlainStream, SecretStream, Stream

LARGE = RawBytesRequest(bytes(5000))
SENT = [PingRequest(), PubKeyRequest("testchain-1"), LARGE, PingResponse()]


def secret(value: int, limit: int) -> SecretStream:
    return SecretStream(SecretConnection(Identity(bytes([value]) * 32), bytearray([value] * 32)), limit)


def ends(transport: str, limit: int = 10_000) -> tuple[Stream, Stream]:
    if transport == "plain":
        return PlainStream(limit), PlainStream(limit)
    left, right = secret(1, limit), secret(2, limit)
    assert not left.is_open
    with pytest.raises(HandshakeFailed):
        left.send(PingRequest())
    for _ in range(2):
        assert not list(right.receive(left.data_to_send()))
        assert not list(left.receive(right.data_to_send()))
    return left, right


@pytest.mark.parametrize("transport", ["plain", "secret"])
@pytest.mark.parametrize("piece", [1, 1000, 100_000])
def test_messages_go_both_ways(transport: str, piece: int) -> None:
    left, right = ends(transport)
    for sender, receiver in ((left, right), (right, left)):
        assert sender.is_open
        wire = b"".join(map(sender.send, SENT))
        received = []
        for at in range(0, len(wire), piece):
            received += [messages.decode(message) for message in receiver.receive(wire[at : at + piece])]
        assert received == SENT
        assert sender.data_to_send() == b""
    left.end()
    right.end()


@pytest.mark.parametrize("transport", ["plain", "secret"])
def test_messages_over_the_limit(transport: str) -> None:
    left, right = ends(transport, limit=5000)
    with pytest.raises(InvalidFraming):
        list(right.receive(left.send(LARGE)))


@pytest.mark.parametrize("transport", ["plain", "secret"])
def test_a_message_that_is_cut_off(transport: str) -> None:
    left, right = ends(transport)
    wire = left.send(LARGE)
    # Whole frames, but not the whole message.
    assert not list(right.receive(wire[:2088]))
    with pytest.raises(StreamEnded):
        right.end()


def test_a_closed_stream() -> None:
    left, right = ends("secret")
    wire = left.send(PingRequest())
    right.close()
    assert not right.is_open
    with pytest.raises(BrokenFrame):
        right.receive(wire)
    plain = PlainStream()
    plain.close()
