"""The order of things around a consensus signature, for one key on one chain.

1. check: the rules (:mod:`.watermark`) over what the store says was signed last;
2. reserve: the new place and its sign bytes are durable *before* the device is touched;
3. sign: the bytes in the store, which after a crash may be older than the request's;
4. verify, with the key's public half;
5. keep the signature; 6. answer.

Whatever fails between 2 and 5, and wherever the process is killed, the place stays taken by these bytes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from cosmos_formats.verify import verify
from keyring_bridge.errors import SignatureRejected
from keyring_bridge.validator.errors import ConsensusRefused, WatermarkMoved
from keyring_bridge.validator.watermark import Limits, Request, Watermark, decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from cosmos_formats.privval.messages import SignProposalRequest, SignVoteRequest
    from cosmos_formats.privval.model import Proposal, Timestamp, Vote
    from cosmos_formats.pubkeys import PublicKey

_TRIES: Final = 5


class WatermarkStore(Protocol):
    """Where the watermark of one key on one chain lives. Several processes may share one, or none may."""

    def current(self) -> Watermark:
        """Return what was signed last, or is about to be."""
        ...

    def reserve(self, expected: Watermark, new: Watermark) -> None:
        """Take a place, durably, if the watermark is still the expected one.

        Raises:
            WatermarkMoved: It is not; look at :meth:`current` again.
            WatermarkFailed: It is not certain that it is durable. Nothing may be signed.
        """
        ...

    def keep(self, mark: Watermark, signature: bytes) -> None:
        """Remember the signature over the bytes that were reserved last. A power cut may lose it.

        Raises:
            WatermarkFailed: It could not be written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Signed:
    """What a request gets.

    Attributes:
        signature: Over the vote or proposal.
        timestamp: The one that was signed; not always the request's.
        extension_signature: Where an extension was signed.
    """

    signature: bytes = field(repr=False)
    timestamp: Timestamp
    extension_signature: bytes = field(default=b"", repr=False)


class Guard:
    """Signs votes and proposals of one key on one chain, one after the other. May be used from several threads.

    Args:
        store: What was signed last.
        public_key: The key's public half.
        chain_id: The chain. Requests for another one are refused.
        limits: How high the key may go.
    """

    def __init__(
        self, store: WatermarkStore, public_key: PublicKey, chain_id: str, limits: Limits | None = None
    ) -> None:
        self._store = store
        self._public_key = public_key
        self._chain_id = chain_id
        self._limits = limits or Limits()
        self._mutex = threading.Lock()

    def vote(self, asked: SignVoteRequest, ask: Callable[[bytes], bytes], now: int) -> Vote:
        """Return a vote with its signatures and without its extension, which no node reads in a reply.

        Args:
            asked: The request.
            ask: Signs bytes with the device.
            now: The time, milliseconds since 1970.

        Raises:
            ConsensusRefused: The message is what the node is told.
            SignatureRejected: The device answered something else than a signature.
            WatermarkFailed: It is not certain what was signed last.
        """
        self._check_chain(asked.chain_id, "vote")
        request = Request.of_vote(self._chain_id, asked.vote, skip_extension_signing=asked.skip_extension_signing)
        signed = self._answer(request, ask, now)
        return replace(
            asked.vote,
            signature=signed.signature,
            timestamp=signed.timestamp,
            extension=b"",
            extension_signature=signed.extension_signature,
        )

    def proposal(self, asked: SignProposalRequest, ask: Callable[[bytes], bytes], now: int) -> Proposal:
        """Return a proposal with its signature.

        Args:
            asked: The request.
            ask: Signs bytes with the device.
            now: The time, milliseconds since 1970.

        Raises:
            ConsensusRefused: The message is what the node is told.
            SignatureRejected: The device answered something else than a signature.
            WatermarkFailed: It is not certain what was signed last.
        """
        self._check_chain(asked.chain_id, "proposal")
        signed = self._answer(Request.of_proposal(self._chain_id, asked.proposal), ask, now)
        return replace(asked.proposal, signature=signed.signature, timestamp=signed.timestamp)

    def _check_chain(self, chain_id: str, kind: str) -> None:
        if chain_id != self._chain_id:
            # The words of CometBFT's own signer.
            raise ConsensusRefused(
                f"unable to sign {kind}", detail=f"want chain id {self._chain_id!r}, got {chain_id[:64]!r}"
            )

    def _answer(self, request: Request, ask: Callable[[bytes], bytes], now: int) -> Signed:
        with self._mutex:
            mark, timestamp = self._take_place(request, now)
            signature = mark.signature
            if not signature or not verify(self._public_key, mark.sign_bytes, signature):
                signature = self._signature(mark.sign_bytes, ask)
                self._store.keep(mark, signature)
            extension = b"" if request.extension is None else self._signature(request.extension, ask)
            return Signed(signature, timestamp, extension)

    def _take_place(self, request: Request, now: int) -> tuple[Watermark, Timestamp]:
        for _ in range(_TRIES):
            mark = self._store.current()
            decision = decide(mark, request, self._limits, now)
            if not decision.is_new:
                return mark, decision.timestamp
            try:
                self._store.reserve(mark, decision.mark)
            except WatermarkMoved:
                continue
            return decision.mark, decision.timestamp
        raise WatermarkMoved("other processes were quicker every time")

    def _signature(self, message: bytes, ask: Callable[[bytes], bytes]) -> bytes:
        signature = ask(message)
        if not verify(self._public_key, message, signature):
            raise SignatureRejected("the device answered something that is not a signature of this key")
        return signature
