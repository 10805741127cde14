"""The rules against signing twice, without I/O: what was signed last, and whether a request may be signed after it.

Rules, which are those of CometBFT's own signer (FilePV) unless said otherwise:

* What is asked for has a place: height, round and step (proposal, prevote, precommit). A place below the last one is
  refused. Nothing else is compared: a prevote for another block than the one proposed is signed.
* At the last place, the same message gets the same signature. If it differs in its timestamp alone, it gets the earlier
  signature and the earlier timestamp. Anything else is refused, and everything is if it is not known what was signed.
* An extension is signed anew each time, and only beside a precommit for a block.
* Ours alone: where the last message is known and its signature is not, because a crash came between, the *stored* bytes
  are signed, never those of the request.
* Ours alone: a height above ``max_height``, or further above the last one than a chain can have come since, is refused.
  Otherwise one forged request would raise the watermark for ever.

Times are milliseconds since 1970. A clock that goes back allows no more than one that stands still.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from cosmos_formats.privval.canonical import Canonical, extension_sign_bytes
from cosmos_formats.privval.model import SignedType
from keyring_bridge.validator.errors import ConsensusRefused, DoubleSign, HeightTooFar, Regression

if TYPE_CHECKING:
    from cosmos_formats.privval.model import Proposal, Timestamp, Vote

HIGHEST: Final = (1 << 63) - 1
HIGHEST_ROUND: Final = (1 << 31) - 1


class Step(IntEnum):
    """CometBFT's numbers of the steps."""

    NONE = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3


_STEPS: Final = {
    SignedType.PROPOSAL: Step.PROPOSE,
    SignedType.PREVOTE: Step.PREVOTE,
    SignedType.PRECOMMIT: Step.PRECOMMIT,
}


class Place(NamedTuple):
    """Where in a chain something is signed. Places are ordered."""

    height: int
    round: int
    step: int


@dataclass(frozen=True, slots=True)
class Watermark:
    """What a key signed last on a chain, or is about to sign.

    Attributes:
        place: Nothing below it is signed.
        sign_bytes: What is signed there: length and canonical message. Empty if it is not known: then nothing is signed
            there.
        signature: Of these bytes; empty if it is not known.
        moment: When the place was taken.
    """

    place: Place
    sign_bytes: bytes = field(default=b"", repr=False)
    signature: bytes = field(default=b"", repr=False)
    moment: int = 0

    def __post_init__(self) -> None:
        height, round_, step = self.place
        if not (0 <= height <= HIGHEST and 0 <= round_ <= HIGHEST_ROUND and 0 <= step <= Step.PRECOMMIT):
            raise ValueError("height, round or step is out of range")
        if self.signature and not self.sign_bytes:
            raise ValueError("a signature of nothing")
        if not 0 <= self.moment < 1 << 63:
            raise ValueError("moment out of range")


@dataclass(frozen=True, slots=True)
class Limits:
    """How high a key may go.

    Attributes:
        max_height: The last height that is signed; None for no end.
        jump: By how many heights a request may be above the last signature at once; None switches this check off.
        per_second: How many more for each second since then.
    """

    max_height: int | None = None
    jump: int | None = 1000
    per_second: int = 4


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, as far as these rules need it.

    Attributes:
        said: The message that the signature would be over.
        sign_bytes: Its bytes.
        extension: Sign bytes of the extension, where one is to be signed.
        extension_misplaced: There is an extension where there must be none.
    """

    said: Canonical
    sign_bytes: bytes = field(repr=False)
    extension: bytes | None = field(default=None, repr=False)
    extension_misplaced: bool = False

    @classmethod
    def of_vote(cls, chain_id: str, vote: Vote, *, skip_extension_signing: bool = False) -> Request:
        """Return what a vote asks for. Without the flag every precommit for a block gets its extension signed."""
        said = Canonical.of_vote(chain_id, vote)
        sign_bytes = said.to_sign_bytes()
        if skip_extension_signing:
            return cls(said, sign_bytes)
        if vote.type is SignedType.PRECOMMIT and not vote.block_id.is_nil:
            return cls(said, sign_bytes, extension_sign_bytes(chain_id, vote))
        return cls(said, sign_bytes, extension_misplaced=bool(vote.extension))

    @classmethod
    def of_proposal(cls, chain_id: str, proposal: Proposal) -> Request:
        """Return what a proposal asks for."""
        said = Canonical.of_proposal(chain_id, proposal)
        return cls(said, said.to_sign_bytes())

    @property
    def place(self) -> Place:
        """Where it is signed."""
        return Place(self.said.height, self.said.round, _STEPS[self.said.type])

    @property
    def kind(self) -> str:
        """What it is called in replies: ``vote`` or ``proposal``."""
        return "proposal" if self.said.type is SignedType.PROPOSAL else "vote"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do for a request that is not refused.

    Attributes:
        mark: What is signed: if it has a signature, that is the answer; else its sign bytes are signed.
        is_new: It has to be made durable before anything is signed.
        timestamp: The one in the signed bytes, for the answer.
    """

    mark: Watermark
    is_new: bool
    timestamp: Timestamp


