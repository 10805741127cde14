"""Items of a keyring directory for tests, written with other libraries than our reader uses."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

from Crypto.Cipher import AES

SALT = bytes(range(12))
NONCE = bytes(range(50, 62))
CONTENT_KEY = bytes(range(100, 132))
PASSWORD = b"correct horse"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def header(**changes: Any) -> dict[str, Any]:
    """A header as jose2go writes it, of few rounds; a change to None leaves a field out."""
    fields = {
        "alg": "PBES2-HS256+A128KW",
        "created": "2026-11-29 03:00:00.123456789 +0000 UTC m=+0.021",
        "enc": "A256GCM",
        "p2c": 2,
        "p2s": base64url(SALT),
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


def payload(key: str, data: bytes) -> bytes:
    """The inner JSON as Go writes it."""
    fields = {
        "Key": key,
        "Data": base64.b64encode(data).decode(),
        "Label": "",
        "Description": "",
        "KeychainNotTrustApplication": False,
        "KeychainNotSynchronizable": False,
    }
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def wrap(wrapping_key: bytes, key: bytes) -> bytes:
    """RFC 3394, section 2.2.1."""
    cipher = AES.new(wrapping_key, AES.MODE_ECB)
    check, blocks = b"\xa6" * 8, [key[at : at + 8] for at in range(0, len(key), 8)]
    for turn in range(6):
        for index, block in enumerate(blocks):
            output = cipher.encrypt(check + block)
            number = len(blocks) * turn + index + 1
            check = (int.from_bytes(output[:8]) ^ number).to_bytes(8)
            blocks[index] = output[8:]
    return check + b"".join(blocks)


def jwe(
    inner: bytes,
    password: bytes = PASSWORD,
    *,
    head: dict[str, Any] | bytes | None = None,
    rounds: int = 2,
    salt: bytes = SALT,
    change: Callable[[list[bytes]], None] | None = None,
) -> bytes:
    """An encrypted item.

    Args:
        inner: What is inside.
        password: Of the key derivation.
        head: The header; the usual one if None.
        rounds: Of the key derivation, whatever the header says.
        salt: Of the key derivation, whatever the header says.
        change: Called with the five decoded parts before they are joined.
    """
    head = header(p2c=rounds) if head is None else head
    text = head if isinstance(head, bytes) else json.dumps(head, separators=(",", ":")).encode()
    derived = hashlib.pbkdf2_hmac("sha256", password, b"PBES2-HS256+A128KW\0" + salt, rounds, 16)
    cipher = AES.new(CONTENT_KEY, AES.MODE_GCM, nonce=NONCE)
    cipher.update(base64url(text).encode())
    ciphertext, tag = cipher.encrypt_and_digest(inner)
    parts = [text, wrap(derived, CONTENT_KEY), NONCE, ciphertext, tag]
    if change is not None:
        change(parts)
    return ".".join(map(base64url, parts)).encode()


def item(key: str, data: bytes, password: bytes = PASSWORD, **options: Any) -> bytes:
    """The file of an item."""
    return jwe(payload(key, data), password, **options)
