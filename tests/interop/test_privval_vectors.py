"""The remote signer protocol against what CometBFT's own code writes (see fixtures/README.md)."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats.privval import messages
from cosmos_formats.privval.canonical import (
    Canonical,
    extension_sign_bytes,
    proposal_sign_bytes,
    vote_sign_bytes,
)
from cosmos_formats.privval.errors import HandshakeFailed
from cosmos_formats.privval.frames import FRAME_SIZE
from cosmos_formats.privval.identity import Identity
from cosmos_formats.privval.secret_connection import SecretConnection, State, shared_secret
from cosmos_formats.pubkeys import KeyType, PublicKey
from tests import privval_vectors
from tests.interop.go_programs import environment
from tests.privval_vectors import FOLDER, load

if TYPE_CHECKING:
    from cosmos_formats.privval.messages import Message

# --- messages --------------------------------------------------------------------------------------------------------


def message(vector: dict[str, Any]) -> Message:
    """Return the message that a vector describes."""
    told = vector["fields"]
    fields: dict[str, Any] = {name: told[name] for name in ("chain_id", "skip_extension_signing") if name in told}
    if "vote" in told:
        fields["vote"] = privval_vectors.vote(told["vote"])
    if "proposal" in told:
        fields["proposal"] = privval_vectors.proposal(told["proposal"])
    if "error" in told:
        fields["error"] = messages.RemoteSignerError(told["error"]["code"], told["error"]["description"])
    if "type" in told:
        fields["public_key"] = PublicKey(KeyType(told["type"]), bytes.fromhex(told["data"]))
    fields.update({name: bytes.fromhex(told[name]) for name in ("body", "signature") if name in told})
    made: Message = getattr(messages, vector["message"])(**fields)
    return made


def without_extension(given: Message) -> Message:
    """Return what a version reads that has no extensions."""
    if isinstance(given, messages.SignVoteRequest):
        return replace(given, vote=replace(given.vote, extension=b"", extension_signature=b""))
    if isinstance(given, messages.SignedVoteResponse) and given.vote is not None:
        return replace(given, vote=replace(given.vote, extension=b"", extension_signature=b""))
    return given


def test_every_message_is_written_as_cometbft_writes_it() -> None:
    kinds = set()
    for vector in load("messages"):
        ours = message(vector)
        kinds.add(type(ours))
        assert messages.decode(bytes.fromhex(vector["bytes"])) == ours
        if vector.get("only") in ("0.38", "1.0") and isinstance(ours, messages.PubKeyResponse):
            continue  # One reply for all versions is written instead: the vector "all".
        assert messages.encode(ours).hex() == vector["bytes"]
    assert kinds == set(messages.Message.__args__)


def test_what_other_versions_make_of_a_message() -> None:
    seen = set()
    for vector in load("messages"):
        for version in {"0.34", "0.38", "1.0"} & set(vector):
            seen.add((version, vector["message"]))
            theirs = bytes.fromhex(vector[version])
            ours = message(vector)
            if vector["message"] == "PubKeyResponse":
                assert version == "1.0"  # which does not write the empty key that earlier versions write
                assert messages.decode(theirs) == ours
            else:
                assert version == "0.34"  # and 0.37, which has the same messages
                assert messages.encode(without_extension(ours)) == theirs
    assert seen == {
        ("0.34", "SignVoteRequest"),
        ("0.34", "SignedVoteResponse"),
        ("1.0", "PubKeyResponse"),
    }


# --- sign bytes ------------------------------------------------------------------------------------------------------


def test_sign_bytes() -> None:
    votes = proposals = 0
    for vector in load("sign_bytes"):
        chain_id, expected = vector["chain_id"], bytes.fromhex(vector["sign_bytes"])
        if "vote" in vector:
            votes += 1
            vote = privval_vectors.vote(vector["vote"])
            assert vote_sign_bytes(chain_id, vote) == expected
            assert extension_sign_bytes(chain_id, vote).hex() == vector["extension_sign_bytes"]
            assert Canonical.from_sign_bytes(expected) == Canonical.of_vote(chain_id, vote)
        else:
            proposals += 1
            proposal = privval_vectors.proposal(vector["proposal"])
            assert proposal_sign_bytes(chain_id, proposal) == expected
            assert Canonical.from_sign_bytes(expected) == Canonical.of_proposal(chain_id, proposal)
    assert votes > 100
    assert proposals > 100


# --- SecretConnection ------------------------------------------------------------------------------------------------


def connection(end: dict[str, str]) -> SecretConnection:
    return SecretConnection(Identity(bytes.fromhex(end["identity"])), bytearray.fromhex(end["ephemeral"]))


@pytest.mark.parametrize("piece", [1, 37, 1044, 100_000])
@pytest.mark.parametrize(("own", "other"), [("left", "right"), ("right", "left")])
def test_connections_of_cometbft(own: str, other: str, piece: int) -> None:
    """Each end of a recorded connection is played; what the other sent arrives in pieces of one size."""
    for vector in load("secret_connection"):
        ours = connection(vector[own])
        recorded, theirs = bytes.fromhex(vector[own]["wrote"]), bytes.fromhex(vector[other]["wrote"])
        sent, received = ours.data_to_send(), b""
        for at in range(0, len(theirs), piece):
            received += ours.receive(theirs[at : at + piece])
            sent += ours.data_to_send()
        expected = b"".join(map(bytes.fromhex, vector["sent"]))
        assert received == expected
        assert ours.state is State.OPEN
        assert ours.peer == Identity(bytes.fromhex(vector[other]["identity"])).public_key
        # The handshake is the same to the last byte; behind data, CometBFT leaves what it sent before.
        assert sent == recorded[: 35 + FRAME_SIZE]
        frames = b"".join(ours.send(bytes.fromhex(text)) for text in vector["sent"])
        assert len(frames) == len(recorded) - len(sent)
        ours.end()


def test_both_orders_of_ephemeral_keys_are_among_them() -> None:
    lower = {vector["left"]["wrote"][:70] < vector["right"]["wrote"][:70] for vector in load("secret_connection")}
    assert lower == {True, False}


def test_points_that_cometbft_refuses() -> None:
    refused = 0
    for vector in load("points"):
        scalar, point = bytearray.fromhex(vector["scalar"]), bytes.fromhex(vector["point"])
        if vector["refused"]:
            refused += 1
            with pytest.raises(HandshakeFailed):
                shared_secret(scalar, point)
        else:
            assert shared_secret(scalar, point).hex() == vector["shared"]
    assert refused > 10
    assert refused < len(load("points"))


# --- the generator ---------------------------------------------------------------------------------------------------


@pytest.mark.go
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_cometbft_writes_the_same_vectors(tmp_path: Path) -> None:
    module = FOLDER.parent / "gen" / "privval"
    subprocess.run(["go", "run", ".", "-out", str(tmp_path)], cwd=module, env=environment(), check=True)
    written, kept = ({path.name: path.read_bytes() for path in root.iterdir()} for root in (tmp_path, FOLDER))
    assert written == kept
