"""What a relay answers in place of an agent that cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from keyring_bridge.errors import BridgeError, PeerFailed
from keyring_plugin import jsontext
from keyring_plugin.errors import ShuttingDown, to_wire
from keyring_plugin.framing import Framing, frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyring_plugin.agent.ledger import Entry

_HINT = "repeat the request; `keyring-plugin agent start` starts the agent"


def answers(entries: Iterable[Entry], reason: str, *, by_length: bool) -> Iterator[bytes]:
    """Yield an answer for each message that waits for one, framed.

    Args:
        entries: The messages.
        reason: ``peer_failed`` (the agent ended meanwhile), ``no_agent`` or ``shutting_down``.
        by_length: Whether the client uses Content-Length headers.
    """
    framing = Framing.CONTENT_LENGTH if by_length else Framing.NEWLINE
    for entry in entries:
        told = [{"jsonrpc": "2.0", "error": to_wire(_error(reason)), "id": identifier} for identifier in entry.ids]
        yield frame(jsontext.encode(told if entry.batch else told[0]), framing)


def _error(reason: str) -> BridgeError:
    if reason == "shutting_down":
        return ShuttingDown("the relay to the agent is ending")
    if reason == "no_agent":
        return PeerFailed("the agent is not running; the request was not begun", hint=_HINT)
    return PeerFailed(
        "the agent ended while the request was under way; if it was signing, the audit log has what became of it",
        hint=_HINT,
    )
