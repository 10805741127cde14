"""What a migration leaves of private keys: nothing on disk, and nothing in the memory of the process that did it.

The process copies its own memory to a file when the command is done, for nobody else may read it. Freed memory keeps
its content but for the first bytes, where the allocator puts its own; so halves of keys are looked for as well.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.pubkeys import KeyType
from tests.integration.cli.harness import COMMAND, PATIENCE
from tests.integration.migrate.test_migrate_sources import CASES, ED25519, laid_out
from tests.integration.plugin.test_plugin_process import through_shim
from tests.keyring_directories import make_keyring, new_secret, write, write_key
from tests.keyring_files import PASSWORD

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm

CANARY = b"kept-4b1d"

PROGRAM = """
import os, sys
# Once the process is hardened, only root may open this.
memory = os.open("/proc/self/mem", os.O_RDONLY)
kept = "".join(["kept", "-", "4b1d"])
from keyring_bridge.cli.main import main
BROKEN
code = main(sys.argv[2:])
with open(sys.argv[1], "wb") as out, open("/proc/self/maps") as maps:
    for region in [line.split() for line in maps]:
        if not region[1].startswith("rw") or region[-1] in ("[vvar]", "[vsyscall]"):
            continue
        start, end = (int(number, 16) for number in region[0].split("-"))
        while start < end:
            try:
                chunk = os.pread(memory, min(1 << 20, end - start), start)
            except OSError:
                # The stack of a thread that has just ended.
                break
            out.write(chunk)
            start += len(chunk)
sys.exit(code)
"""


def memory_after(user: Cli, *arguments: str, broken: str = "") -> bytes:
    """Run a command that must succeed; return all writable memory of its process at the end.

    ``broken`` is run first, and breaks what wipes.
    """
    core = user.home / "memory"
    command = [sys.executable, "-c", PROGRAM.replace("BROKEN", broken), str(core), *arguments]
    done = subprocess.run(command, env=user.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    memory = core.read_bytes()
    core.unlink()
    assert CANARY in memory, "the search finds what is there"
    return memory


def forms(secret: bytes) -> dict[str, bytes]:
    """How a key of 32 bytes may lie around: whole or by halves, as OpenSSL's numbers are (backwards), and as text."""
    found = {"first half": secret[:16], "second half": secret[16:], "backwards": secret[:7:-1]}
    found |= {"hex": secret[8:].hex().encode(), "HEX": secret[8:].hex().upper().encode()}
    # In base64 a key begins at any of three places of a group.
    found |= {f"base64 from {shift}": base64.b64encode(secret[shift:])[16:36] for shift in range(3)}
    return found


def found_in(content: bytes, secret: bytes) -> list[str]:
    return [name for name, form in forms(secret).items() if form in content]


@pytest.mark.parametrize("algorithm", [KeyType.SECP256K1, KeyType.ED25519])
def test_nothing_is_left_of_the_keys_of_a_keyring(token: Cli, tmp_path: Path, algorithm: KeyType) -> None:
    keyring = make_keyring(tmp_path, "file")
    secrets = [new_secret(algorithm) for _ in range(6)]
    for number, secret in enumerate(secrets):
        write_key(Path(str(keyring["directory"])), f"key {number}", algorithm, secret)
    password = ("--password", str(keyring["passphrase_source"]), "--purpose", "account")
    memory = memory_after(token, "migrate", str(keyring["directory"]), *password)
    left = [form for secret in secrets for form in found_in(memory, secret)]
    # Of ed25519 keys OpenSSL frees a copy as it is, each time that SoftHSM2 uses one: of the last the end remains.
    assert [form for form in left if algorithm is KeyType.SECP256K1 or form != "second half"] == []
    assert PASSWORD not in memory


@pytest.mark.parametrize("algorithm", [KeyType.SECP256K1, KeyType.ED25519])
def test_no_half_of_a_key_is_left_by_the_bridge_itself(software: Cli, tmp_path: Path, algorithm: KeyType) -> None:
    """Into a key file, so that no PKCS#11 module has a part in it."""
    keyring = make_keyring(tmp_path, "test")
    secrets = [new_secret(algorithm) for _ in range(6)]
    for number, secret in enumerate(secrets):
        write_key(Path(str(keyring["directory"])), f"key {number}", algorithm, secret)
    memory = memory_after(software, "migrate", str(keyring["directory"]), "--purpose", "account")
    assert [form for secret in secrets for form in found_in(memory, secret)] == []


