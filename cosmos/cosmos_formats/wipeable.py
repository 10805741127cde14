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


@cache
def sodium() -> tuple[Any, Any]:
    """Return the ``ffi`` and ``lib`` of PyNaCl's libsodium, initialised."""
    from nacl._sodium import ffi, lib  # type: ignore[import-not-found]  # a compiled module without stubs

    if lib.sodium_init() < 0:
        raise OSError("libsodium cannot be initialised")
    return ffi, lib
