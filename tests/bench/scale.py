"""Ten keys and ten thousand, over JSON-RPC."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.figures import Line, micro, milli, progress, show

if TYPE_CHECKING:
    from tests.bench.lab import Lab

MANY = 10_000
LOOKUPS = 300


def fill(config: Path, count: int) -> None:
    """Add records of public keys that nobody has the private halves of."""
    import coincurve

    from cosmos_formats.pubkeys import KeyType, PublicKey
    from cosmos_formats.record import Offline, Record
    from keyring_bridge.config import load
    from keyring_bridge.model import Purpose
    from keyring_bridge.store.base import StoredRecord
    from keyring_bridge.store.sqlite import SqliteStore

    store = SqliteStore(load(config).state_dir / "store.sqlite")
    for number in range(count):
        secret = sha256(f"bench key {number}".encode()).digest()
        public_key = PublicKey(KeyType.SECP256K1, coincurve.PrivateKey(secret).public_key.format())
        name = f"key-{number:05}"
        store.add(
            StoredRecord(
                name=name,
                record=Record(name, public_key, Offline()),
                address=public_key.address,
                provider=None,
                uri=None,
                key_type=public_key.key_type,
                purpose=Purpose.ACCOUNT,
                fingerprint=public_key.fingerprint,
                created_at=datetime.now(UTC),
                hardware=None,
            )
        )
    store.close()


class Plugin:
    """A plugin that is asked one thing at a time."""

    def __init__(self, config: Path, lab: Lab) -> None:
        command = ["keyring-plugin", "--config", str(config)]
        self._process = subprocess.Popen(command, env=dict(lab.env), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, method: str, **params: object) -> tuple[int, object]:
        """Return the nanoseconds an answer took, and its result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        begin = time.perf_counter_ns()
        self._process.stdin.write(request + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        took = time.perf_counter_ns() - begin
        return took, json.loads(line)["result"]

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def scale(lab: Lab) -> None:
    """``keyring.list`` of many records, and ``keyring.key`` among few and among many."""
    progress(f"{MANY:,} keys")
    plugins = {}
    for count in (10, MANY):
        config = lab.copy(f"keys-{count}", memory=False)
        fill(config, count - 1)
        plugins[count] = Plugin(config, lab)
    for count, plugin in plugins.items():
        _, answer = plugin.ask("keyring.list")
        records = answer if isinstance(answer, list) else next(iter(answer.values()))  # type: ignore[attr-defined]
        assert len(records) == count
    listing = [plugins[MANY].ask("keyring.list")[0] for _ in range(5)]
    lookups: dict[int, list[int]] = {count: [] for count in plugins}
    for number in range(LOOKUPS):
        for count, plugin in plugins.items():
            name = f"key-{number * 31 % (count - 1):05}"
            lookups[count].append(plugin.ask("keyring.key", uid=name)[0])
    for plugin in plugins.values():
        plugin.close()
    few, many = median(lookups[10]), median(lookups[MANY])
    show(
        "Many keys",
        [
            Line(f"keyring.list of {MANY:,}", milli(median(listing)), median(listing) / 1e6, 1000, unit="ms"),
            Line("keyring.key among 10", micro(few), 1.0),
            Line(f"keyring.key among {MANY:,}", micro(many), many / few, 1.1),
        ],
    )
