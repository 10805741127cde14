r"""Where messages end in a stream, for a relay that does not look into them. No I/O, and next to no imports.

What :mod:`keyring_plugin.framing` finds out, without judging it: bytes that follow neither framing pass as they come,
so that the server on the other side can say what is wrong with them.
"""

from __future__ import annotations

LIMIT = 65 << 20
"""Longest message that is kept together: more than any configuration allows (``rpc.max_frame_bytes``). A longer one
passes in pieces, for the server to refuse."""

_HEADER_LIMIT = 4096
_BLANK = b" \t\r\n"


class Frames:
    """Cuts a stream into messages, each with its header or line end."""

    def __init__(self) -> None:
        self.by_length: bool | None = None
        """Whether messages have a Content-Length header; None before the first one."""
        self._buffer = bytearray()
        self._searched = 0
        self._passing = 0
        self._shapeless = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the messages that are complete now."""
        if self._shapeless:
            return [data]
        self._buffer += data
        if self.by_length is None:
            del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(_BLANK))]
            if not self._buffer:
                return []
            self.by_length = self._buffer[0] in b"Cc"
        found: list[bytes] = []
        while True:
            message = self._next_body() if self.by_length else self._next_line()
            if not message:
                return found
            found.append(message)

    def rest(self) -> bytes:
        """Return what is left when the stream ended: of lines, the last one may have no end."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _take(self, size: int) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[:size])
        del self._buffer[:size]
        self._searched = 0
        return taken

    def _next_line(self) -> bytes:
        end = self._buffer.find(b"\n", self._searched)
        if end >= 0:
            return self._take(end + 1)
        if len(self._buffer) > LIMIT:
            return self._take(len(self._buffer))
        self._searched = len(self._buffer)
        return b""

    def _next_body(self) -> bytes:
        if self._passing:
            piece = self._take(min(self._passing, len(self._buffer)))
            self._passing -= len(piece)
            return piece
        end = self._buffer.find(b"\r\n\r\n", 0, _HEADER_LIMIT)
        if end < 0 and len(self._buffer) < _HEADER_LIMIT:
            return b""
        size = self._length(bytes(self._buffer[: max(end, 0)]))
        if size < 0:
            self._shapeless = True
            return self._take(len(self._buffer))
        size += end + 4
        if size > LIMIT:
            self._passing = size
            return self._next_body()
        return self._take(size) if len(self._buffer) >= size else b""

    def _length(self, header: bytes) -> int:
        """Return what the header says, -1 if that cannot be told."""
        said = -1
        for line in header.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                value = value.strip()
                if said >= 0 or not value.isdigit() or len(value) > 18:
                    return -1
                said = int(value)
        return said


def body_of(message: bytes) -> bytes:
    """Return a message without its header."""
    return message.partition(b"\r\n\r\n")[2] if message[:1] in b"Cc" else message
