"""The long-term ed25519 key by which an end of a SecretConnection is known."""

from __future__ import annotations

import hashlib
from typing import Final

from cosmos_formats.wipeable import sodium, wipe

SEED_LENGTH: Final = 32
SIGNATURE_LENGTH: Final = 64


def node_id(public_key: bytes) -> bytes:
    """Return the id of a node, 20 bytes: the start of the SHA-256 of its key. It is written in hexadecimal digits."""
    return hashlib.sha256(public_key).digest()[:20]


class Identity:
    """A long-term key, kept in a buffer that can be wiped.

    Args:
        seed: 32 bytes (RFC 8032). It is copied; the caller wipes its own.
    """

    def __init__(self, seed: bytes | bytearray) -> None:
        if len(seed) != SEED_LENGTH:
            raise ValueError(f"seed of {len(seed)} bytes, expected {SEED_LENGTH}")
        ffi, lib = sodium()
        public = bytearray(32)
        self._secret = bytearray(64)
        own = bytearray(seed)
        try:
            lib.crypto_sign_seed_keypair(ffi.from_buffer(public), ffi.from_buffer(self._secret), ffi.from_buffer(own))
        finally:
            wipe(own)
        self.public_key: Final = bytes(public)

    def __repr__(self) -> str:
        return f"Identity({node_id(self.public_key).hex()})"

    def prove(self, challenge: bytes) -> bytes:
        """Return the signature of a handshake's challenge.

        Args:
            challenge: 32 bytes that both ends had a part in: no vote or transaction is so short.

        Raises:
            ValueError: Another length, or the key was wiped.
        """
        if len(challenge) != 32 or not any(self._secret):
            raise ValueError("not a challenge of a handshake, or the identity was wiped")
        ffi, lib = sodium()
        signed = bytearray(SIGNATURE_LENGTH + len(challenge))
        length = ffi.new("unsigned long long *")
        if lib.crypto_sign(ffi.from_buffer(signed), length, challenge, len(challenge), ffi.from_buffer(self._secret)):
            raise ValueError("libsodium cannot sign")
        return bytes(signed[:SIGNATURE_LENGTH])

    def wipe(self) -> None:
        """Overwrite the key."""
        wipe(self._secret)
