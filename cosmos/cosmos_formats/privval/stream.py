"""A connection as its two ends see it: messages in, messages out, over whichever of the two transports.

:class:`PlainStream` is what CometBFT speaks over unix sockets, :class:`SecretStream` what it speaks over TCP. Whoever
has the socket sends :meth:`~Stream.data_to_send` at first and after every :meth:`~Stream.receive`, and feeds what
arrives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cosmos_formats.privval import messages
from cosmos_formats.privval.framing import LARGEST_REQUEST, MessageReader, frame
from cosmos_formats.privval.secret_connection import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cosmos_formats.privval.messages import Message
    from cosmos_formats.privval.secret_connection import SecretConnection


class Stream(Protocol):
    """What both transports have."""

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        ...

    def data_to_send(self) -> bytes:
        """Return what has to be sent before anything else, and forget it."""
        ...

    def receive(self, data: bytes) -> Iterator[bytes]:
        """Take what arrived, and give the messages that are complete, undecoded.

        A message is decoded by :func:`cosmos_formats.privval.messages.decode`: one that cannot be is answered or not by
        whoever has the connection. The iterator has to be used up before the next call.

        Raises:
            FormatError: The other end broke the protocol; the connection has to be closed.
        """
        ...

    def send(self, message: Message) -> bytes:
        """Return the bytes that carry a message."""
        ...

    def end(self) -> None:
        """Take note that the other end sends nothing more.

        Raises:
            StreamEnded: Within a message, a frame or the handshake.
        """
        ...

    def close(self) -> None:
        """Wipe what is secret."""
        ...


class PlainStream:
    """Messages behind their lengths and nothing else.

    Args:
        limit: Most bytes of a message that is read.
    """

    def __init__(self, limit: int = LARGEST_REQUEST) -> None:
        self._reader = MessageReader(limit)

    @property
    def is_open(self) -> bool:
        """See :class:`Stream`."""
        return True

    def data_to_send(self) -> bytes:
        """See :class:`Stream`."""
        return b""

    def receive(self, data: bytes) -> Iterator[bytes]:
        """See :class:`Stream`."""
        self._reader.feed(data)
        return iter(self._reader.next, None)

    def send(self, message: Message) -> bytes:
        """See :class:`Stream`."""
        return frame(messages.encode(message))

    def end(self) -> None:
        """See :class:`Stream`."""
        self._reader.end()

    def close(self) -> None:
        """See :class:`Stream`."""


class SecretStream:
    """The same within a SecretConnection.

    Args:
        connection: A new one.
        limit: Most bytes of a message that is read.
    """

    def __init__(self, connection: SecretConnection, limit: int = LARGEST_REQUEST) -> None:
        self.connection = connection
        self._plain = PlainStream(limit)

    @property
    def is_open(self) -> bool:
        """See :class:`Stream`."""
        return self.connection.state is State.OPEN

    def data_to_send(self) -> bytes:
        """See :class:`Stream`."""
        return self.connection.data_to_send()

    def receive(self, data: bytes) -> Iterator[bytes]:
        """See :class:`Stream`."""
        return self._plain.receive(self.connection.receive(data))

    def send(self, message: Message) -> bytes:
        """See :class:`Stream`."""
        return self.connection.send(self._plain.send(message))

    def end(self) -> None:
        """See :class:`Stream`."""
        self.connection.end()
        self._plain.end()

    def close(self) -> None:
        """See :class:`Stream`."""
        self.connection.close()
