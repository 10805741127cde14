"""Mnemonics: the word list, checksums, and how strictly words are read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cosmos_formats import mnemonic
from cosmos_formats.mnemonic import InvalidMnemonic

DATA = Path(mnemonic.__file__).parent / "data"
TWELVE = bytearray(b"abandon " * 11 + b"about")


def text_of(error: pytest.ExceptionInfo[InvalidMnemonic]) -> str:
    return str(error.value)


def test_the_word_list_is_the_one_that_its_note_names() -> None:
    words = (DATA / "bip39-english.txt").read_bytes()
    digest = hashlib.sha256(words).hexdigest()
    assert digest in (DATA / "bip39-english.md").read_text()
    # The digest of english.txt as BIP-39 publishes it, and of the words in go-bip39.
    assert digest == "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
    assert len(set(mnemonic.word_list())) == 2048
    assert list(mnemonic.word_list()) == sorted(mnemonic.word_list())
    assert "MIT" in (DATA / "bip39-english.license.txt").read_text()


@pytest.mark.parametrize(
    ("entropy", "words"),
    [
        (bytes(16), "abandon " * 11 + "about"),
        (b"\xff" * 16, "zoo " * 11 + "wrong"),
        (bytes(32), "abandon " * 23 + "art"),
        (b"\x7f" * 16, "legal winner thank year wave sausage worth useful legal winner thank yellow"),
    ],
)
def test_entropy_becomes_the_words_of_the_standard(entropy: bytes, words: str) -> None:
    assert mnemonic.from_entropy(entropy) == words.encode()
    mnemonic.check(words.encode())


@pytest.mark.parametrize("length", [0, 1, 12, 15, 17, 36, 64])
def test_entropy_of_other_lengths(length: int) -> None:
    with pytest.raises(InvalidMnemonic, match=r"^Entropy length must be \[128, 256\] and a multiple of 32$"):
        mnemonic.from_entropy(bytes(length))


def test_the_seed_of_the_standards_example() -> None:
    assert (
        mnemonic.to_seed(TWELVE, b"TREZOR")
        .hex()
        .startswith("c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e5")
    )
    assert mnemonic.to_seed(TWELVE).hex().startswith("5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1")


def test_a_passphrase_is_not_normalised() -> None:
    composed, decomposed = "\u00e9".encode(), "e\u0301".encode()
    assert mnemonic.to_seed(TWELVE, composed) != mnemonic.to_seed(TWELVE, decomposed), "as the SDK has it"


@pytest.mark.parametrize(
    ("words", "text", "advice"),
    [
        (TWELVE.replace(b"about", b"abandon"), "Invalid byte at position 16", "does not fit"),
        (b"abandon " * 24, "Wrong entropy + checksum size - expected 264, got 275", "one space"),
        (b"abandon " * 23 + b"abandon", "Invalid byte at position 32", "does not fit"),
        (TWELVE.replace(b"about", b"aboutt"), "Invalid mnemonic", "word 12 is not"),
        (b"qwerty " + TWELVE[8:], "Invalid mnemonic", "word 1 is not"),
        (TWELVE.upper(), "Invalid mnemonic", "word 1 is not"),
        (TWELVE.title(), "Invalid mnemonic", "word 1 is not"),
        (TWELVE[8:], "Invalid mnemonic", "not 11"),
        (b"", "Invalid mnemonic", "not 0"),
        (b"abandon " * 26 + b"about", "Invalid mnemonic", "not 27"),
        (b" " + TWELVE, "Wrong entropy + checksum size - expected 132, got 143", "one space"),
        (TWELVE + b" ", "Wrong entropy + checksum size - expected 132, got 143", "one space"),
        (TWELVE.replace(b" ", b"  ", 1), "Wrong entropy + checksum size - expected 132, got 143", "one space"),
        (TWELVE.replace(b" ", b"  ", 3), "Word 2 not found in reverse map", "one space"),
        (TWELVE + b"\n", "Word 12 not found in reverse map", "one space"),
        (TWELVE.replace(b" ", b"\t", 1), "Wrong entropy + checksum size - expected 99, got 121", "one space"),
        ("abandon\u00a0".encode() * 11 + b"about", "Invalid mnemonic", "not 1"),
        (b"abandon " * 1000, "Invalid mnemonic", "longer than"),
        (b"\xff" * 100, "Invalid mnemonic", "not 1"),
    ],
)
def test_what_is_no_mnemonic(words: bytes, text: str, advice: str) -> None:
    for use in (mnemonic.check, mnemonic.to_seed):
        with pytest.raises(InvalidMnemonic) as caught:
            use(words)
        assert text_of(caught) == text
        assert advice in caught.value.advice


def test_no_error_holds_a_word() -> None:
    secret = bytearray(b"qwertz " * 11 + b"about")
    for words in (secret, TWELVE + b"\n", TWELVE.replace(b"about", b"abandon")):
        with pytest.raises(InvalidMnemonic) as caught:
            mnemonic.check(words)
        told = f"{caught.value!r} {caught.value.advice}"
        assert not any(word in told for word in ("qwertz", "about", "abandon"))


def test_what_was_checked_is_left_as_it_was() -> None:
    words = bytearray(TWELVE)
    mnemonic.check(words)
    assert words == TWELVE
