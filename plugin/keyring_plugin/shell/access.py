"""The bridge as the shell reaches it: through the agent if one runs, else in this process; it is one pipeline.

The agent has its devices unlocked, so nobody is asked for a PIN. Without one the bridge is opened as by ``hsm``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from cosmos_formats import address as bech32
from cosmos_formats.errors import FormatError
from keyring_bridge.cli.console import Console
from keyring_bridge.cli.session import Session
from keyring_bridge.errors import InvalidAddress, KeyNotFound

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey
    from cosmos_formats.signing import SignMode
    from cosmos_formats.signing.textual import MetadataFor
    from cosmos_formats.signing.transaction import TxParts
    from keyring_bridge.chains import Chain, ChainBook
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.model import SignResult
    from keyring_bridge.store.base import StoredRecord
    from keyring_plugin.client import KeyringClient
    from keyring_plugin.records import KeyEntry
    from keyring_plugin.shell.app import App


class Quiet(Console):
    """A console that prints what a chain's command prints: the notes of ``hsm`` are none of it."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def progress(self, text: str, *, ended: bool = False) -> None:
        """Show nothing."""


class Access(Session):
    """What one command of the shell has of the bridge. Close it."""

    def __init__(self) -> None:
        super().__init__(Quiet(), None)

    @cached_property
    def _client(self) -> KeyringClient | None:
        """The agent; None if none is used."""
        from keyring_plugin.agent import place, relay

        if place.wanted() == "off":
            return None
        try:
            stream = relay.connect()
        except place.UnsafePlace as unsafe:
            sys.stderr.write(f"the agent's socket is not used: {unsafe}\n")
            return None
        except OSError:
            return None
        if stream is None:
            return None
        from keyring_plugin.channel import Channel
        from keyring_plugin.client import KeyringClient
        from keyring_plugin.connection import Connection

        descriptor = stream.detach()
        return KeyringClient(Channel(Connection(descriptor, descriptor)))

    def close(self) -> None:
        """Leave the agent, if it was asked."""
        if "_client" in self.__dict__ and self._client is not None:
            self._client.close()

    @contextmanager
    def keyring(self, *, ask: bool = True) -> Iterator[Keyring]:
        """Yield the keyring, the agent's if one runs."""
        if self._client is not None:
            # It has what the commands use, with the same names and errors.
            yield cast("Keyring", AgentKeyring(self._client))
            return
        with super().keyring(ask=ask) as keyring:
            yield keyring

    def records(self) -> list[StoredRecord]:
        """Return all keys with an address, in the SDK's order, without opening a token."""
        from keyring_bridge.model import Purpose

        if self._client is not None:
            found = AgentKeyring(self._client).list()
        else:
            with self.store() as store:
                found = store.list()
        return [record for record in found if record.purpose is not Purpose.ENCRYPTION]

    def signature(
        self,
        name: str,
        payload: bytes,
        mode: SignMode,
        parts: TxParts | None,
        coins: Sequence[Mapping[str, Any]] | None,
    ) -> bytes:
        """Sign a transaction.

        Args:
            name: Of the key.
            payload: The sign bytes.
            mode: How they are to be read.
            parts: The transaction, without which TEXTUAL cannot be read.
            coins: The bank's metadata that TEXTUAL was made with, in JSON.

        Returns:
            The signature.
        """
        if self._client is not None:
            return self._client.sign(name, payload, mode, transaction=parts, coin_metadata=coins).signature
        metadata = None
        if coins is not None:
            from cosmos_formats.signing.textual import CoinMetadata

            metadata = {str(coin["base"]): CoinMetadata.from_json(coin) for coin in coins}
        with self.keyring() as keyring:
            return keyring.sign(name, payload, mode, transaction=parts, metadata=metadata).signature

    @cached_property
    def chains(self) -> ChainBook:
        """The chains that were added."""
        from keyring_bridge.chains import ChainBook

        return ChainBook(self.config.state_dir)

    def chain(self, chain_id: str) -> Chain | None:
        """Return what is known of a chain."""
        return self.chains.get(chain_id) if chain_id else None

    def chain_id(self, app: App) -> str:
        """Return the chain that a command is for; empty if nothing says it."""
        named = app.setting("chain-id")
        if named:
            return named
        known = [chain.chain_id for chain in self.chains.list() if chain.settings.binary == app.name]
        return known[0] if len(known) == 1 else self.config.chain_id or ""

    def enter_chain(self, chain_id: str) -> None:
        """Use the address prefix of a chain from now on, if it was added and has another than the configuration's."""
        from dataclasses import replace

        chain = self.chain(chain_id)
        if chain is not None and chain.prefix != self.config.prefix:
            self.use(replace(self.config, prefix=chain.prefix, warnings=()))


