"""Text from a transaction cannot act on a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyring_bridge.cli.safe_text import safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢字 \\ 🙂", "plain ü 漢字 \\ 🙂"),
        ("\x00\x07\x1b[31m\x7f\x9b", r"\x00\x07\x1b[31m\x7f\x9b"),
        ("a\tb\r\nc", r"a\x09b\x0d\x0ac"),
        ("\u202a\u202b\u202c\u202d\u202e", r"\u202a\u202b\u202c\u202d\u202e"),
        ("\u2066\u2067\u2068\u2069\u200e\u200f\u061c", r"\u2066\u2067\u2068\u2069\u200e\u200f\u061c"),
        ("\u200b\u200c\u200d\u2060\ufeff\u00ad", r"\u200b\u200c\u200d\u2060\ufeff\xad"),
        ("\u2028\u2029\ud800\udfff", r"\u2028\u2029\ud800\udfff"),
        ("\U000e0041\U000e007f\ue000\U0010ffff", r"\U000e0041\U000e007f\ue000\U0010ffff"),
        # Six characters that only look like an escape can be told from one that is one.
        ("\\u202e\u202e", r"\\u202e\u202e"),
        ("a" + "\u0301" * 5, "a\u0301\u0301\u0301\\u0301\\u0301"),
    ],
)
def test_hidden_characters(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_long_texts_are_cut() -> None:
    assert safe("x" * 10_000, 10) == "xxxxxxxxxx … (9990 more characters)"
    assert safe(5) == "5"


@given(st.text(st.characters()))
def test_whatever_comes_out_is_one_printable_line(text: str) -> None:
    shown = safe(text)
    # Python calls spaces other than that of ASCII not printable; they are seen as what they are.
    assert all(character.isprintable() or unicodedata.category(character) == "Zs" for character in shown)
    shown.encode("utf-8")
