"""Keys that come back: the private key of a record that is known, brought into a token anew.

The record is one of the store whose key is gone from its token, or one that a backup kept. What comes back must be the
record's own key: the public key is compared before anything is imported and again with what the token made of it, and
the key signs a challenge before the record says where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.ceremony.errors import RecoveredOtherKey
from keyring_bridge.errors import CannotSign, KeyAmbiguous, KeyExists, KeyMismatch
from keyring_bridge.key_kinds import KeyKind
from keyring_bridge.model import KeySpec, Purpose
from keyring_bridge.names import check_name
from keyring_bridge.token_keys import TokenKeys

if TYPE_CHECKING:
    from keyring_bridge.device import Device
    from keyring_bridge.model import KeyInfo
    from keyring_bridge.secrets import SecretBytes
    from keyring_bridge.store.base import StoredRecord

Bring = Callable[["Device", KeySpec], "KeyInfo"]
"""Brings a key into a device: imports it, unwraps it."""


class RestoredKeys(TokenKeys):
    """One caller's ways to bring keys back."""

    def restore_secret(
        self,
        record: StoredRecord,
        secret: SecretBytes,
        *,
        provider: str | None = None,
        source: Mapping[str, str] | None = None,
        absent: bool = False,
        key_id: bytes = b"",
    ) -> StoredRecord:
        """Import the private key of a record, non-extractable in its token.

        Args:
            record: Whose key it is; see :meth:`restore`.
            secret: 32 raw bytes, which the caller wipes afterwards.
            provider: See :meth:`restore`.
            source: See :meth:`restore`.
            absent: See :meth:`restore`.
            key_id: Identifier in the token that was reserved for the key, if one was.

        Raises:
            RecoveredOtherKey: The secret is another key's; nothing was imported.
            InvalidKey: Not 32 bytes, or not a valid scalar.
            BridgeError: As :meth:`restore`.
        """
        from keyring_bridge.providers.private_keys import public_key_for

        public_key = _single(record).plain
        if public_key_for(public_key.key_type, secret) != public_key:
            raise RecoveredOtherKey(f"{record.name}: what was given makes another key than the record's")

        def bring(device: Device, spec: KeySpec) -> KeyInfo:
            return device.import_key(replace(spec, key_id=key_id), secret)

        return self.restore(record, bring, provider=provider, source=source, absent=absent)

    def restore(
        self,
        record: StoredRecord,
        bring: Bring,
        *,
        provider: str | None = None,
        source: Mapping[str, str] | None = None,
        absent: bool = False,
    ) -> StoredRecord:
        """Bring the key of a record into a token, prove it, and let the record tell where it is now.

        A key that the token has already is not brought a second time; it proves itself and the record points at it.
        That is how a run that was cut off before the record was written is continued.

        Args:
            record: One of the store, whose key is gone from its token; or one from elsewhere (a backup), which is
                added to the store.
            bring: Brings the key into the device it is given, as the specification says, and tells of it.
            provider: Name of the configured provider; if None, the record's own if there is one of that name, else
                the default one.
            source: What the audit log says of where the key came from; no secrets.
            absent: The caller has listed the token's keys just now, and this one was not among them; listing them for
                each of many keys takes long.

        Returns:
            The record as it is stored now. A consensus key's needs its floor set again.

        Raises:
            CannotSign: The record has no single key.
            KeyExists: The name belongs to a record of another key, or of another purpose.
            DuplicateAddress: The address belongs to a record of another name.
            KeyAmbiguous: The token has the key more than once.
            KeyMismatch: What came into the token is another key; it was removed.
        """
        public_key = _single(record)
        known = self._store.get(check_name(record.name))
        if known is None:
            if record.purpose is not Purpose.ENCRYPTION:
                self._check_new_in_token(public_key)
        elif known.record.public_key != record.record.public_key or known.purpose is not record.purpose:
            raise KeyExists(f"{record.name}: the name belongs to another key")
        device = self._device(self._provider_for(record, provider))
        kind = KeyKind(public_key.key_type, public_key.url)
        fields = {"key": record.name, "type": str(public_key.key_type), "purpose": str(record.purpose)}
        fields |= {"provider": device.name, "fingerprint": public_key.fingerprint}

        def keep(made: StoredRecord) -> StoredRecord:
            base = record if known is None else known
            stored = replace(
                made, created_at=base.created_at, successor=base.successor, verify_only_from=base.verify_only_from
            )
            (self._store.add if known is None else self._store.update)(stored)
            return stored

        with self._bridge.administer("key.restore", self._caller, fields | dict(source or {})) as outcome:
            spec = KeySpec(record.name, public_key.key_type.curve, record.purpose)
            there = None if absent else _found(device, public_key)
            if there is not None:
                outcome["was_there"] = True
                return self._keep_proven(device, spec, there, kind, outcome, imported=True, keep=keep)
            info = bring(device, spec)
            if info.public_key != public_key.plain:
                device.delete_key(info.ref)
                raise KeyMismatch("the token made another key of what it was given; it was removed again")
            return self._adopt_new(device, spec, info, kind, outcome, imported=True, keep=keep)

    def _provider_for(self, record: StoredRecord, provider: str | None) -> str | None:
        if provider is None and record.provider in self._bridge.provider_names:
            return record.provider
        return provider


def _single(record: StoredRecord) -> PublicKey:
    """Return the one public key of a record that can have a private half."""
    public_key = record.record.public_key
    if not isinstance(public_key, PublicKey):
        raise CannotSign(f"{record.name}: a multisig record has no private key of its own")
    return public_key


def _found(device: Device, public_key: PublicKey) -> KeyInfo | None:
    """Return the key where the device has it already."""
    found = [info for info in device.list_keys() if info.public_key == public_key.plain]
    if len(found) > 1:
        raise KeyAmbiguous("the same key is there more than once", hint="`hsm status` lists the keys of the token")
    return found[0] if found else None
