"""The SDK's ``keyring.Keyring`` over records and providers.

Method by method the semantics and error texts are those of cosmos-sdk v0.53 (``crypto/keyring``), because chain
tools match on them. Where this keyring differs, it refuses what the SDK would silently overwrite; the differences are
listed in docs/keyring-semantics.md.

A key in a token is a ``local`` record without a private key: it signs, and exporting it says
``private key extraction works only for Local``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from cosmos_formats import address as bech32_address
from cosmos_formats.errors import FormatError
from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Local, Multi, Offline, Record
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import (
    BridgeError,
    CannotSign,
    CapabilityMissing,
    DuplicateAddress,
    ExportRefused,
    InvalidAddress,
    InvalidKey,
    KeyExists,
    KeyNotFound,
    NotAvailable,
    UnsupportedAlgorithm,
)
from keyring_bridge.model import Caller, KeyInfo, KeySpec, Purpose, SignRequest, SignResult
from keyring_bridge.names import ITEM_SUFFIX, check_name, lookup_name
from keyring_bridge.providers.base import Deletes, Generates, Imports, Renames
from keyring_bridge.store.base import StoredRecord

if TYPE_CHECKING:
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.providers.base import ProviderBase
    from keyring_bridge.secrets import SecretBytes

Records = list[StoredRecord]
"""Named here because :meth:`Keyring.list` hides the built-in inside the class."""

Skipped = list[tuple[KeyInfo, str]]

SIGNING_TYPES = (KeyType.SECP256K1, KeyType.ED25519, KeyType.SECP256R1)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the store and one provider's keys differ.

    Attributes:
        provider: Name of the provider.
        in_both: Records whose key is there.
        only_in_store: Records whose key the provider does not have.
        only_in_token: Keys without a record.
    """

    provider: str
    in_both: tuple[StoredRecord, ...]
    only_in_store: tuple[StoredRecord, ...]
    only_in_token: tuple[KeyInfo, ...]


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What :meth:`Keyring.sync` did: records it made, and keys it left alone with the reason."""

    added: tuple[StoredRecord, ...]
    skipped: tuple[tuple[KeyInfo, str], ...]


class Keyring:
    """One caller's view of the keyring.

    Args:
        bridge: The signing pipeline and its parts.
        caller: Who asks; policy and audit use it.
    """

    def __init__(self, bridge: Bridge, caller: Caller) -> None:
        self._bridge = bridge
        self._store = bridge.store
        self._caller = caller

    # --- reading -------------------------------------------------------------------------------------------------

    def backend(self) -> str:
        """Return the keyring's backend name, ``hsm``."""
        return "hsm"

    def list(self) -> Records:
        """Return all records in the SDK's order: by the bytes of the name followed by ``.info``."""
        return self._store.list()

    def supported_algorithms(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the algorithms of new keys in tokens and on Ledger devices."""
        return ("secp256k1", "ed25519", "secp256r1"), ("secp256k1",)

    def key(self, uid: str) -> StoredRecord:
        """Return the record named ``uid``.

        Raises:
            KeyNotFound: ``<uid>.info: key not found``.
            InvalidName: ``uid`` is empty.
        """
        name = lookup_name(uid)
        record = self._store.get(name)
        if record is None:
            raise KeyNotFound(f"{name[:256]}{ITEM_SUFFIX}: key not found")
        return record

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
        self, uid: str, message: bytes, mode: SignMode, *, request_id: str = "", deadline: float | None = None
    ) -> SignResult:
        """Sign the sign bytes of a transaction (see :meth:`keyring_bridge.bridge.Bridge.sign`)."""
        request = SignRequest(uid, message, mode, request_id=request_id, deadline=deadline)
        return self._bridge.sign(request, self._caller)

    def sign_by_address(
        self,
        address: str | bytes,
        message: bytes,
        mode: SignMode,
        *,
        request_id: str = "",
        deadline: float | None = None,
    ) -> SignResult:
        """As :meth:`sign`, for the record with this address."""
        name = self.key_by_address(address).name
        return self.sign(name, message, mode, request_id=request_id, deadline=deadline)

    def sign_digest(
        self, uid: str, digest: bytes, *, request_id: str = "", deadline: float | None = None
    ) -> SignResult:
        """Sign a 32-byte digest whose message nobody sees. Refused unless the policy names ``unsafe_blind_signing``."""
        request = SignRequest(uid, digest, SignMode.UNSPECIFIED, digest=True, request_id=request_id, deadline=deadline)
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

    def save_ledger_key(self, uid: str, algorithm: str, hrp: str, coin_type: int, account: int, index: int) -> NoReturn:
        """Refuse: this release has no Ledger backend."""
        raise NotAvailable("failed to generate ledger key: this release has no Ledger backend")

    # --- new keys in a token -------------------------------------------------------------------------------------

    def generate(
        self,
        name: str,
        key_type: KeyType = KeyType.SECP256K1,
        purpose: Purpose = Purpose.ACCOUNT,
        *,
        provider: str | None = None,
        wrappable: bool = False,
    ) -> StoredRecord:
        """Generate a key in a token, prove it by a signature, and keep its record.

        Args:
            name: Name of the record and label in the token.
            key_type: Curve.
            purpose: Fixed for the key's life.
            provider: Name of the configured provider; the default one if None.
            wrappable: See :class:`keyring_bridge.model.KeySpec`.

        Raises:
            KeyExists: The name is taken.
            CapabilityMissing: The backend makes no keys.
            AttributeNotHonoured: The token would have let the key out.
        """
        self._check_free(check_name(name))
        provider_name, backend = self._provider(provider)
        if not isinstance(backend, Generates):
            raise CapabilityMissing(f"backend {backend.scheme} does not generate keys")
        spec = KeySpec(name, key_type, purpose, wrappable)
        fields = {"key": name, "type": str(key_type), "purpose": str(purpose), "provider": provider_name}
        with self._bridge.administer("key.generate", self._caller, fields) as outcome:
            info = backend.generate_key(spec)
            return self._adopt_new(provider_name, backend, spec, info, outcome)

    def import_priv_key_hex(
        self, uid: str, private_key: str | SecretBytes, algorithm: str, *, provider: str | None = None
    ) -> StoredRecord:
        """Import an unencrypted private key into a token, non-extractable there.

        Args:
            uid: Name of the record.
            private_key: 64 hexadecimal digits, with or without ``0x``; better as SecretBytes, which can be wiped.
            algorithm: ``secp256k1``, ``secp256r1`` or ``ed25519`` (a 32-byte seed).
            provider: Name of the configured provider; the default one if None.

        Raises:
            KeyExists: ``<uid>: cannot overwrite key``.
            InvalidKey: Not 32 bytes of hexadecimal digits, or not a valid scalar.
            DuplicateAddress: Another record has the key's address.
            UnsupportedAlgorithm: ``<algorithm>: unsupported signing algo``.
        """
        with _secret_from_hex(private_key) as secret:
            return self.import_secret(uid, secret, algorithm, provider=provider)

    def import_secret(
        self,
        uid: str,
        secret: SecretBytes,
        algorithm: str,
        purpose: Purpose = Purpose.ACCOUNT,
        *,
        provider: str | None = None,
    ) -> StoredRecord:
        """As :meth:`import_priv_key_hex`, from 32 raw bytes that the caller wipes afterwards."""
        if self._store.get(check_name(uid)) is not None:
            raise KeyExists(f"{uid}: cannot overwrite key")
        if algorithm not in SIGNING_TYPES:
            raise UnsupportedAlgorithm(f"{algorithm[:64]}: unsupported signing algo")
        from keyring_bridge.providers.private_keys import public_key_for

        provider_name, backend = self._provider(provider)
        if not isinstance(backend, Imports):
            raise CapabilityMissing(f"backend {backend.scheme} does not import keys")
        spec = KeySpec(uid, KeyType(algorithm), purpose)
        self._check_new(public_key_for(spec.key_type, secret))
        fields = {"key": uid, "type": algorithm, "purpose": str(purpose), "provider": provider_name}
        with self._bridge.administer("key.import", self._caller, fields) as outcome:
            info = backend.import_key(spec, secret)
            return self._adopt_new(provider_name, backend, spec, info, outcome)

    def import_pub_key(self, uid: str, armor: str) -> NoReturn:
        """Refuse: armor is not in this release."""
        raise NotAvailable("reading armored keys is not in this release", hint="use a proto-JSON public key")

    def import_priv_key(self, uid: str, armor: str, passphrase: SecretBytes) -> NoReturn:
        """Refuse: armor is not in this release."""
        raise NotAvailable("reading armored keys is not in this release", hint="import the key as hexadecimal digits")

    def new_mnemonic(
        self, uid: str, language: str, hd_path: str, passphrase: SecretBytes | None, algorithm: str
    ) -> NoReturn:
        """Refuse: mnemonics are not in this release."""
        raise NotAvailable(
            "mnemonics and HD derivation are not in this release",
            hint="`hsm keygen` makes a key in the token",
        )

    def new_account(
        self, uid: str, mnemonic: SecretBytes, passphrase: SecretBytes | None, hd_path: str, algorithm: str
    ) -> NoReturn:
        """Refuse: mnemonics are not in this release."""
        raise NotAvailable("mnemonics and HD derivation are not in this release")

    # --- export --------------------------------------------------------------------------------------------------

    def export_pub_key_armor(self, uid: str) -> NoReturn:
        """Refuse: armor is not in this release (the record has the key in proto-JSON)."""
        self.key(uid)
        raise NotAvailable(
            "writing armored keys is not in this release", hint="`hsm keys show --pubkey` prints the key"
        )

    def export_pub_key_armor_by_address(self, address: str | bytes) -> NoReturn:
        """As :meth:`export_pub_key_armor`, for the record with this address."""
        self.export_pub_key_armor(self.key_by_address(address).name)

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

    def destroy(self, uid: str) -> None:
        """Destroy the key in its token and remove its record. This cannot be undone.

        Raises:
            CapabilityMissing: The backend deletes no keys.
            CannotSign: The record has no key in a token.
        """
        record = self.key(uid)
        if record.provider is None or record.uri is None or not isinstance(record.record.public_key, PublicKey):
            raise CannotSign("the record has no key in a token; delete it instead")
        _, backend = self._provider(record.provider)
        if not isinstance(backend, Deletes):
            raise CapabilityMissing(f"backend {backend.scheme} does not delete keys")
        fields = {"key": record.name, "fingerprint": record.fingerprint, "provider": record.provider}
        with self._bridge.administer("key.destroy", self._caller, fields):
            backend.delete_key(KeyInfo(record.name, b"", record.record.public_key, record.uri).ref)
            self._store.delete(record.name)

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
                _, backend = self._provider(record.provider)
                if isinstance(backend, Renames):
                    info = KeyInfo(record.name, b"", record.record.public_key, uri)
                    uri = backend.rename_key(info.ref, new).uri
            self._store.rename(record.name, new, uri=uri)
        return self.key(new)

    def unlock(self, provider: str | None = None) -> None:
        """Forget a failed login and try once more, with the PIN source read again.

        Raises:
            PinIncorrect: It was refused again; nothing more is tried until the next call.
        """
        name, _ = self._provider(provider)
        with self._bridge.administer("login.unlock", self._caller, {"provider": name}):
            self._bridge.providers.unlock(name)

    # --- store and token -----------------------------------------------------------------------------------------

    def compare(self, provider: str | None = None) -> Comparison:
        """Compare the records with the keys that a provider has now."""
        provider_name, backend = self._provider(provider)
        keys = {info.fingerprint: info for info in backend.list_keys()}
        records = [record for record in self._store.list() if record.provider == provider_name]
        known = {record.fingerprint for record in self._store.list()}
        return Comparison(
            provider_name,
            in_both=tuple(record for record in records if record.fingerprint in keys),
            only_in_store=tuple(record for record in records if record.fingerprint not in keys),
            only_in_token=tuple(info for print_, info in keys.items() if print_ not in known),
        )

    def sync(self, provider: str | None = None, *, purpose: Purpose | None = None) -> SyncResult:
        """Make a record for every key of a provider that has none. Records without a key are left as they are.

        A key gets a record only if its label is a free, valid name and its purpose is known (from the token, or from
        ``purpose``); each new record's key signs a challenge first.
        """
        comparison = self.compare(provider)
        added: Records = []
        skipped: Skipped = []
        for info in comparison.only_in_token:
            try:
                added.append(self.adopt(info, comparison.provider, purpose=purpose))
            except BridgeError as error:
                skipped.append((info, f"{error.code}: {error}"))
        return SyncResult(tuple(added), tuple(skipped))

    def adopt(
        self, info: KeyInfo, provider: str, *, name: str | None = None, purpose: Purpose | None = None
    ) -> StoredRecord:
        """Make a record for a key that is in a token already, after it proved itself.

        Raises:
            InvalidName: Its label is not a valid name and no other was given.
            KeyExists: The name is taken.
            InvalidKey: Nobody recorded what the key is for, and ``purpose`` is None or contradicts the token.
        """
        name = check_name(info.label if name is None else name)
        self._check_free(name)
        if info.purpose is not None and purpose is not None and info.purpose is not purpose:
            raise InvalidKey(f"the token says that this key is for {info.purpose}, not {purpose}")
        purpose = info.purpose or purpose
        if purpose is None:
            raise InvalidKey("nobody recorded what this key is for", hint="name it with --purpose")
        with self._bridge.administer("key.adopt", self._caller, {"key": name, "provider": provider}) as outcome:
            record = _token_record(name, provider, purpose, info)
            outcome["proof"] = self._bridge.prove(provider, info.ref)
            self._store.add(record)
        return record

    def _adopt_new(
        self,
        provider_name: str,
        backend: ProviderBase,
        spec: KeySpec,
        info: KeyInfo,
        outcome: dict[str, object],
    ) -> StoredRecord:
        """Prove a key that was just made and keep its record; a key that fails is removed again."""
        try:
            record = _token_record(spec.label, provider_name, spec.purpose, info)
            outcome["fingerprint"] = info.fingerprint
            outcome["proof"] = self._bridge.prove(provider_name, info.ref)
            self._store.add(record)
        except BaseException:
            if isinstance(backend, Deletes):
                backend.delete_key(info.ref)
            raise
        return record

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

    def _check_free(self, name: str) -> None:
        if self._store.get(name) is not None:
            raise KeyExists(f"{name}: key already exists")

    def _check_new(self, public_key: AnyPublicKey) -> None:
        if self._store.by_address(public_key.address) is not None:
            raise DuplicateAddress("duplicated address created")

    def _provider(self, name: str | None) -> tuple[str, ProviderBase]:
        name = name if name is not None else self._bridge.config.default_provider
        return name, self._bridge.providers.get(name)

    def _raw_address(self, address: str | bytes) -> bytes:
        if isinstance(address, bytes):
            return address
        try:
            return bech32_address.decode(address)[1]
        except FormatError as error:
            raise InvalidAddress(str(error)) from error


def _token_record(name: str, provider: str, purpose: Purpose, info: KeyInfo) -> StoredRecord:
    return StoredRecord(
        name=name,
        record=Record(name, info.public_key, Local(None)),
        # An x25519 key has no address; its fingerprint keeps the address column unique.
        address=bytes.fromhex(info.fingerprint) if info.key_type is KeyType.X25519 else info.public_key.address,
        provider=provider,
        uri=info.uri,
        key_type=info.key_type,
        purpose=purpose,
        fingerprint=info.fingerprint,
        created_at=info.created_at or datetime.now(UTC),
        hardware=info.hardware,
    )


def _secret_from_hex(text: str | SecretBytes) -> SecretBytes:
    """Decode hexadecimal digits without leaving them in an exception."""
    from keyring_bridge.secrets import SecretBytes

    digits = bytearray(text.encode("ascii", "replace")) if isinstance(text, str) else bytearray(text.reveal())
    try:
        start = 2 if digits.startswith((b"0x", b"0X")) else 0
        if len(digits) - start != 64:
            raise InvalidKey(f"private key of {len(digits) - start} hexadecimal digits, expected 64")
        try:
            return SecretBytes(bytearray.fromhex(digits[start:].decode("ascii")))
        except ValueError:
            raise InvalidKey("private key has characters that are not hexadecimal digits") from None
    finally:
        digits[:] = bytes(len(digits))
