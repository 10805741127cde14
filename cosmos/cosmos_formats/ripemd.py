"""RIPEMD-160 in Python (Dobbertin, Bosselaers, Preneel 1996), for systems whose OpenSSL has it switched off."""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF

_LEFT_CONSTANTS = (0x00000000, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E)
_RIGHT_CONSTANTS = (0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0x00000000)

_RHO = (7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8)

_SHIFTS_BY_WORD = (
    (11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8),
    (12, 13, 11, 15, 6, 9, 9, 7, 12, 15, 11, 13, 7, 8, 7, 7),
    (13, 15, 14, 11, 7, 7, 6, 8, 13, 14, 13, 12, 5, 5, 6, 9),
    (14, 11, 12, 14, 8, 6, 5, 5, 15, 12, 15, 14, 9, 9, 8, 6),
    (15, 12, 13, 13, 9, 5, 8, 6, 14, 11, 12, 11, 8, 6, 5, 5),
)


def _word_orders() -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    """Return, per round, which message word each of the 16 steps takes, for the left and the right line."""
    left = [tuple(range(16))]
    right = [tuple((9 * i + 5) % 16 for i in range(16))]
    for orders in (left, right):
        for _ in range(4):
            orders.append(tuple(_RHO[word] for word in orders[-1]))
    return tuple(left), tuple(right)


_LEFT_WORDS, _RIGHT_WORDS = _word_orders()


def _mix(kind: int, x: int, y: int, z: int) -> int:
    if kind == 0:
        return x ^ y ^ z
    if kind == 1:
        return (x & y) | (~x & z)
    if kind == 2:
        return (x | (~y & _MASK)) ^ z
    if kind == 3:
        return (x & z) | (y & ~z)
    return x ^ (y | (~z & _MASK))


def _rotate(value: int, count: int) -> int:
    value &= _MASK
    return (value << count | value >> (32 - count)) & _MASK


def _line(state: tuple[int, ...], block: tuple[int, ...], *, right: bool) -> tuple[int, ...]:
    a, b, c, d, e = state
    words, constants = (_RIGHT_WORDS, _RIGHT_CONSTANTS) if right else (_LEFT_WORDS, _LEFT_CONSTANTS)
    for step_round in range(5):
        kind = 4 - step_round if right else step_round
        for word in words[step_round]:
            shift = _SHIFTS_BY_WORD[step_round][word]
            total = a + _mix(kind, b, c, d) + block[word] + constants[step_round]
            a, e, d, c, b = e, d, _rotate(c, 10), b, (_rotate(total, shift) + e) & _MASK
    return a, b, c, d, e


def ripemd160(data: bytes) -> bytes:
    """Return RIPEMD-160 of ``data``, 20 bytes."""
    state: tuple[int, ...] = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack("<Q", len(data) * 8)
    for offset in range(0, len(padded), 64):
        block = struct.unpack_from("<16I", padded, offset)
        left = _line(state, block, right=False)
        right = _line(state, block, right=True)
        state = tuple((state[(i + 1) % 5] + left[(i + 2) % 5] + right[(i + 3) % 5]) & _MASK for i in range(5))
    return struct.pack("<5I", *state)
