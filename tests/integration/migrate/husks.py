"""Objects as SoftHSM2 2.6 leaves them when its process dies while it makes one."""

from __future__ import annotations

from collections.abc import Collection

TOKEN, LABEL, ID, VALUE, CURVE, POINT, APPLICATION = 0x1, 0x3, 0x102, 0x11, 0x180, 0x181, 0x10
BOOLEAN, NUMBER = 1, 2


def husk_of(content: bytes) -> bytes:
    """Return an object's file as it is before the template is written into it."""
    return _without(content, {LABEL, ID, VALUE, CURVE, POINT, APPLICATION}, token=False)


def half_unwrapped(content: bytes) -> bytes:
    """Return a private key's file as it is while the key is unwrapped: with its template, but without the key."""
    return _without(content, {VALUE, CURVE}, token=True)


def _without(content: bytes, empty: Collection[int], *, token: bool) -> bytes:
    """Return an object's file with some attributes empty.

    The file is a generation, then for each attribute its type, the kind of its value, and the value; numbers have eight
    bytes, most significant first.
    """
    made, at = bytearray(content[:8]), 8

    def number(where: int) -> int:
        return int.from_bytes(content[where : where + 8], "big")

    while at < len(content):
        attribute, kind = number(at), number(at + 8)
        size = {BOOLEAN: 1, NUMBER: 8}.get(kind) or 8 + number(at + 16)
        value = content[at + 16 : at + 16 + size]
        if attribute == TOKEN:
            value = bytes([token])
        elif attribute in empty:
            value = bytes(8)
        made += content[at : at + 16] + value
        at += 16 + size
    assert at == len(content)
    return bytes(made)
