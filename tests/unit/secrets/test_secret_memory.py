"""What is left of a PIN in the memory of a process that has read, used and wiped it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Copies all writable memory to a file, in which the test looks: the process itself must not hold what is looked for.
SNAPSHOT = """
def snapshot(path):
    import os
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    with open(path, "wb") as out, open("/proc/self/maps") as maps:
        regions = [line.split() for line in maps]
        for region in regions:
            if not region[1].startswith("rw") or region[-1] in ("[vvar]", "[vsyscall]"):
                continue
            start, end = (int(number, 16) for number in region[0].split("-"))
            while start < end:
                chunk = os.pread(memory, min(1 << 20, end - start), start)
                out.write(chunk)
                start += len(chunk)
"""

READ = """
import sys
from keyring_bridge.secrets import parse_source
with parse_source(sys.argv[2]).read(None, "PIN") as pin:
    assert len(pin) == 27, len(pin)
"""

HSM_JSON = """
import sys
from pathlib import Path
from keyring_bridge.config import load
from keyring_bridge.secrets import keep_in_memory, parse_source, SecretBytes
config = load(Path(sys.argv[2]))
source = parse_source(config.providers["pkcs11"].options["pin_source"])
with source.read(None, "PIN") as pin:
    assert len(pin) == 27, len(pin)
keep_in_memory(sys.argv[2], SecretBytes(b""))
"""

CANARY = b"kept-4b1d"
KEEP = "\nkept = ''.join(['kept', '-', '4b1d'])\n"
PIN = b"wiped-" + os.urandom(10).hex().encode() + b"!"


def left(program: str, argument: str, tmp_path: Path, **options: object) -> tuple[bool, bool]:
    """Run a program; tell whether the PIN and the canary are in its memory afterwards."""
    core = tmp_path / "memory"
    text = program + KEEP + SNAPSHOT + "snapshot(sys.argv[1])\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", text, str(core), argument]
    subprocess.run(command, env=environment, check=True, **options)  # type: ignore[call-overload]  # as given
    memory = core.read_bytes()
    return PIN in memory, CANARY in memory


@pytest.fixture
def pin_file(tmp_path: Path) -> Path:
    path = tmp_path / "pin"
    path.write_bytes(PIN + b"\n")
    path.chmod(0o600)
    return path


def test_the_search_finds_what_is_there(pin_file: Path, tmp_path: Path) -> None:
    program = READ.replace("    assert len(pin) == 27, len(pin)", "    kept_pin = bytes(pin.reveal())")
    assert left(program, f"file:{pin_file}", tmp_path) == (True, True)


def test_nothing_is_left_of_a_file(pin_file: Path, tmp_path: Path) -> None:
    assert left(READ, f"file:{pin_file}", tmp_path) == (False, True)


def test_nothing_is_left_of_a_descriptor(pin_file: Path, tmp_path: Path) -> None:
    descriptor = os.open(pin_file, os.O_RDONLY)
    assert left(READ, f"fd:{descriptor}", tmp_path, pass_fds=[descriptor]) == (False, True)
    os.close(descriptor)


def test_nothing_is_left_of_a_command(pin_file: Path, tmp_path: Path) -> None:
    assert left(READ, f"command:/bin/cat {pin_file}", tmp_path) == (False, True)


def test_nothing_is_left_of_a_pin_in_hsm_json(tmp_path: Path) -> None:
    path = tmp_path / "hsm.json"
    path.write_bytes(b'{"pkcs11": {"library": "/x.so", "pin": "' + PIN + b'"}, "audit_log": true}')
    path.chmod(0o600)
    assert left(HSM_JSON, str(path), tmp_path) == (False, True)
