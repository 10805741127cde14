"""Work on many items in a few threads, in order, with few results waiting at a time.

Deriving the key of a keyring's item takes milliseconds without Python's lock, so a second thread uses a second
processor. The bound keeps memory flat, and few private keys open at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

WORKERS = min(4, os.cpu_count() or 1)


def ahead(
    work: Callable[[_T], _R],
    items: Iterable[_T],
    *,
    look_ahead: int = 2 * WORKERS,
    discard: Callable[[_R], object] = lambda _: None,
) -> Generator[tuple[_T, _R], None, None]:
    """Yield each item with what ``work`` makes of it, in order, while the next ones are worked on.

    Args:
        work: Called in another thread; its exceptions are raised here when the item's turn comes.
        items: What is worked on.
        look_ahead: How many results may wait.
        discard: Called with results that nobody took, because the caller stopped early.
    """
    waiting: deque[tuple[_T, Future[_R]]] = deque()
    with ThreadPoolExecutor(WORKERS, "migrate") as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > look_ahead:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                if not future.cancel():
                    with suppress(Exception):
                        discard(future.result())
