"""What is left of a mnemonic and of the key that it gives in the memory of a process that derived and wiped them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats import hd_keys, mnemonic, wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.armor_keys import ArmoredPrivateKey, encrypt_private_key
from cosmos_formats.hd import HdPath
from cosmos_formats.private_keys import public_half
from cosmos_formats.pubkeys import TYPE_URLS, KeyType
from cosmos_formats.record import Local, Record
from tests import keyring_files
from tests.keyring_files import item
from tests.unit.secrets.test_secret_memory import CANARY, KEEP, SNAPSHOT

if TYPE_CHECKING:
    import pytest

PATH = "m/44'/118'/0'/0/0"

DERIVE = f"""
import sys
from keyring_bridge.imported_keys import derive_secret, parse_path
from keyring_bridge.secrets import SecretBytes, parse_source
for _ in range(3):
    with parse_source("file:" + sys.argv[2]).read(None, "mnemonic") as words:
        with SecretBytes(derive_secret(words, None, parse_path("{PATH}", False))) as key:
            assert len(key) == 32
"""

GENERATE = """
import sys
from cosmos_formats.mnemonic import from_entropy
from keyring_bridge.secrets import SecretBytes, parse_source
with parse_source("file:" + sys.argv[2]).read(None, "entropy") as entropy:
    with SecretBytes(from_entropy(entropy.reveal())) as words:
        assert len(words.reveal().split()) == 24
"""

UNSEAL = """
import sys
from keyring_bridge.imported_keys import _decrypt
from keyring_bridge.secrets import SecretBytes
armor = open(sys.argv[2]).read()
with SecretBytes(_decrypt(armor, SecretBytes(b"passphrase")).secret) as key:
    assert len(key) == 32
"""

OPEN_ITEM = """
import sys
from cosmos_formats import keyring_entry
from cosmos_formats.file_keyring import open_item
for _ in range(3):
    item = open_item(open(sys.argv[2], "rb").read(), b"a password")
    entry = keyring_entry.decode(item.data)
    assert len(entry.private_key) == 32
    entry.wipe()
    item.wipe()
"""

READ_VALIDATOR_KEY = """
import sys
from cosmos_formats.validator_files import read_validator_key
from cosmos_formats.wipeable import wipe
with open(sys.argv[2], "rb", buffering=0) as file:
    content = bytearray(4096)
    del content[file.readinto(content):]
key = read_validator_key(content)
assert len(key.secret) == 32
key.wipe()
wipe(content)
"""


def memory_after(program: str, content: bytes, folder: Path) -> bytes:
    """Run a program over a file with ``content``; return all its writable memory at the end."""
    given, core = folder / "given", folder / "memory"
    given.write_bytes(content)
    given.chmod(0o600)
    text = program + KEEP + SNAPSHOT + "snapshot(sys.argv[1])\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", text, str(core), str(given)]
    subprocess.run(command, env=environment, check=True)
    memory = core.read_bytes()
    assert CANARY in memory, "the search finds what is there"
    return memory


def new_words() -> tuple[bytes, bytes]:
    """Entropy without a newline at its end, and its mnemonic."""
    entropy = os.urandom(31) + b"\x01"
    return entropy, bytes(mnemonic.from_entropy(entropy))


def test_nothing_is_left_of_a_derived_key(tmp_path: Path) -> None:
    _, words = new_words()
    seed = bytes(mnemonic.to_seed(words))
    key = bytes(hd_keys.derive(seed, HdPath.parse(PATH)))
    parent = bytes(hd_keys.derive(seed, HdPath.parse("m/44'/118'/0'")))
    memory = memory_after(DERIVE, words, tmp_path)
    for secret in (words, seed, seed[:32], key, parent):
        assert secret not in memory


def test_the_search_would_find_a_key(tmp_path: Path) -> None:
    _, words = new_words()
    key = bytes(hd_keys.derive(mnemonic.to_seed(words), HdPath.parse(PATH)))
    program = DERIVE.replace("assert len(key) == 32", "kept_key = bytes(key.reveal())")
    assert key in memory_after(program, words, tmp_path)


def test_nothing_is_left_of_a_generated_mnemonic(tmp_path: Path) -> None:
    entropy, words = new_words()
    memory = memory_after(GENERATE, entropy, tmp_path)
    assert words not in memory
    assert entropy not in memory


def test_nothing_is_left_of_a_key_from_an_armor(tmp_path: Path) -> None:
    key = os.urandom(32)
    url = TYPE_URLS[KeyType.SECP256K1]
    armor = encrypt_private_key(ArmoredPrivateKey(KeyType.SECP256K1, url, bytearray(key)), b"passphrase", bytes(16))
    assert key not in memory_after(UNSEAL, armor.encode(), tmp_path)


def secret_item() -> tuple[bytes, bytes]:
    """A private key, and the item of a keyring that holds it."""
    key = os.urandom(31) + b"\x01"
    public = public_half(KeyType.SECP256K1, bytearray(key))
    packed = AnyValue("/cosmos.crypto.secp256k1.PrivKey", wire.bytes_field(1, key))
    return key, item("alice.info", Record("alice", public, Local(packed)).encode(), b"a password")


def test_nothing_is_left_of_a_keyrings_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content_key = os.urandom(32)
    monkeypatch.setattr(keyring_files, "CONTENT_KEY", content_key)
    key, content = secret_item()
    memory = memory_after(OPEN_ITEM, content, tmp_path)
    # In base64 the key begins at any of three places of a group.
    encoded = [base64.b64encode(key[shift:])[:36] for shift in range(3)]
    for secret in (key, content_key, *encoded):
        assert secret not in memory


def test_the_search_would_find_a_keyrings_key(tmp_path: Path) -> None:
    key, content = secret_item()
    assert key in memory_after(OPEN_ITEM.replace("    item.wipe()\n", ""), content, tmp_path)
    assert key in memory_after(OPEN_ITEM.replace("    entry.wipe()\n", ""), content, tmp_path)


def test_nothing_is_left_of_a_validators_key(tmp_path: Path) -> None:
    seed = os.urandom(32)
    public = public_half(KeyType.ED25519, bytearray(seed))
    stored = base64.b64encode(seed + public.data).decode()
    content = {
        "address": public.address.hex().upper(),
        "pub_key": {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(public.data).decode()},
        "priv_key": {"type": "tendermint/PrivKeyEd25519", "value": stored},
    }
    memory = memory_after(READ_VALIDATOR_KEY, json.dumps(content).encode(), tmp_path)
    assert seed not in memory
    assert stored[:40].encode() not in memory
