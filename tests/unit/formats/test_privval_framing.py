"""Streams of messages: limits, ends and pieces."""

from __future__ import annotations

import pytest

from cosmos_formats.privval.errors import InvalidFraming, StreamEnded
from cosmos_formats.privval.framing import LARGEST_REQUEST, MessageReader, frame


def test_messages_of_a_stream() -> None:
    reader = MessageReader(limit=300)
    stream = frame(b"first") + frame(b"") + frame(b"x" * 300)
    given = []
    for byte in stream:
        reader.feed(bytes([byte]))
        while (message := reader.next()) is not None:
            given.append(message)
    assert given == [b"first", b"", b"x" * 300]
    reader.end()


def test_a_length_over_the_limit_is_refused_before_the_message() -> None:
    reader = MessageReader(limit=300)
    reader.feed(frame(b"x" * 301)[:2])
    with pytest.raises(InvalidFraming, match="301 bytes; at most 300"):
        reader.next()


def test_the_limit_lets_the_largest_extension_through() -> None:
    assert LARGEST_REQUEST > 1 << 20
    reader = MessageReader()
    reader.feed(frame(bytes(LARGEST_REQUEST)))
    assert reader.next() == bytes(LARGEST_REQUEST)


@pytest.mark.parametrize("length", ["ffffffffff", "8080808080", "8000", "808000"])
def test_what_is_no_length(length: str) -> None:
    reader = MessageReader()
    reader.feed(bytes.fromhex(length))
    with pytest.raises(InvalidFraming, match="no length"):
        reader.next()


def test_nothing_is_kept_of_a_stream_that_was_given_up() -> None:
    reader = MessageReader(limit=1)
    reader.feed(frame(b"xx"))
    with pytest.raises(InvalidFraming):
        reader.next()
    reader.feed(bytes(1 << 16))
    with pytest.raises(InvalidFraming, match="given up"):
        reader.next()
    assert reader.rest() == b""
    reader.end()


def test_a_stream_ends_between_messages() -> None:
    whole = frame(b"message")
    for cut in range(1, len(whole)):
        reader = MessageReader()
        reader.feed(whole[:cut])
        assert reader.next() is None
        with pytest.raises(StreamEnded):
            reader.end()
