"""Errors of the remote signer protocol. All of them are the peer's doing."""

from __future__ import annotations

from cosmos_formats.errors import FormatError


class InvalidMessage(FormatError):
    """Bytes that are not a message of the protocol, or one that no node may send.

    Attributes:
        number: Which member of the protocol's ``Message`` it was, None if that could not be read: a request can be
            answered with an error of its own kind. See :func:`cosmos_formats.privval.messages.refusal`.
    """

    code = "privval_message_invalid"

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


class InvalidFraming(FormatError):
    """A stream that is not cut into messages as it should be, or a message over the limit."""

    code = "privval_framing_invalid"


class StreamEnded(InvalidFraming):
    """A stream that ended within a message, a frame or the handshake."""

    code = "privval_stream_ended"


class HandshakeFailed(FormatError):
    """The two ends of a SecretConnection did not come to trust each other."""

    code = "secret_connection_handshake"


class WrongPeer(HandshakeFailed):
    """The other end proved an identity, and it is not the expected one."""

    code = "secret_connection_wrong_peer"


class BrokenFrame(FormatError):
    """A frame of a SecretConnection that was forged, damaged, repeated or moved, or one frame too many for its key."""

    code = "secret_connection_frame"
