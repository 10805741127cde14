"""Keys from mnemonics in a real token: the SDK's addresses, good signatures, and nothing left in memory."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import ecdsa
import pytest

from cosmos_formats import address as bech32_address
from cosmos_formats import eth_address, hd_keys, mnemonic
from cosmos_formats.hashes import keccak256
from cosmos_formats.hd import HdPath
from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.signing import SignMode
from keyring_bridge.bridge import Bridge
from keyring_bridge.config import load
from keyring_bridge.keyring import Keyring
from keyring_bridge.model import Caller
from keyring_bridge.secrets import SecretBytes
from tests.unit.bridge.sign_docs import send_doc
from tests.unit.secrets.test_secret_memory import CANARY, KEEP, SNAPSHOT

if TYPE_CHECKING:
    from tests.softhsm import SoftHsm

pytestmark = pytest.mark.softhsm

CHAIN = "testchain-1"
WORDS = b"abandon " * 11 + b"about"


def configuration(softhsm: SoftHsm, folder: Path) -> Path:
    token = softhsm.create_token()
    path = folder / "config.toml"
    options = "\n".join(f'{name} = "{value}"' for name, value in softhsm.options(token).items())
    path.write_text(
        'version = 1\nstate_dir = "state"\ndefault_provider = "token"\n'
        f'[providers.token]\nbackend = "pkcs11"\n{options}\n'
    )
    path.chmod(0o600)
    return path


@pytest.fixture
def bridge(softhsm: SoftHsm, tmp_path: Path) -> Iterator[Bridge]:
    with Bridge.open(load(configuration(softhsm, tmp_path))) as opened:
        yield opened


def allow(bridge: Bridge, keyring: Keyring, name: str) -> None:
    bridge.config.policy_path.write_text(
        f'version = 1\n[keys."{name}"]\nfingerprint = "{keyring.key(name).fingerprint}"\n'
        f'chains = ["{CHAIN}"]\nsign_modes = ["direct"]\nmessages = ["/cosmos.bank.v1beta1.MsgSend"]\n'
    )
    bridge.config.policy_path.chmod(0o600)


@pytest.mark.parametrize(
    ("algorithm", "path", "shown"),
    [
        ("secp256k1", "m/44'/118'/0'/0/0", "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4"),
        ("eth_secp256k1", "m/44'/60'/0'/0/0", "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"),
    ],
)
def test_a_recovered_key_signs_from_the_token(bridge: Bridge, algorithm: str, path: str, shown: str) -> None:
    keyring = Keyring(bridge, Caller("uid:1000"))
    record = keyring.new_account("ops", SecretBytes(WORDS), None, path, algorithm)
    eth = algorithm == "eth_secp256k1"
    assert (eth_address.encode if eth else lambda raw: bech32_address.encode("cosmos", raw))(record.address) == shown
    key = record.record.public_key
    assert isinstance(key, PublicKey)
    info = bridge.device("token").list_keys()[0]
    assert (info.extractable, info.sensitive, info.local) == (False, True, False)
    allow(bridge, keyring, "ops")
    document = send_doc(key, CHAIN)
    signature = keyring.sign("ops", document, SignMode.DIRECT).signature
    digest = keccak256(document) if eth else hashlib.sha256(document).digest()
    verifier = ecdsa.VerifyingKey.from_string(key.data, curve=ecdsa.SECP256k1)
    assert verifier.verify_digest(signature, digest)
    keyring.destroy("ops")
    assert bridge.device("token").list_keys() == []


def test_a_new_mnemonic_brings_the_key_back(bridge: Bridge) -> None:
    keyring = Keyring(bridge, Caller("uid:1000"))
    record, words = keyring.new_mnemonic("ops", "english", "m/44'/118'/0'/0/0", None, "secp256k1")
    keyring.destroy("ops")
    assert keyring.new_account("ops", words, None, "m/44'/118'/0'/0/0", "secp256k1").address == record.address


MAKE = """
import sys
from pathlib import Path
from keyring_bridge.bridge import Bridge
from keyring_bridge.config import load
from keyring_bridge.keyring import Keyring
from keyring_bridge.model import Caller
from keyring_bridge.secrets import parse_source
bridge = Bridge.open(load(Path(sys.argv[2])))
keyring = Keyring(bridge, Caller("uid:1000"))
with parse_source("file:" + sys.argv[3]).read(None, "mnemonic") as words:
    keyring.new_account("ops", words, None, "m/44'/118'/0'/0/0", "secp256k1")
"""


def test_the_key_is_in_the_token_and_not_in_memory(softhsm: SoftHsm, tmp_path: Path) -> None:
    words = bytes(mnemonic.from_entropy(os.urandom(32)))
    key = bytes(hd_keys.derive(mnemonic.to_seed(words), HdPath.parse("m/44'/118'/0'/0/0")))
    source, core = tmp_path / "words", tmp_path / "memory"
    source.write_bytes(words)
    source.chmod(0o600)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    program = MAKE + KEEP + SNAPSHOT + "snapshot(sys.argv[1])\n"
    command = [sys.executable, "-c", program, str(core), str(configuration(softhsm, tmp_path)), str(source)]
    subprocess.run(command, env=environment, check=True)
    memory = core.read_bytes()
    assert CANARY in memory
    assert words not in memory
    assert key not in memory
