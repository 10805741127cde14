"""Making a backup: what the bundle can and cannot bring back is known key by key, and told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.backup.bundle import VERSION, BundleKey, line, makes, secret_line
from keyring_bridge.bridge_id import bridge_id
from keyring_bridge.ceremony.errors import RecoveredOtherKey
from keyring_bridge.errors import BridgeError, PolicyDenied
from keyring_bridge.model import KeyRef, Purpose
from keyring_bridge.providers.wrapping_errors import KeyNotWrappable, WrappingKeyMissing

if TYPE_CHECKING:
    from keyring_bridge.backup.register import Holds
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.device import Device
    from keyring_bridge.model import Caller, KeyInfo, WrappedKey
    from keyring_bridge.secrets import SecretBytes
    from keyring_bridge.store.base import LastSigned, StoredRecord

MAX_POLICY = 4 << 20


@dataclass(frozen=True, slots=True)
class KeptKey:
    """What the bundle has of a record.

    Attributes:
        record: The record.
        holds: What of its key.
        by: Name of the wrapping key; empty if there is none.
        why: Why the key is not in it; empty if it is, or if the record has none.
    """

    record: StoredRecord
    holds: Holds
    by: str = ""
    why: str = ""

    @property
    def comes_back(self) -> bool:
        """Whether the bundle alone (with the wrapping key in a token) brings everything of the record back."""
        return self.holds.has_key or self.record.provider is None


class Backup:
    """One backup.

    Args:
        bridge: Open.
        caller: Who asks; the audit log tells.
        config: The configuration in force, without secrets.
        wrapping_key: Name of the wrapping key in the tokens; the only one of each if None.

    Attributes:
        kept: What is in the bundle, filled while :meth:`chunks` is used up.
    """

    def __init__(
        self, bridge: Bridge, caller: Caller, config: Mapping[str, object], wrapping_key: str | None = None
    ) -> None:
        self._bridge = bridge
        self._caller = caller
        self._config = config
        self._wrapping_key = wrapping_key
        self._found: defaultdict[str, dict[PublicKey, KeyInfo]] = defaultdict(dict)
        self._failed: dict[str, str] = {}
        self._secrets: dict[str, SecretBytes] = {}
        self.kept: list[KeptKey] = []

    @property
    def sealed(self) -> list[str]:
        """Names of the records whose private keys go into the bundle themselves."""
        return sorted(self._secrets)

    def seal_in(self, record: StoredRecord, secret: SecretBytes, source: Mapping[str, str]) -> None:
        """Have a private key put into the bundle, where nothing but the bundle's seal protects it.

        Args:
            record: Whose key it is; one of the store.
            secret: 32 bytes, which are wiped by :meth:`wipe`, or at once if they are refused.
            source: What the audit log says of where the key came from; no secrets.

        Raises:
            RecoveredOtherKey: It is another key's.
            PolicyDenied: The policy does not let the caller back this key up.
        """
        try:
            if not makes(secret, record):
                raise RecoveredOtherKey(f"{record.name}: what was given makes another key than the record's")
            fields = {"key": record.name, "fingerprint": record.fingerprint, **source}
            with self._bridge.administer("key.seal", self._caller, fields):
                before = self._secrets.get(record.name)
                self._secrets[record.name] = secret
        except BaseException:
            secret.wipe()
            raise
        if before is not None:
            before.wipe()

    def wipe(self) -> None:
        """Overwrite the private keys that were put in."""
        for secret in self._secrets.values():
            secret.wipe()

    def look(self) -> None:
        """Ask every provider that has keys of the keyring for its keys; one that fails gives none out."""
        for name in {record.provider for record in self._bridge.store.list() if record.provider is not None}:
            try:
                self._found[name] = {info.public_key: info for info in self._bridge.device(name).list_keys()}
            except BridgeError as error:
                self._failed[name] = f"its provider does not answer ({error.code})"

    def chunks(self, progress: Callable[[int, int], object] = lambda done, of: None) -> Iterator[bytes | bytearray]:
        """Yield the content of the bundle, each piece to be used up before the next one is asked for.

        Raises:
            BridgeError: A token failed while it wrapped a key; what came until then is no bundle.
        """
        bridge = self._bridge
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        yield line("bundle", {"version": VERSION, "created_at": moment, "bridge": bridge_id(bridge.config.state_dir)})
        yield line("config", dict(self._config))
        policy = self._policy()
        if policy is not None:
            yield line("policy", policy)
        records = bridge.store.list()
        for done, record in enumerate(records):
            progress(done, len(records))
            key = self._key(record)
            self.kept.append(KeptKey(record, key.holds, "" if key.wrapped is None else key.wrapped.by, key.why))
            if key.secret is not None:
                with secret_line(key.secret) as text:
                    yield text.reveal()
            yield line("key", key.to_json())
        progress(len(records), len(records))
        head = bridge.audit.head
        yield line("audit", {"seq": head.seq, "hash": head.hash})
        yield line("end", {"keys": len(records)})

    def _policy(self) -> str | None:
        from keyring_bridge.config.files import read_trusted

        try:
            return bytes(read_trusted(self._bridge.config.policy_path, what="policy", limit=MAX_POLICY)).decode()
        except FileNotFoundError:
            return None

    def _key(self, record: StoredRecord) -> BundleKey:
        signed: Mapping[str, LastSigned] = {}
        if record.purpose is Purpose.CONSENSUS and record.fingerprint is not None:
            signed = self._bridge.store.last_signed(record.fingerprint)
        if record.provider is None:
            return BundleKey(record, signed)
        secret = self._secrets.get(record.name)
        if secret is not None:
            return BundleKey(record, signed, secret=secret)
        wrapped, why = self._wrapped(record, record.provider)
        return BundleKey(record, signed, wrapped, why)

    def _wrapped(self, record: StoredRecord, provider: str) -> tuple[WrappedKey | None, str]:
        if provider in self._failed:
            return None, self._failed[provider]
        public_key = record.record.public_key
        info = self._found[provider].get(public_key.plain) if isinstance(public_key, PublicKey) else None
        if info is None:
            return None, "its provider does not have the key"
        device = self._bridge.device(provider)
        if not device.wraps:
            return None, f"backend {device.scheme} gives no keys out; back up what it keeps them in"
        if not info.extractable:
            return None, "it was made not to leave its token"
        return self._give_out(record, device, info.ref)

    def _give_out(self, record: StoredRecord, device: Device, ref: KeyRef) -> tuple[WrappedKey | None, str]:
        fields = {"key": record.name, "fingerprint": record.fingerprint, "provider": device.name}
        try:
            with self._bridge.administer("key.wrap", self._caller, fields) as outcome:
                wrapped = device.wrap_key(ref, self._wrapping_key)
                outcome["by"] = wrapped.by
        except (KeyNotWrappable, WrappingKeyMissing, PolicyDenied) as error:
            return None, str(error)
        return wrapped, ""


def metadata(records: list[StoredRecord]) -> dict[str, object]:
    """Return what ``virtengine hsm backup`` means by a backup: labels, fingerprints and algorithms, nothing else."""
    return {
        "version": 1,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "metadata_only": True,
        "keys": [
            {
                "label": record.name,
                "fingerprint": record.fingerprint,
                "algorithm": None if record.key_type is None else str(record.key_type),
                "purpose": str(record.purpose),
                "provider": record.provider,
                "created_at": record.created_at.isoformat(timespec="seconds"),
            }
            for record in records
        ],
    }
