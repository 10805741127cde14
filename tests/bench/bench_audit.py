"""``python -m tests.bench.bench_audit [FOLDER]``: what the audit log and the store cost beyond the disk itself.

FOLDER is where the files are made (default: the temporary folder). A raw loop that appends lines of the same length and
syncs them runs in turns with the log, so the two meet the same disk.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from keyring_bridge.audit import AuditLog, verify
from keyring_bridge.store.sqlite import SqliteStore

INTENT = {
    "op": "sign",
    "key": "validator",
    "fingerprint": "a" * 64,
    "caller": "uid:1000",
    "mode": "DIRECT",
    "sha256": "b" * 64,
    "size": 300,
    "view": {"chain_id": "virtengine-1", "messages": ["/cosmos.bank.v1beta1.MsgSend"], "fee": "100uve", "gas": 200000},
    "rule": "keys.validator",
    "policy": "c" * 64,
}
OUTCOME = {"result": "signed", "device_us": 440, "total_us": 600}
ROUNDS, COUNT = 40, 50


def spent(action: Callable[[], object]) -> float:
    """Return how many microseconds one call takes."""
    start = time.perf_counter_ns()
    action()
    return (time.perf_counter_ns() - start) / 1000


def tell(what: str, figures: list[float], budget: str = "") -> None:
    """Print median and ninetieth percentile."""
    figures = sorted(figures)
    sys.stdout.write(
        f"{what:44} p50 {median(figures):8.1f} µs   p90 {figures[len(figures) * 9 // 10]:8.1f} µs   {budget}\n"
    )


def write_costs(folder: Path) -> None:
    """Time intents and outcomes, with a sync that does nothing, and with the disk's beside a raw loop."""
    free, disk = AuditLog(folder / "free.log", "bench", sync=lambda _: None), AuditLog(folder / "disk.log", "bench")
    raw = os.open(folder / "raw.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    free.intend("sign.intent", "ab" * 8, INTENT)
    line = b"x" * (folder / "free.log").stat().st_size

    def append_and_sync() -> None:
        os.write(raw, line)
        os.fdatasync(raw)

    intents: list[float] = []
    outcomes: list[float] = []
    synced: list[float] = []
    raws: list[float] = []
    for _ in range(ROUNDS):
        for _ in range(COUNT):
            start = time.perf_counter_ns()
            token = free.intend("sign.intent", "ab" * 8, INTENT)
            between = time.perf_counter_ns()
            free.conclude(token, OUTCOME)
            outcomes.append((time.perf_counter_ns() - between) / 1000)
            intents.append((between - start) / 1000)
        raws += [spent(append_and_sync) for _ in range(COUNT)]
        synced += [spent(lambda: disk.intend("sign.intent", "ab" * 8, INTENT)) for _ in range(COUNT)]
    tell("intend, without the sync", intents, "budget 30")
    tell("conclude", outcomes, "budget 20")
    tell("raw append and fdatasync", raws)
    tell("intend, with the sync", synced, f"{median(synced) / median(raws):.2f} × raw")
    free.close()
    disk.close()
    os.close(raw)


def group_commit(folder: Path) -> None:
    """Compare the throughput of one thread with that of eight."""
    rates: list[float] = []
    for threads in (1, 8):
        with AuditLog(folder / f"group{threads}.log", "bench") as log:
            each = 800 // threads

            def work(log: AuditLog = log, each: int = each) -> None:
                for _ in range(each):
                    log.conclude(log.intend("sign.intent", "ab" * 8, INTENT), OUTCOME)

            workers = [threading.Thread(target=work) for _ in range(threads)]
            start = time.perf_counter()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            rates.append(threads * each / (time.perf_counter() - start))
            sys.stdout.write(
                f"{threads} threads: {rates[-1]:6.0f} intents/s with {log.syncs} syncs for {threads * each}\n"
            )
    sys.stdout.write(f"8 threads reach {rates[1] / rates[0]:.1f} × the throughput of one\n")


def store_costs(folder: Path) -> None:
    """Time the memory of nonces."""
    figures: list[float] = []
    with SqliteStore(folder / "store.sqlite") as store:
        for _ in range(15_000):
            note = partial(store.note_nonce, "ab" * 32, os.urandom(32), b"d" * 32)
            figures.append(spent(note))
    tell("note_nonce", figures[10_000:], "budget 25")


def verify_cost(folder: Path) -> None:
    """Time the verifier."""
    path = folder / "verify.log"
    with AuditLog(path, "bench", sync=lambda _: None) as log:
        for _ in range(10_000):
            log.conclude(log.intend("sign.intent", "ab" * 8, INTENT), OUTCOME)
    start = time.perf_counter()
    report = verify(path)
    each = (time.perf_counter() - start) / report.entries
    sys.stdout.write(
        f"verify: {each * 1e6:.1f} µs an entry of {report.size / report.entries:.0f} bytes, "
        f"so {each * 1e6:.1f} s for a million (budget 20)\n"
    )


def main() -> None:
    """Run everything."""
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        write_costs(folder)
        group_commit(folder)
        store_costs(folder)
        verify_cost(folder)


if __name__ == "__main__":
    main()
