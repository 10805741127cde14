"""The software backend: keys in one encrypted file, for trying out, for tests, and as a fallback chosen on purpose.

It is not hardware. Whoever has the file and the passphrase has the keys, and while the provider is unlocked they are
in this process's memory. Listings say so of every key.

States of a provider, and what moves it::

    locked ── connect, or the first operation ──> unlocked ── close ──> locked
    unlocked ── idle_timeout ──> locked; until `connect` or `close`, if the passphrase came from a person
    unlocked ── the file has another passphrase or is gone ──> locked

A wrong passphrase is tried once and remembered like a token's PIN. Each operation looks whether another process has
written the file since, and reads it again; each change is made under a lock to what the file holds at that moment.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.errors import (
    AuthError,
    BridgeError,
    CapabilityMissing,
    InvalidRequest,
    KeyExists,
    KeyMismatch,
    PinIncorrect,
    PinRequired,
    SessionLost,
    TokenNotFound,
)
from keyring_bridge.model import KeyInfo, ProviderStatus, Purpose, TokenInfo
from keyring_bridge.providers.base import ProviderBase, ProviderContext, guarded
from keyring_bridge.providers.software.disk import changing, read_key_file
from keyring_bridge.providers.software.options import Options

if TYPE_CHECKING:
    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeyRef, KeySpec
    from keyring_bridge.providers.software.disk import Stamp
    from keyring_bridge.providers.software.key_file import FileKey, Header, StoredKey
    from keyring_bridge.providers.software.vault import Vault
    from keyring_bridge.secrets import SecretBytes


class SoftwareProvider(ProviderBase):
    """Keys in an encrypted file.

    Args:
        options: See :class:`Options`.
        context: What the bridge lends.
    """

    scheme = "software"
    hardware = False

    def __init__(self, options: Mapping[str, object], context: ProviderContext) -> None:
        super().__init__(options, context)
        from keyring_bridge.config import build

        self.options = build(Options, options, f"providers.{context.name}")
        self.file = self.options.file or context.state_dir / f"{context.name}.keys"
        self._opening = threading.RLock()
        self._state = threading.Lock()
        self._vault: Vault | None = None
        self._away = False
        self._closings = 0

    # --- the provider's template ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        with self._state:
            self._away = False
        self._unlocked()

    def _close(self) -> None:
        with self._state:
            self._closings += 1
            self._away = False
            vault, self._vault = self._vault, None
        if vault is not None:
            vault.retire()

    def _list_keys(self) -> list[KeyInfo]:
        with self._using() as vault:
            return [vault.describe(key) for key in vault.keys.values()]

    def _get_key(self, ref: KeyRef) -> KeyInfo:
        with self._using() as vault:
            return vault.describe(_find(vault, ref))

    def _get_public_key(self, uri: str) -> PublicKey:
        with self._using() as vault:
            return vault.locate(uri).public_key

    def _sign(self, ref: KeyRef, payload: bytes, deadline: float | None) -> bytes:
        from keyring_bridge.providers import private_keys

        with self._using() as vault:
            key = _find(vault, ref)
            if key.purpose is Purpose.ENCRYPTION:
                raise InvalidRequest("this key computes shared secrets; it does not sign")
            return private_keys.sign(key.key_type, key.secret, payload)

    def _status(self) -> ProviderStatus:
        try:
            header = _header(self.file)
        except TokenNotFound as error:
            return ProviderStatus("disconnected", self.hardware, message=str(error))
        except BridgeError as error:
            return ProviderStatus("failed", self.hardware, message=str(error))
        token = TokenInfo(self.context.name, header.store.hex(), "keyring-bridge", "key file")
        vault = self._vault
        if vault is not None and vault.file_key.fits(header):
            return ProviderStatus("ready", self.hardware, token, "ok", 1)
        try:
            self.context.login_guard.check(_login_id(header))
        except AuthError as error:
            return ProviderStatus("locked", self.hardware, token, message=str(error))
        message = "locked because it was idle" if self._away else "not unlocked"
        return ProviderStatus("locked", self.hardware, token, message=message)

    # --- capabilities --------------------------------------------------------------------------------------------

    @guarded
    def generate_key(self, spec: KeySpec) -> KeyInfo:
        """See :class:`~keyring_bridge.providers.base.Generates`."""
        from keyring_bridge.providers import private_keys

        with private_keys.generate(spec.key_type) as secret:
            return self._add(spec, secret, imported=False)

    @guarded
    def import_key(self, spec: KeySpec, secret: SecretBytes) -> KeyInfo:
        """See :class:`~keyring_bridge.providers.base.Imports`. A key that is there already is refused."""
        return self._add(spec, secret, imported=True)

    @guarded
    def delete_key(self, ref: KeyRef) -> None:
        """See :class:`~keyring_bridge.providers.base.Deletes`. Backups and the disk may still have it."""

        def delete(vault: Vault) -> list[StoredKey]:
            gone = _find(vault, ref)
            return [key for key in vault.keys.values() if key is not gone]

        self._change(delete)

    @guarded
    def rename_key(self, ref: KeyRef, label: str) -> KeyInfo:
        """See :class:`~keyring_bridge.providers.base.Renames`. The URI stays the same."""

        def rename(vault: Vault) -> list[StoredKey]:
            old = _find(vault, ref)
            return [replace(key, label=label) if key is old else key for key in vault.keys.values()]

        self._change(rename)
        return self._get_key(ref)

    @guarded
    def derive(self, ref: KeyRef, peer: PublicKey) -> SecretBytes:
        """See :class:`~keyring_bridge.providers.base.Derives`. For x25519 keys, and others made for encryption."""
        from keyring_bridge.providers import private_keys

        with self._using() as vault:
            key = _find(vault, ref)
            if key.purpose is not Purpose.ENCRYPTION and key.key_type is not KeyType.X25519:
                raise InvalidRequest("this key signs; only a key made for encryption computes shared secrets")
            return private_keys.shared_secret(key.key_type, key.secret, peer)

    @guarded
    def login_id(self) -> str:
        """See :class:`~keyring_bridge.providers.base.LogsIn`."""
        return _login_id(_header(self.file))

    # --- changing the file ---------------------------------------------------------------------------------------

    def _add(self, spec: KeySpec, secret: SecretBytes, *, imported: bool) -> KeyInfo:
        from keyring_bridge.providers import private_keys
        from keyring_bridge.providers.software.key_file import StoredKey

        if spec.wrappable:
            raise CapabilityMissing("the software provider does not wrap keys")
        public_key = private_keys.public_key_for(spec.key_type, secret)
        now = datetime.now(UTC)
        new = StoredKey(os.urandom(16), spec.label, spec.purpose, imported, now, public_key, secret)

        def add(vault: Vault) -> list[StoredKey]:
            if any(key.public_key == public_key for key in vault.keys.values()):
                raise KeyExists("the key file has this key already")
            return [*vault.keys.values(), new]

        vault = self._change(add)
        return vault.describe(vault.locate(vault.uri_of(new)))

    def _change(self, change: Callable[[Vault], list[StoredKey]]) -> Vault:
        """Write the keys that ``change`` makes of the present ones, and read them back.

        Raises:
            TokenFull: There is no room for them.
            ProviderError: The file cannot be written.
        """
        from keyring_bridge.config.files import write_atomic

        with self._opening, changing(self.file) as real, self._using() as vault:
            content = vault.file_key.seal(change(vault))
            try:
                write_atomic(real, content)
            finally:
                # After an error, too: the file may have been replaced all the same.
                vault = self._reload(vault)
            return vault

    # --- unlocking and locking -----------------------------------------------------------------------------------

    @contextmanager
    def _using(self) -> Iterator[Vault]:
        """Lend the decrypted keys; they are not wiped before they are given back."""
        vault = self._unlocked()
        while not vault.enter():
            # It was locked in between.
            vault = self._unlocked()
        try:
            yield vault
        finally:
            vault.leave()

    def _unlocked(self) -> Vault:
        """Return the keys as the file has them now, reading the passphrase if need be."""
        vault = self._vault
        if vault is not None and vault.is_current(self.file):
            return vault
        with self._opening:
            vault = self._vault
            if vault is None:
                return self._unlock()
            return vault if vault.is_current(self.file) else self._reload(vault)

    def _unlock(self) -> Vault:
        from keyring_bridge.providers.software.key_file import FileKey, Header

        with self._state:
            closings = self._closings
            if self._away:
                raise PinRequired(
                    "the keys were locked because nobody used them",
                    hint="unlock it anew: `keyring-plugin agent unlock`, or bridge.unlock",
                )
        stamp, content = read_key_file(self.file)
        header = Header.decode(content)
        guard, login_id, source = self.context.login_guard, _login_id(header), self.options.source
        guard.check(login_id)
        with (
            source.read(self.context.prompt, f"passphrase of {self.context.name}") as passphrase,
            guard.attempt(login_id, source.describe()) as attempt,
        ):
            try:
                key = FileKey.derive(passphrase, header)
            except PinIncorrect:
                attempt.failed()
                raise
            except BaseException:
                attempt.not_sent()
                raise
            attempt.succeeded()
        return self._hold(key, stamp, content, closings)

    def _reload(self, vault: Vault) -> Vault:
        """Read the file again with the key that is known."""
        from keyring_bridge.providers.software.key_file import Header

        closings = self._closings
        if not vault.enter():
            return self._unlock()
        try:
            stamp, content = read_key_file(self.file)
            if not vault.file_key.fits(Header.decode(content)):
                raise SessionLost("the key file was replaced by one that has to be unlocked anew")
            return self._hold(vault.file_key.copy(), stamp, content, closings)
        except BaseException:
            self._drop(vault)
            raise
        finally:
            vault.leave()

    def _hold(self, key: FileKey, stamp: Stamp, content: bytearray, closings: int) -> Vault:
        """Decrypt the keys and use them from now on, unless the provider was closed meanwhile."""
        from keyring_bridge.providers.software.vault import Vault

        try:
            vault = Vault(key, key.open(content), stamp)
        except BaseException:
            key.wipe()
            raise
        with self._state:
            closed = closings != self._closings
            old = vault if closed else self._vault
            if not closed:
                self._vault = vault
        if old is not None:
            old.retire()
        if closed:
            raise SessionLost("the provider was closed while it read the key file")
        if self.options.idle_timeout:
            vault.watch(self.options.idle_timeout, self._idle)
        return vault

    def _drop(self, vault: Vault) -> None:
        with self._state:
            if self._vault is vault:
                self._vault = None
        vault.retire()

    def _idle(self, vault: Vault) -> None:
        """Lock after ``idle_timeout``. A passphrase that a person typed is not kept, so they must come back."""
        with self._state:
            if self._vault is not vault:
                return
            self._vault = None
            self._away = self.options.source.interactive
        vault.retire()


def _header(file: Path) -> Header:
    from keyring_bridge.providers.software.key_file import Header

    return Header.decode(read_key_file(file)[1])


def _login_id(header: Header) -> str:
    return f"software:store={header.store.hex()}"


def _find(vault: Vault, ref: KeyRef) -> StoredKey:
    key = vault.locate(ref.uri)
    if key.public_key != ref.public_key:
        raise KeyMismatch(
            "the key file has another key in this place than the record says; nothing was signed",
            detail=f"expected {ref.public_key.fingerprint}, found {key.public_key.fingerprint}",
        )
    return key
