r"""Where a message begins and ends in a stream of bytes. No I/O here: bytes go in, frames come out.

Two framings, told apart by the first byte that is not white space:

* newline: a message is a line (JSON has no raw line break inside), blank lines are ignored, and a last line without
  a line break counts if the stream ends there;
* Content-Length: header lines as in HTTP and the Language Server Protocol, then as many bytes as the header says.
  JSON never begins with ``C``, and every header that this protocol knows does.

The stream keeps the framing of its first message, in both directions. The states of a reader::

    DETECT --> LINE <--> SKIP LINE          (a line beyond the limit is skipped, then the next one is read)
       \-----> HEADER <--> BODY | SKIP BODY (a body beyond the limit likewise)
    any    --> CLOSED                       (end of the stream, or bytes after which no frame can be found any more)
"""

from __future__ import annotations

from enum import StrEnum

from cosmos_formats.quickclass import dataclass
from keyring_plugin.errors import FrameTooLarge, ParseError, ProtocolError

MAX_HEADER_BYTES = 4096
SKIP_FACTOR = 64
"""A body of up to so many times the limit is skipped; one that says it is longer ends the stream."""

_BLANK = b" \t\r\n"
_CHARSETS = (b"utf-8", b"utf8")


class Framing(StrEnum):
    """How messages are set apart."""

    NEWLINE = "newline"
    CONTENT_LENGTH = "content-length"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it came."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not a message.

    Attributes:
        error: What the peer should be told.
        final: The reader lost its place; there will be no more frames.
    """

    error: ProtocolError
    final: bool = False


def frame(body: bytes, framing: Framing) -> bytes:
    """Return the bytes that carry ``body``, which has no line break in it."""
    if framing is Framing.NEWLINE:
        return body + b"\n"
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


class FrameReader:
    """Finds the frames in a stream.

    It holds at most ``max_bytes`` and what was fed last.

    Args:
        max_bytes: Longest body.
        framing: Known beforehand, or None to be told by the first bytes.
    """

    def __init__(self, max_bytes: int, framing: Framing | None = None) -> None:
        self.framing = framing
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._searched = 0
        self._skip_line = False
        self._skip_bytes = 0
        self._header_bytes = 0
        self._length: int | None = None
        self._in_body = False
        self._ended = False
        self._closed = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream; no bytes mean its end."""
        if not data:
            self._ended = True
        elif not self._closed:
            self._buffer += data

    def next_event(self) -> Frame | Damage | None:
        """Return the next frame or damage, or None if more bytes are needed (or nothing can come any more)."""
        if self._closed:
            return None
        if self.framing is None:
            self._detect()
            if self.framing is None:
                return None
        event = self._next_line() if self.framing is Framing.NEWLINE else self._next_body()
        if isinstance(event, Damage) and event.final:
            self._closed = True
            self._buffer.clear()
        return event

    def _detect(self) -> None:
        start = len(self._buffer) - len(self._buffer.lstrip(_BLANK))
        del self._buffer[:start]
        if self._buffer:
            self.framing = Framing.CONTENT_LENGTH if self._buffer[0] in b"Cc" else Framing.NEWLINE

    # --- newline framing -----------------------------------------------------------------------------------------

    def _next_line(self) -> Frame | Damage | None:
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(memoryview(self._buffer)[: min(end, self._max_bytes + 1)])
                del self._buffer[: end + 1]
            elif self._ended:
                line = bytes(self._buffer)
                self._buffer.clear()
            elif len(self._buffer) > self._max_bytes:
                self._buffer.clear()
                self._searched = 0
                if not self._skip_line:
                    self._skip_line = True
                    return Damage(self._too_large())
                return None
            else:
                self._searched = len(self._buffer)
                return None
            self._searched = 0
            if self._skip_line:
                self._skip_line = False
            elif len(line) > self._max_bytes:
                return Damage(self._too_large())
            elif line.strip(_BLANK):
                return Frame(line)
            if end < 0:
                return None

    # --- Content-Length framing ----------------------------------------------------------------------------------

    def _next_body(self) -> Frame | Damage | None:
        if self._skip_bytes:
            skipped = min(self._skip_bytes, len(self._buffer))
            del self._buffer[:skipped]
            self._skip_bytes -= skipped
            if self._skip_bytes:
                return self._truncated() if self._ended else None
        if not self._in_body:
            event = self._read_header()
            if event is not None or not self._in_body:
                return event
        length = self._length or 0
        if len(self._buffer) < length:
            return self._truncated() if self._ended else None
        body = bytes(memoryview(self._buffer)[:length])
        del self._buffer[:length]
        self._in_body, self._length = False, None
        return Frame(body)

    def _read_header(self) -> Damage | None:
        """Read header lines up to the empty one; then either ``_in_body`` is set or the body is being skipped."""
        while True:
            end = self._buffer.find(b"\r\n")
            size = end + 2 if end >= 0 else len(self._buffer)
            if self._header_bytes + size > MAX_HEADER_BYTES:
                return Damage(ParseError(f"header of more than {MAX_HEADER_BYTES} bytes"), final=True)
            if end < 0:
                within = bool(self._buffer) or self._header_bytes > 0
                return self._truncated() if self._ended and within else None
            line = bytes(memoryview(self._buffer)[:end])
            del self._buffer[:size]
            self._header_bytes += size
            if line:
                problem = self._header_line(line)
                if problem:
                    return Damage(ParseError(problem), final=True)
                continue
            self._header_bytes = 0
            return self._begin_body()

    def _header_line(self, line: bytes) -> str | None:
        """Take one header line; return what is wrong with it."""
        name, colon, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip()
        if not colon or not name.startswith(b"content-"):
            return "a line that is no header of this protocol"
        if name == b"content-length":
            # isdigit() of bytes knows ASCII digits only; the length keeps int() from long numbers.
            if self._length is not None or not value.isdigit() or len(value) > 18:
                return "Content-Length must be given once, as a number"
            self._length = int(value)
        elif name == b"content-type":
            charset = value.lower().partition(b"charset=")[2].strip(b' "')
            if charset and charset not in _CHARSETS:
                return "the charset must be utf-8"
        return None

    def _begin_body(self) -> Damage | None:
        length = self._length
        if length is None:
            return Damage(ParseError("header without Content-Length"), final=True)
        if length <= self._max_bytes:
            self._in_body = True
            return None
        self._length = None
        self._skip_bytes = length
        return Damage(self._too_large(), final=length > SKIP_FACTOR * self._max_bytes)

    def _truncated(self) -> Damage:
        return Damage(ParseError("the stream ended inside a message"), final=True)

    def _too_large(self) -> FrameTooLarge:
        return FrameTooLarge(f"message of more than {self._max_bytes} bytes")
