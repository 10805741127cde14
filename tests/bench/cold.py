"""What a process costs that is started for one thing: wall time beyond ``python -c pass``."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.contestants import KEY
from tests.bench.figures import Line, milli, progress, show
from tests.bench.worker import documents_of

if TYPE_CHECKING:
    from tests.bench.lab import Lab

IMPORTS = ("jsonrpcserver", "pkcs11", "google.protobuf", "coincurve", "cryptography", "asyncio")


def spawn(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Return the nanoseconds from starting a program to its end."""
    begin = time.perf_counter_ns()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter_ns() - begin


def first_signature(config: Path, document: bytes, env: Mapping[str, str]) -> int:
    """Return the nanoseconds from starting the plugin to its first signature."""
    params = {"uid": KEY, "msg": base64.b64encode(document).decode(), "mode": "SIGN_MODE_DIRECT"}
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "keyring.sign", "params": params}).encode() + b"\n"
    begin = time.perf_counter_ns()
    command = ["keyring-plugin", "--config", str(config)]
    with subprocess.Popen(command, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request)
        process.stdin.flush()
        answer = process.stdout.readline()
        took = time.perf_counter_ns() - begin
        process.stdin.close()
    if "result" not in json.loads(answer):
        raise RuntimeError(f"the plugin answered {answer!r}")
    return took


def import_times(config: Path, document: bytes, env: Mapping[str, str]) -> dict[str, float]:
    """Return the milliseconds that each of :data:`IMPORTS` takes inside a plugin's first signature."""
    log = config.parent / "imports.log"
    params = {"uid": KEY, "msg": base64.b64encode(document).decode(), "mode": "SIGN_MODE_DIRECT"}
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "keyring.sign", "params": params})
    with log.open("w") as errors:
        subprocess.run(
            ["keyring-plugin", "--config", str(config)],
            env={**env, "PYTHONPROFILEIMPORTTIME": "1"},
            input=request + "\n",
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    return shares(log.read_text())


def shares(profile: str) -> dict[str, float]:
    """Return milliseconds per package of :data:`IMPORTS`, with all it drags in, from a profile of imports."""
    lines = re.findall(r"import time: +\d+ \| +(\d+) \| ( *)(\S+)", profile)
    found = dict.fromkeys(IMPORTS, 0.0)
    above: list[str] = []
    # A module is written after those that it imports, so from the end to the beginning parents come first.
    for cumulative, indent, name in reversed(lines):
        depth = len(indent) // 2
        del above[depth:]
        package = next((known for known in IMPORTS if name == known or name.startswith(f"{known}.")), "")
        if package and package not in above:
            found[package] += int(cumulative) / 1000
        above.append(package)
    return {package: took for package, took in found.items() if took}


def cold(lab: Lab, rounds: int) -> None:
    """Every kind of start, taking turns."""
    config = lab.copy("cold", memory=False)
    document = documents_of(config)[0]
    python = [sys.executable, "-c"]
    hsm = ["hsm", "--config", str(config)]
    measured: dict[str, tuple[Callable[[], int], float | None]] = {
        "python -c pass": (lambda: spawn([*python, "pass"], lab.env), None),
        "import keyring_bridge": (lambda: spawn([*python, "import keyring_bridge"], lab.env), 15),
        "hsm --help": (lambda: spawn(["hsm", "--help"], lab.env), 150),
        "hsm keys list": (lambda: spawn([*hsm, "keys", "list"], lab.env), 250),
        "import jsonrpcserver, as it comes": (lambda: spawn([*python, "import jsonrpcserver"], lab.env), None),
        "keyring-plugin, first signature": (lambda: first_signature(config, document, lab.env), 300),
    }
    progress(f"cold starts: {rounds} rounds")
    times: dict[str, list[int]] = {name: [] for name in measured}
    for number in range(rounds + 1):
        for name, (measure, _) in measured.items():
            took = measure()
            # The first round only fills the caches of bytecode and files.
            if number:
                times[name].append(took)
    bare = median(times["python -c pass"])
    lines = []
    for name, (_, budget) in measured.items():
        beyond = (median(times[name]) - bare) / 1e6
        text = f"{milli(median(times[name]))} (best {milli(min(times[name]))})"
        lines.append(Line(name, text, beyond if beyond else None, budget, unit="ms"))
    for name, took in sorted(import_times(config, document, lab.env).items(), key=lambda item: -item[1]):
        lines.append(Line(f"  of it, importing {name}", f"{took:,.1f} ms"))
    show("Cold starts, beyond a bare interpreter (median)", lines)
