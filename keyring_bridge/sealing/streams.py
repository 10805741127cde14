"""What the age library reads from and writes to.

It aborts the process when a reader gives too much, and may when a writer raises while it cleans up. So nothing raises
inside it: the first error is kept, the reader is at its end from then on, and the writer swallows what still comes.
"""

from __future__ import annotations

from collections.abc import Callable


class Pump:
    """Both sides of one call of the library.

    Args:
        read: Gives at most as many bytes as it is asked for; none at the end.
        write: Takes all of what it is given.
    """

    def __init__(self, read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
        self._read = read
        self._write = write
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """Give the library up to ``size`` bytes."""
        if self.failure is None:
            try:
                chunk = self._read(size)
                if len(chunk) > size:
                    raise ValueError("more was read than was asked for")
                return chunk
            except BaseException as error:
                self.failure = error
        return b""

    def write(self, data: bytes) -> int:
        """Take what the library made."""
        if self.failure is None:
            try:
                self._write(data)
            except BaseException as error:
                self.failure = error
        return len(data)

    def flush(self) -> None:
        """Nothing is held back here."""
