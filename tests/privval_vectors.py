"""The vectors in fixtures/privval, and what their JSON says as objects of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cosmos_formats.privval.model import BlockId, Proposal, SignedType, Timestamp, Vote

FOLDER = Path(__file__).parents[1] / "fixtures" / "privval"


def load(name: str, folder: str = "privval") -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((FOLDER.parent / folder / f"{name}.json").read_text(encoding="utf-8"))[
        "vectors"
    ]
    assert vectors
    return vectors


def block_id(told: dict[str, Any]) -> BlockId:
    return BlockId(bytes.fromhex(told["hash"]), told["total"], bytes.fromhex(told["parts"]))


def vote(told: dict[str, Any]) -> Vote:
    return Vote(
        SignedType(told["type"]),
        told["height"],
        told["round"],
        block_id(told["block_id"]),
        Timestamp(*told["timestamp"]),
        bytes.fromhex(told["address"]),
        told["index"],
        bytes.fromhex(told["signature"]),
        bytes.fromhex(told["extension"]),
        bytes.fromhex(told["extension_signature"]),
    )


def proposal(told: dict[str, Any]) -> Proposal:
    return Proposal(
        told["height"],
        told["round"],
        told["pol_round"],
        block_id(told["block_id"]),
        Timestamp(*told["timestamp"]),
        bytes.fromhex(told["signature"]),
    )
