"""Names of keys: what a new key may be called, and how the SDK's lookups read a name."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyring_bridge.errors import InvalidName
from keyring_bridge.names import MAX_NAME_BYTES, check_name, lookup_name


@pytest.mark.parametrize(
    "name",
    [
        "val",
        "my key",
        "a/b",
        "../../etc/passwd",
        ".",
        "..",
        "a%2Fb",
        "ключ",
        "鍵",
        "مفتاح",
        "नमस्ते",
        "می‌خواهم",
        "🔑",
        "x" * 255,
    ],
)
def test_accepts(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "needed"),
        ("x" * 256, "256"),
        ("x" * 10_000, "10000"),
        ("é" * 128, "256 bytes"),
        ("a\nb", "U+000A"),
        ("a\x00b", "U+0000"),
        ("a\x1b[31mb", "U+001B"),
        ("a\x7f", "U+007F"),
        ("abc\u202etxt", "U+202E"),
        ("a\u200bb", "U+200B"),
        ("a\u2028b", "U+2028"),
        ("\ud800", "U+D800"),
        ("a\ufe0f", "U+FE0F"),
        ("a\U000e0100", "U+E0100"),
        ("a\u034fb", "U+034F"),
        ("\u115f", "U+115F"),
        ("a\u3164", "U+3164"),
        ("a\u2800b", "U+2800"),
        ("a\u00a0b", "U+00A0"),
        ("a\ue000", "U+E000"),
        (" a", "white space"),
        ("a ", "white space"),
        ("e\u0301", "normal form"),
        ("a.info", ".info"),
    ],
)
def test_refuses(name: str, says: str) -> None:
    with pytest.raises(InvalidName, match=says.replace("+", r"\+").replace(".", r"\.")):
        check_name(name)


@given(st.text(max_size=400))
def test_any_text_is_accepted_whole_or_refused(name: str) -> None:
    try:
        assert check_name(name) == name
    except InvalidName:
        return
    assert 1 <= len(name.encode()) <= MAX_NAME_BYTES
    assert not any(unicodedata.category(c) == "Cc" for c in name)
    assert unicodedata.normalize("NFC", name) == name
    assert lookup_name(name) == name


def test_lookup_reads_a_final_info_as_the_sdk_does() -> None:
    assert lookup_name("val.info") == "val"
    assert lookup_name("val") == "val"
    with pytest.raises(InvalidName, match="no key name or address provided"):
        lookup_name("")
