"""A stream cut into messages: each behind its length, an unsigned varint.

Rules:

* A length above the limit is refused as soon as it was read, before any byte of the message is kept.
* The length is written in its shortest form, in five bytes at most.
* A stream may end between two messages and nowhere else.
* Once something was refused, nothing of that stream is read any more.
"""

from __future__ import annotations

from typing import Final

from cosmos_formats import wire
from cosmos_formats.privval.errors import InvalidFraming, StreamEnded

LARGEST_REQUEST: Final = (1 << 20) + (16 << 10)
"""Bytes of the largest request that is read: a vote with an extension of 1 MiB, the most that CometBFT allows."""

LARGEST_REPLY: Final = 10_240
"""Bytes of the largest reply that a node of CometBFT up to 1.0 reads, its length included."""

_LENGTH_BYTES: Final = 5


def frame(message: bytes) -> bytes:
    """Put a message behind its length."""
    return wire.varint(len(message)) + message


class MessageReader:
    """Takes a stream in pieces and gives messages out.

    It keeps no more than ``limit`` + 5 bytes and the piece that was fed last, if :meth:`next` is called after every
    piece until it returns None.

    Args:
        limit: Most bytes of a message, its length not counted.
    """

    def __init__(self, limit: int = LARGEST_REQUEST) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._failed = False

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream, of any length."""
        if not self._failed:
            self._buffer += data

    def next(self) -> bytes | None:
        """Return the next message, None if it has not arrived completely.

        Raises:
            InvalidFraming: A length over the limit, or one that is no length.
        """
        if self._failed:
            raise InvalidFraming("the stream was given up")
        length = self._length()
        if length is None:
            return None
        size, start = length
        if len(self._buffer) < start + size:
            return None
        message = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        return message

    def end(self) -> None:
        """Take note that the stream ended.

        Raises:
            StreamEnded: Within a message.
        """
        if self._buffer and not self._failed:
            raise StreamEnded(f"the stream ended {len(self._buffer)} bytes into a message")

    def rest(self) -> bytes:
        """Return what was fed and not given out, and forget it."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _length(self) -> tuple[int, int] | None:
        """Return the length of the next message and where it starts."""
        head = bytes(self._buffer[:_LENGTH_BYTES])
        stop = next((at for at, byte in enumerate(head) if byte < 0x80), None)
        if stop is None:
            if len(head) < _LENGTH_BYTES:
                return None
            raise self._refuse("no length of a message")
        try:
            size, start = wire.read_varint(head, 0)
        except wire.InvalidProtobuf:
            raise self._refuse("no length of a message") from None
        if size > self._limit:
            raise self._refuse(f"message of {size} bytes; at most {self._limit} are read")
        return size, start

    def _refuse(self, why: str) -> InvalidFraming:
        self._failed = True
        self._buffer.clear()
        return InvalidFraming(why)
