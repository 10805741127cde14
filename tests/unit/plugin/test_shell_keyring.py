"""The private keyring of the chain's program; whether the program can read it, the tests on the chain tell."""

import hashlib
import json
from base64 import b64decode, urlsafe_b64decode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Local, Multi, Record
from keyring_bridge.model import Purpose
from keyring_bridge.store.base import StoredRecord
from keyring_plugin.shell.private_keyring import PrivateKeyring


def key(number: int) -> PublicKey:
    return PublicKey(KeyType.SECP256K1, PrivateKey(number.to_bytes(32, "big")).public_key.format())


def record(name: str, number: int) -> StoredRecord:
    return StoredRecord(
        name=name,
        record=Record(name, key(number), Local()),
        address=key(number).address,
        provider="token",
        uri="pkcs11:token=t",
        key_type=KeyType.SECP256K1,
        purpose=Purpose.ACCOUNT,
        fingerprint=key(number).fingerprint,
        created_at=datetime(2026, 11, 24, tzinfo=UTC),
        hardware=True,
    )


def opened(path: Path) -> dict[str, object]:
    """Read an item as the SDK's keyring does."""
    parts = path.read_bytes().split(b".")
    header, wrapped, nonce, sealed, tag = (urlsafe_b64decode(part + b"==") for part in parts)
    told = json.loads(header)
    salt = told["alg"].encode() + b"\0" + urlsafe_b64decode(told["p2s"] + "==")
    derived = hashlib.pbkdf2_hmac("sha256", b"test", salt, told["p2c"], 16)
    plain = AESGCM(aes_key_unwrap(derived, wrapped)).decrypt(nonce, sealed + tag, parts[0])
    payload = json.loads(plain)
    assert isinstance(payload, dict)
    return payload


def items(folder: Path) -> set[str]:
    return {path.name for path in (folder / "keyring-test").iterdir() if not path.name.startswith(".")}


def test_it_has_public_keys_alone(tmp_path: Path) -> None:
    folder = tmp_path / "shell"
    PrivateKeyring(folder).hold([record("ops", 1)])
    address = f"{key(1).address.hex()}.address"
    assert items(folder) == {"ops.info", address}
    kept = opened(folder / "keyring-test" / "ops.info")
    assert kept["Key"] == "ops.info"
    found = Record.decode(b64decode(str(kept["Data"])))
    assert (found.name, found.public_key, found.kind) == ("ops", key(1), "offline")
    assert b64decode(str(opened(folder / "keyring-test" / address)["Data"])) == b"ops.info"
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *folder.rglob("*")))


def test_it_follows_the_records(tmp_path: Path) -> None:
    keyring = PrivateKeyring(tmp_path / "shell")
    keyring.hold([record("ops", 1), record("a/b%c", 2)])
    assert {"ops.info", "a%2Fb%25c.info"} <= items(tmp_path / "shell")
    kept = tmp_path / "shell" / "keyring-test" / "ops.info"
    before = kept.read_bytes()
    keyring.hold([record("ops", 1), record("more", 3)])
    assert items(tmp_path / "shell") == {
        *("ops.info", "more.info", f"{key(1).address.hex()}.address", f"{key(3).address.hex()}.address")
    }
    assert kept.read_bytes() == before
    keyring.hold([record("ops", 4)])
    assert items(tmp_path / "shell") == {"ops.info", f"{key(4).address.hex()}.address"}
    keyring.hold([])
    assert items(tmp_path / "shell") == set()


@pytest.mark.parametrize("text", ["", "[]", "nothing", '{"ops.info": 5}'])
def test_a_damaged_list_is_made_anew(tmp_path: Path, text: str) -> None:
    keyring = PrivateKeyring(tmp_path / "shell")
    keyring.hold([record("ops", 1)])
    (tmp_path / "shell" / "items.json").write_text(text)
    (tmp_path / "shell" / "keyring-test" / "ops.info").write_text("broken")
    keyring.hold([record("ops", 1)])
    assert opened(tmp_path / "shell" / "keyring-test" / "ops.info")["Key"] == "ops.info"


def test_multisig_records_stay_what_they_are(tmp_path: Path) -> None:
    group = MultisigPublicKey(1, (key(1), key(2)))
    stored = StoredRecord(
        **{
            **{name: getattr(record("group", 1), name) for name in StoredRecord.__slots__},
            **{"record": Record("group", group, Multi()), "address": group.address, "provider": None, "uri": None},
            **{"key_type": None, "fingerprint": None, "hardware": None},
        }
    )
    PrivateKeyring(tmp_path / "shell").hold([stored])
    data = opened(tmp_path / "shell" / "keyring-test" / "group.info")["Data"]
    assert Record.decode(b64decode(str(data))).kind == "multi"
