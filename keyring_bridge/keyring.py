"""The SDK's ``keyring.Keyring`` over records and providers.

Method by method the semantics and error texts are those of cosmos-sdk v0.53 (``crypto/keyring``), because chain
tools match on them. Where this keyring differs, it refuses what the SDK would silently overwrite; the differences are
listed in docs/keyring-semantics.md.

A key in a token is a ``local`` record without a private key: it signs, and exporting it says
``private key extraction works only for Local``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from cosmos_formats import address as bech32_address
from cosmos_formats.errors import FormatError
from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey
from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.record import Multi, Offline, Record
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import (
    ExportRefused,
    InvalidAddress,
    InvalidArmor,
    InvalidKey,
    InvalidRequest,
    KeyExists,
    KeyNotFound,
    NotAvailable,
)
from keyring_bridge.imported_keys import ImportedKeys
from keyring_bridge.key_kinds import SIGNING_TYPES
from keyring_bridge.model import Action, KeyRef, Operation, Purpose, SignRequest, SignResult
from keyring_bridge.names import check_name
from keyring_bridge.store.base import StoredRecord

if TYPE_CHECKING:
    from cosmos_formats.signing.textual import MetadataFor
    from cosmos_formats.signing.transaction import TxParts
    from keyring_bridge.secrets import SecretBytes

Records = list[StoredRecord]
"""Named here because :meth:`Keyring.list` hides the built-in inside the class."""


class Keyring(ImportedKeys):
    """One caller's view of the keyring: the SDK's methods; those about keys in tokens come from the base class.

    Args:
        bridge: The signing pipeline and its parts.
        caller: Who asks; policy and audit use it.
    """

    # --- reading -------------------------------------------------------------------------------------------------

    def backend(self) -> str:
        """Return the keyring's backend name, ``hsm``."""
        return "hsm"

    def list(self) -> Records:
        """Return all records in the SDK's order: by the bytes of the name followed by ``.info``."""
        return self._store.list()

    def supported_algorithms(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the algorithms of new keys in tokens and on Ledger devices."""
        return tuple(str(key_type) for key_type in SIGNING_TYPES), ("secp256k1",)

    def key_by_address(self, address: str | bytes) -> StoredRecord:
        """Return the record with this address (raw bytes, or bech32 text of any prefix).

        Raises:
            KeyNotFound: ``key with address <address> not found: key not found``.
            InvalidAddress: The text is not bech32.
        """
        raw = self._raw_address(address)
        record = self._store.by_address(raw)
        if record is None:
            shown = address if isinstance(address, str) else bech32_address.encode(self._bridge.config.prefix, raw)
            raise KeyNotFound(f"key with address {shown} not found: key not found")
        return record

    def migrate_all(self) -> Records:
        """Return all records. There is nothing to migrate: amino records never enter this store."""
        return self.list()

    # --- signing -------------------------------------------------------------------------------------------------

    def sign(
        self,
        uid: str,
        message: bytes,
        mode: SignMode,
        *,
        transaction: TxParts | None = None,
        metadata: MetadataFor | None = None,
        request_id: str = "",
        deadline: float | None = None,
    ) -> SignResult:
        """Sign the sign bytes of a transaction (see :meth:`keyring_bridge.bridge.Bridge.sign`).

        Args:
            uid: Name of the record.
            message: The sign bytes, unhashed.
            mode: How they are to be read.
            transaction: Body and auth info, without which TEXTUAL sign bytes cannot be read.
            metadata: The bank's metadata that the TEXTUAL screens were made with; None for that of the chain's entry
                (``hsm chain add``).
            request_id: The caller's own id for the audit log.
            deadline: Moment of ``time.monotonic()``; None for the configured limit.
        """
        request = SignRequest(
            uid, message, mode, transaction=transaction, metadata=metadata, request_id=request_id, deadline=deadline
        )
        return self._bridge.sign(request, self._caller)

    def sign_by_address(
        self,
        address: str | bytes,
        message: bytes,
        mode: SignMode,
        *,
        transaction: TxParts | None = None,
        metadata: MetadataFor | None = None,
        request_id: str = "",
        deadline: float | None = None,
    ) -> SignResult:
        """As :meth:`sign`, for the record with this address."""
        name = self.key_by_address(address).name
        return self.sign(
            name,
            message,
            mode,
            transaction=transaction,
            metadata=metadata,
            request_id=request_id,
            deadline=deadline,
        )

    def sign_arbitrary(
        self, uid: str, data: bytes, *, prefix: str | None = None, request_id: str = "", deadline: float | None = None
    ) -> SignResult:
        """Sign data that is no transaction, in the envelope of ADR-036, as Keplr's ``signArbitrary`` does.

        Args:
            uid: Name of the record.
            data: At least one byte; texts in UTF-8.
            prefix: Human-readable part of the signer's address; the configured one if None.
            request_id: As for :meth:`sign`.
            deadline: As for :meth:`sign`.

        Raises:
            PolicyDenied: The policy of the key does not say ``arbitrary_data = true``.
        """
        from cosmos_formats.signing import adr036

        try:
            signer = bech32_address.encode(prefix or self._bridge.config.prefix, self.key(uid).address)
            document = adr036.sign_doc(signer, data)
        except FormatError as error:
            raise InvalidRequest(str(error)) from error
        mode, operation = SignMode.LEGACY_AMINO_JSON, Operation.ARBITRARY
        request = SignRequest(uid, document, mode, operation, request_id=request_id, deadline=deadline)
        return self._bridge.sign(request, self._caller)

    def sign_digest(
        self, uid: str, digest: bytes, *, request_id: str = "", deadline: float | None = None
    ) -> SignResult:
        """Sign a 32-byte digest whose message nobody sees. Refused unless the policy names ``unsafe_blind_signing``."""
        request = SignRequest(
            uid, digest, SignMode.UNSPECIFIED, Operation.DIGEST, request_id=request_id, deadline=deadline
        )
        return self._bridge.sign(request, self._caller)

    # --- records without a key in a token ----------------------------------------------------------------------

    def save_offline_key(self, uid: str, public_key: AnyPublicKey) -> StoredRecord:
        """Keep a public key under a name. Such a record signs nothing.

        Raises:
            KeyExists: The name is taken (the SDK would overwrite the record).
            DuplicateAddress: Another record has this address.
        """
        return self._save(Record(check_name(uid), public_key, Offline()))

    def save_multisig(self, uid: str, public_key: AnyPublicKey) -> StoredRecord:
        """Keep a multisig public key under a name (errors as :meth:`save_offline_key`).

        Raises:
            InvalidKey: The key is not a multisig key.
        """
        if not isinstance(public_key, MultisigPublicKey):
            raise InvalidKey("a multisig record needs a multisig public key")
        return self._save(Record(check_name(uid), public_key, Multi()))

    def import_pub_key(self, uid: str, armor: str) -> StoredRecord:
        """Keep an armored public key under a name, of every version that the SDK wrote; it signs nothing.

        Raises:
            KeyExists: ``<uid>: cannot overwrite key``.
            InvalidArmor: Not the armor of a public key.
            InvalidKey: What is inside is not a known public key.
            DuplicateAddress: Another record has this address.
        """
        from cosmos_formats.armor import InvalidArmor as NotArmor
        from cosmos_formats.armor_keys import decode_public_key

        self._check_not_overwritten(check_name(uid))
        try:
            public_key = decode_public_key(armor)
        except NotArmor as error:
            raise InvalidArmor(str(error)) from error
        except FormatError as error:
            raise InvalidKey(str(error)) from error
        return self._save(Record(uid, public_key, Offline()))

    def save_ledger_key(self, uid: str, algorithm: str, hrp: str, coin_type: int, account: int, index: int) -> NoReturn:
        """Refuse: this release has no Ledger backend."""
        raise NotAvailable("failed to generate ledger key: this release has no Ledger backend")

    # --- export --------------------------------------------------------------------------------------------------

    def export_pub_key_armor(self, uid: str) -> str:
        """Return the public key of a record of any kind in armor.

        Raises:
            KeyNotFound: As :meth:`key`.
            PolicyDenied: The policy does not let the caller export it.
        """
        from cosmos_formats.armor_keys import encode_public_key

        record = self.key(uid)
        self._bridge.require(Action.EXPORT_PUBLIC, record.name, self._caller)
        return encode_public_key(record.record.public_key)

    def export_pub_key_armor_by_address(self, address: str | bytes) -> str:
        """As :meth:`export_pub_key_armor`, for the record with this address."""
        return self.export_pub_key_armor(self.key_by_address(address).name)

    def export_priv_key_armor(self, uid: str, passphrase: SecretBytes | None = None) -> NoReturn:
        """Refuse, with the SDK's text: no record of this keyring holds a private key."""
        record = self.key(uid)
        raise ExportRefused(
            "private key extraction works only for Local",
            hint="the key is in a token and cannot leave it" if record.uri else "the record has no private key",
        )

    def export_priv_key_armor_by_address(self, address: str | bytes, passphrase: SecretBytes | None = None) -> NoReturn:
        """As :meth:`export_priv_key_armor`, for the record with this address."""
        self.export_priv_key_armor(self.key_by_address(address).name, passphrase)

    # --- changing records ----------------------------------------------------------------------------------------

    def delete(self, uid: str) -> None:
        """Remove a record. A key in a token stays there; :meth:`destroy` ends it, :meth:`sync` brings it back.

        Raises:
            KeyNotFound: As :meth:`key`.
        """
        name = self.key(uid).name
        with self._bridge.administer("key.delete", self._caller, {"key": name}):
            self._store.delete(name)

    def delete_by_address(self, address: str | bytes) -> None:
        """As :meth:`delete`, for the record with this address."""
        self.delete(self.key_by_address(address).name)

    def rename(self, old: str, new: str) -> StoredRecord:
        """Give a record another name, and its key in the token the same label.

        Raises:
            KeyExists: ``rename failed, <new>: key already exists``.
            KeyNotFound: No record named ``old``.
        """
        record = self.key(old)
        if self._store.get(check_name(new)) is not None:
            raise KeyExists(f"rename failed, {new}: key already exists")
        with self._bridge.administer("key.rename", self._caller, {"key": record.name, "to": new}):
            uri = record.uri
            if record.provider is not None and uri and isinstance(record.record.public_key, PublicKey):
                device = self._device(record.provider)
                if device.renames:
                    uri = device.rename_key(KeyRef(uri, record.record.public_key.plain), new).uri
            self._store.rename(record.name, new, uri=uri)
        return self.key(new)

    def _save(self, record: Record) -> StoredRecord:
        self._check_free(record.name)
        self._check_new(record.public_key)
        stored = StoredRecord(
            name=record.name,
            record=record,
            address=record.public_key.address,
            provider=None,
            uri=None,
            key_type=record.public_key.key_type if isinstance(record.public_key, PublicKey) else None,
            purpose=Purpose.ACCOUNT,
            fingerprint=record.public_key.fingerprint if isinstance(record.public_key, PublicKey) else None,
            created_at=datetime.now(UTC),
            hardware=None,
        )
        with self._bridge.administer("key.save", self._caller, {"key": record.name, "record": record.kind}):
            self._store.add(stored)
        return stored

    def _raw_address(self, address: str | bytes) -> bytes:
        if isinstance(address, bytes):
            if len(address) not in (20, 32):
                raise InvalidAddress(f"address of {len(address)} bytes, expected 20 or 32")
            return address
        try:
            return bech32_address.decode(address)[1]
        except FormatError as error:
            raise InvalidAddress(str(error)) from error
