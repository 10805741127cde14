"""Which requests passed a relay and were not answered yet.

Messages are kept as they are, and read only when they have become many or when somebody has to know: a relay that
serves one request never loads a JSON parser.
"""

from __future__ import annotations

from keyring_plugin.agent.frames import body_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLE_BYTES = 1 << 20


class Entry:
    """One message that waits for its answer.

    Attributes:
        ids: Of its requests.
        batch: Whether it is answered by an array.
    """

    __slots__ = ("batch", "ids")

    def __init__(self, ids: list[str | int], batch: bool) -> None:
        self.ids = ids
        self.batch = batch


class Ledger:
    """Requests on one side, answers on the other."""

    def __init__(self) -> None:
        self._asked: list[bytes] = []
        self._answered: list[bytes] = []
        self._size = 0
        self._open: list[Entry] = []

    def asked(self, message: bytes) -> None:
        """Note a message of the client."""
        self._asked.append(message)
        self._grow(message)

    def answered(self, message: bytes) -> None:
        """Note a message of the server."""
        self._answered.append(message)
        self._grow(message)

    def take_open(self) -> list[Entry]:
        """Return what was not answered, and forget it."""
        # A message is answered by one message or not at all, so counting them often tells enough.
        if len(self._asked) == len(self._answered) and not self._open:
            self._forget()
            return []
        self._settle()
        entries, self._open = self._open, []
        return entries

    def _grow(self, message: bytes) -> None:
        self._size += len(message)
        if self._size > SETTLE_BYTES:
            self._settle()

    def _settle(self) -> None:
        """Cross out what was answered. An id is used again only after its answer, so that order does not matter."""
        self._open += [entry for message in self._asked for entry in entry_of(message)]
        waiting: dict[str | int, list[Entry]] = {}
        for entry in self._open:
            for identifier in entry.ids:
                waiting.setdefault(identifier, []).append(entry)
        done: set[int] = set()
        for message in self._answered:
            answered = [identifier for item in _items(_parse(message)) for identifier in _id_of(item)]
            done |= {id(entry) for entry in _first(waiting, answered, done)}
        self._open = [entry for entry in self._open if id(entry) not in done]
        self._forget()

    def _forget(self) -> None:
        self._asked, self._answered, self._size = [], [], 0


def _first(waiting: dict[str | int, list[Entry]], ids: list[str | int], done: set[int]) -> list[Entry]:
    """Return the first entry that has one of the ids and is not done; one message is answered by one message."""
    for identifier in ids:
        for entry in waiting.get(identifier, ()):
            if id(entry) not in done:
                return [entry]
    return []


def entry_of(message: bytes) -> list[Entry]:
    """Return what waits for an answer to a client's message; nothing for a notification."""
    value = _parse(message)
    ids = [identifier for item in _items(value) for identifier in _id_of(item)]
    return [Entry(ids, isinstance(value, list))] if ids else []


def _items(value: object) -> Iterator[object]:
    if isinstance(value, list):
        yield from value
    else:
        yield value


def _id_of(item: object) -> Iterator[str | int]:
    if isinstance(item, dict):
        identifier = item.get("id")
        if isinstance(identifier, (str, int)) and not isinstance(identifier, bool):
            yield identifier


def _parse(message: bytes) -> object:
    import json

    try:
        return json.loads(body_of(message))
    except (ValueError, RecursionError):
        return None  # the server says what is wrong with it
