"""Errors of the protocol itself, and how every error travels.

An error crosses the wire as the JSON-RPC error object of :func:`to_wire`; :func:`from_wire` makes the same class of it
again on the other side. What an error keeps in ``detail`` never travels, nor does the text of an exception that is not
of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from keyring_bridge.errors import BridgeError, Exit, PeerFailed

MAX_MESSAGE = 1000
"""Characters of a message that travel; what the caller sent may be part of it."""


class ProtocolError(BridgeError):
    """A message that does not follow the protocol."""

    code = "protocol_error"
    rpc_code = -32600
    exit_code = Exit.USAGE


class ParseError(ProtocolError):
    """Bytes that are not one JSON text, or one that cannot be read without doubt (duplicate members, NaN)."""

    code = "parse_error"
    rpc_code = -32700


class FrameTooLarge(ProtocolError):
    """A message beyond the size limit; it was skipped unread."""

    code = "frame_too_large"
    rpc_code = -32001


class MalformedRequest(ProtocolError):
    """JSON that is not a request of JSON-RPC 2.0."""

    code = "malformed_request"


class BatchTooLarge(MalformedRequest):
    """A batch of more requests than allowed; none of them was served."""

    code = "batch_too_large"


class DuplicateId(MalformedRequest):
    """A request whose id another one has that is still under way; the other one is not affected."""

    code = "duplicate_id"


class MethodNotFound(ProtocolError):
    """There is no method of that name."""

    code = "method_not_found"
    rpc_code = -32601


class VersionUnsupported(ProtocolError):
    """Client and server have no protocol version in common."""

    code = "version_unsupported"
    rpc_code = -32002


class ShuttingDown(BridgeError):
    """The server is about to end and takes no new requests; this one was not begun."""

    code = "shutting_down"
    rpc_code = -32003
    exit_code = Exit.UNAVAILABLE
    retryable = True


class RemoteError(BridgeError):
    """An error with a code that this side does not know.

    Attributes:
        remote_code: The code as it came.
    """

    code = "remote_error"

    def __init__(self, message: str, *, remote_code: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.remote_code = remote_code


def to_wire(error: BridgeError) -> dict[str, object]:
    """Return the JSON-RPC error object of an error.

    It has ``code`` (a number), ``message``, and ``data`` with

    * ``code``: the stable string,
    * ``retryable``: whether the same request may succeed later,
    * ``hint``: what to do about it, or null,
    * ``correlation_id``: names the entries of the audit log, or null.
    """
    return {
        "code": error.rpc_code,
        "message": shorten(error.message),
        "data": {
            "code": error.code,
            "retryable": error.retryable,
            "hint": error.hint,
            "correlation_id": error.correlation_id,
        },
    }


def from_wire(value: object) -> BridgeError:
    """Return the error that an error object stands for.

    Anything that is no such object becomes :class:`~keyring_bridge.errors.PeerFailed`, and a code that is not known
    here :class:`RemoteError`: a client raises one tree, whatever the other side sends.
    """
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(value.get("message"), str) or not isinstance(data, dict):
        return PeerFailed("the server sent an error that does not follow the protocol")
    code, hint, correlation = data.get("code"), data.get("hint"), data.get("correlation_id")
    message, hint = value["message"], hint if isinstance(hint, str) else None
    kind = classes().get(code) if isinstance(code, str) else None
    error = kind(message, hint=hint) if kind is not None else RemoteError(message, remote_code=str(code), hint=hint)
    error.correlation_id = correlation if isinstance(correlation, str) else None
    return error


@cache
def classes() -> Mapping[str, type[BridgeError]]:
    """Return every error class that can travel, by its code."""
    # What else has been imported, such as the command line's own errors, does not travel.
    ours = (BridgeError.__module__, __name__)
    kinds = _descendants(BridgeError)
    return {kind.code: kind for kind in kinds if kind.__module__ in ours and kind is not RemoteError}


def shorten(text: str, limit: int = MAX_MESSAGE) -> str:
    """Return ``text``, cut if it is longer than ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _descendants(kind: type[BridgeError]) -> Iterator[type[BridgeError]]:
    # Parents come last, so that of two classes with one code the more general one is meant.
    for child in kind.__subclasses__():
        yield from _descendants(child)
    yield kind
