"""The key file's format, and how each way of being wrong is told."""

from __future__ import annotations

import os
import struct
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt

from cosmos_formats.pubkeys import TOKEN_TYPES, KeyType
from keyring_bridge.errors import InvalidName, KeyFileDamaged, PinIncorrect, TokenFull
from keyring_bridge.model import Purpose
from keyring_bridge.providers import private_keys
from keyring_bridge.providers.software import key_file
from keyring_bridge.providers.software.key_file import FileKey, Header, KdfParameters, StoredKey
from keyring_bridge.secrets import SecretBytes
from tests.key_files import CHEAPEST, PASSPHRASE

HEADER_SIZE = 8 + 16 + 8 + 16 + 32 + 24


def a_key(key_type: KeyType = KeyType.SECP256K1, label: str = "alice", purpose: Purpose = Purpose.ACCOUNT) -> StoredKey:
    secret = private_keys.generate(key_type)
    public_key = private_keys.public_key_for(key_type, secret)
    made = datetime(2026, 11, 24, 1, 2, 3, 456789, tzinfo=UTC)
    return StoredKey(os.urandom(16), label, purpose, False, made, public_key, secret)


@pytest.fixture(scope="module")
def opener() -> FileKey:
    """The key of a file, derived once: the hashing is slow on purpose."""
    return FileKey.create(SecretBytes(PASSPHRASE), CHEAPEST)


def resealed(content: bytes, at: int, new: bytes) -> bytes:
    """Edit a file and mend its checksum, as somebody would who edits on purpose."""
    body = content[:at] + new + content[at + len(new) : -32]
    return body + sha256(body).digest()


def test_what_is_sealed_opens_again(opener: FileKey) -> None:
    keys = [a_key(key_type, f"schlüssel {key_type}", purpose) for key_type in TOKEN_TYPES for purpose in Purpose]
    opened = opener.open(opener.seal(keys))
    assert list(opened) == keys
    assert [key.secret for key in opened] == [key.secret for key in keys]


def test_the_passphrase_opens_and_no_other(opener: FileKey) -> None:
    header = Header.decode(opener.seal(()))
    assert FileKey.derive(SecretBytes(PASSPHRASE), header).open(opener.seal(())) == ()
    with pytest.raises(PinIncorrect):
        FileKey.derive(SecretBytes(PASSPHRASE + b"x"), header)


def test_the_layout_is_the_one_described(opener: FileKey) -> None:
    key = a_key()
    content = opener.seal([key])
    assert content[:8] == b"KBKEYS\0\1"
    assert content[8:24] == opener.header.store
    assert struct.unpack(">II", content[24:32]) == (19 << 10, 2)
    assert content[32:48] == opener.header.salt
    assert content[48:80] == opener.header.check
    assert len(content) == HEADER_SIZE + 4 + (29 + len(b"alice") + 32 + 33) + 16 + 32
    assert content[-32:] == sha256(content[:-32]).digest()
    assert bytes(key.secret.reveal()) not in content
    assert b"alice" not in content


def test_others_can_open_it(opener: FileKey) -> None:
    # OpenSSL's Argon2id and PyNaCl's own functions, by the description alone.
    key = a_key()
    content = opener.seal([key])
    memory, passes = struct.unpack(">II", content[24:32])
    kdf = Argon2id(salt=content[32:48], length=64, iterations=passes, lanes=1, memory_cost=memory)
    derived = kdf.derive(PASSPHRASE)
    assert derived[32:] == content[48:80]
    clear = crypto_aead_xchacha20poly1305_ietf_decrypt(content[104:-32], content[:104], content[80:104], derived[:32])
    assert clear == (
        b"\0\0\0\1"
        + key.id
        + b"\1\1\0"
        + struct.pack(">Q", 1_795_482_123_456_789)
        + b"\0\5alice"
        + key.secret.reveal()
        + key.public_key.data
    )


def test_no_nonce_is_used_twice(opener: FileKey) -> None:
    assert len({opener.seal(())[80:104] for _ in range(200)}) == 200


def test_files_of_one_passphrase_have_other_keys() -> None:
    one, other = (FileKey.create(SecretBytes(PASSPHRASE), CHEAPEST) for _ in range(2))
    assert one.header.store != other.header.store
    assert one.header.salt != other.header.salt
    assert one.header.check != other.header.check
    assert not one.fits(other.header)
    with pytest.raises(KeyFileDamaged, match="edited"):
        one.open(other.seal(()))


@pytest.mark.parametrize("kept", [0, 1, 7, 8, HEADER_SIZE, HEADER_SIZE + 40, -33, -32, -1])
def test_a_file_that_is_cut_off_is_damaged(opener: FileKey, kept: int) -> None:
    content = opener.seal([a_key()])
    with pytest.raises(KeyFileDamaged):
        Header.decode(content[:kept])


def test_every_flipped_bit_is_damage(opener: FileKey) -> None:
    content = opener.seal([a_key()])
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << (at % 8)
        with pytest.raises(KeyFileDamaged):
            Header.decode(damaged)


