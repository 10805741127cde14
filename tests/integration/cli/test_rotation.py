"""``hsm keys rotate`` on real backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli


def test_a_key_is_replaced_shown_and_ends(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    done = cli.json("keys", "rotate", "ops", "--successor", "ops-2", "--keep-signing-until", "2099-01-31")
    assert done["made"]
    assert done["old"]["successor"] == done["new"]["fingerprint"]
    assert done["old"]["verify_only_from"] == "2099-01-31T00:00:00Z"
    assert {step["message"]["@type"].rpartition(".")[2] for step in done["steps"] if step["message"]} == {
        "MsgGrant",
        "MsgGrantAllowance",
        "MsgEditValidator",
    }
    again = cli.json("keys", "rotate", "ops", "--successor", "ops-2")
    assert (again["made"], again["old"], again["new"]) == (False, done["old"], done["new"])
    assert cli.json("keys", "show", "ops")["successor_name"] == "ops-2"
    assert cli.json("keys", "show", "ops-2")["replaces"] == ["ops"]
    assert "replaces: ops" in " ".join(cli.ok("keys", "show", "ops-2").split())
    assert "REPLACED" in cli.ok("keys", "list")
    text = cli.ok("keys", "rotate", "ops", "--successor", "ops-2", "--keep-signing-until", "now")
    assert "ops-2 takes the place of ops" in text
    assert "only verifies from" in text
    error = cli.fails("sign", "ops", stdin=b"\x0a\x00", code=5, error="cannot_sign")
    assert "only verifies since" in error["message"]
    cli.fails(
        "keys", "rotate", "ops", "--successor", "ops-2", "--keep-signing-until", "2099-01-31",
        code=5, error="rotation_refused",
    )  # fmt: skip
    cli.ok("audit", "verify")


def test_a_consensus_key_and_what_its_chain_can(cli: Cli) -> None:
    cli.ok("keygen", "--label", "val", "--purpose", "consensus")
    done = cli.json("keys", "rotate", "val", "--successor", "val-2")
    assert done["new"]["purpose"] == "consensus"
    assert "needs_floor" not in done["new"]
    assert done["steps"][0]["message"]["@type"] == "/cosmos.staking.v1beta1.MsgCreateValidator"


def test_what_is_no_moment(software: Cli) -> None:
    software.ok("keygen", "--label", "ops")
    for moment in ("tomorrow", "2027-01-31T12:00", "2027-13-01", ""):
        software.fails(
            "keys", "rotate", "ops", "--successor", "new", "--keep-signing-until", moment, code=2, error="usage_error"
        )
    assert software.json("keys", "list", "-n") == ["ops"]


def test_a_chain_that_rotates_consensus_keys_is_told_so(software: Cli) -> None:
    file = software.home / "rotating.binpb"
    file.write_bytes(rotating())
    software.ok("chain", "add", "moon-1", "--prefix", "moon", "--descriptors", str(file), "--yes")
    software.ok("keygen", "--label", "val", "--purpose", "consensus")
    done = software.json("keys", "rotate", "val", "--successor", "val-2", "--chain-id", "moon-1")
    message = done["steps"][0]["message"]
    assert message["@type"] == "/cosmos.staking.v1beta1.MsgRotateConsPubKey"
    assert message["new_pubkey"]["@type"] == "/cosmos.crypto.ed25519.PubKey"
    assert done["old"]["address"].startswith("moonvalcons1")


def rotating() -> bytes:
    """A chain's descriptors with the message that SDK v0.53 does not have."""
    file = FileDescriptorProto(
        name="cosmos/staking/v1beta1/rotation.proto",
        package="cosmos.staking.v1beta1",
        dependency=["google/protobuf/any.proto"],
        syntax="proto3",
    )
    message = file.message_type.add(name="MsgRotateConsPubKey")
    message.field.add(name="validator_address", number=1, type=9, label=1)
    message.field.add(name="new_pubkey", number=2, type=11, label=1, type_name=".google.protobuf.Any")
    return FileDescriptorSet(file=[file]).SerializeToString()
