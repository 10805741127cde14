"""Keyring directories of SDK 0.53 and 0.45, and files of CometBFT, as their own code writes them (fixtures/gen)."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats import bcrypt_text, file_keyring, keyring_entry, sign_state, validator_files
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import WrongPassword
from cosmos_formats.keyring_index import Fault, ItemKind, address_item, check_index, item_kind
from cosmos_formats.multisig import AnyPublicKey, pubkey_from_amino, pubkey_from_any
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.sign_state import SignState
from cosmos_formats.signer_files import TmkmsState, block_id_of
from cosmos_formats.verify import verify

if TYPE_CHECKING:
    from cosmos_formats.keyring_entry import KeyringEntry
    from cosmos_formats.privval.model import BlockId

FIXTURES = Path(__file__).parents[2] / "fixtures"
KEYRINGS = FIXTURES / "keyrings"
VALIDATORS = FIXTURES / "validators"
VERSIONS = ("v053", "v045")
BACKENDS = ("file", "test")


@dataclass(frozen=True)
class Keyring:
    """What a keyring directory holds.

    Attributes:
        keys: By item key.
        addresses: Where the address items lead, by item key.
    """

    keys: dict[str, KeyringEntry]
    addresses: dict[str, str]


def read_keyring(folder: Path, password: bytes) -> Keyring:
    keys: dict[str, KeyringEntry] = {}
    addresses: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        key = file_keyring.item_key(path.name)
        if item_kind(key) is ItemKind.OTHER:
            continue
        item = file_keyring.open_item(path.read_bytes(), password)
        assert item.key == key
        if item_kind(key) is ItemKind.KEY:
            keys[key] = keyring_entry.decode(item.data)
        else:
            addresses[key] = keyring_entry.decode_address_item(item.data)
    return Keyring(keys, addresses)


def expected(root: Path) -> dict[str, Any]:
    content = json.loads((root / "keys.json").read_text())
    assert isinstance(content, dict)
    return content


def password(root: Path, backend: str) -> bytes:
    return file_keyring.TEST_PASSWORD if backend == "test" else str(expected(root)["password"]).encode()


def public_key(version: str, key: dict[str, str]) -> AnyPublicKey:
    data = bytes.fromhex(key["public_key"])
    if version == "v053":
        return pubkey_from_any(AnyValue.decode(data))
    if key["type"] == "multi":
        return pubkey_from_amino(data)
    return PublicKey(KeyType.SECP256K1 if len(data) == 33 else KeyType.ED25519, data)


def check(root: Path, version: str, backend: str) -> None:
    ring = read_keyring(root / f"keyring-{backend}", password(root, backend))
    listed = expected(root)["keys"]
    assert set(ring.keys) == {key["name"] + ".info" for key in listed}
    for key in listed:
        entry = ring.keys[key["name"] + ".info"]
        assert (entry.name, entry.kind, entry.legacy) == (key["name"], key["type"], version == "v045")
        assert entry.address.hex() == key["address"]
        assert entry.public_key == public_key(version, key)
        private = bytes.fromhex(key["private_key"]) if "private_key" in key else None
        assert entry.private_key == private
        assert (entry.private_key is not None) == (key["type"] == "local")
        assert str(entry.path or "") == key.get("path", "")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_key_is_read(version: str, backend: str) -> None:
    check(KEYRINGS / version, version, backend)


def test_the_fixtures_have_every_kind_and_odd_names() -> None:
    for version in VERSIONS:
        keys = {key["name"]: key for key in expected(KEYRINGS / version)["keys"]}
        assert {key["type"] for key in keys.values()} == {"local", "ledger", "multi", "offline"}
        assert {"a/b", "100%"} <= set(keys)
        assert keys["device"]["path"] == "m/44'/118'/3'/0/7"
    assert {"a%2Fb", "two words", "鍵 🔑", "x.info", "-dash"} <= {
        key["name"] for key in expected(KEYRINGS / "v053")["keys"]
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_index_of_a_sound_keyring(backend: str) -> None:
    root = KEYRINGS / "v045"
    ring = read_keyring(root / f"keyring-{backend}", password(root, backend))
    assert check_index(ring.keys, ring.addresses) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_traces_of_the_sdk_in_the_index(backend: str) -> None:
    root = KEYRINGS / "v053"
    ring = read_keyring(root / f"keyring-{backend}", password(root, backend))
    alice, orphan = ring.keys["alice.info"], ring.keys["orphan.info"]
    found = {(fault.fault, fault.item_key, fault.leads_to) for fault in check_index(ring.keys, ring.addresses)}
    (overwritten,) = (item for fault, item, _ in found if fault is Fault.LIES)
    assert overwritten != address_item(ring.keys["replaced.info"].address)
    assert found == {
        (Fault.LEADS_ELSEWHERE, address_item(alice.address), "alice again.info"),
        (Fault.NO_ADDRESS_ITEM, address_item(orphan.address), ""),
        (Fault.LIES, overwritten, "replaced.info"),
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_the_keyhash(version: str) -> None:
    root = KEYRINGS / version
    text = (root / "keyring-file" / "keyhash").read_bytes()
    right = password(root, "file")
    assert bcrypt_text.check(text, right)
    assert not bcrypt_text.check(text, right[:-1])
    assert not (root / "keyring-test" / "keyhash").exists()
    item = (root / "keyring-file" / "alice.info").read_bytes()
    with pytest.raises(WrongPassword):
        file_keyring.open_item(item, right[:-1])


# --- CometBFT --------------------------------------------------------------------------------------------------------

KEY_TYPES = (KeyType.ED25519, KeyType.SECP256K1)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_key_files_of_cometbft(key_type: KeyType) -> None:
    folder = VALIDATORS / key_type
    key = validator_files.read_validator_key((folder / "priv_validator_key.json").read_bytes())
    assert key.key_type is key_type
    assert validator_files.read_node_key((folder / "node_key.json").read_bytes()) == key
    if key_type is KeyType.ED25519:
        (same,) = (one for one in expected(KEYRINGS / "v053")["keys"] if one["name"] == "consensus")
        assert (key.secret.hex(), key.public_key.address.hex()) == (same["private_key"], same["address"])


STATES = {"fresh": (0, 0, 0), "propose": (11, 0, 1), "prevote_nil": (11, 2, 2), "precommit": (2**53 + 1, 2**31 - 1, 3)}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_states_of_cometbft(key_type: KeyType, name: str) -> None:
    folder = VALIDATORS / key_type
    content = (folder / f"state_{name}.json").read_bytes()
    state = sign_state.read(content)
    assert (state.height, state.round, state.step) == STATES[name]
    assert sign_state.write(state) == content
    if name == "fresh":
        assert state == SignState(0, 0, 0)
        return
    key = validator_files.read_validator_key((folder / "priv_validator_key.json").read_bytes()).public_key
    assert state.sign_bytes is not None
    assert state.signature is not None
    assert verify(key, state.sign_bytes, state.signature)


def test_the_blocks_in_sign_bytes() -> None:
    def block(name: str) -> BlockId | None:
        state = sign_state.read((VALIDATORS / "ed25519" / f"state_{name}.json").read_bytes())
        tmkms = TmkmsState.from_sign_state(state)
        assert tmkms.to_sign_state() == SignState(state.height, state.round, state.step)
        assert state.sign_bytes is not None
        assert block_id_of(state.sign_bytes) == tmkms.block_id
        return tmkms.block_id

    proposed, committed = block("propose"), block("precommit")
    assert proposed is not None
    assert proposed == committed
    assert (len(proposed.hash), proposed.parts_total, len(proposed.parts_hash)) == (32, 3, 32)
    assert block("prevote_nil") is None


# --- the generators --------------------------------------------------------------------------------------------------


def run_go(folder: Path, *arguments: str, cgo: bool = False) -> None:
    environment = {**os.environ, "CGO_ENABLED": "1" if cgo else "0"}
    subprocess.run(["go", "run", *arguments], cwd=folder, env=environment, check=True, stderr=subprocess.PIPE)


MOCK = ("-tags", "ledger test_ledger_mock")
"""The SDK's own mock of a Ledger device, which it has only with cgo."""


@pytest.mark.go
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_generators_write_the_same_keys(version: str, tmp_path: Path) -> None:
    """Files are encrypted anew in each run, so what is read from them is compared."""
    if version == "v053":
        run_go(FIXTURES / "gen", *MOCK, "./keyrings", "-out", str(tmp_path), cgo=True)
    else:
        run_go(FIXTURES / "gen" / "keyrings045", *MOCK, ".", "-out", str(tmp_path), cgo=True)
    committed = KEYRINGS / version
    assert (tmp_path / "keys.json").read_bytes() == (committed / "keys.json").read_bytes()
    for backend in BACKENDS:
        check(tmp_path, version, backend)
        written, kept = (
            read_keyring(root / f"keyring-{backend}", password(committed, backend)) for root in (tmp_path, committed)
        )
        assert written == kept


@pytest.mark.go
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_cometbft_writes_the_same_files(tmp_path: Path) -> None:
    run_go(FIXTURES / "gen", "./validators", "-out", str(tmp_path))
    written, kept = (
        {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.json")}
        for root in (tmp_path, VALIDATORS)
    )
    assert written == kept
