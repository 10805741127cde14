"""Texts of Go's standard library that are part of the SDK's error messages."""

from __future__ import annotations

from typing import Final

_SHORT: Final = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}

_HEXADECIMAL: Final = frozenset(b"0123456789abcdefABCDEF")


def quoted(text: str) -> str:
    """Return a text as ``strconv.Quote`` (and ``%q``) shows it."""
    return '"' + "".join(_SHORT.get(character) or _visible(character) for character in text) + '"'


def _visible(character: str) -> str:
    number = ord(character)
    if character.isprintable():
        return character
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


class NotHexadecimal(ValueError):
    """A text that ``hex.DecodeString`` refuses; its message is the one Go gives."""


def hex_bytes(text: str) -> bytes:
    """Return what hexadecimal digits stand for, as ``hex.DecodeString`` reads them.

    Raises:
        NotHexadecimal: Something else than digits, or an odd number of them.
    """
    data = text.encode("utf-8", "surrogateescape")
    for byte in data:
        if byte not in _HEXADECIMAL:
            shown = f" '{chr(byte)}'" if chr(byte).isprintable() else ""
            raise NotHexadecimal(f"encoding/hex: invalid byte: U+{byte:04X}{shown}")
    if len(data) % 2:
        raise NotHexadecimal("encoding/hex: odd length hex string")
    return bytes.fromhex(data.decode("ascii"))


class NotANumber(ValueError):
    """A text that ``strconv.ParseUint`` refuses; its message is the one Go gives."""


def parse_uint(text: str, bits: int) -> int:
    """Return the number that decimal digits stand for, as ``strconv.ParseUint(text, 10, bits)`` reads it.

    Raises:
        NotANumber: Something else than digits, or a number that does not fit.
    """
    number = 0
    for character in text or "-":
        if not "0" <= character <= "9":
            raise NotANumber(f"strconv.ParseUint: parsing {quoted(text)}: invalid syntax")
        number = number * 10 + ord(character) - ord("0")
        if number >= 1 << bits:
            raise NotANumber(f"strconv.ParseUint: parsing {quoted(text)}: value out of range")
    return number
