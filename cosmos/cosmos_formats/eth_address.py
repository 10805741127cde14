"""Addresses as Ethereum writes them: ``0x``, forty hexadecimal digits, and a checksum in their case (EIP-55)."""

from __future__ import annotations

import re

from cosmos_formats.errors import InvalidAddress
from cosmos_formats.hashes import keccak256

_FORM = re.compile("0x[0-9a-fA-F]{40}", re.ASCII)


def encode(address: bytes) -> str:
    """Return 20 bytes as a checksummed address.

    Raises:
        InvalidAddress: A wrong length.
    """
    if len(address) != 20:
        raise InvalidAddress(f"address of {len(address)} bytes, expected 20")
    digits = address.hex()
    check = keccak256(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if marker >= "8" else digit for digit, marker in zip(digits, check[:40], strict=True)
    )


def decode(text: str) -> bytes:
    """Return the 20 bytes of an address.

    Digits all of one case carry no checksum and are taken as they are.

    Raises:
        InvalidAddress: Another form, or letters of both cases that are not the checksum.
    """
    if not _FORM.fullmatch(text):
        raise InvalidAddress("not 0x and forty hexadecimal digits")
    address = bytes.fromhex(text[2:])
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and text != encode(address):
        raise InvalidAddress("the checksum in the address's upper and lower case is wrong")
    return address
