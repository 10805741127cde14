"""What is a request, by JSON-RPC 2.0.

The rules of the specification, and where it leaves a choice, the stricter one:

* ``jsonrpc`` is exactly ``"2.0"``; requests of version 1 have no such member and are refused.
* ``id`` is a text or an integer. The specification discourages null (a response to a broken request has it) and
  fractions (they do not survive every client); both are refused, as are numbers beyond 64 bits and long texts.
* ``params`` is an object or an array, or left out. There are no other members.
* A batch is answered item by item, bad items too; an empty batch or one beyond the limit is answered as a whole.

A refused request is answered with its id if that was good, else with null.
"""

from __future__ import annotations

from dataclasses import field
from typing import TypeAlias

from cosmos_formats.quickclass import dataclass
from keyring_plugin.errors import BatchTooLarge, MalformedRequest, ProtocolError

RequestId: TypeAlias = int | str

MAX_ID_CHARACTERS = 128
MAX_METHOD_CHARACTERS = 128
_ID_RANGE = range(-(1 << 63), 1 << 63)
_MEMBERS = frozenset({"jsonrpc", "method", "params", "id"})


@dataclass(frozen=True, slots=True)
class Call:
    """A well-formed request. ``id`` is None for a notification, which is never answered."""

    method: str
    params: dict[str, object] | list[object] = field(default_factory=dict)
    id: RequestId | None = None

    @property
    def is_notification(self) -> bool:
        """Whether nobody waits for an answer."""
        return self.id is None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not one. ``id`` is its id if that could be read."""

    error: ProtocolError
    id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Several requests in one message."""

    items: tuple[Call | Refusal, ...]


def calls_of(message: Call | Batch) -> list[Call]:
    """Return the well-formed requests in a message."""
    items = message.items if isinstance(message, Batch) else (message,)
    return [item for item in items if isinstance(item, Call)]


def read_message(value: object, max_batch: int) -> Call | Refusal | Batch:
    """Read a message that was parsed from JSON.

    Args:
        value: Any JSON value.
        max_batch: Most items of a batch.
    """
    if not isinstance(value, list):
        return read_request(value)
    if not value:
        return Refusal(MalformedRequest("an empty batch"))
    if len(value) > max_batch:
        return Refusal(BatchTooLarge(f"batch of {len(value)} requests, at most {max_batch} are allowed"))
    return Batch(tuple(read_request(item) for item in value))


def read_request(value: object) -> Call | Refusal:
    """Read one request object."""
    if not isinstance(value, dict):
        return Refusal(MalformedRequest("a request is an object"))
    identifier = value.get("id")
    if "id" in value and not is_id(identifier):
        return Refusal(MalformedRequest("id must be a text of at most 128 characters or an integer of 64 bits"))
    problem = _problem(value)
    if problem is not None:
        return Refusal(MalformedRequest(problem), identifier)
    return Call(value["method"], value.get("params", {}), identifier)


def is_id(value: object) -> bool:
    """Tell whether ``value`` can be the id of a request."""
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARACTERS
    return isinstance(value, int) and not isinstance(value, bool) and value in _ID_RANGE


def _problem(request: dict[str, object]) -> str | None:
    if request.get("jsonrpc") != "2.0":
        return 'jsonrpc must be "2.0"'
    method = request.get("method")
    if not isinstance(method, str) or not 0 < len(method) <= MAX_METHOD_CHARACTERS:
        return "method must be a text of 1 to 128 characters"
    if "params" in request and not isinstance(request["params"], dict | list):
        return "params must be an object or an array"
    if not _MEMBERS.issuperset(request):
        return "a request has no members but jsonrpc, method, params and id"
    return None
