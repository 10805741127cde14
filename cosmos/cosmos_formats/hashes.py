"""The hash functions of addresses and of Ethereum's signatures."""

from __future__ import annotations

import hashlib


def ripemd160(data: bytes) -> bytes:
    """Return RIPEMD-160 of ``data``, 20 bytes, also where OpenSSL was configured without it."""
    try:
        return hashlib.new("ripemd160", data, usedforsecurity=False).digest()
    except ValueError:
        from cosmos_formats.ripemd import ripemd160 as portable

        return portable(data)


def hash160(data: bytes) -> bytes:
    """Return RIPEMD-160 of SHA-256 of ``data``, 20 bytes: the address of a secp256k1 key."""
    return ripemd160(hashlib.sha256(data).digest())


def adr028(type_name: str, key: bytes) -> bytes:
    """Return the 32-byte address of ADR-028: SHA-256 of the hashed type name followed by the key."""
    return hashlib.sha256(hashlib.sha256(type_name.encode()).digest() + key).digest()


def keccak256(data: bytes) -> bytes:
    """Return Keccak-256 of ``data``, 32 bytes: Ethereum's hash, which pads otherwise than SHA3-256."""
    from Crypto.Hash import keccak

    return keccak.new(digest_bits=256, data=data).digest()
