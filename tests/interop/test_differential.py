"""Random transactions, held against what the Cosmos SDK makes of them (fixtures/gen/differential).

`KEYRING_BRIDGE_DIFFERENTIAL=1000000` tries so many, and `KEYRING_BRIDGE_SEED=…` other ones. A failure names both and
shows the first few differences; the number of a transaction is its place in the sequence that the seed gives.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import FormatError
from cosmos_formats.schema import default_schema
from cosmos_formats.signing import amino_json, direct, direct_aux, textual
from cosmos_formats.tx import Transaction
from tests.interop.go_programs import build
from tests.interop.random_transactions import Generator, RandomTransaction

VECTORS = Path(__file__).parents[2] / "fixtures" / "vectors"
COUNT = int(os.environ.get("KEYRING_BRIDGE_DIFFERENTIAL", "10000"))
SEED = os.environ.get("KEYRING_BRIDGE_SEED", "keyring bridge")
SHOWN = 5
MODES = ("direct", "direct_aux", "amino_json", "textual")

# The SDK reads a transaction into Go types before any mode. Values that these cannot hold are refused there, whichever
# mode it is; a signature over such a transaction is worth nothing, as no chain reads it.
UNREAD = ("tx parse error", "out of range for time.Duration")
# DIRECT_AUX asks who pays. The SDK refuses when any signer of the first message has no address with the chain's prefix;
# here only the first one is looked at, and the prefix is only known to a chain.
NO_SIGNER = ("hrp does not match bech32 prefix", "empty address string", "decoding bech32 failed")
# Numbers that the SDK would write anew before it signs them: it signs 7 where the transaction says 007.
REWRITTEN = ("not in canonical form", "a coin without an amount")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A value, or why there is none."""

    value: str | None
    error: str

    @classmethod
    def of(cls, make: Callable[[], str]) -> Outcome:
        try:
            return cls(make(), "")
        except FormatError as error:
            return cls(None, str(error))

    @classmethod
    def answered(cls, answer: Mapping[str, str]) -> Outcome:
        return cls(answer.get("value"), answer.get("error", ""))


class Sdk:
    """The program that asks the SDK; one line of JSON each way."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer


@contextmanager
def sdk() -> Iterator[Sdk]:
    with subprocess.Popen([build("differential")], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Sdk(process)
        finally:
            process.kill()


def agree(ours: Outcome, theirs: Outcome, transaction: RandomTransaction) -> bool:
    """Tell whether two outcomes are the same, or differ as they may."""
    if ours.value is None and theirs.value is None:
        return True
    if ours.value is None:
        return transaction.wild and any(reason in ours.error for reason in REWRITTEN)
    if theirs.value is None:
        reasons = UNREAD + NO_SIGNER if transaction.wild else NO_SIGNER
        return theirs.error.startswith("panic: ") or any(reason in theirs.error for reason in reasons)
    return ours.value == theirs.value


def compare(transaction: RandomTransaction, program: Sdk, coins: Mapping[str, textual.CoinMetadata]) -> Iterator[str]:
    """Yield the differences between our outcomes and the SDK's."""
    schema, parts, signer = default_schema(), transaction.parts, transaction.signer
    raw = Transaction(parts, (transaction.signature,)).encode()
    answer = program.ask(
        raw=raw.hex(),
        json=True,
        modes=MODES,
        signer={
            "address": signer.address,
            "chain_id": signer.chain_id,
            "account_number": signer.account_number,
            "sequence": signer.sequence,
            "public_key": transaction.packed_key.hex(),
        },
    )
    ours_by_mode = {
        "direct": Outcome.of(lambda: direct.sign_bytes(parts, signer, schema).hex()),
        "direct_aux": Outcome.of(lambda: direct_aux.sign_bytes(parts, signer, schema).hex()),
        "amino_json": Outcome.of(lambda: amino_json.sign_bytes(parts, signer, schema).hex()),
        "textual": Outcome.of(lambda: textual.sign_bytes(parts, signer, schema, metadata=coins).hex()),
    }
    pairs = {mode: (ours, Outcome.answered(answer["modes"][mode])) for mode, ours in ours_by_mode.items()}
    printed = Outcome.answered(answer["json"])
    if printed.value is not None:
        text = printed.value
        back = Outcome.answered(program.ask(text=text)["raw"])
        pairs["from json"] = (Outcome.of(lambda: Transaction.from_json(text, schema).encode().hex()), back)
        # An empty signature is null in what the SDK prints of bytes that hold it, and "" here.
        printed = Outcome(text.replace('"signatures":[null]', '"signatures":[""]'), "")
    pairs["to json"] = (Outcome.of(lambda: Transaction.decode(raw).to_json(schema)), printed)
    for what, (ours, theirs) in pairs.items():
        if not agree(ours, theirs, transaction):
            yield f"{what}: {difference(ours, theirs)}\n  body {parts.body_bytes.hex()}"


def difference(ours: Outcome, theirs: Outcome) -> str:
    """Show two outcomes, or two values around the first character that is not the same."""
    if ours.value is None or theirs.value is None:
        return f"ours {ours.error or 'accepts it'!r}, the SDK {theirs.error or 'accepts it'!r}"
    same = next((at for at, pair in enumerate(zip(ours.value, theirs.value, strict=False)) if pair[0] != pair[1]), 0)
    around = slice(max(0, same - 100), same + 100)
    return f"ours {ours.value[around]!r}, the SDK {theirs.value[around]!r}, at {same}"


def packed_keys() -> list[AnyValue]:
    """Keys of every type that an account may have."""
    keys = []
    for name, count in (("pubkeys", 6), ("multisig", 4)):
        vectors = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["vectors"]
        keys += [AnyValue.decode(bytes.fromhex(vector["any"])) for vector in vectors[:count]]
    return keys


@pytest.mark.go
@pytest.mark.slow
@pytest.mark.timeout(3600 + COUNT)
def test_random_transactions_are_what_the_sdk_makes_of_them() -> None:
    """Builds the SDK first: minutes with a cold build cache."""
    metadata = json.loads((VECTORS / "textual.json").read_text(encoding="utf-8"))["coin_metadata"]
    coins = {coin["base"]: textual.CoinMetadata.from_json(coin) for coin in metadata}
    differences = []
    with sdk() as program:
        program.ask(coins=metadata)
        generator = Generator(SEED, default_schema(), program.ask(list=True)["interfaces"], packed_keys())
        for number in range(COUNT):
            transaction = generator.transaction()
            differences += [f"#{number} {found}" for found in compare(transaction, program, coins)]
            if len(differences) >= SHOWN:
                break
    assert not differences, "\n".join([f"seed {SEED!r}, {COUNT} transactions", *differences])
