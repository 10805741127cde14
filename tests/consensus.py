"""Requests to a consensus key, its device, and a file of what it signed, for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cosmos_formats.privval.messages import SignProposalRequest, SignVoteRequest
from cosmos_formats.privval.model import NIL, BlockId, Proposal, SignedType, Timestamp, Vote
from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.validator import slot_file
from keyring_bridge.validator.errors import WatermarkMoved
from keyring_bridge.validator.slot_file import WatermarkFile
from keyring_bridge.validator.watermark import Place, Watermark

CHAIN = "testchain-1"
NOW = 1_800_000_000_000
EARLY, LATE = Timestamp(1_800_000_000, 5), Timestamp(1_800_000_001)
BLOCK_A, BLOCK_B = (BlockId(name * 32, 1, b"p" * 32) for name in (b"a", b"b"))
FRESH = Watermark(Place(0, 0, 0), moment=NOW)
START = Place(0, 0, 0)


def vote(
    height: int,
    round_: int = 0,
    *,
    kind: SignedType = SignedType.PREVOTE,
    block: BlockId = BLOCK_A,
    when: Timestamp = EARLY,
    extension: bytes = b"",
    **more: Any,
) -> SignVoteRequest:
    return SignVoteRequest(
        Vote(kind, height, round_, block, when, extension=extension), more.pop("chain_id", CHAIN), **more
    )


def precommit(height: int, round_: int = 0, **more: Any) -> SignVoteRequest:
    return vote(height, round_, kind=SignedType.PRECOMMIT, **more)


def proposal(
    height: int,
    round_: int = 0,
    *,
    block: BlockId = BLOCK_A,
    when: Timestamp = EARLY,
    pol: int = -1,
    chain: str = CHAIN,
) -> SignProposalRequest:
    return SignProposalRequest(Proposal(height, round_, pol, block, when), chain)


def nil(height: int, round_: int = 0, **more: Any) -> SignVoteRequest:
    return vote(height, round_, block=NIL, **more)


class Device:
    """A token that remembers what it signed."""

    def __init__(self, seed: bytes = b"s" * 32) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        data = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = PublicKey(KeyType.ED25519, data)
        self.signed: list[bytes] = []

    def __call__(self, message: bytes) -> bytes:
        self.signed.append(message)
        return self._key.sign(message)


class MemoryStore:
    """A store that forgets nothing, and nothing lasts."""

    def __init__(self, mark: Watermark = FRESH) -> None:
        self.mark = mark

    def current(self) -> Watermark:
        return self.mark

    def reserve(self, expected: Watermark, new: Watermark) -> None:
        if self.mark != expected:
            raise WatermarkMoved("moved")
        self.mark = new

    def keep(self, mark: Watermark, signature: bytes) -> None:
        assert mark == self.mark
        self.mark = replace(mark, signature=signature)


def new_file(folder: Path, floor: Watermark = FRESH) -> Path:
    path = folder / "watermark"
    slot_file.create(path, Device().public_key, CHAIN, floor)
    return path


def open_file(path: Path, audit_tail: Place | None = START) -> WatermarkFile:
    return WatermarkFile(path, Device().public_key, CHAIN, audit_tail=audit_tail)
