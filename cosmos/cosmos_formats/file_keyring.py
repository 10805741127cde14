"""Items of a keyring directory: the ``file`` and ``test`` backends of the SDK (github.com/cosmos/keyring v1.2.0).

Each item is a file, named after the item's key, and is a JSON Web Encryption in compact form (RFC 7516)::

    header . wrapped content key . nonce . ciphertext . tag

of ``PBES2-HS256+A128KW`` (RFC 7518, 4.8: PBKDF2-HMAC-SHA256, then AES key wrap) and ``A256GCM``. Inside is JSON with
the item's key and its data. The ``test`` backend's password is the word ``test``.

A password or content key that opens a file, and all that is inside, stay in buffers that are wiped. Deriving the key
takes nearly all the time; it runs without Python's lock, so threads open items side by side.
"""

from __future__ import annotations

import json
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass, field
from typing import Final

from cosmos_formats import secret_json
from cosmos_formats.errors import FormatError, WrongPassword
from cosmos_formats.key_unwrap import InvalidUnwrap, unwrap
from cosmos_formats.wipeable import wipe

LARGEST: Final = 256 << 10
"""Most bytes of an item's file. One of a multisig key of a hundred members has 13,000."""

ROUNDS: Final = 8192
"""Of the key derivation, as the SDK's keyring writes files (jose2go)."""

MOST_ROUNDS: Final = 600_000
"""More are refused: a hostile file would keep the processor busy. They take a third of a second; jose2go takes twice as
many."""

TEST_PASSWORD: Final = b"test"
"""Of every item of the ``test`` backend."""

_ALGORITHM: Final = "PBES2-HS256+A128KW"
_ENCRYPTION: Final = "A256GCM"
_SALT_BYTES: Final = range(8, 1025)
_WRAPPED: Final = 40
_NONCE: Final = 12
_TAG: Final = 16


class InvalidKeyringFile(FormatError):
    """A file that is no item of a keyring directory, or cannot be opened."""

    code = "invalid_keyring_file"


class NotAnItem(InvalidKeyringFile):
    """Not a compact JWE: another file, or one that is cut off."""

    code = "not_a_keyring_item"


class UnsupportedItem(InvalidKeyringFile):
    """A JWE with other algorithms than the SDK's keyring uses, or with header fields that must be understood."""

    code = "unsupported_keyring_item"


class TooManyRounds(InvalidKeyringFile):
    """The file wants more rounds of key derivation than :data:`MOST_ROUNDS`."""

    code = "too_many_rounds"


class DamagedItem(InvalidKeyringFile):
    """The password is right (it unwraps the content key), but the file was changed."""

    code = "damaged_keyring_item"


@dataclass(frozen=True, slots=True)
class Item:
    """What an item's file holds.

    Attributes:
        key: The item's key, such as ``alice.info``. It is protected by the encryption, the file's name is not: a file
            under another name than :func:`file_name` of the key was moved there.
        data: What the keyring keeps under it. May hold a private key; the caller wipes it.
    """

    key: str
    data: bytearray = field(repr=False)

    def wipe(self) -> None:
        """Overwrite the data with zeros."""
        wipe(self.data)


def file_name(item_key: str) -> str:
    """Return the name of an item's file: ``%`` and ``/`` become ``%25`` and ``%2F``, all else stays as it is."""
    return item_key.replace("%", "%25").replace("/", "%2F")


def item_key(file_name: str) -> str:
    """Return the key of the item whose file has this name.

    Raises:
        NotAnItem: :func:`file_name` makes no such name.
    """
    key = file_name.replace("%2F", "/").replace("%25", "%")
    if key.replace("%", "%25").replace("/", "%2F") != file_name:
        raise NotAnItem("the file's name is not one that a keyring gives")
    return key


def open_item(content: bytes | bytearray, password: bytes | bytearray) -> Item:
    """Decrypt an item's file.

    Args:
        content: The whole file.
        password: As it was typed, without the newline.

    Raises:
        NotAnItem: Not a JWE, or cut off in front of its last part.
        UnsupportedItem: Other algorithms.
        TooManyRounds: It would take too long.
        WrongPassword: Wrong password, or damaged.
        DamagedItem: Right password, but damaged.
        InvalidKeyringFile: What is inside is no item.
    """
    protected, wrapped, nonce, ciphertext, tag = _parts(content)
    salt, rounds = _header(_unbase64url(protected))
    sealed = _unbase64url(ciphertext) + _unbase64url(tag, _TAG)
    content_key = _content_key(password, salt, rounds, _unbase64url(wrapped, _WRAPPED))
    clear = bytearray(len(sealed) - _TAG)
    try:
        _decrypt(content_key, _unbase64url(nonce, _NONCE), sealed, protected, clear)
        return _payload(clear)
    finally:
        wipe(content_key, clear)


