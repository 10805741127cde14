"""Keys derived from seeds: the examples of BIP-32 and BIP-39, and what is left of the secrets."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from cosmos_formats import hd_keys, mnemonic
from cosmos_formats.hd import HdPath
from cosmos_formats.wipeable import hmac_sha512, wipe

# Test vectors 1 and 3 of BIP-32: seed, path, private key.
BIP_32 = [
    ("000102030405060708090a0b0c0d0e0f", "", "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35"),
    (
        "000102030405060708090a0b0c0d0e0f",
        "m/0'/1/2'/2/1000000000",
        "471b76e389e528d6de6d816857e012c5455051cad6660850e58372a6c3e6e7c8",
    ),
]


@pytest.mark.parametrize(("seed", "path", "key"), BIP_32)
def test_the_examples_of_the_standard(seed: str, path: str, key: str) -> None:
    assert hd_keys.derive(bytes.fromhex(seed), HdPath.parse(path, allow_unhardened=True)).hex() == key


def test_the_seed_is_left_alone() -> None:
    seed = mnemonic.to_seed(b"abandon " * 11 + b"about")
    before = bytes(seed)
    first = hd_keys.derive(seed, HdPath.parse("m/44'/118'/0'/0/0"))
    assert seed == before
    assert first == hd_keys.derive(seed, HdPath.parse("m/44'/118'/0'/0/0"))
    assert first != hd_keys.derive(seed, HdPath.parse("m/44'/60'/0'/0/0"))


@pytest.mark.parametrize("length", [0, 15, 65])
def test_seeds_of_other_lengths(length: int) -> None:
    with pytest.raises(ValueError, match="seed of"):
        hd_keys.derive(bytes(length), HdPath(()))


@pytest.mark.parametrize("key", [b"", b"k", b"k" * 64, b"k" * 128])
@pytest.mark.parametrize("message", [b"", b"m" * 37, b"m" * 500])
def test_hmac(key: bytes, message: bytes) -> None:
    assert hmac_sha512(key, bytearray(message)) == hmac.digest(key, message, hashlib.sha512)
    with pytest.raises(ValueError, match="at most 128"):
        hmac_sha512(bytes(129), message)


def test_wiping() -> None:
    first, second = bytearray(b"one"), bytearray(b"two")
    wipe(first, second)
    assert (first, second) == (bytes(3), bytes(3))


def test_every_secret_on_the_way_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytearray] = []
    hmac_itself, split_itself = hd_keys.hmac_sha512, hd_keys._split

    def recording_hmac(key: bytes | bytearray, message: bytes | bytearray) -> bytearray:
        made.append(hmac_itself(key, message))
        return made[-1]

    def recording_split(digest: bytearray) -> tuple[bytearray, bytearray]:
        halves = split_itself(digest)
        made.extend(halves)
        return halves

    monkeypatch.setattr(hd_keys, "hmac_sha512", recording_hmac)
    monkeypatch.setattr(hd_keys, "_split", recording_split)
    key = hd_keys.derive(bytes(range(64)), HdPath.parse("m/44'/118'/0'/0/0"))
    assert len(made) == 18
    assert any(key)
    assert not [buffer for buffer in made if any(buffer) and buffer is not key]
