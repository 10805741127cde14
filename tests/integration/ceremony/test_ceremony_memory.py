"""What a process that held a ceremony still has in its memory, and what is on the disk."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from cosmos_formats import address, hd_keys, mnemonic, private_keys
from cosmos_formats.hd import HdPath
from cosmos_formats.pubkeys import KeyType
from keyring_bridge.ceremony import shares_child
from tests.integration.ceremony.custodians import custodian
from tests.integration.ceremony.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm

# Runs the command, then copies all writable memory to a file: the process itself must not hold what is looked for.
RUN = """
import ctypes, os, sys
from keyring_bridge.cli.main import main
code = main(sys.argv[2:])
kept = "".join(["kept", "-", "4b1d"])
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
memory = os.open("/proc/self/mem", os.O_RDONLY)
with open(sys.argv[1], "wb") as out, open("/proc/self/maps") as maps:
    for region in [line.split() for line in maps]:
        if not region[1].startswith("rw") or region[-1] in ("[vvar]", "[vsyscall]"):
            continue
        start, end = (int(number, 16) for number in region[0].split("-"))
        while start < end:
            chunk = os.pread(memory, min(1 << 20, end - start), start)
            out.write(chunk)
            start += len(chunk)
os._exit(code)
"""


def secrets_of(words: list[str]) -> Mapping[str, bytes]:
    """All that makes the key, by what it is."""
    text = " ".join(words).encode()
    seed = mnemonic.to_seed(text)
    positions = [mnemonic.word_list().index(word.encode()) for word in words]
    number = 0
    for position in positions:
        number = number << 11 | position
    return {
        "mnemonic": text,
        "half of the mnemonic": b" ".join(text.split()[12:]),
        "entropy": (number >> 8).to_bytes(32),
        "seed": bytes(seed),
        "private key": bytes(hd_keys.derive(seed, HdPath.parse("m/44'/118'/0'/0/0"))),
    }


def found(haystack: bytes, needles: Mapping[str, bytes]) -> list[str]:
    """What is there: as it is, as hexadecimal digits, or backwards."""
    forms = {
        name: (needle, needle.hex().encode(), needle.hex().upper().encode(), bytes(reversed(needle)))
        for name, needle in needles.items()
    }
    return [name for name, each in forms.items() if any(form in haystack for form in each)]


def files(folder: Path) -> Iterator[bytes]:
    return (path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("ending", ["confirmed", "interrupted"])
def test_nothing_is_left_of_words_that_were_shown(token: Cli, tmp_path: Path, ending: str) -> None:
    core = tmp_path / "memory"
    command = [sys.executable, "-c", RUN, str(core)]
    with Desk(token, "keygen", "--recoverable", "--label", "ops", command=command) as desk:
        words = desk.words()
        if ending == "confirmed":
            desk.confirm(words)
        else:
            desk.wait("Word ")
            desk.interrupt()
        assert desk.end().code == (0 if ending == "confirmed" else 2)
    memory = core.read_bytes()
    core.unlink()
    assert b"kept-4b1d" in memory
    needles = secrets_of(words)
    assert found(b"".join(needles.values()), needles) == list(needles)
    assert found(memory, needles) == []
    assert found(b"\0".join(files(tmp_path)), needles) == []


def test_nothing_is_left_of_shares(token: Cli, tmp_path: Path) -> None:
    people = [custodian(tmp_path, name) for name in ("anna", "bela")]
    core = tmp_path / "memory"
    command = [sys.executable, "-c", RUN, str(core)]
    options = ["--shares", "2of2", "--share-dir", str(tmp_path / "shares"), "-o", "json"]
    for number, person in enumerate(people, 1):
        options += ["--custodian", f"share-{number}={person.recipient}"]
    made = token.run("keygen", "--recoverable", "--label", "ops", *options, command=command)
    assert made.code == 0, made
    opened = [one.words_in(path) for one, path in zip(people, sorted((tmp_path / "shares").iterdir()), strict=True)]
    entropy = shares_child.combine(opened, b"")
    words = mnemonic.from_entropy(entropy).decode().split()
    needles = secrets_of(words) | {f"share {number}": text.encode() for number, text in enumerate(opened, 1)}
    assert needles["entropy"] == entropy
    memory = core.read_bytes()
    assert b"kept-4b1d" in memory
    assert found(memory, needles) == []
    core.unlink()
    assert found(b"\0".join(files(tmp_path)), needles) == []
    # And of putting them together again.
    token.ok("keys", "delete", "ops", "--destroy", "--yes")
    given = [text for path in sorted((tmp_path / "shares").iterdir()) for text in ("--share", str(path))]
    given += [text for one in people for text in ("--identity", str(one.identity))]
    recover = ["keys", "recover", "ops", "--address", made.data["address"], *given]
    assert token.run(*recover, command=command).code == 0
    assert found(core.read_bytes(), needles) == []


def test_nothing_is_left_of_words_that_were_typed(token: Cli, tmp_path: Path) -> None:
    words = mnemonic.from_entropy(os.urandom(32)).decode().split()
    needles = secrets_of(words)
    key = private_keys.public_half(KeyType.SECP256K1, bytearray(needles["private key"]))
    core = tmp_path / "memory"
    recover = ["keys", "recover", "ops", "--address", address.encode("ve", key.address)]
    with Desk(token, *recover, command=[sys.executable, "-c", RUN, str(core)]) as desk:
        desk.wait("mnemonic: ")
        desk.type(" ".join(words))
        assert desk.end().code == 0
    memory = core.read_bytes()
    core.unlink()
    assert b"kept-4b1d" in memory
    assert found(memory, needles) == []
    assert found(b"\0".join(files(tmp_path)), needles) == []