# --- the file --------------------------------------------------------------------------------------------------------


def _parts(content: bytes | bytearray) -> list[bytes]:
    if len(content) > LARGEST:
        raise NotAnItem(f"file of {len(content)} bytes; an item has at most {LARGEST}")
    parts = bytes(content).rstrip(b"\r\n").split(b".")
    if len(parts) != 5 or not all(parts):
        raise NotAnItem("not an item of a keyring (a JSON Web Encryption in compact form), or one that is cut off")
    return parts


def _header(text: bytes) -> tuple[bytes, int]:
    """Return salt and rounds of a JWE's header."""
    try:
        header = json.loads(text, object_pairs_hook=secret_json.once)
    except (ValueError, RecursionError):
        raise NotAnItem("the header is not a JSON object") from None
    if not isinstance(header, dict):
        raise NotAnItem("the header is not a JSON object")
    if header.get("alg") != _ALGORITHM or header.get("enc") != _ENCRYPTION:
        raise UnsupportedItem(f"not encrypted with {_ALGORITHM} and {_ENCRYPTION}, as the SDK's keyring does it")
    if "crit" in header or "zip" in header:
        raise UnsupportedItem("the header has fields that the SDK's keyring does not write")
    rounds, salt_text = header.get("p2c"), header.get("p2s")
    if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1 or not isinstance(salt_text, str):
        raise NotAnItem("the header lacks the rounds (p2c) or the salt (p2s) of the key derivation")
    if rounds > MOST_ROUNDS:
        raise TooManyRounds(f"the file wants {rounds} rounds of key derivation; at most {MOST_ROUNDS} are allowed")
    salt = _unbase64url(salt_text.encode("utf-8", "replace"))
    if len(salt) not in _SALT_BYTES:
        raise NotAnItem(f"the salt has {len(salt)} bytes")
    return salt, rounds


def _unbase64url(text: bytes, size: int | None = None) -> bytes:
    standard = text.translate(_TO_STANDARD)
    try:
        data = a2b_base64(standard + b"=" * (-len(text) % 4), strict_mode=True)
    except Base64Error:
        raise NotAnItem("a part of the file is not base64url") from None
    if b2a_base64(data, newline=False).rstrip(b"=") != standard:
        raise NotAnItem("a part of the file is not canonical base64url")
    if size is not None and len(data) != size:
        raise NotAnItem(f"a part of the file has {len(data)} bytes, expected {size}")
    return data


# What is not of the alphabet, and what standard base64 has in place of - and _, becomes something that is refused.
_TO_STANDARD: Final = bytes.maketrans(b"-_+/", b"+/**")


# --- the encryption --------------------------------------------------------------------------------------------------


def _content_key(password: bytes | bytearray, salt: bytes, rounds: int, wrapped: bytes) -> bytearray:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    derived = bytearray(16)
    try:
        PBKDF2HMAC(SHA256(), 16, _ALGORITHM.encode() + b"\0" + salt, rounds).derive_into(password, derived)
        return unwrap(derived, wrapped)
    except InvalidUnwrap:
        raise WrongPassword("wrong password, or the file is damaged") from None
    finally:
        wipe(derived)


def _decrypt(key: bytearray, nonce: bytes, sealed: bytes, protected: bytes, clear: bytearray) -> None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        AESGCM(key).decrypt_into(nonce, sealed, protected, clear)
    except InvalidTag:
        raise DamagedItem("the password is right, but the file is damaged or was changed") from None


# --- what is inside --------------------------------------------------------------------------------------------------


def _payload(clear: bytearray) -> Item:
    """Read ``{"Key": text, "Data": base64, …}``, as Go writes it."""
    try:
        document = secret_json.load(clear, "Data")
        members = document.value
        if not isinstance(members, dict) or not isinstance(members.get("Key"), str):
            raise ValueError("not an item")
        return Item(members["Key"], document.secret(members.get("Data")))
    except ValueError:
        raise InvalidKeyringFile("what the file holds is not an item: a JSON object with a key and data") from None
