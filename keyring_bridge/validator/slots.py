"""The blocks of a watermark's file, 4,096 bytes each: two slots, and one for the signature.

A slot is written as a whole, and nothing but the slot that is *not* the last good one is ever written. Its checksum
tells whether all of it arrived. The signature has a block of its own, so that writing it cannot harm a slot; it names
the slot's content that it belongs to, and is of no consequence when it is lost: the bytes in the slot are signed again.

Integers are little-endian. A slot: magic, sequence (64 bits), moment (64), height (64), round (32), step (8), flags (8:
1 if a person set it), length of the sign bytes (16), owner (32 bytes), sign bytes, zeros, and SHA-256 of all that. The
signature's block: magic, length (16), SHA-256 of the owner, place and sign bytes, the signature, zeros, and SHA-256.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from keyring_bridge.validator.watermark import Place, Watermark

BLOCK: Final = 4096
_DIGEST: Final = 32
_BODY: Final = BLOCK - _DIGEST
_SLOT: Final = struct.Struct("<8sQQQIBBH32s")
_SIGNATURE: Final = struct.Struct("<8sH32s")
_PLACE: Final = struct.Struct("<QIB")
_SLOT_MAGIC: Final = b"KBWMARK\x01"
_SIGNATURE_MAGIC: Final = b"KBWSIGN\x01"
_BY_HAND: Final = 1

LARGEST_SIGN_BYTES: Final = _BODY - _SLOT.size
"""Most bytes that can be kept of what is signed. A vote has about 120 and the chain's name."""


class BadBlock(ValueError):
    """A block that was not written completely, was damaged since, or is something else."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What a slot holds.

    Attributes:
        sequence: Counts what is written; the higher one of two slots is the later one.
        mark: What was signed last, without its signature.
        by_hand: A person set it, not a request.
    """

    sequence: int
    mark: Watermark
    by_hand: bool = False


def owner_of(public_key: bytes, chain_id: str) -> bytes:
    """Return what a file's blocks are marked with, 32 bytes: a watermark belongs to one key on one chain."""
    return hashlib.sha256(b"keyring bridge watermark\0" + public_key + b"\0" + chain_id.encode()).digest()


def write_slot(slot: Slot, owner: bytes) -> bytes:
    """Return the block of a slot.

    Raises:
        ValueError: The sign bytes are too long.
    """
    mark = slot.mark
    if len(mark.sign_bytes) > LARGEST_SIGN_BYTES:
        raise ValueError(f"sign bytes of {len(mark.sign_bytes)} bytes, at most {LARGEST_SIGN_BYTES} can be kept")
    head = _SLOT.pack(
        _SLOT_MAGIC,
        slot.sequence,
        mark.moment,
        *mark.place,
        _BY_HAND if slot.by_hand else 0,
        len(mark.sign_bytes),
        owner,
    )
    return _closed(head + mark.sign_bytes)


def read_slot(block: bytes, owner: bytes) -> Slot:
    """Read the block of a slot.

    Raises:
        BadBlock: It is none, or of another key or chain.
    """
    body = _opened(block)
    magic, sequence, moment, height, round_, step, flags, length, owned = _SLOT.unpack_from(body)
    if magic != _SLOT_MAGIC or owned != owner:
        raise BadBlock("not the slot of this key on this chain")
    sign_bytes = body[_SLOT.size : _SLOT.size + length]
    try:
        slot = Slot(sequence, Watermark(Place(height, round_, step), sign_bytes, moment=moment), bool(flags & _BY_HAND))
        same = write_slot(slot, owner) == block
    except (ValueError, struct.error):
        raise BadBlock("a slot that says what cannot be") from None
    if not same:
        raise BadBlock("a slot that was not written here")
    return slot


def write_signature(mark: Watermark, owner: bytes) -> bytes:
    """Return the block of a watermark's signature."""
    return _closed(_SIGNATURE.pack(_SIGNATURE_MAGIC, len(mark.signature), _binding(mark, owner)) + mark.signature)


def read_signature(block: bytes, mark: Watermark, owner: bytes) -> bytes:
    """Return the signature over the bytes of a watermark; empty if the block holds none, or that of another one."""
    try:
        body = _opened(block)
    except BadBlock:
        return b""
    magic, length, binding = _SIGNATURE.unpack_from(body)
    if magic != _SIGNATURE_MAGIC or binding != _binding(mark, owner):
        return b""
    return body[_SIGNATURE.size : _SIGNATURE.size + length]


def _binding(mark: Watermark, owner: bytes) -> bytes:
    return hashlib.sha256(owner + _PLACE.pack(*mark.place) + mark.sign_bytes).digest()


def _closed(content: bytes) -> bytes:
    body = content.ljust(_BODY, b"\0")
    if len(body) != _BODY:
        raise ValueError("more than a block")
    return body + hashlib.sha256(body).digest()


def _opened(block: bytes) -> bytes:
    body = block[:_BODY]
    if len(block) != BLOCK or hashlib.sha256(body).digest() != block[_BODY:]:
        raise BadBlock("a block that is not whole")
    return body
