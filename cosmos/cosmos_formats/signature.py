"""ECDSA signatures: DER, the 64 bytes that Cosmos uses, and low s.

Cosmos writes a signature as r‖s, 32 bytes each, big-endian, with s in the lower half of the group order. Tokens answer
r‖s (PKCS#11) or DER (cloud services), and half of the time a high s.
"""

from __future__ import annotations

from typing import Final

from cosmos_formats.curves import SECP256K1, SECP256R1
from cosmos_formats.errors import InvalidSignature
from cosmos_formats.pubkeys import KeyType

_ORDER: Final = {
    KeyType.SECP256K1: SECP256K1.n,
    KeyType.SECP256R1: SECP256R1.n,
    KeyType.ETH_SECP256K1: SECP256K1.n,
}
_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02


def der_to_rs(der: bytes, key_type: KeyType) -> bytes:
    """Convert a DER ``ECDSA-Sig-Value`` (RFC 3279) into r‖s. High s stays as it is; see :func:`low_s`.

    Args:
        der: The signature; only DER's one valid encoding of each pair of integers is accepted.
        key_type: A type on a secp256 curve.

    Returns:
        64 bytes.

    Raises:
        InvalidSignature: Not DER, or r or s not between 1 and the group order.
    """
    if len(der) < 2 or der[0] != _SEQUENCE or der[1] != len(der) - 2 or len(der) > 72:
        raise InvalidSignature("signature is not a DER sequence of the right length")
    r, at = _integer(der, 2)
    s, at = _integer(der, at)
    if at != len(der):
        raise InvalidSignature("signature has bytes behind s")
    return _checked(r, s, key_type)


def rs_to_der(rs: bytes, key_type: KeyType) -> bytes:
    """Convert r‖s into DER.

    Args:
        rs: 64 bytes.
        key_type: A type on a secp256 curve.

    Raises:
        InvalidSignature: A wrong length, or r or s out of range.
    """
    r, s = _split(rs, key_type)
    body = _der_integer(r) + _der_integer(s)
    return bytes((_SEQUENCE, len(body))) + body


def is_low_s(rs: bytes, key_type: KeyType) -> bool:
    """Tell whether s is in the lower half of the group order.

    Raises:
        InvalidSignature: A wrong length, or r or s out of range.
    """
    return _split(rs, key_type)[1] <= _order(key_type) // 2


def low_s(rs: bytes, key_type: KeyType) -> bytes:
    """Return the signature with s in the lower half of the group order; it verifies exactly when the other does.

    Args:
        rs: 64 bytes.
        key_type: A type on a secp256 curve.

    Raises:
        InvalidSignature: A wrong length, or r or s out of range.
    """
    order = _order(key_type)
    s = _split(rs, key_type)[1]
    return rs if s <= order // 2 else rs[:32] + (order - s).to_bytes(32)


def _order(key_type: KeyType) -> int:
    order = _ORDER.get(key_type)
    if order is None:
        raise InvalidSignature(f"{key_type} has no ECDSA signatures")
    return order


def _split(rs: bytes, key_type: KeyType) -> tuple[int, int]:
    order = _order(key_type)
    if len(rs) != 64:
        raise InvalidSignature(f"signature of {len(rs)} bytes, expected 64")
    r, s = int.from_bytes(rs[:32]), int.from_bytes(rs[32:])
    if not 0 < r < order or not 0 < s < order:
        raise InvalidSignature("r or s of the signature is out of range")
    return r, s


def _checked(r: int, s: int, key_type: KeyType) -> bytes:
    order = _order(key_type)
    if not 0 < r < order or not 0 < s < order:
        raise InvalidSignature("r or s of the signature is out of range")
    return r.to_bytes(32) + s.to_bytes(32)


def _integer(der: bytes, at: int) -> tuple[int, int]:
    """Read a positive INTEGER in its shortest form; return it and the offset behind it."""
    if at + 2 > len(der) or der[at] != _INTEGER:
        raise InvalidSignature("signature lacks a DER integer")
    start = at + 2
    end = start + der[at + 1]
    content = der[start:end]
    if not content or len(content) != der[at + 1]:
        raise InvalidSignature("signature is cut off")
    if content[0] & 0x80:
        raise InvalidSignature("signature has a negative integer")
    if len(content) > 1 and content[0] == 0 and not content[1] & 0x80:
        raise InvalidSignature("signature has an integer longer than needed")
    return int.from_bytes(content), end


def _der_integer(number: int) -> bytes:
    content = number.to_bytes(number.bit_length() // 8 + 1)
    return bytes((_INTEGER, len(content))) + content
