"""The two functions of libsodium that a key file needs, working in buffers that can be wiped.

PyNaCl's own functions take and return ``bytes``, which cannot be wiped; OpenSSL's Argon2id, as Python reaches it,
leaves the passphrase in freed memory. So this calls the library that PyNaCl brings along, through PyNaCl's binding.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

TAG: Final = 16
"""What :func:`encrypt` adds, in bytes."""


def argon2id(passphrase: bytearray, salt: bytes, *, memory: int, passes: int, length: int) -> bytearray:
    """Hash a passphrase (RFC 9106, Argon2id version 1.3, one lane).

    Args:
        passphrase: At most 4 GiB.
        salt: 16 bytes.
        memory: In KiB.
        passes: Over the memory.
        length: Of the answer, in bytes.

    Raises:
        MemoryError: There is not so much memory.
    """
    ffi, lib = _sodium()
    output = bytearray(length)
    failed = lib.crypto_pwhash(
        ffi.from_buffer(output),
        length,
        ffi.from_buffer(passphrase),
        len(passphrase),
        salt,
        passes,
        memory << 10,
        lib.crypto_pwhash_alg_argon2id13(),
    )
    if failed:
        raise MemoryError(f"no {memory} KiB of memory to hash the passphrase in")
    return output


def encrypt(key: bytearray, nonce: bytes, clear: bytearray, associated: bytes) -> bytes:
    """Encrypt and authenticate (XChaCha20-Poly1305-IETF).

    Args:
        key: 32 bytes.
        nonce: 24 bytes, random.
        clear: What is encrypted.
        associated: What is authenticated with it.

    Returns:
        As many bytes as ``clear`` has, and 16 more.
    """
    ffi, lib = _sodium()
    sealed = ffi.new("unsigned char[]", len(clear) + TAG)
    lib.crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed,
        ffi.NULL,
        ffi.from_buffer(clear),
        len(clear),
        associated,
        len(associated),
        ffi.NULL,
        nonce,
        ffi.from_buffer(key),
    )
    return bytes(ffi.buffer(sealed))


def decrypt(key: bytearray, nonce: bytes, sealed: bytes, associated: bytes) -> bytearray | None:
    """Return what :func:`encrypt` was given, or None if anything was changed."""
    ffi, lib = _sodium()
    clear = bytearray(len(sealed) - TAG)
    failed = lib.crypto_aead_xchacha20poly1305_ietf_decrypt(
        ffi.from_buffer(clear),
        ffi.NULL,
        ffi.NULL,
        sealed,
        len(sealed),
        associated,
        len(associated),
        nonce,
        ffi.from_buffer(key),
    )
    return None if failed else clear


@cache
def _sodium() -> tuple[Any, Any]:
    from nacl._sodium import ffi, lib  # type: ignore[import-not-found]  # a compiled module without stubs

    if lib.sodium_init() < 0:
        raise OSError("libsodium cannot be initialised")
    return ffi, lib
