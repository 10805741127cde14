"""The ``cosmosfile`` backend: keys in a keyring directory of the SDK, where a chain's own command put them.

It is not hardware, and no place to stay: it is there so that the bridge's policy, limits and audit work before the keys
move into a token (``hsm migrate``). It only reads. A chain's command may go on writing the directory meanwhile: each
operation looks whether the item's file is another one now.

States of a provider, and what moves it::

    locked ── connect, or the first operation ──> unlocked ── close ──> locked
    unlocked ── idle_timeout ──> locked; until `connect` or `close`, if the password came from a person

A wrong password is tried once and remembered like a token's PIN. Of a ``test`` keyring the password is known to all.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cosmos_formats.file_keyring import TEST_PASSWORD
from cosmos_formats.pubkeys import TYPE_URLS, KeyType
from keyring_bridge.errors import (
    AuthError,
    BridgeError,
    KeyMismatch,
    PinIncorrect,
    PinRequired,
    SessionLost,
    TokenNotFound,
)
from keyring_bridge.keyring_directory import KeyringDirectory, KeyringKind
from keyring_bridge.model import KeyInfo, ProviderStatus, Purpose, TokenInfo
from keyring_bridge.providers.base import ProviderBase, ProviderContext, guarded
from keyring_bridge.providers.cosmos_file.options import Options
from keyring_bridge.secrets import SecretBytes
from keyring_bridge.uri import CosmosFileUri

if TYPE_CHECKING:
    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeyRef
    from keyring_bridge.providers.cosmos_file.vault import Vault

_FAULTS_SHOWN = 5


class CosmosFileProvider(ProviderBase):
    """Keys in a keyring directory of the SDK.

    Args:
        options: See :class:`Options`.
        context: What the bridge lends.
    """

    scheme = "cosmosfile"
    hardware = False

    def __init__(self, options: Mapping[str, object], context: ProviderContext) -> None:
        super().__init__(options, context)
        from keyring_bridge.config import build

        self.options = build(Options, options, f"providers.{context.name}")
        self._opening = threading.RLock()
        self._state = threading.Lock()
        self._vault: Vault | None = None
        self._faults: tuple[str, ...] = ()
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
            self._faults = ()
        if vault is not None:
            vault.retire()

    def _list_keys(self) -> list[KeyInfo]:
        with self._using() as vault:
            survey = vault.survey()
            with self._state:
                self._faults = survey.faults
            return [_describe(name, key) for name, key in survey.keys]

    def _get_key(self, ref: KeyRef) -> KeyInfo:
        name = CosmosFileUri.parse(ref.uri).name
        with self._using() as vault:
            public_key = vault.public_key(name)
        _check(public_key, ref)
        return _describe(name, public_key)

    def _get_public_key(self, uri: str) -> PublicKey:
        name = CosmosFileUri.parse(uri).name
        with self._using() as vault:
            return vault.public_key(name).plain

    def _sign(self, ref: KeyRef, payload: bytes, deadline: float | None) -> bytes:
        from keyring_bridge.providers import private_keys

        name = CosmosFileUri.parse(ref.uri).name
        with self._using() as vault:
            public_key, secret = vault.private_key(name)
            _check(public_key, ref)
            return private_keys.sign(public_key.key_type.curve, secret, payload)

    def _status(self) -> ProviderStatus:
        try:
            directory = self._directory()
            login_id = _login_id(directory)
        except TokenNotFound as error:
            return ProviderStatus("disconnected", self.hardware, message=str(error))
        except BridgeError as error:
            return ProviderStatus("failed", self.hardware, message=str(error))
        token = TokenInfo(self.context.name, login_id.rpartition("=")[2], "cosmos-sdk", f"{directory.kind} keyring")
        with self._state:
            ready, away, faults = self._vault is not None, self._away, self._faults
        if ready:
            return ProviderStatus("ready", self.hardware, token, "ok", 1, _told(faults))
        try:
            self.context.login_guard.check(login_id)
        except AuthError as error:
            return ProviderStatus("locked", self.hardware, token, message=str(error))
        message = "locked because it was idle" if away else "not unlocked"
        return ProviderStatus("locked", self.hardware, token, message=message)

    # --- capabilities --------------------------------------------------------------------------------------------

    @guarded
    def login_id(self) -> str:
        """See :class:`~keyring_bridge.providers.base.LogsIn`."""
        return _login_id(self._directory())

    # --- unlocking and locking -----------------------------------------------------------------------------------

    def _directory(self) -> KeyringDirectory:
        return KeyringDirectory.find(self.options.directory, self.options.keyring_kind)

    @contextmanager
    def _using(self) -> Iterator[Vault]:
        """Lend the unlocked keyring; it is not wiped before it is given back."""
        vault = self._unlocked()
        while not vault.enter():
            # It was locked in between.
            vault = self._unlocked()
        try:
            yield vault
        finally:
            vault.leave()

    def _unlocked(self) -> Vault:
        vault = self._vault
        if vault is not None:
            return vault
        with self._opening:
            return self._vault or self._unlock()

    def _unlock(self) -> Vault:
        with self._state:
            closings = self._closings
            if self._away:
                raise PinRequired(
                    "the keys were locked because nobody used them",
                    hint="unlock it anew: `keyring-plugin agent unlock`, or bridge.unlock",
                )
        directory = self._directory()
        if directory.kind is KeyringKind.TEST:
            return self._hold(directory, SecretBytes(TEST_PASSWORD), closings)
        guard, login_id, source = self.context.login_guard, _login_id(directory), self.options.source
        guard.check(login_id)
        with (
            source.read(self.context.prompt, f"password of the keyring {self.context.name}") as password,
            guard.attempt(login_id, source.describe()) as attempt,
        ):
            try:
                directory.check_password(password)
            except PinIncorrect:
                attempt.failed()
                raise
            except BaseException:
                attempt.not_sent()
                raise
            attempt.succeeded()
            return self._hold(directory, password.copy(), closings)

    def _hold(self, directory: KeyringDirectory, password: SecretBytes, closings: int) -> Vault:
        """Use the password from now on, unless the provider was closed meanwhile."""
        from keyring_bridge.providers.cosmos_file.vault import Vault

        vault = Vault(directory, password)
        with self._state:
            closed = closings != self._closings
            if not closed:
                self._vault = vault
        if closed:
            vault.retire()
            raise SessionLost("the provider was closed while it checked the password")
        if self.options.idle_timeout:
            vault.watch(self.options.idle_timeout, self._idle)
        return vault

    def _idle(self, vault: Vault) -> None:
        """Lock after ``idle_timeout``. A password that a person typed is not kept, so they must come back."""
        with self._state:
            if self._vault is not vault:
                return
            self._vault = None
            self._away = vault.directory.kind is KeyringKind.FILE and self.options.source.interactive
        vault.retire()


def _login_id(directory: KeyringDirectory) -> str:
    """Name a keyring by its ``keyhash``, whose salt is random and which moves with it; else by its place."""
    keyhash = directory.keyhash() if directory.kind is KeyringKind.FILE else None
    what = keyhash if keyhash is not None else os.fsencode(os.path.realpath(directory.path))
    return f"cosmosfile:{directory.kind}={hashlib.sha256(what).hexdigest()[:32]}"


def _describe(name: str, public_key: PublicKey) -> KeyInfo:
    """Return what listings show of a key. It can be copied with the files, so it counts as extractable."""
    plain = public_key.plain
    return KeyInfo(
        label=name,
        key_id=public_key.address,
        public_key=plain,
        uri=CosmosFileUri(name).format(),
        extractable=True,
        sensitive=False,
        # Account keys are what keyrings are for; an ed25519 key there could be anything.
        purpose=None if plain.key_type is KeyType.ED25519 else Purpose.ACCOUNT,
        hardware=False,
        algorithm=public_key.type_url if public_key.type_url != TYPE_URLS[plain.key_type] else None,
    )


def _check(public_key: PublicKey, ref: KeyRef) -> None:
    if public_key.plain != ref.public_key:
        raise KeyMismatch(
            "the keyring has another key of this name than the record says; nothing was signed",
            detail=f"expected {ref.public_key.fingerprint}, found {public_key.plain.fingerprint}",
        )


def _told(faults: tuple[str, ...]) -> str:
    if not faults:
        return ""
    more = f"; and {len(faults) - _FAULTS_SHOWN} more" if len(faults) > _FAULTS_SHOWN else ""
    return f"the keyring is not as it should be: {'; '.join(faults[:_FAULTS_SHOWN])}{more}"
