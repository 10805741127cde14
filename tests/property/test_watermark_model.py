"""No order of requests, crashes and restarts makes a key sign two things at one height, round and step.

The machine below plays a signer over a real file. A crash may come at any point of a signature: before a block is
written, at any byte of it, before it is synced, while the device signs, before the signature is kept. A crash of the
machine loses what was not synced, wholly or in part; a crash of the process does not. The audit log never helps.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cosmos_formats.privval.canonical import Canonical
from cosmos_formats.privval.errors import InvalidMessage
from cosmos_formats.privval.messages import SignProposalRequest, SignVoteRequest
from cosmos_formats.privval.model import NIL, SignedType, Timestamp
from keyring_bridge.validator import slot_file
from keyring_bridge.validator.errors import ConsensusRefused, WatermarkLocked
from keyring_bridge.validator.guard import Guard
from keyring_bridge.validator.slot_file import SIZE, WatermarkFile
from keyring_bridge.validator.slots import BLOCK
from keyring_bridge.validator.watermark import Limits, Place, Request
from tests.consensus import BLOCK_A, BLOCK_B, CHAIN, FRESH, NOW, START, Device, proposal, vote


class Crash(BaseException):
    """The process, or the machine, ends here."""


class Disk(WatermarkFile):
    """A file that knows what is on the disk and what is only in memory, and crashes where it is told.

    Points are counted from 0: each block written has two (before it; and after ``torn`` bytes of it), each sync two
    (before and after it).
    """

    crash_at = -1
    torn = 0

    def __init__(self, path: Path, *arguments: Any, before: Disk | None = None, **more: Any) -> None:
        # What a process wrote and did not sync stays in the system's memory when it dies.
        self.durable = before.durable if before else path.read_bytes()
        self.unsynced = list(before.unsynced) if before else []
        super().__init__(path, *arguments, **more)

    def _point(self) -> None:
        if self.crash_at == 0:
            raise Crash
        self.crash_at -= 1

    def _write(self, block: bytes, offset: int) -> None:
        self._point()
        if self.crash_at == 0:
            self.unsynced.append((offset, block[: self.torn]))
            os.pwrite(self._fd, block[: self.torn], offset)
            raise Crash
        self.crash_at -= 1
        self.unsynced.append((offset, block))
        super()._write(block, offset)

    def _sync(self) -> None:
        self._point()
        super()._sync()
        self.durable = self._path.read_bytes()
        self.unsynced.clear()
        self._point()


def is_consensus(message: bytes) -> bool:
    """Tell a vote or proposal from an extension."""
    try:
        Canonical.from_sign_bytes(message)
    except InvalidMessage:
        return False
    return True


def above(height: int, asked: SignVoteRequest | SignProposalRequest) -> SignVoteRequest | SignProposalRequest:
    """Return a request at so many heights above one."""
    if isinstance(asked, SignVoteRequest):
        return replace(asked, vote=replace(asked.vote, height=asked.vote.height + height))
    return replace(asked, proposal=replace(asked.proposal, height=asked.proposal.height + height))


# Heights are relative to the last one that was signed: there is always something new to ask for.
ASKS = st.one_of(
    st.builds(
        lambda height, round_, kind, block, seconds, extension: vote(
            height,
            round_,
            kind=kind,
            block=block,
            when=Timestamp(seconds),
            extension=extension if kind is SignedType.PRECOMMIT and block is not NIL else b"",
        ),
        st.sampled_from([0, 0, 0, 1, 1, -1]),
        st.integers(0, 1),
        st.sampled_from([SignedType.PREVOTE, SignedType.PRECOMMIT]),
        st.sampled_from([BLOCK_A, BLOCK_B, NIL]),
        st.integers(1, 3),
        st.sampled_from([b"", b"one", b"two"]),
    ),
    st.builds(
        lambda height, round_, block, seconds, pol: proposal(
            height, round_, block=block, when=Timestamp(seconds), pol=pol
        ),
        st.sampled_from([0, 0, 0, 1, 1, -1]),
        st.integers(0, 1),
        st.sampled_from([BLOCK_A, BLOCK_B]),
        st.integers(1, 3),
        st.integers(-1, 0),
    ),
)


class Signer(RuleBasedStateMachine):
    """Requests of a node that may ask for anything, and a signer that may crash anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="kb-model-"))
        self.path = self.folder / "watermark"
        self.device = Device()
        self.last: SignVoteRequest | SignProposalRequest | None = None

    @initialize()
    def start(self) -> None:
        slot_file.create(self.path, self.device.public_key, CHAIN, FRESH)
        self.open()

    def open(self, before: Disk | None = None) -> None:
        self.file = Disk(self.path, self.device.public_key, CHAIN, audit_tail=START, before=before)
        self.guard = Guard(self.file, self.device.public_key, CHAIN, Limits(jump=None))

    def sign(self, message: bytes) -> bytes:
        """Sign with the device what is on the disk, not only in memory."""
        assert message in self.file.durable or not is_consensus(message)
        return self.device(message)

    def near(self, asked: SignVoteRequest | SignProposalRequest) -> SignVoteRequest | SignProposalRequest:
        return above(max(1, self.file.current().place.height), asked)

    def ask(self, asked: SignVoteRequest | SignProposalRequest, sign: Any) -> None:
        self.last = asked
        try:
            if isinstance(asked, SignVoteRequest):
                given: Any = self.guard.vote(asked, sign, NOW)
                said = Canonical.of_vote(CHAIN, given)
            else:
                given = self.guard.proposal(asked, sign, NOW)
                said = Canonical.of_proposal(CHAIN, given)
        except ConsensusRefused:
            return
        # What the node gets is one of the messages that the device signed.
        assert said.to_sign_bytes() in self.device.signed

    @rule()
    def request_again(self) -> None:
        """Ask what was asked last: whoever lost the answer does."""
        if self.last is not None:
            self.ask(self.last, self.sign)

    @rule(asked=ASKS)
    def request(self, asked: SignVoteRequest | SignProposalRequest) -> None:
        self.ask(self.near(asked), self.sign)

    @rule(asked=ASKS, point=st.integers(0, 6), torn=st.integers(0, BLOCK), power=st.booleans(), data=st.data())
    def request_and_crash(
        self, asked: SignVoteRequest | SignProposalRequest, point: int, torn: int, power: bool, data: st.DataObject
    ) -> None:
        self.file.crash_at, self.file.torn = point, torn
        try:
            self.ask(self.near(asked), self.sign)
        except Crash:
            pass
        finally:
            self.crash(power, data)

    @rule(asked=ASKS, signed=st.booleans(), power=st.booleans(), data=st.data())
    def crash_while_the_device_signs(
        self, asked: SignVoteRequest | SignProposalRequest, signed: bool, power: bool, data: st.DataObject
    ) -> None:
        def dying(message: bytes) -> bytes:
            if signed:
                self.sign(message)
            raise Crash

        try:
            self.ask(self.near(asked), dying)
        except Crash:
            pass
        finally:
            self.crash(power, data)

    def died(self) -> Disk:
        """End the process as it is: it syncs nothing."""
        self.file.crash_at = -1
        self.file._usable = False
        self.file.close()
        return self.file

    def crash(self, power: bool, data: st.DataObject) -> None:
        """End the process as it is, or the whole machine; then start again."""
        dead = self.died()
        if power:
            disk = bytearray(dead.durable)
            # Of what was not synced, any part of each block is on the disk, from either end.
            for offset, block in dead.unsynced:
                start = data.draw(st.integers(0, len(block)))
                stop = data.draw(st.sampled_from([len(block), start, 0]))
                low, high = min(start, stop), max(start, stop)
                disk[offset + low : offset + high] = block[low:high]
            assert len(disk) == SIZE
            self.path.write_bytes(disk)
        self.open(None if power else dead)

    @rule()
    def restart(self) -> None:
        self.file.close()
        self.open()

    @rule()
    def second_process(self) -> None:
        with pytest.raises(WatermarkLocked):
            WatermarkFile(self.path, self.device.public_key, CHAIN, audit_tail=START)

    @invariant()
    def one_message_for_each_place(self) -> None:
        signed: dict[Place, set[bytes]] = {}
        for message in filter(is_consensus, self.device.signed):
            signed.setdefault(Request(Canonical.from_sign_bytes(message), b"").place, set()).add(message)
        assert all(len(messages) == 1 for messages in signed.values())

    def teardown(self) -> None:
        if hasattr(self, "file"):
            self.file.close()
        shutil.rmtree(self.folder)


TestSigner = Signer.TestCase
# Without shrinking, which would take minutes.
TestSigner.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)


def test_what_a_dead_process_did_not_sync_is_synced_before_it_is_signed() -> None:
    """The rare walk of the machine: killed between write and sync, asked again, then the power goes."""
    signer = Signer()
    try:
        signer.start()
        signer.file.crash_at = 2
        with pytest.raises(Crash):
            signer.ask(vote(1), signer.sign)
        assert len(signer.file.unsynced) == 1
        signer.open(signer.died())
        signer.request_again()
        assert len(signer.device.signed) == 1
    finally:
        signer.teardown()
