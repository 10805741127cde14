"""Sign documents of each mode beside the Go SDK, in one run: reading them, making them, signing a file of many."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench.figures import Line, micro, milli, progress, show
from tests.interop import go_programs

if TYPE_CHECKING:
    from tests.bench.lab import Lab

VECTORS = Path(__file__).resolve().parents[2] / "fixtures" / "vectors"
MODES = ("direct", "direct_aux", "amino_json", "textual")
CHAIN = "bench-1"
SECRET = "07" * 32
"""Private key that Go's side of the batch signs with: anybody's."""


def modes(lab: Lab, turns: int, batch: int) -> None:
    """Read and make the sign bytes of a bank send in every mode; sign a batch of transactions."""
    _documents(turns)
    _batch(lab, turns, batch)


@dataclass(frozen=True)
class _Case:
    """One transaction in one mode.

    Attributes:
        make: Makes its sign bytes from the bytes of the transaction.
        read: Reads its sign bytes to a view.
        request: Asks the Go program for the same.
    """

    make: Callable[[], object]
    read: Callable[[], object]
    request: str


def _documents(turns: int) -> None:
    program = go_programs.build("differential")
    cases = {mode: _case(mode) for mode in MODES}
    made: dict[str, list[float]] = {mode: [] for mode in MODES}
    read: dict[str, list[float]] = {mode: [] for mode in MODES}
    theirs: dict[str, list[float]] = {mode: [] for mode in MODES}
    for turn in range(turns):
        progress(f"modes: turn {turn + 1} of {turns}")
        for mode, case in cases.items():
            made[mode].append(_each(case.make))
            answer = subprocess.run(
                [program, "-bench", "1000"], input=case.request, check=True, capture_output=True, text=True
            )
            theirs[mode].append(json.loads(answer.stdout)[mode]["decode_and_sign_bytes_ns"])
            read[mode].append(_each(case.read))
    lines = []
    for mode in MODES:
        figure = median(read[mode])
        budget = 80.0 if mode == "direct" else None
        lines.append(Line(f"{mode}: sign bytes to view", micro(figure), figure / 1000, budget, "µs"))
    for mode in MODES:
        ratio = median(mine / its for mine, its in zip(made[mode], theirs[mode], strict=True))
        figures = f"{micro(median(made[mode]))}, Go {micro(median(theirs[mode]))}"
        budget = 3.0 if mode == "amino_json" else None
        lines.append(Line(f"{mode}: transaction to sign bytes", figures, ratio, budget))
    show("Sign documents of a bank send (ratios to the Go SDK's time)", lines)


def _case(mode: str) -> _Case:
    from cosmos_formats.anyvalue import AnyValue
    from cosmos_formats.multisig import pubkey_from_any
    from cosmos_formats.schema import default_schema
    from cosmos_formats.signing import SignMode, amino_json, direct, direct_aux, textual
    from cosmos_formats.signing.transaction import SignerData, TxParts
    from cosmos_formats.signing.views import view
    from cosmos_formats.tx import Transaction

    vector = _vector(mode)
    key = pubkey_from_any(AnyValue.decode(bytes.fromhex(vector["public_key"])))
    numbers = int(vector["account_number"]), int(vector["sequence"])
    signer = SignerData(vector["address"], vector["chain_id"], *numbers, key)
    parts = TxParts(bytes.fromhex(vector["body_bytes"]), bytes.fromhex(vector["auth_info_bytes"]))
    schema = default_schema()
    makers: dict[str, Callable[[], bytes]] = {
        "direct": lambda: direct.sign_bytes(parts, signer, schema),
        "direct_aux": lambda: direct_aux.sign_bytes(parts, signer, schema),
        "amino_json": lambda: amino_json.sign_bytes(parts, signer, schema),
        "textual": lambda: textual.sign_bytes(parts, signer, schema, metadata={}),
    }
    document = makers[mode]()
    declared = SignMode["LEGACY_AMINO_JSON" if mode == "amino_json" else mode.upper()]
    more: dict[str, Any] = {}
    if mode == "textual":
        more = {"transaction": parts, "public_key": key, "metadata": {}}
    request = {
        "raw": Transaction(parts, (b"",)).encode().hex(),
        "modes": [mode],
        "signer": {
            "address": signer.address,
            "chain_id": signer.chain_id,
            "account_number": signer.account_number,
            "sequence": signer.sequence,
            "public_key": vector["public_key"],
        },
    }
    return _Case(makers[mode], lambda: view(declared, document, **more), json.dumps(request))


def _vector(mode: str) -> dict[str, Any]:
    """Return the vector of a bank send, or of the first transaction that the mode can sign."""
    # direct.json tells its signers in another way; for the document it does not matter which mode they name.
    name = "amino_json" if mode == "direct" else mode
    vectors = json.loads((VECTORS / f"{name}.json").read_text())["vectors"]
    able = [vector for vector in vectors if "sign_bytes" in vector]
    named = [vector for vector in able if vector["name"] == "bank send"]
    found: dict[str, Any] = (named or able)[0]
    return found


def _each(operation: Callable[[], object], count: int = 300) -> float:
    """Return the nanoseconds of one call, the median of many."""
    times = []
    for number in range(count + 20):
        begin = time.perf_counter_ns()
        operation()
        if number >= 20:
            times.append(time.perf_counter_ns() - begin)
    return median(times)


def _batch(lab: Lab, turns: int, count: int) -> None:
    """Sign a file of transactions with a software key here, and with the SDK's ``sign-batch`` and test keyring."""
    program = go_programs.build("signbatch")
    folder = lab.disk / "batch"
    config = folder / "config.toml"
    hsm = ["hsm", "--config", str(config)]

    def run(*command: str | Path) -> str:
        return subprocess.run(command, env=lab.env, check=True, capture_output=True, text=True).stdout

    folder.mkdir()
    run(*hsm, "init", "--backend", "software", "--chain-id", CHAIN)
    key = json.loads(run(*hsm, "-o", "json", "keygen", "--label", "ops"))
    keyring = ("--keyring-backend", "test", "--keyring-dir", folder)
    run(program, "keys", "import-hex", "ops", SECRET, *keyring)
    (entry,) = json.loads(run(program, "keys", "list", "--output", "json", *keyring))
    ours, theirs = folder / "ours.jsonl", folder / "theirs.jsonl"
    _write(ours, str(key["address"]), count)
    _write(theirs, str(entry["address"]), count)
    account = ("--from", "ops", "--offline", "-a", "7", "-s", "1", "--chain-id", CHAIN)
    mine, its = [], []
    for turn in range(min(turns, 3)):
        progress(f"batch: turn {turn + 1}")
        begin = time.perf_counter_ns()
        run(*hsm, "tx", "sign", ours, *account, "--output-document", folder / f"signed-{turn}.jsonl")
        mine.append(time.perf_counter_ns() - begin)
        begin = time.perf_counter_ns()
        run(program, "sign-batch", theirs, *account, *keyring, "--output-document", folder / f"theirs-{turn}.jsonl")
        its.append(time.perf_counter_ns() - begin)
    ratio = median(one / other for one, other in zip(mine, its, strict=True))
    figures = f"{milli(median(mine))}, Go {milli(median(its))}"
    show(f"A file of {count} transactions", [Line("hsm tx sign, beside the SDK's tx sign-batch", figures, ratio, 1.0)])


def _write(path: Path, address: str, count: int) -> None:
    with path.open("w") as file:
        for number in range(count):
            amount = [{"denom": "uve", "amount": str(1000 + number)}]
            send = {"@type": "/cosmos.bank.v1beta1.MsgSend", "from_address": address, "to_address": address}
            body = {"messages": [{**send, "amount": amount}], "memo": f"payout {number}", "timeout_height": "0"}
            options: dict[str, object] = {"extension_options": [], "non_critical_extension_options": []}
            fee = {"amount": [{"denom": "uve", "amount": "5000"}], "gas_limit": "200000", "payer": "", "granter": ""}
            auth = {"signer_infos": [], "fee": fee, "tip": None}
            file.write(json.dumps({"body": {**body, **options}, "auth_info": auth, "signatures": []}) + "\n")
