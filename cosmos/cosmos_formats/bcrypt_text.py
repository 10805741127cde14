"""bcrypt texts (``$2a$10$…``), as Go writes and compares them, with the password in a buffer.

A password has at most 72 bytes that count. pycryptodome's own ``bcrypt`` copies the password into ``bytes`` and refuses
zero bytes in it; the cipher below it does neither.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from hmac import compare_digest
from typing import Final

from cosmos_formats.errors import FormatError
from cosmos_formats.wipeable import wipe

HIGHEST_COST: Final = 14
"""A text of a higher cost is not checked: 14 takes a second or two. Go writes 10, the SDK's armor 12."""

_LONGEST: Final = 72
_SALT: Final = 16
_DIGEST: Final = 23
_CLEAR: Final = b"OrpheanBeholderScryDoubt"
_ECB: Final = 1
_FORM: Final = re.compile(rb"\$2a\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})")
_BCRYPT: Final = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_BCRYPT: Final = bytes.maketrans(_BASE64, _BCRYPT)
_TO_BASE64: Final = bytes.maketrans(_BCRYPT, _BASE64)


class InvalidBcrypt(FormatError):
    """Not a bcrypt text, or one that would take too long to check."""

    code = "invalid_bcrypt"


def check(text: bytes, password: bytes | bytearray) -> bool:
    """Tell whether a password is the one that a text was made of.

    Args:
        text: 60 bytes, beginning with ``$2a$``; newlines behind them are allowed.
        password: As it was typed.

    Raises:
        InvalidBcrypt: Not such a text, or its cost is above :data:`HIGHEST_COST`.
    """
    line = text.rstrip(b"\r\n")
    found = _FORM.fullmatch(line)
    if found is None:
        raise InvalidBcrypt("not a bcrypt text ($2a$…, 60 characters)")
    cost = int(found[1])
    if not 4 <= cost <= HIGHEST_COST:
        raise InvalidBcrypt(f"a bcrypt text of cost {cost}; 4 to {HIGHEST_COST} are allowed")
    salt = a2b_base64(found[2].translate(_TO_BASE64) + b"==")
    return compare_digest(make(password, cost, salt), line)


def make(password: bytes | bytearray, cost: int, salt: bytes) -> bytes:
    """Return the text of a password, 60 bytes.

    Args:
        password: Bytes behind the 72nd do not count.
        cost: 4 to 31: the hash takes 2^cost rounds.
        salt: 16 bytes.
    """
    from Crypto.Cipher import _EKSBlowfish

    with memoryview(password) as view:
        # A zero byte ends it, as in C; of 72 bytes and more there is no room for it.
        key = bytearray(min(len(view) + 1, _LONGEST))
        key[: min(len(view), _LONGEST)] = view[:_LONGEST]
    try:
        cipher = _EKSBlowfish.new(key, _ECB, salt, cost, True)  # type: ignore[call-arg]  # the stub lacks the last one
    finally:
        wipe(key)
    digest = _CLEAR
    for _ in range(64):
        digest = cipher.encrypt(digest)
    return b"$2a$%02d$" % cost + _base64(salt[:_SALT]) + _base64(digest[:_DIGEST])


def _base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_BCRYPT)