def env_prefix_for(name: str) -> str:
    """Return the prefix of a program's variables: of its preset or ``hsm chain add``, else its name in capitals."""
    from keyring_bridge.chains import ChainBook
    from keyring_bridge.config import load
    from keyring_bridge.errors import BridgeError
    from keyring_plugin.shell.app import PRESETS, env_prefix_of

    if name not in PRESETS:
        try:
            chains = ChainBook(load(None).state_dir).list()
        except (BridgeError, OSError):
            chains = ()
        for chain in chains:
            if chain.settings.binary == name and chain.settings.env_prefix:
                return chain.settings.env_prefix
    return env_prefix_of(name)


def find(records: Sequence[StoredRecord], name_or_address: str) -> StoredRecord | None:
    """Return the record with a name or, if there is none, with an address."""
    named = next((record for record in records if record.name == name_or_address), None)
    if named is not None:
        return named
    try:
        raw = bech32.decode(name_or_address)[1]
    except FormatError:
        return None
    return next((record for record in records if record.address == raw), None)


class AgentKeyring:
    """The keyring of an agent, with the methods of :class:`keyring_bridge.keyring.Keyring` that the shell needs.

    Args:
        client: Not owned.
    """

    def __init__(self, client: KeyringClient) -> None:
        self._client = client

    def list(self) -> list[StoredRecord]:
        """See the class."""
        return [stored(entry) for entry in self._client.list()]

    def key(self, uid: str) -> StoredRecord:
        """See the class."""
        return stored(self._client.key(uid))

    def key_by_address(self, address: str | bytes) -> StoredRecord:
        """See the class."""
        if isinstance(address, bytes):
            address = bech32.encode(str(self._client.handshake().get("prefix") or "cosmos"), address)
        return stored(self._client.key_by_address(address))

    def sign(
        self,
        uid: str,
        message: bytes,
        mode: SignMode,
        *,
        transaction: TxParts | None = None,
        metadata: MetadataFor | None = None,
    ) -> SignResult:
        """See the class. An agent knows the coins of chains that were added, and takes no others from here."""
        return self._client.sign(uid, message, mode, transaction=transaction)

    def save_offline_key(self, uid: str, public_key: AnyPublicKey) -> StoredRecord:
        """See the class."""
        return stored(self._client.save_offline_key(uid, public_key))

    def save_multisig(self, uid: str, public_key: AnyPublicKey) -> StoredRecord:
        """See the class."""
        return stored(self._client.save_multisig(uid, public_key))

    def export_priv_key_armor(self, uid: str) -> str:
        """See the class."""
        return str(self._client.call("keyring.exportPrivKeyArmor", uid=uid, passphrase=""))

    def delete(self, uid: str) -> None:
        """See the class."""
        self._client.delete(uid)

    def rename(self, old: str, new: str) -> StoredRecord:
        """See the class."""
        return stored(self._client.rename(old, new))


def stored(entry: KeyEntry) -> StoredRecord:
    """Return what an agent told of a key as the record that it is there."""
    from cosmos_formats.record import Local, Multi, Offline, Record
    from keyring_bridge.store.base import StoredRecord

    item = Multi() if entry.kind == "multi" else Offline() if entry.kind == "offline" else Local()
    return StoredRecord(
        name=entry.name,
        record=Record(entry.name, entry.public_key, item),
        address=entry.public_key.address,
        provider=entry.provider,
        uri=None if entry.provider is None else f"agent:{entry.name}",
        key_type=entry.key_type,
        purpose=entry.purpose,
        fingerprint=entry.fingerprint,
        created_at=entry.created_at,
        hardware=entry.hardware,
        extractable=entry.extractable,
    )


def require(records: Sequence[StoredRecord], name_or_address: str) -> StoredRecord:
    """As :func:`find`.

    Raises:
        KeyNotFound: There is none; the text is the SDK's.
        InvalidAddress: Neither name nor address is given.
    """
    if not name_or_address:
        raise InvalidAddress("no key name or address provided; have you forgotten the --from flag?")
    record = find(records, name_or_address)
    if record is not None:
        return record
    if _is_address(name_or_address):
        raise KeyNotFound(f"key with address {name_or_address} not found: key not found")
    raise KeyNotFound(f"{name_or_address}.info: key not found")


def _is_address(text: str) -> bool:
    try:
        bech32.decode(text)
    except FormatError:
        return False
    return True
