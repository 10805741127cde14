"""Framing and JSON for any bytes, in any pieces."""

from __future__ import annotations

import itertools
import json
import math

from hypothesis import given
from hypothesis import strategies as st

from keyring_plugin import jsontext
from keyring_plugin.errors import ParseError
from keyring_plugin.framing import SKIP_FACTOR, Damage, Frame, FrameReader, Framing, frame

LIMIT = 64

lines = st.one_of(
    st.binary(max_size=2 * LIMIT),
    st.sampled_from([b"{}", b"", b" ", b"\r", b"[1,2]", b"x" * LIMIT, b"x" * (LIMIT + 1)]),
)
headers = st.one_of(
    st.integers(0, 3 * LIMIT).map(lambda size: b"Content-Length: %d\r\n\r\n" % size + b"y" * size),
    st.integers(0, 3 * LIMIT).map(lambda size: b"content-type: a\r\nCONTENT-LENGTH:%d\r\n\r\n" % size + b"y" * size),
    st.binary(max_size=40).map(lambda text: b"Content-" + text + b"\r\n"),
)
streams = st.one_of(
    st.lists(lines).map(b"\n".join),
    st.lists(headers).map(b"".join),
    st.lists(st.one_of(lines, headers)).map(b"".join),
    st.binary(max_size=500),
)


def read(pieces: list[bytes]) -> list[object]:
    reader = FrameReader(LIMIT)
    found: list[object] = []
    for piece in [*pieces, b""]:
        reader.feed(piece)
        while (event := reader.next_event()) is not None:
            found.append(event.body if isinstance(event, Frame) else (event.error.code, event.final))
            if isinstance(event, Frame):
                assert len(event.body) <= LIMIT
        assert len(reader._buffer) <= max(LIMIT, 4096) + len(piece)
    return found


@given(streams, st.lists(st.integers(0, 700)))
def test_the_pieces_do_not_matter(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[begin:end] for begin, end in itertools.pairwise(edges) if begin < end]
    whole = read([stream] if stream else [])
    assert read(pieces) == whole
    assert read([stream[place : place + 1] for place in range(len(stream))]) == whole
    assert all(not final for _, final in (found for found in whole[:-1] if isinstance(found, tuple)))


@given(st.lists(st.binary(max_size=LIMIT).filter(lambda body: b"\n" not in body and body.strip())))
def test_what_is_framed_comes_back(bodies: list[bytes]) -> None:
    for framing in Framing:
        reader = FrameReader(LIMIT, framing)
        reader.feed(b"".join(frame(body, framing) for body in bodies))
        assert [reader.next_event() for _ in bodies] == [Frame(body) for body in bodies]


@given(st.integers(LIMIT + 1, SKIP_FACTOR * LIMIT), st.binary(max_size=LIMIT))
def test_a_body_that_is_too_large_is_skipped_to_the_byte(size: int, following: bytes) -> None:
    reader = FrameReader(LIMIT)
    reader.feed(b"Content-Length: %d\r\n\r\n" % size + b"z" * size + frame(following, Framing.CONTENT_LENGTH))
    damage = reader.next_event()
    assert isinstance(damage, Damage)
    assert not damage.final
    assert reader.next_event() == Frame(following)


texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


@given(values)
def test_json_comes_back(value: object) -> None:
    encoded = jsontext.encode(value)
    assert encoded.isascii()
    assert b"\n" not in encoded
    assert jsontext.parse(encoded, 100) == value


json_like = st.one_of(
    st.binary(max_size=60),
    st.text(st.sampled_from('{}[]",:\\u0dD8fé1eE+-. \n\tNaInfity'), max_size=60).map(str.encode),
    values.map(lambda value: json.dumps(value, allow_nan=True).encode()).flatmap(
        lambda text: st.tuples(st.integers(0, len(text)), st.binary(max_size=3)).map(
            lambda change: text[: change[0]] + change[1] + text[change[0] + 1 :]
        )
    ),
)


@given(json_like, st.integers(1, 8))
def test_json_is_what_the_standard_parser_reads_or_an_error(text: bytes, depth: int) -> None:
    try:
        parsed = jsontext.parse(text, depth)
    except ParseError:
        return
    assert equal(parsed, json.loads(text))
    assert depth_of(parsed) <= depth


def equal(one: object, other: object) -> bool:
    return one == other or (isinstance(one, float) and isinstance(other, float) and math.isclose(one, other))


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0
