"""What each step of the pipeline costs by itself, beside the token: where the time outside C_Sign goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.contestants import KEY
from tests.bench.figures import Line, micro, progress, show
from tests.bench.worker import documents_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.lab import Lab


def steps(lab: Lab, rounds: int) -> None:
    """Call the steps one by one, taking turns."""
    memory, disk = (lab.copy(f"steps-{place}", memory=place == "memory") for place in ("memory", "disk"))
    measured = {**_steps(memory), **_durable(disk)}
    progress(f"steps: {rounds} rounds")
    times: dict[str, list[int]] = {name: [] for name in measured}
    for number in range(rounds + 10):
        for name, step in measured.items():
            begin = time.perf_counter_ns()
            step(number)
            took = time.perf_counter_ns() - begin
            if number >= 10:
                times[name].append(took)
    show(
        "Steps by themselves (p50; no token, one thread)",
        [Line(name, micro(median(taken))) for name, taken in times.items()],
    )


def _steps(config_path: Path) -> dict[str, Callable[[int], object]]:
    import coincurve

    from cosmos_formats.pubkeys import KeyType, PublicKey
    from cosmos_formats.signature import low_s
    from cosmos_formats.signing import SignMode
    from cosmos_formats.signing.views import view
    from cosmos_formats.verify import verify_digest
    from keyring_bridge.audit import AuditLog
    from keyring_bridge.config import load
    from keyring_bridge.model import Caller, Operation, Purpose
    from keyring_bridge.policy import Question
    from keyring_bridge.policy.load import load_policy
    from keyring_bridge.store.sqlite import SqliteStore

    config = load(config_path)
    documents = documents_of(config_path)
    store = SqliteStore(config.state_dir / "store.sqlite")
    policy = load_policy(config.policy_path)
    audit = AuditLog(config.audit_path, "bench")
    record = store.get(KEY)
    assert record is not None
    assert record.fingerprint is not None
    fingerprint = record.fingerprint
    seen = view(SignMode.DIRECT, documents[0])
    question = Question(KEY, fingerprint, Purpose.ACCOUNT, Operation.SIGN, SignMode.DIRECT, seen, Caller("uid:0"))
    secret = coincurve.PrivateKey(b"\x07" * 32)
    public_key = PublicKey(KeyType.SECP256K1, secret.public_key.format())
    digests = [sha256(document).digest() for document in documents]
    signatures = [secret.sign_recoverable(digest, hasher=None)[:64] for digest in digests]
    fields = {"key": KEY, "caller": "uid:0", "sha256": digests[0].hex(), "view": seen.summary()}
    fresh = count()

    def audited(number: int) -> None:
        token = audit.intend("sign.intent", f"{number:016x}", fields)
        audit.conclude(token, {"result": "signed", "device_us": 400})

    return {
        "2 decode a bank send": lambda number: view(SignMode.DIRECT, documents[number % 500]),
        "  its summary for the audit": lambda _: seen.summary(),
        "1 look the record up": lambda _: store.get(KEY),
        "3 decide": lambda _: policy.decide(question),
        "4+7 intent and outcome, in memory": audited,
        "6 low s": lambda number: low_s(signatures[number % 500], KeyType.SECP256K1),
        "6 verify": lambda number: verify_digest(public_key, digests[number % 500], signatures[number % 500]),
        "6 note the nonce": lambda _: store.note_nonce(fingerprint, next(fresh).to_bytes(32, "big"), digests[0]),
    }


def _durable(config_path: Path) -> dict[str, Callable[[int], object]]:
    from keyring_bridge.audit import AuditLog
    from keyring_bridge.config import load

    audit = AuditLog(load(config_path).audit_path, "bench")

    def audited(number: int) -> None:
        token = audit.intend("sign.intent", f"{number:016x}", {"key": KEY})
        audit.conclude(token, {"result": "signed"})

    return {"4+7 intent and outcome, on disk": audited}