def decide(mark: Watermark, request: Request, limits: Limits, now: int) -> Decision:
    """Tell what a request gets.

    Args:
        mark: What was signed last.
        request: What is asked for.
        limits: How high the key may go.
        now: The time.

    Raises:
        Regression: A lower height, round or step.
        DoubleSign: Something else was signed at this place, or it is not known what.
        HeightTooFar: A height above ``max_height``, or that the chain cannot have reached.
        ConsensusRefused: An extension where there must be none, or a negative round.
    """
    _check_order(mark.place, request)
    if request.extension_misplaced:
        raise ConsensusRefused(
            _text(request, "unexpected vote extension - extensions are only allowed in non-nil precommits")
        )
    if request.place == mark.place:
        return Decision(mark, is_new=False, timestamp=_signed_timestamp(mark, request))
    if request.said.round < 0:
        raise ConsensusRefused(_text(request, "negative round"))
    _check_height(mark, request, limits, now)
    # The moment never goes back either: a clock that was set back and then right would allow more.
    new = Watermark(request.place, request.sign_bytes, moment=max(now, mark.moment))
    return Decision(new, True, request.said.timestamp)


def _check_order(last: Place, request: Request) -> None:
    height, round_, step = request.place
    if height < last.height:
        raise Regression(_text(request, f"height regression. Got {height}, last height {last.height}"))
    if height > last.height:
        return
    if round_ < last.round:
        raise Regression(_text(request, f"round regression at height {height}. Got {round_}, last round {last.round}"))
    if round_ == last.round and step < last.step:
        raise Regression(
            _text(request, f"step regression at height {height} round {round_}. Got {step}, last step {last.step}")
        )


def _signed_timestamp(mark: Watermark, request: Request) -> Timestamp:
    """Return the timestamp that was signed at the place of a request, if all the rest is as in the request."""
    if not mark.sign_bytes:
        raise DoubleSign(_text(request, "no SignBytes found"))
    signed = Canonical.from_sign_bytes(mark.sign_bytes)
    said = request.said
    if (signed.type, signed.height, signed.round, signed.pol_round, signed.block_id, signed.chain_id) != (
        said.type,
        said.height,
        said.round,
        said.pol_round,
        said.block_id,
        said.chain_id,
    ):
        raise DoubleSign(_text(request, "conflicting data"))
    return signed.timestamp


def _check_height(mark: Watermark, request: Request, limits: Limits, now: int) -> None:
    height = request.place.height
    if limits.max_height is not None and height > limits.max_height:
        raise HeightTooFar(_text(request, f"height {height} is above the last one to be signed, {limits.max_height}"))
    if limits.jump is None:
        return
    allowed = limits.jump + limits.per_second * max(0, now - mark.moment) // 1000
    if height - mark.place.height > allowed:
        raise HeightTooFar(
            _text(request, f"height {height} is too far above the last height {mark.place.height}"),
            hint="if the chain is really there, raise the key's state",
        )


def _text(request: Request, reason: str) -> str:
    return f"error signing {request.kind}: {reason}"
