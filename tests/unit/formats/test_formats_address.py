"""Bech32 addresses."""

import pytest

from cosmos_formats.address import Prefixes, decode, encode, prefixes
from cosmos_formats.errors import InvalidAddress

RAW = bytes.fromhex("751e76e8199196d454941c45d1b3a323f1433bd6")


@pytest.mark.parametrize("size", [20, 32])
@pytest.mark.parametrize("prefix", ["ve", "vevaloper", "a", "a1b", "x" * 83])
def test_round_trip(prefix: str, size: int) -> None:
    raw = bytes(range(size))
    text = encode(prefix, raw)
    assert decode(text) == decode(text, prefix) == (prefix, raw)


def test_prefixes_of_a_chain() -> None:
    assert prefixes("ve") == Prefixes("ve", "vepub", "vevaloper", "vevaloperpub", "vevalcons", "vevalconspub")


@pytest.mark.parametrize("prefix", ["", "VE", "Ve", "v e", "vé", "v\x7f", "x" * 84])
def test_impossible_prefixes_are_refused(prefix: str) -> None:
    with pytest.raises(InvalidAddress):
        encode(prefix, RAW)
    with pytest.raises(InvalidAddress):
        prefixes(prefix)


@pytest.mark.parametrize("size", [0, 1, 19, 21, 31, 33, 64])
def test_other_lengths_are_refused(size: int) -> None:
    with pytest.raises(InvalidAddress, match=f"{size} bytes"):
        encode("ve", bytes(size))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "characters"),
        ("x" * 1000, "characters"),
        ("not an address", "bech32"),
        ("ve1w508d6qejxtdg4y5r3zarvary0c5xw7kbbbbbb", "does not use"),
        ("12345678", "not a bech32 address"),
        ("qqqqqqqq", "not a bech32 address"),
        ("COSMOS1W508D6QEJXTDG4Y5R3ZARVARY0C5XW7K6AH60C", "lower case"),
        ("Cosmos1w508d6qejxtdg4y5r3zarvary0c5xw7k6ah60c", "lower case"),
        ("cosmos1w508d6qejxtdg4y5r3zarvary0c5xw7k6ah60q", "checksum"),
        ("cosmos1w508d6qejxtdg4y5r3zarvary0c5xw7k6ah6c0", "checksum"),
        ("kosmos1w508d6qejxtdg4y5r3zarvary0c5xw7k6ah60c", "checksum"),
        ("a1lqfn3a", "bech32m"),
        ("split1checkupstagehandshakeupstreamerranterredcaperredlc445v", "bech32m"),
    ],
)
def test_other_texts_are_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(InvalidAddress, match=says):
        decode(text)


def test_another_prefix_is_refused() -> None:
    with pytest.raises(InvalidAddress, match="prefix is 've', expected 'cosmos'"):
        decode(encode("ve", RAW), "cosmos")


def test_stray_bits_are_refused() -> None:
    from bech32 import bech32_encode, convertbits

    words = convertbits(RAW + bytes(12), 8, 5)
    assert words is not None
    words[-1] |= 1
    with pytest.raises(InvalidAddress, match="padding"):
        decode(bech32_encode("ve", words))
