"""Mnemonics (BIP-39) in English, as the Cosmos SDK's ``go-bip39`` makes and reads them.

Error texts are the SDK's, but never hold a word. A mnemonic is read strictly: words in lower case with one space
between them and nothing else. Passphrases are taken byte for byte; BIP-39 wants them in Unicode normal form KD, which
the SDK does not do, so only ASCII passphrases give the same keys everywhere.

Secrets go in and come out in buffers for the caller to wipe.
"""

from __future__ import annotations

import hashlib
import os.path
from collections.abc import Mapping
from functools import cache
from typing import Final

from cosmos_formats.errors import FormatError
from cosmos_formats.wipeable import sha256, wipe

WORD_COUNTS: Final = (12, 15, 18, 21, 24)
LONGEST: Final = 1024
"""Most bytes that are looked at. 24 words have at most 215."""

_WORD_BITS: Final = 11
_ROUNDS: Final = 2048
_SEED: Final = 64


class InvalidMnemonic(FormatError):
    """Words that are not a mnemonic.

    Args:
        message: The SDK's text.
        advice: What is wrong, for a person; holds positions, never words.
    """

    code = "invalid_mnemonic"

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


@cache
def word_list() -> tuple[bytes, ...]:
    """Return the 2048 words, in order."""
    path = os.path.join(os.path.dirname(__file__), "data", "bip39-english.txt")
    with open(path, "rb") as file:
        return tuple(file.read().split())


@cache
def _positions() -> Mapping[bytes, int]:
    return {word: position for position, word in enumerate(word_list())}


def from_entropy(entropy: bytes | bytearray) -> bytearray:
    """Return the mnemonic of random bytes.

    Args:
        entropy: 16, 20, 24, 28 or 32 bytes; they give 12, 15, 18, 21 or 24 words.

    Raises:
        InvalidMnemonic: Another length.
    """
    count = len(entropy) * 3 // 4
    if len(entropy) % 4 or count not in WORD_COUNTS:
        raise InvalidMnemonic("Entropy length must be [128, 256] and a multiple of 32", "16 to 32 bytes, in steps of 4")
    words = word_list()
    bits = bytearray(len(entropy) + 1)
    bits[:-1] = entropy
    bits[-1] = hashlib.sha256(entropy).digest()[0]
    try:
        chosen = [words[_bits_at(bits, number * _WORD_BITS)] for number in range(count)]
    finally:
        wipe(bits)
    # Made at once: a buffer that grows leaves copies behind.
    mnemonic = bytearray(b" ") * (sum(map(len, chosen)) + count - 1)
    at = 0
    for word in chosen:
        mnemonic[at : at + len(word)] = word
        at += len(word) + 1
    return mnemonic


def check(mnemonic: bytes | bytearray) -> None:
    """Make sure that words are a mnemonic, spelt and separated as the SDK wants them.

    Args:
        mnemonic: UTF-8.

    Raises:
        InvalidMnemonic: They are not.
    """
    if len(mnemonic) > LONGEST:
        raise InvalidMnemonic("Invalid mnemonic", f"longer than {LONGEST} bytes")
    words = bytearray(mnemonic)
    loose: list[bytearray] = words.split()
    strict: list[bytearray] = words.split(b" ")
    try:
        _check_words(loose)
        _check_strictly(strict)
        _check_checksum(strict)
    finally:
        wipe(words, *loose, *strict)


def to_seed(mnemonic: bytes | bytearray, passphrase: bytes | bytearray = b"") -> bytearray:
    """Return the seed of a mnemonic, 64 bytes.

    Args:
        mnemonic: UTF-8.
        passphrase: UTF-8 as it was typed; see the module's text.

    Raises:
        InvalidMnemonic: The words are not a mnemonic.
    """
    check(mnemonic)
    from cryptography.hazmat.primitives.hashes import SHA512
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    seed = bytearray(_SEED)
    PBKDF2HMAC(SHA512(), _SEED, b"mnemonic" + passphrase, _ROUNDS).derive_into(mnemonic, seed)
    return seed


def to_ed25519_seed(mnemonic: bytes | bytearray) -> bytearray:
    """Return the ed25519 seed (RFC 8032) of a mnemonic, 32 bytes: the SHA-256 of its text.

    That is CometBFT's ``ed25519.GenPrivKeyFromSecret``, with which ``init --recover`` of a chain's program makes the
    consensus key of a node.

    Args:
        mnemonic: UTF-8.

    Raises:
        InvalidMnemonic: The words are not a mnemonic.
    """
    check(mnemonic)
    return sha256(mnemonic)


def _check_words(words: list[bytearray]) -> None:
    if len(words) not in WORD_COUNTS:
        raise InvalidMnemonic("Invalid mnemonic", f"a mnemonic has 12, 15, 18, 21 or 24 words, not {len(words)}")
    known = _positions()
    for number, word in enumerate(words, 1):
        if bytes(word) not in known:
            raise InvalidMnemonic("Invalid mnemonic", f"word {number} is not in the English word list of BIP-39")


def _check_strictly(words: list[bytearray]) -> None:
    """Refuse anything but single spaces between words, once it is known that the words themselves are fine."""
    advice = "exactly one space between words, and nothing before the first or behind the last"
    if len(words) not in WORD_COUNTS:
        bits = len(words) * _WORD_BITS
        entropy = bits - bits % 32
        wanted = entropy + entropy // 32
        raise InvalidMnemonic(f"Wrong entropy + checksum size - expected {wanted}, got {bits}", advice)
    known = _positions()
    for number, word in enumerate(words, 1):
        if bytes(word) not in known:
            raise InvalidMnemonic(f"Word {number} not found in reverse map", advice)


def _check_checksum(words: list[bytearray]) -> None:
    known = _positions()
    size = len(words) * 4 // 3
    checksum_bits = len(words) // 3
    packed = bytearray(size + 1)
    entropy = bytearray(size)
    try:
        for number, word in enumerate(words):
            _put_bits(packed, number * _WORD_BITS, known[bytes(word)])
        with memoryview(packed) as view:
            entropy[:] = view[:size]
        expected = hashlib.sha256(entropy).digest()[0] >> (8 - checksum_bits)
        if packed[size] >> (8 - checksum_bits) != expected:
            raise InvalidMnemonic(
                f"Invalid byte at position {size}",
                "the last word does not fit the others: a word is wrong, or two are swapped",
            )
    finally:
        wipe(packed, entropy)


def _bits_at(buffer: bytearray, start: int) -> int:
    """Return eleven bits that begin at the bit ``start``, counted from the left."""
    number = 0
    for position in range(start, start + _WORD_BITS):
        number = number << 1 | buffer[position >> 3] >> (7 - (position & 7)) & 1
    return number


def _put_bits(buffer: bytearray, start: int, number: int) -> None:
    """Set eleven bits from the bit ``start`` on, where zeros are."""
    for offset in range(_WORD_BITS):
        position = start + offset
        buffer[position >> 3] |= (number >> (_WORD_BITS - 1 - offset) & 1) << (7 - (position & 7))
