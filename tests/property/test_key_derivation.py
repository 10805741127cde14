"""Mnemonics, paths, derived keys and armor: round trips, other implementations, and bad input."""

from __future__ import annotations

import hashlib
import hmac

import coincurve
from hypothesis import given, settings
from hypothesis import strategies as st

from cosmos_formats import armor, armor_keys, hd_keys, mnemonic
from cosmos_formats.armor import Block
from cosmos_formats.curves import SECP256K1
from cosmos_formats.errors import FormatError
from cosmos_formats.hd import HARDENED, Bip44Path, HdPath
from cosmos_formats.pubkeys import TYPE_URLS, KeyType

entropies = st.sampled_from([16, 20, 24, 28, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
indexes = st.integers(0, 2 * HARDENED - 1)
paths = st.lists(indexes, max_size=5).map(lambda levels: HdPath(tuple(levels)))
one_line = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)


@given(entropies)
def test_every_entropy_gives_a_mnemonic(entropy: bytes) -> None:
    words = mnemonic.from_entropy(entropy)
    mnemonic.check(words)
    # The definition, by way of one large number.
    size = len(entropy)
    checksum = hashlib.sha256(entropy).digest()[0] >> (8 - size // 4)
    number = int.from_bytes(entropy) << (size // 4) | checksum
    expected = []
    for _ in range(size * 3 // 4):
        number, index = divmod(number, 2048)
        expected.insert(0, mnemonic.word_list()[index])
    assert bytes(words).split(b" ") == expected


@given(entropies, st.integers(0, 23), st.integers(0, 2047))
def test_another_word_is_found_or_another_mnemonic(entropy: bytes, place: int, index: int) -> None:
    words = bytes(mnemonic.from_entropy(entropy)).split(b" ")
    words[place % len(words)] = mnemonic.word_list()[index]
    said = ""
    try:
        mnemonic.check(b" ".join(words))
    except FormatError as error:
        said = str(error)
    assert said in ("", f"Invalid byte at position {len(entropy)}")


@given(st.binary(max_size=400) | st.lists(st.sampled_from([b"zoo", b"wrong", b"", b"x", b"zoo\n"])).map(b" ".join))
def test_nothing_but_format_errors_for_words(data: bytes) -> None:
    try:
        mnemonic.check(data)
    except FormatError:
        return
    assert len(data.split(b" ")) in mnemonic.WORD_COUNTS


@given(entropies, st.binary(max_size=40))
@settings(max_examples=20)
def test_seeds(entropy: bytes, passphrase: bytes) -> None:
    words = mnemonic.from_entropy(entropy)
    expected = hashlib.pbkdf2_hmac("sha512", words, b"mnemonic" + passphrase, 2048)
    assert mnemonic.to_seed(words, passphrase) == expected


@given(st.binary(min_size=16, max_size=64), paths)
def test_derivation(seed: bytes, path: HdPath) -> None:
    digest = hmac.digest(b"Bitcoin seed", seed, "sha512")
    key, chain = int.from_bytes(digest[:32]), digest[32:]
    for index in path.indexes:
        point = coincurve.PrivateKey.from_int(key).public_key.format()
        head = b"\0" + key.to_bytes(32) if index >= HARDENED else point
        digest = hmac.digest(chain, head + index.to_bytes(4), "sha512")
        key, chain = (int.from_bytes(digest[:32]) + key) % SECP256K1.n, digest[32:]
    assert hd_keys.derive(seed, path) == key.to_bytes(32)


@given(st.lists(indexes, min_size=1, max_size=8))
def test_paths(levels: list[int]) -> None:
    path = HdPath(tuple(levels))
    assert HdPath.parse(str(path), allow_unhardened=True) == path


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 2**32 - 1))
def test_bip44_paths(coin: int, account: int, change: bool, index: int) -> None:
    path = Bip44Path(44, coin, account, change, index)
    assert Bip44Path.parse(str(path)) == path


@given(st.text(st.sampled_from("m/'0149h \n\u0664"), max_size=40) | st.text(max_size=40))
def test_nothing_but_format_errors_for_paths(text: str) -> None:
    for read in (Bip44Path.parse, HdPath.parse, lambda text: HdPath.parse(text, allow_unhardened=True)):
        try:
            read(text)
        except FormatError:
            continue


@given(one_line, st.dictionaries(one_line, one_line, max_size=4), st.binary(max_size=300))
def test_armor_round_trips(kind: str, headers: dict[str, str], data: bytes) -> None:
    block = Block(kind, headers, data)
    text = armor.encode(block)
    assert armor.decode(text) == block
    assert max(map(len, text.splitlines())) <= 64 or kind


@given(st.binary(min_size=1, max_size=200), st.integers(0, 10_000), st.characters())
def test_a_changed_character_of_an_armor(data: bytes, place: int, character: str) -> None:
    block = Block("KEY", {"name": "value"}, data)
    text = armor.encode(block)
    place %= len(text)
    try:
        read = armor.decode(text[:place] + character + text[place + 1 :])
    except FormatError:
        return
    assert read.data == data


@given(st.text(max_size=200) | st.text(st.sampled_from("-=BEGIN D\n:A"), max_size=200))
def test_nothing_but_format_errors_for_armor(text: str) -> None:
    for read in (
        armor.decode,
        armor_keys.decode_public_key,
        lambda text: armor_keys.decrypt_private_key(text, b"pw"),
        lambda text: armor.decode(f"-----BEGIN K-----\n{text}\n-----END K-----"),
    ):
        try:
            read(text)
        except FormatError:
            continue


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.binary(min_size=16, max_size=16))
@settings(max_examples=5, deadline=None)
def test_private_keys_in_armor(secret: bytes, passphrase: bytes, salt: bytes) -> None:
    key = armor_keys.ArmoredPrivateKey(KeyType.SECP256K1, TYPE_URLS[KeyType.SECP256K1], bytearray(secret))
    text = armor_keys.encrypt_private_key(key, passphrase, salt)
    assert armor_keys.decrypt_private_key(text, passphrase) == key
