"""What a migration does to keys and records: each step audited, each key proved before it has a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import TYPE_URLS, PublicKey
from keyring_bridge.errors import KeyMismatch
from keyring_bridge.key_kinds import KeyKind
from keyring_bridge.model import KeyRef, KeySpec, Purpose
from keyring_bridge.names import check_name
from keyring_bridge.store.base import StoredRecord
from keyring_bridge.token_keys import TokenKeys

if TYPE_CHECKING:
    from cosmos_formats.record import Record
    from keyring_bridge.device import Device
    from keyring_bridge.migrate.history import KeyState
    from keyring_bridge.model import KeyInfo, Proof
    from keyring_bridge.secrets import SecretBytes

Told = Callable[["Proof"], object]


class MigratedKeys(TokenKeys):
    """One caller's keys, as a migration handles them."""

    def take_in(
        self,
        spec: KeySpec,
        public_key: PublicKey,
        secret: SecretBytes,
        provider: str,
        fields: Mapping[str, str],
        told: Told,
    ) -> tuple[StoredRecord, KeyInfo]:
        """Import a private key, hold the token's word against the source's, prove the key, keep its record.

        Args:
            spec: What it is to be.
            public_key: The source's; what is in the token must be this one.
            secret: 32 bytes; the caller wipes them.
            provider: Name of the configured provider.
            fields: What the audit log says of the source.
            told: Gets the proof before the record is written.

        Raises:
            KeyMismatch: The token made another key of it, which was removed.
            BridgeError: As :meth:`~keyring_bridge.token_keys.TokenKeys.import_secret`.
        """
        self._check_not_overwritten(check_name(spec.label))
        self._check_new_in_token(public_key)
        device = self._device(provider)
        audited = {"key": spec.label, "type": str(public_key.key_type), "purpose": str(spec.purpose)}
        with self._bridge.administer("key.import", self._caller, audited | {"provider": provider, **fields}) as outcome:
            info = device.import_key(spec, secret)
            if info.public_key != public_key.plain:
                device.delete_key(info.ref)
                raise KeyMismatch("the token made another key of what it was given; it was removed again")
            kind = KeyKind(public_key.key_type, public_key.url)
            record = self._adopt_new(device, spec, info, kind, outcome, imported=True, told=told)
        return record, info

    def take_up(
        self, info: KeyInfo, name: str, public_key: PublicKey, purpose: Purpose, provider: str, told: Told
    ) -> StoredRecord:
        """Give a key that the token has already its record, after it proved itself."""
        self._check_new_in_token(public_key)
        algorithm = public_key.url or TYPE_URLS[public_key.key_type]
        return self.adopt(info, provider, name=name, purpose=purpose, algorithm=algorithm, told=told)

    def keep(self, record: Record) -> StoredRecord:
        """Keep a record whose private half is elsewhere: offline, on a Ledger, or a multisig's."""
        self._check_free(check_name(record.name))
        self._check_new(record.public_key)
        single = record.public_key if isinstance(record.public_key, PublicKey) else None
        stored = StoredRecord(
            name=record.name,
            record=record,
            address=record.public_key.address,
            provider=None,
            uri=None,
            key_type=None if single is None else single.key_type,
            purpose=Purpose.ACCOUNT,
            fingerprint=None if single is None else single.fingerprint,
            created_at=datetime.now(UTC),
            hardware=None,
        )
        with self._bridge.administer("key.save", self._caller, {"key": record.name, "record": record.kind}):
            self._store.add(stored)
        return stored

    def prove(self, record: StoredRecord, statement: bytes | None = None) -> Proof:
        """Let a record's key sign a challenge now (see :meth:`keyring_bridge.bridge.Bridge.prove`)."""
        provider, ref = self.place(record)
        return self._bridge.prove(provider, ref, record.purpose, statement)

    def record_of(self, key: KeyState) -> StoredRecord | None:
        """Return the record of a key that a journal tells of, whatever it is called now."""
        if key.address:
            return self._store.by_address(bytes.fromhex(key.address))
        return self._store.get(key.name)

    def listing(self, provider: str) -> Listing:
        """Return what a token tells of all its keys now, to look many up without a search for each."""
        by_uri: dict[str, list[KeyInfo]] = {}
        for info in self._device(provider).list_keys():
            by_uri.setdefault(info.uri, []).append(info)
        return Listing(self, provider, by_uri)

    def look(self, record: StoredRecord) -> KeyInfo:
        """Return what the token tells about a record's key now (errors as of a provider's ``get_key``)."""
        provider, ref = self.place(record)
        return self._device(provider).get_key(ref)

    def place(self, record: StoredRecord) -> tuple[str, KeyRef]:
        """Return where a record's key is."""
        public_key = record.record.public_key
        if record.provider is None or record.uri is None or not isinstance(public_key, PublicKey):
            raise ValueError("a record without a private key")
        return record.provider, KeyRef(record.uri, public_key.plain)

    def device(self, provider: str) -> Device:
        """Return the provider's device."""
        return self._device(provider)


@dataclass(frozen=True, slots=True)
class Listing:
    """All keys of one token at one moment (:meth:`MigratedKeys.listing`)."""

    _keys: MigratedKeys
    _provider: str
    _by_uri: Mapping[str, list[KeyInfo]]

    def look(self, record: StoredRecord) -> KeyInfo:
        """Return what the token told about a record's key; where that is not plain, ask for this key by itself.

        Raises:
            BridgeError: As :meth:`MigratedKeys.look`.
        """
        provider, ref = self._keys.place(record)
        found = self._by_uri.get(ref.uri, []) if provider == self._provider else []
        if len(found) == 1 and found[0].public_key == ref.public_key:
            return found[0]
        return self._keys.look(record)
