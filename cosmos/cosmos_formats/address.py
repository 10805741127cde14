"""Bech32 addresses (BIP-173) as the Cosmos SDK writes them.

Addresses here have 20 bytes (keys, multisig keys) or 32 (ADR-028: secp256r1 keys, derived module accounts), are in
lower case, and carry the original checksum; bech32m (BIP-350) is refused, as in the SDK.
"""

from __future__ import annotations

from typing import Final

from bech32 import bech32_decode, bech32_encode, bech32_hrp_expand, bech32_polymod, convertbits

from cosmos_formats.errors import InvalidAddress
from cosmos_formats.quickclass import dataclass

LENGTHS: Final = (20, 32)
"""How many bytes an address may have."""

_MAX_PREFIX: Final = 83
_MAX_TEXT: Final = _MAX_PREFIX + 1 + 52 + 6
_CHARSET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32M: Final = 0x2BC830A3


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The human-readable parts that a chain uses, all made from that of its accounts."""

    account: str
    account_pub: str
    valoper: str
    valoper_pub: str
    valcons: str
    valcons_pub: str


def prefixes(account: str) -> Prefixes:
    """Return a chain's prefixes by the SDK's convention: ``ve``, ``vevaloper``, ``vevalcons`` and their ``pub``.

    Raises:
        InvalidAddress: ``account`` cannot be a prefix.
    """
    _check_prefix(account)
    return Prefixes(
        account=account,
        account_pub=account + "pub",
        valoper=account + "valoper",
        valoper_pub=account + "valoperpub",
        valcons=account + "valcons",
        valcons_pub=account + "valconspub",
    )


def encode(prefix: str, raw: bytes) -> str:
    """Return the address as text.

    Args:
        prefix: Human-readable part, such as ``ve``.
        raw: 20 or 32 bytes.

    Raises:
        InvalidAddress: A wrong length, or a prefix that bech32 cannot carry.
    """
    _check_prefix(prefix)
    if len(raw) not in LENGTHS:
        raise InvalidAddress(f"address of {len(raw)} bytes, expected 20 or 32")
    return str(bech32_encode(prefix, convertbits(raw, 8, 5) or ()))


def decode(text: str, prefix: str | None = None) -> tuple[str, bytes]:
    """Read an address.

    Args:
        text: The address.
        prefix: The human-readable part it must have; any if None.

    Returns:
        Its prefix and its bytes.

    Raises:
        InvalidAddress: Not bech32 in lower case, a wrong checksum, bech32m, another prefix, or a wrong length.
    """
    if not 8 <= len(text) <= _MAX_TEXT:
        raise InvalidAddress("an address has 8 to 142 characters")
    if text != text.lower():
        raise InvalidAddress("an address is in lower case")
    found, words = bech32_decode(text)
    if found is None or words is None:
        raise InvalidAddress(_why_not(text))
    if prefix is not None and found != prefix:
        raise InvalidAddress(f"address prefix is {found!r}, expected {prefix!r}")
    raw = convertbits(words, 5, 8, False)
    if raw is None:
        raise InvalidAddress("the address has wrong padding")
    if len(raw) not in LENGTHS:
        raise InvalidAddress(f"address of {len(raw)} bytes, expected 20 or 32")
    return found, bytes(raw)


def _check_prefix(prefix: str) -> None:
    if not 1 <= len(prefix) <= _MAX_PREFIX:
        raise InvalidAddress(f"an address prefix has 1 to {_MAX_PREFIX} characters")
    if any(not 33 <= ord(char) <= 126 for char in prefix) or prefix != prefix.lower():
        raise InvalidAddress("an address prefix has printable ASCII characters in lower case")


def _why_not(text: str) -> str:
    """Say what is wrong with text that is not bech32."""
    prefix, separator, words = text.rpartition("1")
    if not separator or not prefix or any(not 33 <= ord(char) <= 126 for char in text):
        return "not a bech32 address"
    if len(words) < 6 or any(char not in _CHARSET for char in words):
        return "the address has characters that bech32 does not use"
    values = [*bech32_hrp_expand(prefix), *(_CHARSET.index(char) for char in words)]
    if bech32_polymod(values) == _BECH32M:
        return "the address is bech32m, which Cosmos chains do not use"
    return "the address has a wrong checksum"
