"""The agent: what the relay's start costs, what a signature takes, and what comes out when fifty clients ask at once.

    python -m tests.bench.agent SOCKET CONFIG

is a process that signs through an agent when it is told to, as :mod:`tests.bench.worker` does through other ways: as
many clients as threads are asked for, each with a connection of its own and one request under way.
"""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.cold import spawn
from tests.bench.contestants import KEY, Contestant, bridge, build_raw, raw
from tests.bench.figures import Line, micro, milli, progress, show
from tests.bench.warm import faster, p50, rate, slower, take_turns
from tests.bench.worker import documents_of

if TYPE_CHECKING:
    from tests.bench.lab import Lab

CLIENTS = 50
PING = b'{"jsonrpc":"2.0","id":1,"method":"bridge.ping"}\n'


@contextmanager
def agent_of(config: Path, env: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Run an agent; yield the environment of its clients."""
    folder = config.parent / "agent"
    told = {**env, "KEYRING_BRIDGE_SOCKET": str(folder / "agent.sock"), "KEYRING_BRIDGE_CONFIG": str(config)}
    command = ["keyring-plugin", "agent"]
    subprocess.run([*command, "start", "--background"], env=told, check=True, stdout=subprocess.DEVNULL)
    try:
        subprocess.run([*command, "unlock"], env=told, check=True, stdout=subprocess.DEVNULL)
        yield told
    finally:
        subprocess.run([*command, "stop"], env=told, check=True, stdout=subprocess.DEVNULL)


def relayed(env: Mapping[str, str]) -> int:
    """Return the nanoseconds of a ``keyring-plugin`` from its start to its end, with one request that is answered."""
    begin = time.perf_counter_ns()
    done = subprocess.run(["keyring-plugin"], env=dict(env), input=PING, check=True, stdout=subprocess.PIPE)
    took = time.perf_counter_ns() - begin
    if b'"pong"' not in done.stdout:
        raise RuntimeError(f"the relay answered {done.stdout!r}")
    return took


def agent(lab: Lab, rounds: int, count: int) -> None:
    """Cold starts of the relay, then signatures of one client and of fifty."""
    config = lab.copy("agent", memory=False)
    with ExitStack() as stack:
        env = stack.enter_context(agent_of(config, lab.env))
        alone = {**lab.env, "KEYRING_BRIDGE_AGENT": "off", "KEYRING_BRIDGE_CONFIG": str(config)}
        progress(f"relay: {rounds} cold starts")
        times: dict[str, list[int]] = {"python -c pass": [], "relay": [], "by itself": []}
        for number in range(rounds + 1):
            for name, took in (
                ("python -c pass", spawn([sys.executable, "-c", "pass"], lab.env)),
                ("relay", relayed(env)),
                ("by itself", relayed(alone)),
            ):
                if number:
                    times[name].append(took)
        worker = [sys.executable, "-m", "tests.bench.agent", env["KEYRING_BRIDGE_SOCKET"], config]
        contestants = [
            stack.enter_context(raw(build_raw(lab.disk), lab.softhsm, lab.token, lab.env)),
            stack.enter_context(Contestant("agent", worker, env)),
            stack.enter_context(bridge("in-process", "in process", lab.copy("beside", memory=False), lab.env)),
        ]
        progress(f"agent, one client: {rounds} rounds of {count} signatures each")
        one = take_turns(contestants, rounds, count)
        progress(f"agent, {CLIENTS} clients")
        many, loop = [], []
        for _ in range(max(rounds // 3, 4)):
            loop += take_turns(contestants[:1], 1, count * 10)["raw C"]
            many += take_turns(contestants[1:2], 1, count // 4, CLIENTS)["agent"]
    bare = median(times["python -c pass"])
    lines = [Line("python -c pass", milli(bare))]
    for name, title, budget in (
        ("relay", "keyring-plugin, ping through the agent", 30),
        ("by itself", "keyring-plugin, ping by itself", None),
    ):
        figure = f"{milli(median(times[name]))} (best {milli(min(times[name]))})"
        lines.append(Line(title, figure, (median(times[name]) - bare) / 1e6, budget, unit="ms"))
    show("The relay's cold start, beyond a bare interpreter (median)", lines)
    beside = one["in process"]
    lines = [
        Line("raw C", micro(p50(one["raw C"])), 1.0),
        Line("in process, durable intent (p50)", micro(p50(beside)), slower(beside, one["raw C"])),
        Line(
            "agent, one client, durable intent (p50)", micro(p50(one["agent"])), slower(one["agent"], one["raw C"]), 2.3
        ),
        Line("raw C, one loop", f"{rate(loop):,.0f} /s", 1.0),
        Line(f"agent, {CLIENTS} clients at once", f"{rate(many):,.0f} /s", faster(many, loop), 0.8, at_least=True),
    ]
    show("Signatures through the agent (secp256k1 in SoftHSM2)", lines)


# --- the process that signs ----------------------------------------------------------------------------------------


class Clients:
    """Connections to an agent.

    Args:
        path: Of its socket.
        documents: What is signed.
    """

    def __init__(self, path: str, documents: list[bytes]) -> None:
        self._path = path
        self._frames = [
            b'{"jsonrpc":"2.0","id":1,"method":"keyring.sign","params":'
            + json.dumps({"uid": KEY, "msg": base64.b64encode(document).decode(), "mode": "SIGN_MODE_DIRECT"}).encode()
            + b"}\n"
            for document in documents
        ]
        self._streams: list[socket.socket] = []

    def run(self, count: int, clients: int) -> tuple[int, list[int]]:
        """Let each client sign ``count`` times; return the nanoseconds of all and of each."""
        while len(self._streams) < clients:
            stream = socket.socket(socket.AF_UNIX)
            stream.connect(self._path)
            self._streams.append(stream)
        streams = {stream.fileno(): stream for stream in self._streams[:clients]}
        left = dict.fromkeys(streams, count)
        begun = dict.fromkeys(streams, 0)
        frames, number, each = self._frames, 0, []
        poll = select.poll()
        begin = time.perf_counter_ns()
        for descriptor in streams:
            poll.register(descriptor, select.POLLIN)
            number += 1
            begun[descriptor] = time.perf_counter_ns()
            os.write(descriptor, frames[number % len(frames)])
        while left:
            for descriptor, _ in poll.poll():
                answer = os.read(descriptor, 65536)
                while not answer.endswith(b"\n"):
                    answer += os.read(descriptor, 65536)
                each.append(time.perf_counter_ns() - begun[descriptor])
                if b'"signature"' not in answer:
                    raise SystemExit(f"a signature failed: {answer!r}")
                left[descriptor] -= 1
                if not left[descriptor]:
                    del left[descriptor]
                    poll.unregister(descriptor)
                    continue
                number += 1
                begun[descriptor] = time.perf_counter_ns()
                os.write(descriptor, frames[number % len(frames)])
        return time.perf_counter_ns() - begin, each


def main() -> None:
    """Answer each line ``COUNT CLIENTS`` with the nanoseconds it took."""
    path, config = sys.argv[1:]
    clients = Clients(path, documents_of(Path(config)))
    clients.run(5, 1)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        count, number = map(int, line.split())
        wall, each = clients.run(count, number)
        sys.stdout.write(" ".join(map(str, (wall, *each))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
