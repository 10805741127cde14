"""The key file under several processes, sudden death and a full disk, and what is left in a process's memory."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cosmos_formats.pubkeys import TOKEN_TYPES, KeyType
from keyring_bridge.model import KeySpec
from keyring_bridge.providers.software import SoftwareProvider
from keyring_bridge.testing import context_for_tests
from tests.key_files import PASSPHRASE, make_key_file
from tests.processes import output, running

START = """
import sys
from pathlib import Path
from cosmos_formats.pubkeys import TOKEN_TYPES, KeyType
from keyring_bridge.errors import BridgeError
from keyring_bridge.model import KeySpec
from keyring_bridge.providers.software import SoftwareProvider
from keyring_bridge.testing import context_for_tests

directory, name = Path(sys.argv[1]), sys.argv[2]
options = {"file": str(directory / "test.keys"), "passphrase_source": f"file:{directory / 'test.passphrase'}"}
# A login guard of its own: the kill of one child would otherwise block the next.
provider = SoftwareProvider(options, context_for_tests(directory / name))
"""

GENERATE = (
    START
    + """
number = 0
while number < int(sys.argv[3]):
    provider.generate_key(KeySpec(f"{name}-{number}", KeyType.SECP256K1))
    print(f"{name}-{number}", flush=True)
    number += 1
"""
)


@pytest.fixture
def provider(tmp_path: Path) -> SoftwareProvider:
    return SoftwareProvider(make_key_file(tmp_path), context_for_tests(tmp_path))


def test_processes_lose_none_of_their_keys(provider: SoftwareProvider, tmp_path: Path) -> None:
    with running(GENERATE, *((str(tmp_path), name, "15") for name in "abc")) as children:
        told = [line for child in children for line in child.communicate(timeout=60)[0].split()]
        assert [child.returncode for child in children] == [0, 0, 0]
    assert len(told) == 45
    assert sorted(info.label for info in provider.list_keys()) == sorted(told)
    provider.close()


def test_a_killed_process_leaves_a_file_that_opens(provider: SoftwareProvider, tmp_path: Path) -> None:
    told: set[str] = set()
    for turn, pause in enumerate((0, 0.013, 0.029, 0.041, 0.067, 0.083)):
        with running(GENERATE, (str(tmp_path), f"turn{turn}", "100000")) as (child,):
            assert child.stdout is not None
            told.add(child.stdout.readline().strip())
            time.sleep(pause)
            child.kill()
            told.update(child.stdout.read().split())
        labels = {info.label for info in provider.list_keys()}
        assert told <= labels
        # At most one key was written and not told.
        assert len(labels) <= len(told) + turn + 1
    provider.close()
    assert len(provider.list_keys()) == len(labels)
    provider.close()


def test_a_full_disk_is_an_error_and_changes_nothing(provider: SoftwareProvider, tmp_path: Path) -> None:
    info = provider.generate_key(KeySpec("first", KeyType.SECP256K1))
    told = output(
        START
        + """
import resource
provider.connect()
resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
try:
    provider.generate_key(KeySpec("second", KeyType.SECP256K1))
except BridgeError as error:
    print(error.code)
(key,) = provider.list_keys()
print(len(provider.sign(key.ref, bytes(32))))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(provider.generate_key(KeySpec("third", KeyType.SECP256K1)).label)
""",
        str(tmp_path),
        "child",
    )
    assert told.split() == ["token_full", "64", "third"]
    assert [found.label for found in provider.list_keys()] == ["first", "third"]
    assert provider.get_key(info.ref) == info
    assert not list(tmp_path.glob(".*.tmp"))
    provider.close()


MEMORY = (
    START
    + """
import gc
import os

CHUNK, OVERLAP = 1 << 20, 64
BUFFER = bytearray(CHUNK + OVERLAP)

def places(needle):
    # Needles come reversed and chunks are reversed in place and blanked, so that looking for a secret leaves no copy.
    found = 0
    with open("/proc/self/maps") as file:
        maps = file.read().splitlines()
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    for line in maps:
        where, rights = line.split()[:2]
        if "r" not in rights or "[v" in line:
            continue
        start, end = (int(part, 16) for part in where.split("-"))
        for at in range(start, end, CHUNK):
            with memoryview(BUFFER)[: min(CHUNK + OVERLAP, end - at)] as view:
                try:
                    os.preadv(memory, [view], at)
                except OSError:
                    # It was unmapped since, or is a device's.
                    break
            BUFFER.reverse()
            found += BUFFER.count(needle)
            BUFFER[:] = bytes(len(BUFFER))
    os.close(memory)
    return found

backwards, *needles = (bytes.fromhex(text) for text in sys.argv[3:])
provider.connect()
passphrase = places(backwards)
for info in provider.list_keys():
    if info.key_type is not KeyType.X25519:
        provider.sign(info.ref, bytes(32))
unlocked = [places(needle) for needle in needles]
provider.close()
gc.collect()
print(passphrase, *unlocked, *[places(needle) for needle in needles])
"""
)


def test_nothing_secret_stays_in_memory(provider: SoftwareProvider, tmp_path: Path) -> None:
    for key_type in TOKEN_TYPES:
        provider.generate_key(KeySpec(key_type, key_type))
    vault = provider._vault
    assert vault is not None
    secrets = [bytes(reversed(key.secret.reveal())).hex() for key in vault.keys.values()]
    provider.close()
    told = output(MEMORY, str(tmp_path), "child", bytes(reversed(PASSPHRASE)).hex(), *secrets)
    passphrase, *found = map(int, told.split())
    unlocked, locked = found[:4], found[4:]
    assert passphrase == 0, "the passphrase is still in memory after unlocking"
    assert all(count >= 1 for count in unlocked), "the search does not find what is there"
    assert locked == [0, 0, 0, 0], "private keys are still in memory after closing"
