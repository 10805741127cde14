"""A chain's own commands with ``--keyring-backend hsm``, beside the same commands with the SDK's backends, in one run.

The program is the test chain of ``fixtures/gen/testchain``, which links the Go module; the shell runs the same program.
Nothing is sent: transactions are signed offline.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.agent import agent_of
from tests.bench.contestants import CHAIN, KEY
from tests.bench.figures import Line, milli, progress, show
from tests.bench.scale import fill
from tests.chain.build import build_chain

if TYPE_CHECKING:
    from tests.bench.lab import Lab

PASSWORD = "benchmark-password"  # of a keyring that lives as long as the bench
KEYS = 100
SECRET = "07" * 32

Run = Callable[[], None]


def chain(lab: Lab, rounds: int) -> None:
    """Sign and list through the chain's command line, and pass through the shell."""
    binary = build_chain()
    config = lab.copy("chain", memory=False)
    many = lab.copy("chain-keys", memory=False)
    fill(many, KEYS)
    homes = {name: _keyring(binary, lab, name) for name in ("test", "file")}
    unsigned = _unsigned(binary, lab, config, homes)
    with agent_of(config, lab.env) as served, agent_of(many, lab.env) as listed:
        alone = {**lab.env, "KEYRING_BRIDGE_AGENT": "off", "KEYRING_BRIDGE_CONFIG": str(config)}
        listing = {**alone, "KEYRING_BRIDGE_CONFIG": str(many)}
        signing = ("tx", "sign", "--offline", "-a", "7", "-s", "1", "--chain-id", CHAIN, "--from")
        commands: dict[str, Run] = {}
        for name, home in homes.items():
            sdk = ("--keyring-backend", name, "--keyring-dir", str(home))
            commands[f"sign {name}"] = _command([binary, *signing, "ops", str(unsigned[name]), *sdk], lab.env, name)
            commands[f"list {name}"] = _command([binary, "keys", "list", *sdk], lab.env, name)
        hsm = ("--keyring-backend", "hsm")
        commands["sign agent"] = _command([binary, *signing, KEY, str(unsigned["hsm"]), *hsm], served)
        commands["sign alone"] = _command([binary, *signing, KEY, str(unsigned["hsm"]), *hsm], alone)
        commands["list agent"] = _command([binary, "keys", "list", *hsm], listed)
        commands["list alone"] = _command([binary, "keys", "list", *hsm], listing)
        commands["help"] = _command([binary, "version"], lab.env)
        commands["help shell"] = _command([_shim(lab, binary), "version"], lab.env)
        times = _take_turns(commands, rounds)
    lines = [
        Line("tx sign --offline, test backend", milli(median(times["sign test"])), 1.0),
        Line("  file backend", milli(median(times["sign file"])), _ratio(times, "sign file", "sign test")),
        _line(times, "  hsm, agent running, beside test", "sign agent", "sign test", 1.1),
        _line(times, "  hsm, no agent, beside file", "sign alone", "sign file", 1.5),
        Line(f"keys list of {KEYS}, test backend", milli(median(times["list test"])), 1.0),
        Line("  file backend", milli(median(times["list file"])), _ratio(times, "list file", "list test")),
        _line(times, "  hsm, agent running, beside test", "list agent", "list test", 1.1),
        _line(times, "  hsm, no agent, beside file", "list alone", "list file", 1.5),
    ]
    show("A chain's commands (median; ratios to the SDK's backends)", lines)
    added = (median(times["help shell"]) - median(times["help"])) / 1e6
    show("The shell's pass-through", [Line("added to a command", milli(added * 1e6), added, 15.0, "ms")])


def _keyring(binary: Path, lab: Lab, backend: str) -> Path:
    """Make a keyring of the SDK's with as many keys as are listed."""
    home = lab.disk / f"keyring-{backend}"
    home.mkdir()
    run = _command([binary, "keys", "import-hex", "ops", SECRET, *_sdk(backend, home)], lab.env, backend, twice=True)
    run()
    for number in range(1, KEYS):
        secret = f"{number:064x}"
        _command([binary, "keys", "import-hex", f"key-{number}", secret, *_sdk(backend, home)], lab.env, backend)()
    return home


def _sdk(backend: str, home: Path) -> tuple[str, ...]:
    return ("--keyring-backend", backend, "--keyring-dir", str(home))


def _unsigned(binary: Path, lab: Lab, config: Path, homes: Mapping[str, Path]) -> dict[str, Path]:
    """Write a bank send of each keyring's key."""
    shown = subprocess.run(
        [binary, "keys", "show", "ops", "-a", *_sdk("test", homes["test"])],
        env=lab.env,
        check=True,
        capture_output=True,
        text=True,
    )
    ours = subprocess.run(
        ["hsm", "--config", config, "-o", "json", "keys", "show", KEY],
        env=lab.env,
        check=True,
        capture_output=True,
        text=True,
    )
    addresses = {"hsm": json.loads(ours.stdout)["address"], **dict.fromkeys(homes, shown.stdout.strip())}
    written = {}
    for name, address in addresses.items():
        send = {"@type": "/cosmos.bank.v1beta1.MsgSend", "from_address": address, "to_address": address}
        body = {"messages": [{**send, "amount": [{"denom": "uve", "amount": "1"}]}]}
        fee = {"amount": [{"denom": "uve", "amount": "5000"}], "gas_limit": "200000", "payer": "", "granter": ""}
        document = {"body": body, "auth_info": {"signer_infos": [], "fee": fee}, "signatures": []}
        written[name] = lab.disk / f"unsigned-{name}.json"
        written[name].write_text(json.dumps(document))
    return written


def _shim(lab: Lab, binary: Path) -> Path:
    """Install the shell's script for the program."""
    folder = lab.disk / "shims"
    folder.mkdir()
    env = {**lab.env, "PATH": f"{binary.parent}:{lab.env['PATH']}"}
    command = ["keyring-plugin", "shell", "--install", binary.name, "--dir", str(folder)]
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / binary.name


def _command(words: Sequence[str | Path], env: Mapping[str, str], backend: str = "", *, twice: bool = False) -> Run:
    """Return what runs a command to its end; the ``file`` backend reads its password from standard input."""
    typed = f"{PASSWORD}\n" * (2 if twice else 1) if backend == "file" else ""
    binary = Path(words[0])
    told = {**env, "PATH": f"{binary.parent}:{env['PATH']}"}

    def run() -> None:
        done = subprocess.run(words, env=told, input=typed, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr}")

    return run


def _take_turns(commands: Mapping[str, Run], rounds: int) -> dict[str, list[int]]:
    times: dict[str, list[int]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        progress(f"chain: turn {number} of {rounds}")
        for name, run in commands.items():
            begin = time.perf_counter_ns()
            run()
            if number:
                times[name].append(time.perf_counter_ns() - begin)
    return times


def _ratio(times: Mapping[str, list[int]], one: str, other: str) -> float:
    return median(mine / its for mine, its in zip(times[one], times[other], strict=True))


def _line(times: Mapping[str, list[int]], title: str, one: str, other: str, budget: float) -> Line:
    return Line(title, milli(median(times[one])), _ratio(times, one, other), budget)
