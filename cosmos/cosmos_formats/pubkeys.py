"""Public keys and the addresses they have."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from cosmos_formats.errors import InvalidKey


class KeyType(StrEnum):
    """The curves that keys of this project are on. ``x25519`` keys encrypt; they have no address."""

    SECP256K1 = "secp256k1"
    ED25519 = "ed25519"
    SECP256R1 = "secp256r1"
    X25519 = "x25519"


_LENGTH = {KeyType.SECP256K1: 33, KeyType.SECP256R1: 33, KeyType.ED25519: 32, KeyType.X25519: 32}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key.

    Attributes:
        key_type: Curve.
        data: 33 bytes, compressed (SEC 1), for secp256k1 and secp256r1; 32 bytes for ed25519 (RFC 8032) and x25519.
    """

    key_type: KeyType
    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != _LENGTH[self.key_type]:
            raise InvalidKey(
                f"{self.key_type} public key of {len(self.data)} bytes, expected {_LENGTH[self.key_type]}"
            )
        if _LENGTH[self.key_type] == 33 and self.data[0] not in (2, 3):
            raise InvalidKey(f"{self.key_type} public key is not in compressed form")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of ``data``, 64 lower-case hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()
