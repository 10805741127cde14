"""Signing many transactions, one to a line, with rising sequences."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from keyring_bridge.errors import BridgeError

WORKERS: Final = 8
"""Threads that sign. The audit log writes the intents of all that wait at once, so several are faster than one."""

_AHEAD: Final = 4


class BatchStopped(Exception):
    """One transaction of a batch could not be signed; those before it were.

    Attributes:
        place: Which one, 0 for the first.
        cause: Why.
    """

    def __init__(self, place: int, cause: BridgeError) -> None:
        super().__init__(f"{place}: {cause}")
        self.place = place
        self.cause = cause


def sign_all(
    lines: Sequence[bytes], sign_line: Callable[[int, bytes], str], *, workers: int = WORKERS
) -> Iterator[str]:
    """Sign transactions in several threads and yield the results in the order of the lines.

    Args:
        lines: The transactions.
        sign_line: Signs one, given its place and text.
        workers: Number of threads.

    Raises:
        BatchStopped: One failed. Later ones may have been signed by then; their signatures are dropped.
    """
    waiting: deque[tuple[int, Future[str]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="tx-batch") as pool:
        try:
            for place, line in enumerate(lines):
                waiting.append((place, pool.submit(sign_line, place, line)))
                if len(waiting) >= workers * _AHEAD:
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def _result(place: int, future: Future[str]) -> str:
    try:
        return future.result()
    except BridgeError as error:
        raise BatchStopped(place, error) from error
