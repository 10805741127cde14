"""A keyring for the chain's program that has the public halves of the bridge's keys.

The program finds senders by name, and some programs make no transaction without a record of the sender. What is written
here is the SDK's ``test`` backend (facts: cosmos-sdk v0.53, github.com/cosmos/keyring): a file for each item, encrypted
with the word ``test``, which keeps no secret. There is none: offline and multisig records have public keys alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cosmos_formats.file_keyring import file_name
from keyring_bridge.config.files import locked, private_dir, write_atomic

if TYPE_CHECKING:
    from keyring_bridge.store.base import StoredRecord

_PASSWORD: Final = b"test"
_ROUNDS: Final = 1000
"""Of the key derivation: the least that its specification recommends (RFC 7518, 4.8.1.2); there is nothing to guess."""

_LISTED: Final = "items.json"


class PrivateKeyring:
    """The keyring.

    Args:
        folder: Of its own; made if it is not there.

    Attributes:
        flags: Let the chain's program use it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._items = folder / "keyring-test"
        self.flags = [f"--keyring-dir={folder}", "--keyring-backend=test"]

    def hold(self, records: Iterable[StoredRecord]) -> None:
        """Let the keyring hold exactly these records."""
        wanted = {name: data for record in records for name, data in _items(record).items()}
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in wanted.items()}
        if self._held() == digests and self._there() >= {file_name(name) for name in digests}:
            return
        private_dir(self._folder)
        private_dir(self._items)
        with locked(self._folder / "lock"):
            held = self._held()
            for name in sorted(held.keys() - digests.keys()):
                (self._items / file_name(name)).unlink(missing_ok=True)
            for name, data in wanted.items():
                path = self._items / file_name(name)
                if held.get(name) != digests[name] or not path.exists():
                    write_atomic(path, _encrypted(name, data))
            write_atomic(self._folder / _LISTED, json.dumps(digests).encode())

    def _there(self) -> set[str]:
        try:
            return set(os.listdir(self._items))
        except OSError:
            return set()

    def _held(self) -> Mapping[str, str]:
        try:
            found = json.loads((self._folder / _LISTED).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _items(record: StoredRecord) -> dict[str, bytes]:
    """Return the items of a record: itself, and what leads to it from its address."""
    from cosmos_formats.record import Multi, Offline, Record

    key = record.record.public_key
    public = Record(record.name, key, Multi() if isinstance(record.record.item, Multi) else Offline())
    item = f"{record.name}.info"
    return {item: public.encode(), f"{key.address.hex()}.address": item.encode()}


def _encrypted(name: str, data: bytes) -> bytes:
    """Return an item's file: a JWE with PBES2-HS256+A128KW and A256GCM."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap

    algorithm = "PBES2-HS256+A128KW"
    salt = os.urandom(12)
    header = {"alg": algorithm, "enc": "A256GCM", "p2c": _ROUNDS, "p2s": _base64url(salt)}
    payload = {
        "Key": name,
        "Data": b64encode(data).decode("ascii"),
        "Label": "",
        "Description": "",
        "KeychainNotTrustApplication": False,
        "KeychainNotSynchronizable": False,
    }
    derived = hashlib.pbkdf2_hmac("sha256", _PASSWORD, algorithm.encode() + b"\0" + salt, _ROUNDS, 16)
    content_key, nonce = os.urandom(32), os.urandom(12)
    protected = _base64url(_compact(header))
    sealed = AESGCM(content_key).encrypt(nonce, _compact(payload), protected.encode("ascii"))
    parts = (aes_key_wrap(derived, content_key), nonce, sealed[:-16], sealed[-16:])
    return ".".join((protected, *map(_base64url, parts))).encode("ascii")


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
