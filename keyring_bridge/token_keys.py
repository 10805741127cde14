"""Keys in tokens: making, importing, adopting and destroying them, and comparing tokens with the store.

This is what the bridge does beyond the SDK's keyring interface. Every key that gets a record here proved itself first:
it signed a challenge that was verified with its public key.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cosmos_formats.errors import FormatError
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.quickclass import dataclass
from cosmos_formats.record import Local, Record
from keyring_bridge.errors import (
    BridgeError,
    CannotSign,
    DuplicateAddress,
    InvalidKey,
    KeyAmbiguous,
    KeyExists,
    KeyNotFound,
)
from keyring_bridge.key_kinds import KeyKind
from keyring_bridge.model import Caller, KeyInfo, KeyRef, KeySpec, Purpose
from keyring_bridge.names import ITEM_SUFFIX, check_name, lookup_name
from keyring_bridge.store.base import StoredRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cosmos_formats.multisig import AnyPublicKey
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.device import Device
    from keyring_bridge.model import Proof
    from keyring_bridge.secrets import SecretBytes

SIGNING_TYPES = (KeyType.SECP256K1, KeyType.ED25519, KeyType.SECP256R1)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the store and one provider's keys differ.

    Attributes:
        provider: Name of the provider.
        in_both: Records whose key is there.
        only_in_store: Records whose key the provider does not have.
        only_in_token: Keys without a record.
        extractable: Of the keys with a record, names of those that the token may give out, as it says now.
    """

    provider: str
    in_both: tuple[StoredRecord, ...]
    only_in_store: tuple[StoredRecord, ...]
    only_in_token: tuple[KeyInfo, ...]
    extractable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What :meth:`Keyring.sync` did: records it made, and keys it left alone with the reason."""

    added: tuple[StoredRecord, ...]
    skipped: tuple[tuple[KeyInfo, str], ...]


class TokenKeys:
    """One caller's keys in tokens.

    Args:
        bridge: The signing pipeline and its parts.
        caller: Who asks; policy and audit use it.
    """

    def __init__(self, bridge: Bridge, caller: Caller) -> None:
        self._bridge = bridge
        self._store = bridge.store
        self._caller = caller

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

    def generate(
        self,
        name: str,
        key_type: KeyType = KeyType.SECP256K1,
        purpose: Purpose = Purpose.ACCOUNT,
        *,
        provider: str | None = None,
        wrappable: bool = False,
        url: str = "",
    ) -> StoredRecord:
        """Generate a key in a token, prove it by a signature, and keep its record.

        Args:
            name: Name of the record and label in the token.
            key_type: Curve, hash and address.
            purpose: Fixed for the key's life.
            provider: Name of the configured provider; the default one if None.
            wrappable: See :class:`keyring_bridge.model.KeySpec`.
            url: Type URL of an eth_secp256k1 key, if the chain has another than the usual one.

        Raises:
            KeyExists: The name is taken.
            CapabilityMissing: The backend makes no keys.
            AttributeNotHonoured: The token would have let the key out.
        """
        self._check_free(check_name(name))
        device = self._device(provider)
        spec = KeySpec(name, key_type.curve, purpose, wrappable)
        fields = {"key": name, "type": str(key_type), "purpose": str(purpose), "provider": device.name}
        with self._bridge.administer("key.generate", self._caller, fields) as outcome:
            return self._adopt_new(device, spec, device.generate_key(spec), KeyKind(key_type, url), outcome)

    def import_secret(
        self,
        uid: str,
        secret: SecretBytes,
        algorithm: str,
        purpose: Purpose = Purpose.ACCOUNT,
        *,
        provider: str | None = None,
        source: Mapping[str, str] | None = None,
    ) -> StoredRecord:
        """Import a private key into a token, non-extractable there.

        Args:
            uid: Name of the record.
            secret: 32 raw bytes, which the caller wipes afterwards.
            algorithm: See :meth:`keyring_bridge.key_kinds.KeyKind.of`.
            purpose: Fixed for the key's life.
            provider: Name of the configured provider; the default one if None.
            source: What the audit log says of where the key came from.

        Raises:
            KeyExists: ``<uid>: cannot overwrite key``.
            InvalidKey: Not 32 bytes, or not a valid scalar.
            DuplicateAddress: Another record has the key's address, or is of the same private key.
            UnsupportedAlgorithm: ``<algorithm>: unsupported signing algo``.
        """
        self._check_not_overwritten(check_name(uid))
        kind = KeyKind.of(algorithm)
        from keyring_bridge.providers.private_keys import public_key_for

        device = self._device(provider)
        spec = KeySpec(uid, kind.key_type.curve, purpose)
        self._check_new_in_token(kind.key(public_key_for(spec.key_type, secret)))
        fields = {"key": uid, "type": str(kind.key_type), "purpose": str(purpose), "provider": device.name}
        with self._bridge.administer("key.import", self._caller, fields | dict(source or {})) as outcome:
            return self._adopt_new(device, spec, device.import_key(spec, secret), kind, outcome, imported=True)

    def destroy(self, uid: str) -> None:
        """Destroy the key in its token and remove its record. This cannot be undone.

        Raises:
            CapabilityMissing: The backend deletes no keys.
            CannotSign: The record has no key in a token.
        """
        record = self.key(uid)
        if record.provider is None or record.uri is None or not isinstance(record.record.public_key, PublicKey):
            raise CannotSign("the record has no key in a token; delete it instead")
        device = self._device(record.provider)
        fields = {"key": record.name, "fingerprint": record.fingerprint, "provider": record.provider}
        with self._bridge.administer("key.destroy", self._caller, fields):
            device.delete_key(KeyRef(record.uri, record.record.public_key.plain))
            self._store.delete(record.name)

    def unlock(self, provider: str | None = None, *, forget_failure: bool = False) -> None:
        """Log in anew, with the PIN source read again: after an idle logout, or after a refused login.

        Args:
            provider: Name of the configured provider; the default one if None.
            forget_failure: Send a PIN although an earlier one was refused. For an operator who corrected the PIN, never
                for a program that tries again: tokens lock themselves after a few wrong PINs.

        Raises:
            PinBlocked: An earlier login failed, and ``forget_failure`` is false.
            PinIncorrect: It was refused; nothing more is tried until somebody says so.
        """
        name = self._device(provider).name
        fields = {"provider": name, "forget_failure": forget_failure}
        with self._bridge.administer("login.unlock", self._caller, fields):
            self._bridge.log_in(name, forget_failure=forget_failure)

    def compare(self, provider: str | None = None) -> Comparison:
        """Compare the records with the keys that a provider has now."""
        device = self._device(provider)
        listed = device.list_keys()
        keys = {info.fingerprint: info for info in listed}
        records = [record for record in self._store.list() if record.provider == device.name]
        known = {record.fingerprint for record in self._store.list()}
        in_both = tuple(record for record in records if record.fingerprint in keys)
        can_leave = {print_ for print_, info in keys.items() if info.extractable}
        return Comparison(
            device.name,
            in_both=in_both,
            only_in_store=tuple(record for record in records if record.fingerprint not in keys),
            only_in_token=tuple(info for info in listed if info.fingerprint not in known),
            extractable=tuple(record.name for record in in_both if record.fingerprint in can_leave),
        )

    def sync(self, provider: str | None = None, *, purpose: Purpose | None = None) -> SyncResult:
        """Make a record for every key of a provider that has none. Records without a key are left as they are.

        A key gets a record only if its label is a free, valid name and its purpose is known (from the token, or from
        ``purpose``); each new record's key signs a challenge first. Of a key that is there under several labels, which
        one is its name is not guessed.
        """
        comparison = self.compare(provider)
        counts = Counter(info.fingerprint for info in comparison.only_in_token)
        added: list[StoredRecord] = []
        skipped: list[tuple[KeyInfo, str]] = []
        for info in comparison.only_in_token:
            try:
                if counts[info.fingerprint] > 1:
                    raise KeyAmbiguous("the same key is there more than once")
                added.append(self.adopt(info, comparison.provider, purpose=purpose))
            except BridgeError as error:
                skipped.append((info, f"{error.code}: {error}"))
        return SyncResult(tuple(added), tuple(skipped))

    def adopt(
        self,
        info: KeyInfo,
        provider: str,
        *,
        name: str | None = None,
        purpose: Purpose | None = None,
        algorithm: str | None = None,
        told: Callable[[Proof], object] = lambda _: None,
    ) -> StoredRecord:
        """Make a record for a key that is in a token already, after it proved itself.

        Args:
            info: The key, as :meth:`compare` told of it.
            provider: Name of the configured provider.
            name: Name of the record; the key's label if None.
            purpose: What the key is for, if the token does not tell.
            algorithm: What the key is used as, for eth_secp256k1; if None, what its place tells, else its curve's own
                algorithm.
            told: Gets the proof before the record is written.

        Raises:
            InvalidName: Its label is not a valid name and no other was given.
            KeyExists: The name is taken.
            CeremonyUnfinished: The key's ceremony was cut off, so perhaps nobody can recover it.
            InvalidKey: Nobody recorded what the key is for, and ``purpose`` is None or contradicts the token; or the
                key is on another curve than the algorithm.
        """
        algorithm = algorithm if algorithm is not None else info.algorithm
        kind = KeyKind(info.key_type) if algorithm is None else KeyKind.of(algorithm)
        if kind.key_type.curve is not info.key_type:
            raise InvalidKey(f"the key in the token is a {info.key_type} key, not {kind.key_type}")
        name = check_name(info.label if name is None else name)
        self._check_free(name)
        self._check_finished(info)
        if info.purpose is not None and purpose is not None and info.purpose is not purpose:
            raise InvalidKey(f"the token says that this key is for {info.purpose}, not {purpose}")
        purpose = info.purpose or purpose
        if purpose is None:
            raise InvalidKey("nobody recorded what this key is for", hint="name it with --purpose")
        with self._bridge.administer("key.adopt", self._caller, {"key": name, "provider": provider}) as outcome:
            # A key that was found in a token may have signed anything: only one that was born here just now has not.
            record = _token_record(name, provider, purpose, info, kind, imported=True)
            proof = self._bridge.prove(provider, info.ref, purpose)
            outcome["proof"] = proof.correlation_id
            told(proof)
            self._store.add(record)
        return record

    def _adopt_new(
        self,
        device: Device,
        spec: KeySpec,
        info: KeyInfo,
        kind: KeyKind,
        outcome: dict[str, object],
        *,
        imported: bool = False,
        told: Callable[[Proof], object] = lambda _: None,
        keep: Callable[[StoredRecord], StoredRecord] | None = None,
    ) -> StoredRecord:
        """As :meth:`_keep_proven`, for a key that was just made: if anything fails, it is removed again."""
        try:
            return self._keep_proven(device, spec, info, kind, outcome, imported=imported, told=told, keep=keep)
        except BaseException as failure:
            try:
                device.delete_key(info.ref)
            except BridgeError as error:
                # Why the key failed matters more than that it could not be removed.
                outcome["left_in_token"] = error.code
                if isinstance(failure, BridgeError):
                    failure.hint = "the key could not be removed from the token again; see `hsm status`"
            raise

    def _keep_proven(
        self,
        device: Device,
        spec: KeySpec,
        info: KeyInfo,
        kind: KeyKind,
        outcome: dict[str, object],
        *,
        imported: bool,
        told: Callable[[Proof], object] = lambda _: None,
        keep: Callable[[StoredRecord], StoredRecord] | None = None,
    ) -> StoredRecord:
        """Let a key in a token prove itself and keep its record.

        ``told`` gets the proof before the record is written; ``keep`` writes the record and returns it as it wrote it
        (it is added if None).
        """
        record = _token_record(spec.label, device.name, spec.purpose, info, kind, imported=imported)
        outcome["fingerprint"] = info.fingerprint
        proof = self._bridge.prove(device.name, info.ref, spec.purpose)
        outcome["proof"] = proof.correlation_id
        told(proof)
        if keep is not None:
            return keep(record)
        self._store.add(record)
        return record

    def _check_free(self, name: str) -> None:
        if self._store.get(name) is not None:
            raise KeyExists(f"{name}: key already exists")

    def _check_finished(self, info: KeyInfo) -> None:
        from keyring_bridge.ceremony.errors import CeremonyUnfinished
        from keyring_bridge.ceremony.marker import unfinished

        if info.fingerprint in unfinished(self._bridge.config.state_dir):
            raise CeremonyUnfinished(
                "the ceremony of this key was cut off before anybody confirmed its words or shares"
            )

    def _check_not_overwritten(self, name: str) -> None:
        if self._store.get(name) is not None:
            raise KeyExists(f"{name}: cannot overwrite key")

    def _check_new_in_token(self, public_key: PublicKey) -> None:
        """Refuse a key whose address, or whose private key under another kind of address, has a record."""
        self._check_new(public_key)
        if public_key.key_type.curve is KeyType.SECP256K1:
            for key_type in (KeyType.SECP256K1, KeyType.ETH_SECP256K1):
                self._check_new(PublicKey(key_type, public_key.data))

    def _check_new(self, public_key: AnyPublicKey) -> None:
        try:
            address = public_key.address
        except FormatError as error:
            raise InvalidKey(str(error)) from error
        if self._store.by_address(address) is not None:
            raise DuplicateAddress("duplicated address created")

    def _device(self, name: str | None) -> Device:
        return self._bridge.device(name if name is not None else self._bridge.config.default_provider)


def _token_record(
    name: str, provider: str, purpose: Purpose, info: KeyInfo, kind: KeyKind, *, imported: bool
) -> StoredRecord:
    public_key = kind.key(info.public_key)
    return StoredRecord(
        name=name,
        record=Record(name, public_key, Local(None)),
        # An x25519 key has no address; its fingerprint keeps the address column unique.
        address=bytes.fromhex(info.fingerprint) if kind.key_type is KeyType.X25519 else public_key.address,
        provider=provider,
        uri=info.uri,
        key_type=kind.key_type,
        purpose=purpose,
        fingerprint=info.fingerprint,
        created_at=info.created_at or datetime.now(UTC),
        hardware=info.hardware,
        extractable=info.extractable,
        needs_floor=imported and purpose is Purpose.CONSENSUS,
    )