def test_bytes_behind_the_end_are_damage(opener: FileKey) -> None:
    with pytest.raises(KeyFileDamaged):
        Header.decode(opener.seal(()) + b"\0")


@pytest.mark.parametrize("at", [8, 32, 48, 80, HEADER_SIZE, HEADER_SIZE + 10, -49])
def test_an_edit_with_a_mended_checksum_is_found(opener: FileKey, at: int) -> None:
    content = opener.seal([a_key()])
    at %= len(content)
    edited = resealed(content, at, bytes((content[at] ^ 1,)))
    Header.decode(edited)
    with pytest.raises(KeyFileDamaged, match="edited"):
        opener.open(edited)


@pytest.mark.parametrize("at", [32, 48])
def test_an_edited_salt_or_check_asks_for_another_passphrase(opener: FileKey, at: int) -> None:
    content = opener.seal(())
    edited = resealed(content, at, bytes((content[at] ^ 1,)))
    with pytest.raises(PinIncorrect):
        FileKey.derive(SecretBytes(PASSPHRASE), Header.decode(edited))


@pytest.mark.parametrize(
    ("memory", "passes"),
    [
        (0, 3),
        ((19 << 10) - 1, 3),
        ((1 << 20) + 1, 2),
        (2**32 - 1, 2**32 - 1),
        (64 << 10, 0),
        (64 << 10, 1),
        (64 << 10, 65),
        (1 << 20, 5),
    ],
)
def test_a_file_cannot_ask_for_hashing_beyond_the_limits(opener: FileKey, memory: int, passes: int) -> None:
    with pytest.raises(ValueError, match="Argon2id"):
        KdfParameters(memory, passes)
    edited = resealed(opener.seal(()), 24, struct.pack(">II", memory, passes))
    with pytest.raises(KeyFileDamaged, match="Argon2id"):
        Header.decode(edited)


def test_a_later_version_is_named(opener: FileKey) -> None:
    with pytest.raises(KeyFileDamaged, match="version 2"):
        Header.decode(resealed(opener.seal(()), 7, b"\2"))


def test_something_else_is_no_key_file() -> None:
    for content in (b"", b"{}", b"SQLite format 3\0" + bytes(500)):
        with pytest.raises(KeyFileDamaged, match="not a key file"):
            Header.decode(content)


@pytest.mark.parametrize(
    "clear",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\1",
        b"\0\0\0\0x",
        b"\xff\xff\xff\xff",
        b"\0\0\0\1" + bytes(16) + b"\x09\1\0" + bytes(8) + b"\0\1a" + bytes(65),
        b"\0\0\0\1" + bytes(16) + b"\1\x09\0" + bytes(8) + b"\0\1a" + bytes(32) + b"\2" + bytes(32),
        b"\0\0\0\1" + bytes(16) + b"\1\1\x02" + bytes(8) + b"\0\1a" + bytes(32) + b"\2" + bytes(32),
        b"\0\0\0\1" + bytes(16) + b"\1\1\0" + b"\xff" * 8 + b"\0\1a" + bytes(32) + b"\2" + bytes(32),
        b"\0\0\0\1" + bytes(16) + b"\1\1\0" + bytes(8) + b"\0\0" + bytes(32) + b"\2" + bytes(32),
        b"\0\0\0\1" + bytes(16) + b"\1\1\0" + bytes(8) + b"\0\1\xff" + bytes(32) + b"\2" + bytes(32),
        b"\0\0\0\1" + bytes(16) + b"\1\1\0" + bytes(8) + b"\0\1a" + bytes(32) + b"\7" + bytes(32),
    ],
)
def test_what_no_release_sealed_is_refused(opener: FileKey, clear: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(key_file, "_encode", lambda keys: bytearray(clear))
        content = opener.seal(())
    with pytest.raises(KeyFileDamaged):
        opener.open(content)


@pytest.mark.parametrize("label", ["", "a\0b", "\ud800", "x" * 1025, "é" * 513])
def test_labels_have_limits(label: str) -> None:
    with pytest.raises(InvalidName):
        a_key(label=label)
    assert a_key(label="é" * 512).label == "é" * 512


def test_a_file_has_a_largest_size(opener: FileKey, monkeypatch: pytest.MonkeyPatch) -> None:
    key = a_key()
    size = len(opener.seal([key]))
    monkeypatch.setattr(key_file, "LARGEST_FILE", size)
    assert len(opener.seal([key])) == size
    with pytest.raises(TokenFull):
        opener.seal([key, key])


def test_a_secret_shows_nowhere(opener: FileKey) -> None:
    key = a_key()
    shown = f"{key!r} {opener!r} {opener.header!r}"
    assert key.secret.reveal().hex() not in shown
    assert repr(bytes(key.secret.reveal())) not in shown


def test_what_is_wiped_opens_nothing() -> None:
    key = FileKey.create(SecretBytes(PASSPHRASE), CHEAPEST)
    content = key.seal(())
    copy = key.copy()
    key.wipe()
    with pytest.raises(ValueError, match="wiped"):
        key.open(content)
    assert copy.open(content) == ()
