"""The bytes of TEXTUAL screens: one way to write them, and only that is read."""

from __future__ import annotations

import pytest

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.signing.textual import Screen, decode_screens, encode_screens
from cosmos_formats.signing.textual.screen import MAX_BYTES, MAX_INDENT, MAX_SCREENS


def test_an_example() -> None:
    screens = (Screen("Gas limit", "1'000", 1, expert=True), Screen("", "End", 0))
    data = bytes.fromhex("a1 01 82 a4 01 69") + b"Gas limit" + bytes.fromhex("02 65") + b"1'000"
    data += bytes.fromhex("03 01 04 f5 a1 02 63") + b"End"
    assert encode_screens(screens) == data
    assert decode_screens(data) == screens


def test_what_is_empty_is_left_out() -> None:
    assert encode_screens([]) == bytes.fromhex("a10180")
    assert encode_screens([Screen("", "")]) == bytes.fromhex("a10181a0")
    assert decode_screens(bytes.fromhex("a10181a0")) == (Screen("", ""),)


@pytest.mark.parametrize(
    ("size", "head"),
    [(23, "77"), (24, "7818"), (255, "78ff"), (256, "790100"), (65535, "79ffff"), (65536, "7a00010000")],
)
def test_lengths_are_as_short_as_possible(size: int, head: str) -> None:
    data = encode_screens([Screen("", "x" * size)])
    assert data == bytes.fromhex("a10181a102" + head) + b"x" * size
    assert decode_screens(data) == (Screen("", "x" * size),)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("", "nothing"),
        ("80", "a list instead of a map"),
        ("a0", "an empty map"),
        ("a20180", "two entries announced"),
        ("a10280", "another key"),
        ("a1018000", "a byte behind it"),
        ("a10181", "a screen missing"),
        ("a1019f ff", "a list of indefinite length"),
        ("bf0180ff", "a map of indefinite length"),
        ("a1011800", "a count that is no list"),
        ("a1019800", "a count longer than needed"),
        ("a101980100", "a count longer than needed, with a screen"),
        ("a1019900ff", "a count of two bytes that fits one"),
        ("a1019a0000ffff", "a count of four bytes that fits two"),
        ("a1019b00000000ffffffff", "a count of eight bytes that fits four"),
        ("a1019bffffffffffffffff", "a count of 64 bits"),
        ("a1019c", "a reserved length"),
        ("a10181a10160", "an empty title"),
        ("a10181a10260", "an empty content"),
        ("a10181a10300", "an indentation of 0"),
        ("a10181a10320", "a negative indentation"),
        ("a10181a1031a00010000", "an indentation that is too deep"),
        ("a10181a104f4", "an expert mark that is false"),
        ("a10181a104f6", "an expert mark that is null"),
        ("a10181a10401", "an expert mark that is a number"),
        ("a10181a10501", "an unknown part"),
        ("a10181a1006161", "part 0"),
        ("a10181a2026161016162", "parts out of order"),
        ("a10181a2016161016162", "a part twice"),
        ("a10181a1180161 61", "a key longer than needed"),
        ("a10181a1014161", "bytes instead of text"),
        ("a10181a101781761", "a length longer than needed"),
        ("a10181a1016261", "text that is cut off"),
        ("a10181a10161ff", "text that is not UTF-8"),
        ("a10181a10163eda080", "a lone surrogate"),
        ("a10181a1017f6161ff", "text of indefinite length"),
        ("c1a10180", "a tag"),
    ],
)
def test_any_other_way_to_write_them_is_refused(data: str, what: str) -> None:
    with pytest.raises(InvalidSignDoc):
        decode_screens(bytes.fromhex(data))


def test_sizes_are_bounded() -> None:
    with pytest.raises(InvalidSignDoc, match="screens"):
        encode_screens([Screen("", "")] * (MAX_SCREENS + 1))
    with pytest.raises(InvalidSignDoc, match="bytes"):
        encode_screens([Screen("", "x" * MAX_BYTES)])
    for indent in (-1, MAX_INDENT + 1):
        with pytest.raises(InvalidSignDoc, match="indented"):
            encode_screens([Screen("", "x", indent)])
    with pytest.raises(InvalidSignDoc, match="bytes"):
        decode_screens(bytes(MAX_BYTES + 1))
    with pytest.raises(InvalidSignDoc, match="screens"):
        decode_screens(bytes.fromhex("a1019a") + (MAX_SCREENS + 1).to_bytes(4) + b"\xa0" * (MAX_SCREENS + 1))


def test_text_that_has_no_bytes_is_refused() -> None:
    with pytest.raises(InvalidSignDoc, match="UTF-8"):
        encode_screens([Screen("\ud800", "")])