SOURCES = (
    *("armor-argon2", "armor-bcrypt", "hex", "mnemonic-passphrase", "validator-ed25519", "validator-secp256k1"),
    *("node-ed25519", "tmkms", "tmkms-secp256k1", "cosmos-kms", "cosmos-kms-secp256k1"),
    *("pem", "pem-encrypted", "pem-encrypted-ed25519", "pem-older"),
)


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_is_left_of_a_single_key(token: Cli, tmp_path: Path, name: str) -> None:
    case = CASES[name]()
    paths = laid_out(case, tmp_path / "source")
    options = [option.format_map(paths) for option in case.options]
    source = [] if case.source is None else [str(paths[case.source])]
    memory = memory_after(token, "migrate", *source, *options, "--name", name)
    left = found_in(memory, case.secret)
    assert [form for form in left if case.key_type != ED25519 or form != "second half"] == []
    if name.startswith("pem") and "pass" in case.files:
        assert case.files["pass"] not in memory
    if "words" in case.files:
        assert case.files["words"].strip() not in memory


@pytest.mark.parametrize(
    "broken",
    [
        "from keyring_bridge.secrets import SecretBytes; SecretBytes.wipe = lambda self: kept_secrets.append(self)",
        "from cosmos_formats.file_keyring import Item; Item.wipe = lambda self: kept_secrets.append(self)",
        "from cosmos_formats.keyring_entry import KeyringEntry as E; E.wipe = lambda self: kept_secrets.append(self)",
    ],
)
def test_the_search_would_find_a_key_that_is_not_wiped(token: Cli, tmp_path: Path, broken: str) -> None:
    folder = Path(str(make_keyring(tmp_path, "test")["directory"]))
    secret = new_secret(KeyType.SECP256K1)
    write_key(folder, "kept", KeyType.SECP256K1, secret)
    memory = memory_after(token, "migrate", str(folder), broken=f"kept_secrets = []\n{broken}")
    assert found_in(memory, secret)


def test_the_search_would_find_what_a_pem_file_held(token: Cli, tmp_path: Path) -> None:
    case = CASES["pem-encrypted"]()
    paths = laid_out(case, tmp_path / "source")
    options = [option.format_map(paths) for option in case.options]
    broken = "from cosmos_formats import pkcs8; kept_secrets = []; pkcs8.wipe = lambda data: kept_secrets.append(data)"
    memory = memory_after(token, "migrate", str(paths["pem"]), *options, "--name", "kept", broken=broken)
    assert "first half" in found_in(memory, case.secret)


def on_disk(folder: Path, secret: bytes) -> list[str]:
    """Files below a folder that hold a key in some form."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if found_in(path.read_bytes(), secret)]


def test_nothing_is_on_disk_before_nor_after(token: Cli, tmp_path: Path, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    source = Path(str(make_keyring(tmp_path, "test")["directory"]))
    secrets = [new_secret(KeyType.SECP256K1) for _ in range(4)]
    for number, secret in enumerate(secrets):
        write_key(source, f"key {number}", KeyType.SECP256K1, secret)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    # The second key's public object is not made before we have looked.
    shim.control("hang C_CreateObject 5")
    process = subprocess.Popen(
        [*COMMAND, "migrate", str(source)],
        env={**token.env, "TMPDIR": str(temporary)},
        cwd=temporary,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        end = time.monotonic() + PATIENCE
        while shim.calls()["C_CreateObject"] < 4:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
        assert [path for secret in secrets for path in on_disk(tmp_path, secret)] == []
    finally:
        shim.control()
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, (out, err)
    assert [path for secret in secrets for path in on_disk(tmp_path, secret)] == []
    write(temporary / "leak", secrets[-1].hex().encode())
    assert on_disk(tmp_path, secrets[-1]) == [str(temporary / "leak")]
    assert os.listdir(temporary) == ["leak"]
