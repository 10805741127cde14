"""A process that signs through the bridge when it is told to (see :mod:`tests.bench.contestants`).

    python -m tests.bench.worker in-process|stdio|client CONFIG

``in-process`` calls the pipeline; ``stdio`` writes JSON-RPC frames to a keyring-plugin, as a chain's binary does;
``client`` does so through :class:`keyring_plugin.client.KeyringClient`.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.contestants import CHAIN, KEY
from tests.unit.bridge.sign_docs import send_doc

Run = Callable[[int, int], tuple[int, list[int]]]


def threaded(sign: Callable[[bytes], object], documents: list[bytes]) -> Run:
    """Return a runner whose threads call ``sign`` one document after the other."""

    def run(count: int, threads: int) -> tuple[int, list[int]]:
        each: list[list[int]] = [[] for _ in range(threads)]

        def work(mine: list[int]) -> None:
            for number in range(count):
                begin = time.perf_counter_ns()
                sign(documents[number % len(documents)])
                mine.append(time.perf_counter_ns() - begin)

        workers = [threading.Thread(target=work, args=(mine,)) for mine in each]
        begin = time.perf_counter_ns()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        wall = time.perf_counter_ns() - begin
        if sum(map(len, each)) != count * threads:
            raise SystemExit("a signature failed")
        return wall, [nanoseconds for mine in each for nanoseconds in mine]

    return run


def pipelined(process: subprocess.Popen[bytes], documents: list[bytes]) -> Run:
    """Return a runner that keeps as many requests under way as there would be threads."""
    assert process.stdin is not None
    assert process.stdout is not None
    requests, answers = process.stdin.fileno(), process.stdout
    frames = [
        b'{"jsonrpc":"2.0","method":"keyring.sign","params":'
        + json.dumps({"uid": KEY, "msg": base64.b64encode(document).decode(), "mode": "SIGN_MODE_DIRECT"}).encode()
        + b',"id":%d}\n'
        for document in documents
    ]

    def run(count: int, threads: int) -> tuple[int, list[int]]:
        total = count * threads
        begun: dict[int, int] = {}
        each = []
        begin = time.perf_counter_ns()
        for number in range(threads):
            begun[number] = time.perf_counter_ns()
            os.write(requests, frames[number % len(frames)] % number)
        following = threads
        while begun:
            answer = json.loads(answers.readline())
            each.append(time.perf_counter_ns() - begun.pop(answer["id"]))
            if "error" in answer:
                raise SystemExit(f"a signature failed: {answer['error']}")
            if following < total:
                begun[following] = time.perf_counter_ns()
                os.write(requests, frames[following % len(frames)] % following)
                following += 1
        return time.perf_counter_ns() - begin, each

    return run


@contextmanager
def in_process(config: Path) -> Iterator[Run]:
    """Sign by calling the pipeline."""
    from cosmos_formats.signing import SignMode
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.config import load
    from keyring_bridge.model import Caller, SignRequest

    caller = Caller("uid:0")
    with Bridge.open(load(config)) as bridge:
        yield threaded(
            lambda document: bridge.sign(SignRequest(KEY, document, SignMode.DIRECT), caller), documents_of(config)
        )


@contextmanager
def stdio(config: Path) -> Iterator[Run]:
    """Sign by writing frames to a plugin."""
    process = subprocess.Popen(
        ["keyring-plugin", "--config", str(config)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        yield pipelined(process, documents_of(config))
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def client(config: Path) -> Iterator[Run]:
    """Sign through the Python client."""
    from keyring_plugin.client import KeyringClient

    with KeyringClient.spawn(["keyring-plugin", "--config", str(config)]) as connection:
        yield threaded(lambda document: connection.sign(KEY, document), documents_of(config))


def documents_of(config: Path) -> list[bytes]:
    """Return bank sends of the bench's key, so many that no cache of whole documents would help."""
    from keyring_bridge.config import load
    from keyring_bridge.store.sqlite import SqliteStore

    store = SqliteStore(load(config).state_dir / "store.sqlite")
    record = store.get(KEY)
    store.close()
    assert record is not None
    return [send_doc(record.record.public_key, CHAIN, memo=f"payment {number:04}") for number in range(500)]  # type: ignore[arg-type]  # the bench's key is not a multisig


KINDS = {"in-process": in_process, "stdio": stdio, "client": client}


def main() -> None:
    """Answer each line ``COUNT THREADS`` with the nanoseconds it took."""
    kind, config = sys.argv[1:]
    with KINDS[kind](Path(config)) as run:
        run(5, 1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            count, threads = map(int, line.split())
            wall, each = run(count, threads)
            sys.stdout.write(" ".join(map(str, (wall, *each))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
