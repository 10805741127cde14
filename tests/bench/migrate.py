"""Many keys of a ``file`` keyring on their way into SoftHSM2, beside what cannot be left out of it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import coincurve

from cosmos_formats import bcrypt_text
from cosmos_formats.file_keyring import ROUNDS
from cosmos_formats.pubkeys import KeyType
from tests import keyring_directories, keyring_files
from tests.bench.figures import Line, milli, progress, show
from tests.softhsm import SoftHsm

if TYPE_CHECKING:
    from tests.bench.lab import Lab

SOURCE = Path(__file__).parent / "raw_import.c"
ITEMS_PER_KEY = 2
"""The SDK encrypts the item that leads from a key's address to it as it does the key's own."""


@dataclass(frozen=True)
class Run:
    """One migration.

    Attributes:
        wall: Nanoseconds of the whole command.
        cpu: Nanoseconds of its processor time.
        memory: Its largest resident set, in bytes.
    """

    wall: int
    cpu: int
    memory: int


@dataclass(frozen=True)
class Parts:
    """What nobody can leave out, in nanoseconds for all keys; ``cpu`` is the processor time of all of it."""

    rounds: float
    created: float
    signed: float
    cpu: float


def migrate(lab: Lab, count: int, few: int) -> None:
    """Migrate many keys and few; token and state lie in memory, where no disk is measured."""
    folder = lab.memory / "migrate"
    program = _build(lab.disk)
    parts = []
    for turn in ("before", "after"):
        progress(f"migrate: the parts by themselves, {turn}")
        parts.append(_parts(program, lab, folder / turn, count))
        if turn == "before":
            progress(f"migrate: hsm migrate of {few:,} and of {count:,} keys")
            small, large = (_migrate(lab, folder / str(number), number) for number in (few, count))
    rounds, created, signed, cpu = (
        mean(getattr(part, name) for part in parts) for name in ("rounds", "created", "signed", "cpu")
    )
    least = rounds + created + signed
    # SoftHSM2 keeps every object in the memory of the process that uses it.
    progress("migrate: memory")
    theirs, more = _raw_growth(program, lab, folder, count, few), large.memory - small.memory
    lines = [
        Line(f"{ROUNDS:,} rounds for each of {ITEMS_PER_KEY * count:,} items, one thread", milli(rounds)),
        Line("C_CreateObject of private and public objects, in C", milli(created)),
        Line("C_SignInit and C_Sign once with each, in C", milli(signed)),
        Line("the sum", milli(least), 1.0),
        Line(f"hsm migrate of {count:,} keys", milli(large.wall), large.wall / least, 1.5),
        Line("  its processor time, beside that of the sum", milli(large.cpu), large.cpu / cpu),
        Line("  beside a sum with one item for each key", "", large.wall / (least - rounds / 2)),
        Line("  its largest memory", f"{large.memory / 1e6:.0f} MB"),
        Line(
            f"what {count - few:,} further keys add to it, beside what they add to the C program",
            f"{more / 1e6:.1f} MB, C {theirs / 1e6:.1f} MB",
            more / theirs,
            1.5,
        ),
    ]
    show("Moving keys into SoftHSM2 (token and state in memory)", lines)


def _write_keyring(folder: Path, count: int) -> None:
    folder.mkdir(mode=0o700, parents=True)
    keyring_directories.write(folder / "keyhash", bcrypt_text.make(keyring_files.PASSWORD, 10, os.urandom(16)))
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(_write_key, folder), range(count), chunksize=16))


def _write_key(folder: Path, number: int) -> None:
    name, secret = f"key-{number:05}", keyring_directories.new_secret(KeyType.SECP256K1)
    keyring_directories.write_key(folder, name, KeyType.SECP256K1, secret, rounds=ROUNDS)


def _build(folder: Path) -> Path:
    program = folder / "raw_import"
    if not program.exists():
        command = ["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-o", str(program), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
    return program


def _parts(program: Path, lab: Lab, folder: Path, count: int) -> Parts:
    run, told = _raw(program, lab, folder, count, notes=False)
    created, signed = map(int, told.split())
    sample, items = min(count, 200), ITEMS_PER_KEY * count
    begin, began = time.perf_counter_ns(), time.process_time_ns()
    for _ in range(sample):
        hashlib.pbkdf2_hmac("sha256", keyring_files.PASSWORD, b"PBES2-HS256+A128KW\0" + bytes(12), ROUNDS, 16)
    wall, used = time.perf_counter_ns() - begin, time.process_time_ns() - began
    return Parts(wall / sample * items, created, signed, run.cpu + used / sample * items)


def _raw(program: Path, lab: Lab, folder: Path, count: int, *, notes: bool) -> tuple[Run, str]:
    softhsm = SoftHsm(folder)
    token = softhsm.create_token("raw")
    keys = [coincurve.PrivateKey() for _ in range(count)]
    lines = "".join(f"{key.secret.hex()} {key.public_key.format(compressed=False).hex()}\n" for key in keys)
    given, answer = folder / "given", folder / "answer"
    given.write_text(f"{token.pin}\n{lines}")
    command = [str(program), str(softhsm.library), token.label, str(int(notes))]
    with given.open() as source, answer.open("w") as out:
        run = _run(subprocess.Popen(command, env={**lab.env, **softhsm.env}, stdin=source, stdout=out))
    return run, answer.read_text()


def _raw_growth(program: Path, lab: Lab, folder: Path, count: int, few: int) -> int:
    """How many bytes more the C program needs for many keys than for few, with as many objects as the bridge makes."""
    large, small = (_raw(program, lab, folder / f"raw-{number}", number, notes=True)[0] for number in (count, few))
    return large.memory - small.memory


def _run(process: subprocess.Popen[bytes]) -> Run:
    """Wait for a process that must succeed, watching its memory: what `wait` tells counts this process's as well."""
    begin, memory = time.perf_counter_ns(), 0
    status = Path(f"/proc/{process.pid}/status")
    while True:
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        memory = max(memory, int(found[1]) * 1024 if found else 0)
        pid, ended, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.01)
    wall = time.perf_counter_ns() - begin
    process.returncode = os.waitstatus_to_exitcode(ended)
    if process.returncode:
        raise RuntimeError(f"{process.args} ended with {process.returncode}")
    return Run(wall, int((used.ru_utime + used.ru_stime) * 1e9), memory)


def _migrate(lab: Lab, folder: Path, count: int) -> Run:
    softhsm = SoftHsm(folder / "softhsm")
    token = softhsm.create_token("bench")
    config = folder / "bridge" / "config.toml"
    shutil.copytree(lab.disk / "first", config.parent, ignore=shutil.ignore_patterns("state", "*.jsonl", "policy.toml"))
    text = config.read_text()
    config.write_text(text.replace(str(lab.token.pin_file), str(token.pin_file)))
    password = folder / "password"
    keyring_directories.write(password, keyring_files.PASSWORD)
    source = folder / "keyring-file"
    _write_keyring(source, count)
    command = ["hsm", "--config", str(config), "--output", "json", "migrate", str(source)]
    command += ["--password", f"file:{password}"]
    return _run(subprocess.Popen(command, env={**lab.env, **softhsm.env}, stdout=subprocess.DEVNULL))
