"""Keyring directories for tests, written in Python as the SDK's backends write them, with few rounds of PBKDF2."""

from __future__ import annotations

import os
from pathlib import Path

from cosmos_formats import bcrypt_text, wire
from cosmos_formats.file_keyring import TEST_PASSWORD, file_name
from cosmos_formats.private_keys import public_half
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Local, Offline, Record
from tests.keyring_files import PASSWORD, item


def make_keyring(directory: Path, kind: str = "file") -> dict[str, object]:
    """Make an empty keyring and return the options of a ``cosmosfile`` provider that opens it."""
    folder = directory / f"keyring-{kind}"
    folder.mkdir(mode=0o700)
    if kind == "test":
        return {"directory": str(folder)}
    write(folder / "keyhash", bcrypt_text.make(PASSWORD, 4, os.urandom(16)))
    password = directory / "keyring.password"
    write(password, PASSWORD + b"\n")
    return {"directory": str(folder), "passphrase_source": f"file:{password}"}


def new_secret(key_type: KeyType) -> bytes:
    """Return a new private key; nearly every number of 32 bytes is one."""
    return b"\1" + os.urandom(31)


def write_key(
    folder: Path, name: str, key_type: KeyType, secret: bytes, *, url: str = "", rounds: int = 2
) -> PublicKey:
    """Write a local key and its address item."""
    public_key = public_half(key_type, bytearray(secret), url)
    stored = secret + public_key.data if key_type is KeyType.ED25519 else secret
    private = wire.bytes_field(1, stored)
    type_url = public_key.type_url.removesuffix("PubKey") + "PrivKey"
    packed = wire.bytes_field(1, type_url.encode()) + wire.bytes_field(2, private)
    record = Record(name, public_key, Local(None)).encode()
    empty = wire.message_field(Local.number, b"")
    assert record.endswith(empty)
    whole = record.removesuffix(empty) + wire.message_field(Local.number, wire.message_field(1, packed))
    write_item(folder, f"{name}.info", whole, rounds=rounds)
    write_item(folder, f"{public_key.address.hex()}.address", f"{name}.info".encode(), rounds=rounds)
    return public_key


def write_offline(folder: Path, name: str, public_key: PublicKey) -> None:
    """Write an offline record and its address item."""
    write_item(folder, f"{name}.info", Record(name, public_key, Offline()).encode())
    write_item(folder, f"{public_key.address.hex()}.address", f"{name}.info".encode())


def write_item(
    folder: Path, key: str, data: bytes, *, under: str | None = None, password: bytes | None = None, rounds: int = 2
) -> None:
    """Write an item, perhaps under another item's name."""
    if password is None:
        password = TEST_PASSWORD if folder.name == "keyring-test" else PASSWORD
    write(folder / file_name(under or key), item(key, data, password, rounds=rounds))


def item_path(folder: Path, name: str) -> Path:
    """Return the file of a key."""
    return folder / file_name(f"{name}.info")


def write(path: Path, data: bytes) -> None:
    """Write a file as the SDK does: private, and in place."""
    path.touch(mode=0o600)
    path.write_bytes(data)
