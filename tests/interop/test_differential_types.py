"""Random message types, held against what the SDK's encoders make of their messages (fixtures/gen/differential).

A chain's own messages may use what the SDK's never do. `KEYRING_BRIDGE_DIFFERENTIAL_TYPES=1000` tries so many sets of
types, and `KEYRING_BRIDGE_SEED=…` other ones.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats.signing.amino_json import canonical, decode_message, encode_message
from cosmos_formats.signing.textual import CoinMetadata
from cosmos_formats.signing.textual.rendering import Renderer
from tests.interop.random_types import Types
from tests.interop.test_differential import SEED, SHOWN, VECTORS, Outcome, Sdk, difference, sdk

if TYPE_CHECKING:
    from cosmos_formats.schema import Schema

SETS = int(os.environ.get("KEYRING_BRIDGE_DIFFERENTIAL_TYPES", "50"))
MESSAGES = 40
"""Of each set."""


def rendered(type_url: str, data: bytes, schema: Schema, coins: Mapping[str, CoinMetadata]) -> str:
    """Return titles, contents and indentation of the screens of a packed message, as JSON."""
    renderer = Renderer(schema, coins, complete=False)
    renderer.top_packed(type_url, data, "", tolerate=False)
    return json.dumps(renderer.lines)


def outcomes(
    type_url: str, message: Any, types: Types, program: Sdk, coins: Mapping[str, CoinMetadata]
) -> Iterator[tuple[str, Outcome, Outcome]]:
    """Yield for each mode its name, what we make of a message, and what the SDK does."""
    data = message.SerializeToString(deterministic=True)
    answer = program.ask(type=type_url, message=data.hex())
    ours = Outcome.of(lambda: canonical(encode_message(message, types.schema)).decode())
    yield "amino_json", ours, Outcome.answered(answer["amino"])
    theirs = Outcome.answered(answer["screens"])
    if theirs.value is not None:
        theirs = Outcome(json.dumps(json.loads(theirs.value)), "")
    yield "textual", Outcome.of(lambda: rendered(type_url, data, types.schema, coins)), theirs


@pytest.mark.go
@pytest.mark.slow
@pytest.mark.timeout(3600 + SETS)
def test_messages_of_random_types_are_what_the_sdk_makes_of_them() -> None:
    """Builds the SDK first: minutes with a cold build cache."""
    metadata = json.loads((VECTORS / "textual.json").read_text(encoding="utf-8"))["coin_metadata"]
    coins = {coin["base"]: CoinMetadata.from_json(coin) for coin in metadata}
    agreed: Counter[str] = Counter()
    differences = []
    with sdk() as program:
        program.ask(coins=metadata)
        for number in range(SETS):
            types = Types(f"{SEED} {number}")
            program.ask(types=types.data.hex())
            for place in range(MESSAGES):
                type_url, message = types.message()
                for mode, ours, theirs in outcomes(type_url, message, types, program, coins):
                    if ours.value != theirs.value:
                        differences.append(f"set {number}, message {place}, {mode}: {difference(ours, theirs)}")
                    elif ours.value is not None:
                        agreed[mode] += 1
                        if mode == "amino_json":
                            assert comes_back(type_url, message, json.loads(ours.value), types.schema)
            if len(differences) >= SHOWN:
                break
    assert not differences, "\n".join([f"seed {SEED!r}", *differences])
    assert min(agreed["amino_json"], agreed["textual"]) > SETS * MESSAGES // 3, agreed


def comes_back(type_url: str, message: Any, document: Any, schema: Schema) -> bool:
    """Tell whether a message is told from its JSON as itself or not at all, never as another one."""
    found = decode_message(document["type"], document["value"], schema)
    return found is None or (
        found[0] == type_url and encode_message(found[1], schema) == encode_message(message, schema)
    )
