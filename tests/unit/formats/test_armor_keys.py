"""Keys in armor: what is read and written, and the SDK's texts for what is refused."""

from __future__ import annotations

import hashlib

import coincurve
import nacl.bindings
import pytest
from Crypto.Protocol.KDF import bcrypt

from cosmos_formats import armor, armor_keys
from cosmos_formats.armor import Block, InvalidArmor
from cosmos_formats.armor_keys import ArmoredPrivateKey, WrongPassphrase
from cosmos_formats.errors import InvalidKey
from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import ETH_TYPE_URLS, TYPE_URLS, KeyType, PublicKey

SECRET = bytes(range(1, 33))
SALT = bytes(range(16))
PUBLIC = PublicKey(KeyType.SECP256K1, coincurve.PrivateKey(SECRET).public_key.format())
ETH = PublicKey(KeyType.ETH_SECP256K1, PUBLIC.data, ETH_TYPE_URLS[2])
GROUP = MultisigPublicKey(1, (PUBLIC, ETH))
AMINO = bytes.fromhex("e1b0f79b20") + SECRET

# RFC 4880 names no example; this one is the CRC-24 catalogue's (OpenPGP) check value.
CHECK = (b"123456789", 0x21CF02)


def private(key_type: KeyType = KeyType.SECP256K1, url: str = "") -> ArmoredPrivateKey:
    return ArmoredPrivateKey(key_type, url or TYPE_URLS[key_type], bytearray(SECRET))


def old_armor(passphrase: bytes, clear: bytes = AMINO, **headers: str) -> str:
    """An armor as SDK 0.46 wrote it, with other libraries than ours uses."""
    key = hashlib.sha256(bcrypt(passphrase, 12, SALT)).digest()
    nonce = bytes(range(24))
    sealed = nonce + nacl.bindings.crypto_secretbox(clear, nonce, key)
    return armor.encode(Block(armor_keys.PRIVATE_KEY, {"kdf": "bcrypt", "salt": SALT.hex().upper()} | headers, sealed))


def test_the_checksum() -> None:
    assert armor.crc24(CHECK[0]) == CHECK[1]
    assert armor.crc24(b"") == 0xB704CE


@pytest.mark.parametrize("key", [PUBLIC, ETH, GROUP, PublicKey(KeyType.ED25519, b"\x58" + b"\x66" * 31)])
def test_public_keys(key: PublicKey | MultisigPublicKey) -> None:
    text = armor_keys.encode_public_key(key)
    kind = "PubKeyMultisigThreshold" if isinstance(key, MultisigPublicKey) else key.key_type
    assert text.startswith(f"-----BEGIN TENDERMINT PUBLIC KEY-----\ntype: {kind}\nversion: 0.0.1\n\n")
    assert text.endswith("\n-----END TENDERMINT PUBLIC KEY-----\n")
    assert armor_keys.decode_public_key(text) == key
    for version in ("0.0.0", "0.0.1"):
        old = armor.encode(Block(armor_keys.PUBLIC_KEY, {"version": version}, key.to_amino()))
        assert armor_keys.decode_public_key(old) == key


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (Block(armor_keys.PUBLIC_KEY, {"type": "x"}, PUBLIC.to_amino()), "header's version field is empty"),
        (Block(armor_keys.PUBLIC_KEY, {"version": "1.0"}, PUBLIC.to_amino()), "unrecognized version: 1.0"),
        (
            Block(armor_keys.PRIVATE_KEY, {"version": "0.0.1"}, b""),
            'couldn\'t unarmor bytes: unrecognized armor type "TENDERMINT PRIVATE KEY", '
            'expected: "TENDERMINT PUBLIC KEY"',
        ),
    ],
)
def test_public_armor_that_the_sdk_refuses(block: Block, says: str) -> None:
    with pytest.raises(InvalidArmor) as caught:
        armor_keys.decode_public_key(armor.encode(block))
    assert str(caught.value) == says


@pytest.mark.parametrize("data", [b"", b"\x0a", b"\x0a\x01x", b"\x00" * 40, PUBLIC.to_amino()[:-1], PUBLIC.data])
def test_public_armor_around_something_else(data: bytes) -> None:
    text = armor.encode(Block(armor_keys.PUBLIC_KEY, {"version": "0.0.1"}, data))
    with pytest.raises(InvalidKey):
        armor_keys.decode_public_key(text)


@pytest.mark.parametrize("url", ["", *ETH_TYPE_URLS])
def test_a_private_key_comes_back(url: str) -> None:
    key = private(KeyType.ETH_SECP256K1, url) if url else private()
    text = armor_keys.encrypt_private_key(key, b"a passphrase", SALT)
    assert f"kdf: argon2\nsalt: {SALT.hex().upper()}\ntype: {key.key_type}\n" in text
    opened = armor_keys.decrypt_private_key(text, bytearray(b"a passphrase"))
    assert opened == key
    assert SECRET.hex() not in repr(opened)
    with pytest.raises(WrongPassphrase, match=r"^invalid account password$"):
        armor_keys.decrypt_private_key(text, b"another passphrase")


@pytest.mark.parametrize("passphrase", [b"", b"x", "pässphräse".encode(), b"p" * 72, b"p" * 200])
def test_the_older_key_derivation(passphrase: bytes) -> None:
    text = old_armor(passphrase[:72])
    assert armor_keys.decrypt_private_key(text, passphrase).secret == SECRET
    with pytest.raises(WrongPassphrase, match=r"^invalid account password$"):
        armor_keys.decrypt_private_key(text, passphrase[:71] + b"?")
    with pytest.raises(WrongPassphrase):
        armor_keys.decrypt_private_key(text, b"\0x" + passphrase)


