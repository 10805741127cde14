"""A provider whose keys live in this process and whose answers a test can bend.

It signs for real (coincurve, cryptography), so the pipeline's own checks decide; a ``bend`` function stands between
the true signature and what the device "answers".
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import coincurve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import ObjectNotFound
from keyring_bridge.model import KeyInfo, KeyRef, KeySpec, ProviderStatus
from keyring_bridge.providers.base import ProviderBase, ProviderContext

if TYPE_CHECKING:
    from keyring_bridge.secrets import SecretBytes

Bend = Callable[[bytes], bytes]


class MemoryProvider(ProviderBase):
    scheme = "memory"
    hardware = False

    def __init__(self, context: ProviderContext) -> None:
        super().__init__({}, context)
        self.keys: dict[str, tuple[KeyInfo, bytes]] = {}
        self.bend: Bend = lambda signature: signature
        self.calls = 0
        self.made = 0
        self.deleted: list[str] = []
        self.delay = 0.0
        self._lock = threading.Lock()

    def _connect(self) -> None: ...

    def _close(self) -> None: ...

    def _list_keys(self) -> list[KeyInfo]:
        return [info for info, _ in self.keys.values()]

    def _get_key(self, ref: KeyRef) -> KeyInfo:
        try:
            return self.keys[ref.uri][0]
        except KeyError:
            raise ObjectNotFound("no such key") from None

    def _get_public_key(self, uri: str) -> PublicKey:
        return self.keys[uri][0].public_key

    def _status(self) -> ProviderStatus:
        return ProviderStatus("ready", hardware=False)

    def _sign(self, ref: KeyRef, payload: bytes, deadline: float | None) -> bytes:
        with self._lock:
            self.calls += 1
        time.sleep(self.delay)
        info, secret = self.keys[ref.uri]
        return self.bend(raw_sign(info.key_type, secret, payload))

    def generate_key(self, spec: KeySpec) -> KeyInfo:
        return self._keep(spec, os.urandom(32))

    def import_key(self, spec: KeySpec, secret: SecretBytes) -> KeyInfo:
        return self._keep(spec, bytes(secret.reveal()))

    def _keep(self, spec: KeySpec, secret: bytes) -> KeyInfo:
        if spec.key_type is KeyType.ED25519:
            public = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        else:
            public = coincurve.PrivateKey(secret).public_key.format()
        uri = f"memory:{self.made}"
        self.made += 1
        info = KeyInfo(
            spec.label,
            b"",
            PublicKey(spec.key_type, public),
            uri,
            extractable=False,
            purpose=spec.purpose,
            hardware=False,
        )
        self.keys[uri] = (info, secret)
        return info

    def forget_purpose(self, uri: str) -> None:
        info, secret = self.keys[uri]
        self.keys[uri] = (replace(info, purpose=None), secret)

    def delete_key(self, ref: KeyRef) -> None:
        self.deleted.append(ref.uri)
        del self.keys[ref.uri]


def raw_sign(key_type: KeyType, secret: bytes, payload: bytes) -> bytes:
    if key_type is KeyType.ED25519:
        return Ed25519PrivateKey.from_private_bytes(secret).sign(payload)
    return coincurve.PrivateKey(secret).sign_recoverable(payload, hasher=None)[:64]
