"""Requests answered here as CometBFT's own signers of 0.38 and 1.0 answered them (see fixtures/README.md)."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats.privval.messages import SignProposalRequest, SignVoteRequest
from cosmos_formats.privval.model import NIL, BlockId, Proposal, SignedType, Timestamp, Vote
from keyring_bridge.validator import slot_file
from keyring_bridge.validator.errors import ConsensusRefused
from keyring_bridge.validator.guard import Guard
from keyring_bridge.validator.slot_file import WatermarkFile
from keyring_bridge.validator.watermark import Limits
from tests.consensus import CHAIN, FRESH, NOW, START, Device, MemoryStore
from tests.interop.go_programs import environment
from tests.privval_vectors import FOLDER, load

UNLIMITED = Limits(jump=None)


def secret(name: str) -> bytes:
    """Return what the generator derives from a name."""
    return hashlib.sha256(f"keyring bridge test vector: {name}".encode()).digest()


def block(name: str) -> BlockId:
    parts = {"a": 3, "b": 1}
    return BlockId(secret(f"block {name}"), parts[name], secret(f"block {name}, parts")) if name else NIL


DEVICE_SEED = hashlib.sha256(secret("consensus")).digest()
"""GenPrivKeyFromSecret hashes the secret once more."""


def request(ask: dict[str, Any], skip: bool = False) -> SignVoteRequest | SignProposalRequest:
    chain_id, when = ask.get("chain_id", CHAIN), Timestamp(*ask["timestamp"])
    if ask["type"] == SignedType.PROPOSAL:
        asked = Proposal(ask["height"], ask["round"], ask["pol_round"], block(ask["block"]), when)
        return SignProposalRequest(asked, chain_id)
    extension = bytes.fromhex(ask.get("extension", ""))
    voted = Vote(SignedType(ask["type"]), ask["height"], ask["round"], block(ask["block"]), when, extension=extension)
    return SignVoteRequest(voted, chain_id, skip)


def answer(guard: Guard, device: Device, ask: dict[str, Any], skip: bool = False) -> dict[str, Any]:
    """Return our answer, written as the generator writes FilePV's."""
    asked = request(ask, skip)
    given: Vote | Proposal
    try:
        if isinstance(asked, SignVoteRequest):
            given = guard.vote(asked, device, NOW)
        else:
            given = guard.proposal(asked, device, NOW)
    except ConsensusRefused as refused:
        return {"error": str(refused)}
    told: dict[str, Any] = {"signature": given.signature.hex()}
    if [given.timestamp.seconds, given.timestamp.nanos] != ask["timestamp"]:
        told["timestamp"] = [given.timestamp.seconds, given.timestamp.nanos]
    if isinstance(given, Vote) and given.extension_signature:
        told["extension_signature"] = given.extension_signature.hex()
    return told


def test_every_answer_is_filepvs() -> None:
    device = Device(DEVICE_SEED)
    answers = errors = 0
    for vector in load("filepv"):
        guard = Guard(MemoryStore(), device.public_key, CHAIN, UNLIMITED)
        for step in vector["steps"]:
            given = answer(guard, device, step["ask"])
            assert given == step["answer"], step["ask"]
            answers += 1
            errors += "error" in given
    assert answers > 1000
    assert 100 < errors < answers - 100


def test_every_answer_is_filepvs_also_over_restarts(tmp_path: Path) -> None:
    """The file is closed and opened between any two requests."""
    device = Device(DEVICE_SEED)
    for number, vector in enumerate(load("filepv")[-35:]):
        path = tmp_path / str(number)
        slot_file.create(path, device.public_key, CHAIN, FRESH)
        for step in vector["steps"]:
            file = WatermarkFile(path, device.public_key, CHAIN, audit_tail=START)
            given = answer(Guard(file, device.public_key, CHAIN, UNLIMITED), device, step["ask"])
            file.close()
            assert given == step["answer"], step["ask"]


def test_answers_of_1_0_without_signing_extensions() -> None:
    """The generator made sure that 1.0 gives the answers of 0.38 otherwise."""
    device = Device(DEVICE_SEED)
    precommits = 0
    for vector in load("filepv_skipping", folder="privval1"):
        guard = Guard(MemoryStore(), device.public_key, CHAIN, UNLIMITED)
        for step in vector["steps"]:
            assert answer(guard, device, step["ask"], skip=True) == step["answer"], step["ask"]
            assert "extension_signature" not in step["answer"]
            precommits += step["ask"]["type"] == SignedType.PRECOMMIT and "signature" in step["answer"]
    assert precommits > 20


@pytest.mark.go
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_cometbft_1_0_answers_the_same(tmp_path: Path) -> None:
    module = FOLDER.parent / "gen" / "privval1"
    subprocess.run(["go", "run", ".", "-out", str(tmp_path)], cwd=module, env=environment(), check=True)
    written, kept = ((root / "filepv_skipping.json").read_bytes() for root in (tmp_path, FOLDER.parent / "privval1"))
    assert written == kept


def test_the_table_has_every_kind_of_answer() -> None:
    errors = {
        step["answer"]["error"].partition(": ")[2].partition(". Got")[0]
        for vector in load("filepv")
        for step in vector["steps"]
        if "error" in step["answer"]
    }
    for reason in ("height regression", "conflicting data", "unexpected vote extension"):
        assert any(error.startswith(reason) for error in errors)
    for reason in ("round regression", "step regression"):
        assert any(error.startswith(reason) for error in errors)