def test_an_ed25519_key() -> None:
    pair = SECRET + bytes(32)
    opened = armor_keys.decrypt_private_key(old_armor(b"pw", bytes.fromhex("a328891040") + pair), b"pw")
    assert (opened.key_type, opened.secret) == (KeyType.ED25519, SECRET)
    with pytest.raises(InvalidKey, match="not written in armor"):
        armor_keys.encrypt_private_key(opened, b"pw", SALT)


def test_the_type_is_what_was_encrypted_not_what_the_header_says() -> None:
    assert armor_keys.decrypt_private_key(old_armor(b"pw", type="eth_secp256k1"), b"pw").key_type is KeyType.SECP256K1


@pytest.mark.parametrize(
    "clear", [b"\0", AMINO[:-1], AMINO + b"\0", b"\0\0\0\0" + AMINO[4:], AMINO[:4] + b"\x21" + SECRET]
)
def test_an_armor_around_something_else(clear: bytes) -> None:
    with pytest.raises(InvalidKey):
        armor_keys.decrypt_private_key(old_armor(b"pw", clear), b"pw")


@pytest.mark.parametrize(
    ("kind", "headers", "says"),
    [
        ("TENDERMINT PUBLIC KEY", {}, "unrecognized armor type: TENDERMINT PUBLIC KEY"),
        ("TENDERMINT PRIVATE KEY", {}, "unrecognized KDF type: "),
        ("TENDERMINT PRIVATE KEY", {"kdf": "scrypt"}, "unrecognized KDF type: scrypt"),
        ("TENDERMINT PRIVATE KEY", {"kdf": "argon2"}, "missing salt bytes"),
        (
            "TENDERMINT PRIVATE KEY",
            {"kdf": "argon2", "salt": "zz"},
            "error decoding salt: encoding/hex: invalid byte: U+007A 'z'",
        ),
        (
            "TENDERMINT PRIVATE KEY",
            {"kdf": "bcrypt", "salt": "abc"},
            "error decoding salt: encoding/hex: odd length hex string",
        ),
        (
            "TENDERMINT PRIVATE KEY",
            {"kdf": "bcrypt", "salt": "abcd"},
            "Error generating bcrypt cypher for key.: salt len must be 16",
        ),
        ("TENDERMINT PRIVATE KEY", {"kdf": "argon2", "salt": "00" * 16}, "ciphertext is too short"),
        ("TENDERMINT PRIVATE KEY", {"kdf": "bcrypt", "salt": "00" * 16}, "ciphertext is too short"),
    ],
)
def test_private_armor_that_the_sdk_refuses(kind: str, headers: dict[str, str], says: str) -> None:
    text = armor.encode(Block(kind, headers, b"\0" * 12))
    with pytest.raises(InvalidArmor) as caught:
        armor_keys.decrypt_private_key(text, b"pw")
    assert str(caught.value) == says


def test_only_salts_of_the_right_length_are_written() -> None:
    with pytest.raises(ValueError, match="salt of 15"):
        armor_keys.encrypt_private_key(private(), b"pw", bytes(15))


TEXT = armor_keys.encode_public_key(PUBLIC)
LINES = TEXT.splitlines()


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("\n", "\r\n"),
        "garbage\n\n" + TEXT + "more of it",
        TEXT[:-1],
        "-----BEGIN OTHER-----\nno header\n" + TEXT,
        "\n".join(line for line in LINES if not line.startswith("=")),
        TEXT.replace("type: secp256k1\n", ""),
        "  " + TEXT,
    ],
)
def test_what_is_read_as_well(text: str) -> None:
    assert armor_keys.decode_public_key(text) == PUBLIC


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "EOF"),
        ("no armor", "EOF"),
        (LINES[0], "EOF"),
        ("\n".join(LINES[:3]), "EOF"),
        ("\n".join(LINES[:-1]), "openpgp: invalid data: armor invalid"),
        ("\n".join(LINES[:-2]), "unexpected EOF"),
        (TEXT.replace(LINES[-2], "=AAAA"), "openpgp: invalid data: armor invalid"),
        (TEXT.replace(LINES[-2], "=A*AA"), "illegal base64 data"),
        (TEXT.replace(LINES[4], LINES[4] + "*"), "illegal base64 data"),
        (TEXT.replace(LINES[4], "A" * 100), "openpgp: invalid data: armor invalid"),
        (
            TEXT.replace("-----END TENDERMINT PUBLIC", "-----END TENDERMINT PRIVATE"),
            "openpgp: invalid data: armor invalid",
        ),
        (TEXT.replace(LINES[-1], "x\n" + LINES[-1]), "openpgp: invalid data: armor invalid"),
        ("x" * (armor.LARGEST + 1), "at most 65536"),
        ("-----BEGIN \ud800-----\n\n\ud800\n-----END \ud800-----", "illegal base64 data"),
    ],
)
def test_damaged_armor(text: str, says: str) -> None:
    with pytest.raises(InvalidArmor) as caught:
        armor.decode(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "block",
    [
        Block("", {}, b""),
        Block("two\nlines", {}, b""),
        Block("KEY", {"a\nb": "c"}, b""),
        Block("KEY", {"a": "b\nc"}, b""),
        Block("KEY", {"a": ""}, b""),
        Block("KEY", {"": "a"}, b""),
        Block("KEY", {"a: b": "c"}, b""),
        Block("KEY", {"a": "b "}, b""),
    ],
)
def test_blocks_that_cannot_be_written(block: Block) -> None:
    with pytest.raises(InvalidArmor):
        armor.encode(block)
