"""AES key wrap (RFC 3394), opened in a buffer that can be wiped.

``cryptography`` has it too, but answers in ``bytes``, and the content key of a keyring's item opens the item.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from cosmos_formats.wipeable import wipe

_INITIAL: Final = bytes.fromhex("a6a6a6a6a6a6a6a6")
_BLOCK: Final = 16
_HALF: Final = 8


class InvalidUnwrap(ValueError):
    """The wrapping key is another, or what it wrapped was changed."""


def unwrap(wrapping_key: bytes | bytearray, wrapped: bytes) -> bytearray:
    """Return the wrapped key.

    Args:
        wrapping_key: 16, 24 or 32 bytes.
        wrapped: A multiple of 8 bytes, at least 24.

    Raises:
        InvalidUnwrap: It is not what ``wrapping_key`` wraps.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    if len(wrapped) < 3 * _HALF or len(wrapped) % _HALF:
        raise InvalidUnwrap(f"wrapped key of {len(wrapped)} bytes")
    # Names as in RFC 3394, section 2.2.2: A and R[1…n] in place, B with the room that update_into asks for.
    decryptor = Cipher(AES(wrapping_key), ECB()).decryptor()  # noqa: S305  # key wrap is made of single blocks
    block, output = bytearray(_BLOCK), bytearray(2 * _BLOCK - 1)
    check = bytearray(wrapped[:_HALF])
    key = bytearray(wrapped[_HALF:])
    count = len(key) // _HALF
    try:
        for step in range(6 * count, 0, -1):
            at = (step - 1) % count * _HALF
            check[-1] ^= step & 0xFF
            check[-2] ^= step >> 8
            block[:_HALF] = check
            block[_HALF:] = key[at : at + _HALF]
            decryptor.update_into(block, output)
            check[:] = output[:_HALF]
            key[at : at + _HALF] = output[_HALF:_BLOCK]
        if not compare_digest(check, _INITIAL):
            wipe(key)
            raise InvalidUnwrap("the wrapping key is another, or what it wrapped was changed")
        return key
    finally:
        wipe(block, output)
