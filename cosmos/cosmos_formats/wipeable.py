"""Computing with secrets in buffers that can be wiped.

``hashlib`` and ``hmac`` answer in ``bytes``, which stay in memory until something else happens to overwrite them. So
the one function that HD derivation needs is made of libsodium's SHA-512, reached through PyNaCl's binding, which reads
and writes buffers where they are.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

_BLOCK: Final = 128
_DIGEST: Final = 64

_PAD: Final = ord("=")
_NO_SEXTET: Final = 0xFF
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SEXTETS: Final = bytes(_ALPHABET.index(byte) if byte in _ALPHABET else _NO_SEXTET for byte in range(256))
_LOWER: Final = b"0123456789abcdef"
_DIGITS: Final = bytes(int(chr(byte), 16) if chr(byte) in "0123456789abcdefABCDEF" else 0xFF for byte in range(256))


def wipe(*buffers: bytearray) -> None:
    """Overwrite buffers with zeros where they are."""
    for buffer in buffers:
        buffer[:] = bytes(len(buffer))


def hmac_sha512(key: bytes | bytearray, message: bytes | bytearray) -> bytearray:
    """Return HMAC-SHA-512 (RFC 2104, FIPS 198-1) of a message, 64 bytes, leaving no copy of key or message behind.

    Args:
        key: At most 128 bytes.
        message: Any length.
    """
    if len(key) > _BLOCK:
        raise ValueError(f"key of {len(key)} bytes, at most {_BLOCK}")
    ffi, lib = sodium()
    output = bytearray(_DIGEST)
    inner = bytearray(_BLOCK + len(message))
    outer = bytearray(_BLOCK + _DIGEST)
    try:
        for position in range(_BLOCK):
            byte = key[position] if position < len(key) else 0
            inner[position] = byte ^ 0x36
            outer[position] = byte ^ 0x5C
        inner[_BLOCK:] = message
        lib.crypto_hash_sha512(ffi.from_buffer(output), ffi.from_buffer(inner), len(inner))
        outer[_BLOCK:] = output
        lib.crypto_hash_sha512(ffi.from_buffer(output), ffi.from_buffer(outer), len(outer))
    finally:
        wipe(inner, outer)
    return output


def sha256(message: bytes | bytearray) -> bytearray:
    """Return SHA-256 of a message, 32 bytes, leaving no copy of either behind."""
    ffi, lib = sodium()
    output = bytearray(32)
    lib.crypto_hash_sha256(ffi.from_buffer(output), ffi.from_buffer(message), len(message))
    return output


def unbase64(text: bytes | bytearray | memoryview) -> bytearray:
    """Decode canonical base64 (RFC 4648, section 4) into a buffer, leaving no copy of text or result behind.

    Raises:
        ValueError: A character that base64 does not have, wrong padding, or bits behind the last byte.
    """
    size = len(text)
    if size % 4:
        raise ValueError("base64 of a wrong length")
    padding = 0 if not size or text[-1] != _PAD else 2 if text[-2] == _PAD else 1
    digits = bytearray(text)
    output = bytearray(size // 4 * 3)
    try:
        if padding:
            digits[size - padding :] = b"A" * padding
        values = digits.translate(_SEXTETS)
        wipe(digits)
        digits = values
        if _NO_SEXTET in values or (padding and values[size - padding - 1] & (3 if padding == 1 else 15)):
            raise ValueError("not canonical base64")
        # Every number here fits a byte: Python shares those, and makes none anew that would stay in memory.
        at = 0
        columns = [values[start::4] for start in range(4)]
        for a, b, c, d in zip(*columns, strict=True):
            output[at] = a << 2 | b >> 4
            output[at + 1] = (b & 15) << 4 | c >> 2
            output[at + 2] = (c & 3) << 6 | d
            at += 3
        wipe(*columns)
        with memoryview(output) as view:
            return bytearray(view[: len(output) - padding])
    finally:
        wipe(digits, output)


def unhex(text: bytes | bytearray | memoryview) -> bytearray:
    """Decode hexadecimal digits of either case into a buffer, leaving no copy of text or result behind.

    Raises:
        ValueError: Another character, or an odd number of digits.
    """
    if len(text) % 2:
        raise ValueError("an odd number of digits")
    output = bytearray(len(text) // 2)
    for at in range(len(output)):
        high, low = _DIGITS[text[2 * at]], _DIGITS[text[2 * at + 1]]
        if high > 15 or low > 15:
            wipe(output)
            raise ValueError("not hexadecimal digits")
        output[at] = high << 4 | low
    return output


def hexed(data: bytes | bytearray | memoryview) -> bytearray:
    """Return lower-case hexadecimal digits in a buffer, leaving no other copy behind."""
    output = bytearray(2 * len(data))
    for at, byte in enumerate(data):
        output[2 * at], output[2 * at + 1] = _LOWER[byte >> 4], _LOWER[byte & 15]
    return output


@cache
def sodium() -> tuple[Any, Any]:
    """Return the ``ffi`` and ``lib`` of PyNaCl's libsodium, initialised."""
    from nacl._sodium import ffi, lib  # type: ignore[import-not-found]  # a compiled module without stubs

    if lib.sodium_init() < 0:
        raise OSError("libsodium cannot be initialised")
    return ffi, lib
