from __future__ import annotations

import pytest

from keyring_plugin.errors import FrameTooLarge, ParseError
from keyring_plugin.framing import MAX_HEADER_BYTES, SKIP_FACTOR, Damage, Frame, FrameReader, Framing, frame

LIMIT = 40
TOO_LARGE = "too large"
BROKEN = "broken"
"""What a stream may hold besides frames: damage after which it goes on, and damage after which it does not."""


def with_length(body: bytes, *more: bytes) -> bytes:
    return b"".join([b"Content-Length: %d\r\n" % len(body), *(line + b"\r\n" for line in more), b"\r\n", body])


# name, stream, what is found in it
STREAMS: list[tuple[str, bytes, list[bytes | str]]] = [
    ("nothing", b"", []),
    ("blank lines", b"\n\r\n  \n\t\n", []),
    ("one line", b'{"a":1}\n', [b'{"a":1}']),
    ("two lines, one with CR", b'{"a":1}\r\n[2]\n', [b'{"a":1}\r', b"[2]"]),
    ("blank lines between", b"\n\n{}\n\n \n[]\n\n", [b"{}", b"[]"]),
    ("last line without line break", b"{}\n[1]", [b"{}", b"[1]"]),
    ("not JSON", b"hello\n{}\n", [b"hello", b"{}"]),
    ("not UTF-8", b"\xff\xfe\n{}\n", [b"\xff\xfe", b"{}"]),
    ("a line as long as allowed", b"x" * LIMIT + b"\n{}\n", [b"x" * LIMIT, b"{}"]),
    ("a line too long", b"x" * (LIMIT + 1) + b"\n{}\n", [TOO_LARGE, b"{}"]),
    ("a line much too long", b"x" * LIMIT * 50 + b"\n{}\n", [TOO_LARGE, b"{}"]),
    ("a line too long at the end", b"{}\n" + b"x" * LIMIT * 3, [b"{}", TOO_LARGE]),
    ("headers in the middle are a line", b"{}\nContent-Length: 2\r\n\r\n[]\n", [b"{}", b"Content-Length: 2\r", b"[]"]),
    ("length", with_length(b"{}"), [b"{}"]),
    ("two lengths", with_length(b"{}") + with_length(b"[\n]"), [b"{}", b"[\n]"]),
    ("blank lines before the first header", b"\r\n \n" + with_length(b"{}"), [b"{}"]),
    ("an empty body", with_length(b"") + with_length(b"[]"), [b"", b"[]"]),
    ("lower case", b"content-length:2\r\n\r\n{}", [b"{}"]),
    ("type after length", with_length(b"{}", b"Content-Type: application/json; charset=utf-8"), [b"{}"]),
    ("type before length", b'Content-Type: x; charset="UTF-8"\r\nContent-Length: 2\r\n\r\n{}', [b"{}"]),
    ("a body as long as allowed", with_length(b"y" * LIMIT), [b"y" * LIMIT]),
    ("a body too long", with_length(b"y" * (LIMIT + 1)) + with_length(b"{}"), [TOO_LARGE, b"{}"]),
    ("a body too long and cut", with_length(b"y" * (LIMIT + 9))[:-3], [TOO_LARGE, BROKEN]),
    ("a body too long to skip", b"Content-Length: %d\r\n\r\n{}" % (SKIP_FACTOR * LIMIT + 1), [BROKEN]),
    ("a body that is cut", with_length(b"{}") + with_length(b"[1,2]")[:-1], [b"{}", BROKEN]),
    ("a header that is cut", with_length(b"{}") + b"Content-Le", [b"{}", BROKEN]),
    ("a header without length", b"Content-Type: x\r\n\r\n{}", [BROKEN]),
    ("no number", b"Content-Length: two\r\n\r\n{}", [BROKEN]),
    ("a negative number", b"Content-Length: -2\r\n\r\n{}", [BROKEN]),
    ("digits of another script", "Content-Length: ٢\r\n\r\n{}".encode(), [BROKEN]),
    ("a very long number", b"Content-Length: " + b"9" * 200 + b"\r\n\r\n{}", [BROKEN]),
    ("length twice", b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", [BROKEN]),
    ("a header of another kind", b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", [BROKEN]),
    ("a line that is no header", b"CONNECT everything\r\n\r\n", [BROKEN]),
    ("another charset", with_length(b"{}", b"Content-Type: x; charset=utf-16"), [BROKEN]),
    ("line breaks without CR", b"Content-Length: 2\n\n{}", [BROKEN]),
    ("a header without end", b"Content-Length: 2\r\nContent-X: " + b"x" * MAX_HEADER_BYTES, [BROKEN]),
    ("many headers", b"Content-X: y\r\n" * MAX_HEADER_BYTES, [BROKEN]),
    ("a line among bodies", with_length(b"{}") + b"{}\r\n", [b"{}", BROKEN]),
    ("nothing after damage", b"Content-Length: x\r\n\r\n" + with_length(b"{}"), [BROKEN]),
]


def read(stream: bytes, step: int) -> list[bytes | str]:
    """Feed a stream in pieces of ``step`` bytes and return what is found."""
    reader = FrameReader(LIMIT)
    found: list[bytes | str] = []
    for piece in [*(stream[start : start + step] for start in range(0, len(stream), step)), b""]:
        reader.feed(piece)
        while (event := reader.next_event()) is not None:
            if isinstance(event, Frame):
                found.append(event.body)
            else:
                found.append(name_of(event))
    assert reader.next_event() is None
    return found


def name_of(damage: Damage) -> str:
    if damage.final:
        return BROKEN
    assert isinstance(damage.error, FrameTooLarge)
    return TOO_LARGE


@pytest.mark.parametrize("step", [1 << 20, 1, 3], ids=["whole", "byte by byte", "three by three"])
@pytest.mark.parametrize(("stream", "expected"), [row[1:] for row in STREAMS], ids=[row[0] for row in STREAMS])
def test_streams(stream: bytes, expected: list[bytes | str], step: int) -> None:
    assert read(stream, step) == expected


@pytest.mark.parametrize("framing", list(Framing))
def test_what_is_framed_is_found(framing: Framing) -> None:
    bodies = [b"{}", b"[1]", b'"x"']
    reader = FrameReader(LIMIT)
    reader.feed(b"".join(frame(body, framing) for body in bodies))
    found = [reader.next_event() for _ in bodies]
    assert found == [Frame(body) for body in bodies]
    assert reader.framing is framing


def test_the_framing_is_told_by_the_first_byte_that_is_not_white_space() -> None:
    reader = FrameReader(LIMIT)
    reader.feed(b" \r\n")
    assert reader.next_event() is None
    assert reader.framing is None
    reader.feed(b"c")
    assert reader.next_event() is None
    assert reader.framing is Framing.CONTENT_LENGTH


@pytest.mark.parametrize("start", [b"[", b"Content-Length: 999999999\r\n\r\n"])
def test_a_stream_that_never_ends_takes_no_memory(start: bytes) -> None:
    reader = FrameReader(LIMIT)
    reader.feed(start)
    kinds = set()
    for _ in range(10_000):
        reader.feed(b"z" * 1000)
        if (event := reader.next_event()) is not None:
            kinds.add(type(event))
        assert len(reader._buffer) <= LIMIT + 1000
    assert kinds == {Damage}


def test_a_cut_message_says_so() -> None:
    reader = FrameReader(LIMIT)
    reader.feed(b"Content-Length: 9\r\n\r\n{")
    assert reader.next_event() is None
    reader.feed(b"")
    event = reader.next_event()
    assert isinstance(event, Damage)
    assert isinstance(event.error, ParseError)
    assert "ended inside a message" in str(event.error)
