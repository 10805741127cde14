"""Making a key again from its words or shares, and making sure that it is the one that is wanted.

A wrong passphrase, path or algorithm gives another key without any sign of it, so a recovery always ends with a
comparison: with the record that lost its key, or with an address that somebody names.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cosmos_formats import address as bech32_address
from cosmos_formats import eth_address
from cosmos_formats.errors import FormatError
from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.record import Local, Record
from keyring_bridge.ceremony import marker
from keyring_bridge.ceremony.errors import AddressRequired, RecoveredOtherKey
from keyring_bridge.ceremony.keys import address_text
from keyring_bridge.errors import CannotSign, InvalidAddress, InvalidRequest
from keyring_bridge.model import Purpose
from keyring_bridge.names import check_name
from keyring_bridge.restored_keys import RestoredKeys
from keyring_bridge.store.base import StoredRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyring_bridge.ceremony.recipe import Recipe
    from keyring_bridge.secrets import SecretBytes


class RecoveredKeys(RestoredKeys):
    """One caller's ways to make keys again."""

    def wanted(self, name: str, address: bytes | None) -> StoredRecord | None:
        """Return the record whose key is to be made again; None if there is none, and the address alone says which.

        Ask it before anybody is asked for secrets.

        Args:
            name: Of the record, or of the one that will be made.
            address: What somebody named; None if nobody did.

        Raises:
            AddressRequired: There is no record and no address to compare with.
            RecoveredOtherKey: The record has another address.
            CannotSign: The record never had a private key.
        """
        record = self._store.get(check_name(name))
        if record is None:
            if address is None:
                raise AddressRequired(f"there is no record {name} to compare the key with")
            return None
        if not isinstance(record.record.public_key, PublicKey) or record.provider is None:
            raise CannotSign(f"{record.name}: the record has no private key in a token; delete it first")
        if address is not None and address != record.address:
            raise RecoveredOtherKey(f"the record {record.name} has another address than the one that was named")
        return record

    def made_again(
        self, record: StoredRecord, recipe: Recipe, words: SecretBytes, passphrase: SecretBytes | None = None
    ) -> SecretBytes:
        """Return the private key of a record, 32 bytes, without touching a token; the caller wipes it.

        Args:
            record: Of :meth:`wanted`.
            recipe: What kind of key, and its path.
            words: A mnemonic; the caller wipes it.
            passphrase: The one of BIP-39; None for none.

        Raises:
            RecoveredOtherKey: The words make another key.
            InvalidMnemonic: They are none.
        """
        secret = recipe.secret(words, passphrase)
        try:
            public_key = recipe.public_key(secret)
            if public_key != record.record.public_key:
                raise self._other_key(public_key, record.purpose)
        except BaseException:
            secret.wipe()
            raise
        return secret

    def _other_key(self, public_key: PublicKey, purpose: Purpose) -> RecoveredOtherKey:
        address = address_text(public_key, purpose, self._bridge.config.prefix)
        return RecoveredOtherKey(f"what was given makes the key of {address}, which is not the one that is wanted")

    def recover(
        self,
        name: str,
        recipe: Recipe,
        words: SecretBytes,
        *,
        address: bytes | None = None,
        passphrase: SecretBytes | None = None,
        purpose: Purpose = Purpose.ACCOUNT,
        provider: str | None = None,
        source: Mapping[str, str] | None = None,
    ) -> StoredRecord:
        """Make a key again and import it, non-extractable in its token.

        Args:
            name: Of the record that lost its key, or of a new one.
            recipe: What kind of key, and its path.
            words: A mnemonic; the caller wipes it.
            address: What the key must have; needed where there is no record.
            passphrase: The one of BIP-39; None for none.
            purpose: Of a new record.
            provider: Name of the configured provider; the record's own, else the default one, if None.
            source: What the audit log says of where the words came from; no secrets.

        Raises:
            AddressRequired: There is nothing to compare with.
            RecoveredOtherKey: The words make another key; nothing was imported.
            InvalidMnemonic: They are none.
            InvalidRequest: The record is of another kind of key than the recipe.
            BridgeError: As :meth:`~keyring_bridge.restored_keys.RestoredKeys.restore`.
        """
        record = self.wanted(name, address)
        if record is not None and record.key_type is not recipe.kind.key_type:
            raise InvalidRequest(f"the key of {name} is {record.key_type}, not {recipe.kind.key_type}")
        with recipe.secret(words, passphrase) as secret:
            public_key = recipe.public_key(secret)
            if record is None:
                record = _new_record(name, public_key, purpose)
            if public_key.address != (record.address if address is None else address):
                raise self._other_key(public_key, record.purpose)
            told = {**(source or {}), **recipe.describe()}
            made = self.restore_secret(record, secret, provider=provider, source=told)
        # Somebody who has the words has shown that the key can be made again.
        marker.remove(self._bridge.config.state_dir, public_key.fingerprint)
        return made


def _new_record(name: str, public_key: PublicKey, purpose: Purpose) -> StoredRecord:
    return StoredRecord(
        name=name,
        record=Record(name, public_key, Local(None)),
        address=public_key.address,
        provider=None,
        uri=None,
        key_type=public_key.key_type,
        purpose=purpose,
        fingerprint=public_key.fingerprint,
        created_at=datetime.now(UTC),
        hardware=None,
        needs_floor=purpose is Purpose.CONSENSUS,
    )


def parse_address(text: str) -> bytes:
    """Return the bytes of an address as chains show it: bech32, ``0x…``, or the 40 digits of a consensus key.

    Raises:
        InvalidAddress: It is none of them.
    """
    try:
        if text.startswith("0x"):
            return eth_address.decode(text)
        if len(text) == 40 and not set(text) - set("0123456789abcdefABCDEF"):
            return bytes.fromhex(text)
        return bech32_address.decode(text)[1]
    except FormatError as error:
        raise InvalidAddress(str(error)) from error
