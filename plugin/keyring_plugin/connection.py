"""The bytes under the protocol: a pair of file descriptors, such as pipes or a socket."""

from __future__ import annotations

import os
from contextlib import suppress

CHUNK_BYTES = 65536


class Connection:
    """Reads from one descriptor and writes to another (which may be the same).

    Reading and writing may happen at the same time in two threads; two threads must not write at once.

    Args:
        reading: Descriptor to read from; owned by this object from now on.
        writing: Descriptor to write to; likewise.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing

    def fileno(self) -> int:
        """Return the descriptor to wait on for something to read."""
        return self._reading

    def read(self) -> bytes:
        """Wait for bytes and return some; none at the end of the stream or when it broke."""
        try:
            return os.read(self._reading, CHUNK_BYTES)
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        """Write all of ``data``.

        Raises:
            OSError: The other end is gone.
        """
        written = os.write(self._writing, data)
        if written < len(data):
            rest = memoryview(data)[written:]
            while rest:
                rest = rest[os.write(self._writing, rest) :]

    def finish_writing(self) -> None:
        """Let the other end find the end of the stream. May be called twice."""
        writing, self._writing = self._writing, -1
        if writing < 0:
            return
        if writing != self._reading:
            os.close(writing)
            return
        import socket

        with suppress(OSError), socket.socket(fileno=os.dup(writing)) as both:
            both.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close both descriptors. May be called twice."""
        for descriptor in {self._reading, self._writing} - {-1}:
            os.close(descriptor)
        self._reading = self._writing = -1
