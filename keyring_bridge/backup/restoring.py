"""Bringing a bundle back: a plan that says what would be done with each key, and a run that can be cut off anywhere.

The ids that keys get in their token are written down before the first of them is touched. A second run finds
by them what the first one left: a whole key proves itself and gets its record, half a key is removed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.backup.errors import BundleInvalid, RestoreBusy, RestoreRefused
from keyring_bridge.model import Action as Operation
from keyring_bridge.restored_keys import RestoredKeys

if TYPE_CHECKING:
    from keyring_bridge.backup.bundle import BundleKey
    from keyring_bridge.backup.verifying import Opened
    from keyring_bridge.device import Device
    from keyring_bridge.model import KeyInfo, KeySpec, WrappingKey
    from keyring_bridge.store.base import StoredRecord

FOLDER = "restores"


class Action(StrEnum):
    """What is done with a key."""

    UNWRAP = "unwrap"
    """Its wrapped private key goes into the token."""
    IMPORT = "import"
    """Its private key, which the bundle itself has, goes into the token."""
    ADOPT = "adopt"
    """The token has it already: it proves itself and gets its record."""
    SAVE = "save"
    """It has no private half here: its record comes back."""
    NOTHING = "nothing"
    """It is there, token and record; it proves itself again."""
    LEAVE = "leave out"
    """Neither the bundle nor the token has it."""
    REFUSE = "refuse"
    """Something stands in the way."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the plan.

    Attributes:
        key: The key.
        action: What is done with it.
        provider: Where; None for records without a private half.
        note: What to know, and what stands in the way.
    """

    key: BundleKey
    action: Action
    provider: str | None = None
    note: str = ""


class Restore(RestoredKeys):
    """One caller's restoring of bundles."""

    def plan(self, opened: Opened, *, only: Sequence[str] = (), provider: str | None = None) -> list[Row]:
        """Return what would be done; tokens are only read.

        Args:
            opened: The bundle.
            only: Names of the records to restore; all if empty.
            provider: Where all keys go; if None, each into the provider of its record's name, else the default one.

        Raises:
            RestoreRefused: A name is not in the bundle.
            BridgeError: A token does not answer.
        """
        unknown = set(only) - {key.record.name for key in opened.keys}
        if unknown:
            raise RestoreRefused(f"the bundle has no {', '.join(sorted(unknown))}")
        tokens: dict[str, _Token] = {}
        return [self._row(key, provider, tokens) for key in opened.keys if not only or key.record.name in only]

    def _row(self, key: BundleKey, provider: str | None, tokens: dict[str, _Token]) -> Row:
        record, known = key.record, self._store.get(key.record.name)
        if known is not None and (
            known.record.public_key != record.record.public_key or known.purpose is not record.purpose
        ):
            return Row(key, Action.REFUSE, note="the name belongs to another key here")
        holder = self._store.by_address(record.address)
        if holder is not None and holder.name != record.name:
            return Row(key, Action.REFUSE, note=f"its address belongs to {holder.name} here")
        public_key = record.record.public_key
        if record.provider is None or not isinstance(public_key, PublicKey):
            return Row(key, Action.SAVE if known is None else Action.NOTHING)
        name = self._provider_for(record, provider) or self._bridge.config.default_provider
        if not name:
            return Row(key, Action.REFUSE, note="no provider is configured")
        token = tokens.get(name) or tokens.setdefault(name, _Token(self._bridge.device(name)))
        there = token.keys[public_key.plain]
        if len(there) > 1:
            return Row(key, Action.REFUSE, name, "the token has it more than once")
        if there:
            same = known is not None and (known.provider, known.uri) == (name, there[0].uri)
            return Row(key, Action.NOTHING if same else Action.ADOPT, name)
        if key.secret is not None:
            return Row(key, Action.IMPORT, name)
        if key.wrapped is None:
            return Row(key, Action.LEAVE, name, f"not in the bundle: {key.why}; and not in {name}")
        if not token.device.wraps:
            return Row(key, Action.LEAVE, name, f"backend {token.device.scheme} takes no wrapped keys")
        if not token.has_wrapping_key(key.wrapped.by, key.wrapped.check):
            return Row(key, Action.LEAVE, name, f"{name} does not have the wrapping key {key.wrapped.by!r}")
        return Row(key, Action.UNWRAP, name)

    def run(
        self,
        opened: Opened,
        rows: Sequence[Row],
        *,
        leave_out: bool = False,
        progress: Callable[[int, int], object] = lambda done, of: None,
    ) -> Iterator[tuple[Row, StoredRecord | None]]:
        """Do what the plan says, and yield each row with its record as it is now; None for one that is left out.

        Args:
            opened: The bundle.
            rows: Of :meth:`plan`.
            leave_out: Keys that cannot come back are left out, instead of being a reason to do nothing.
            progress: Called with how many are done, of how many.

        Raises:
            RestoreRefused: Something stands in the way; nothing was touched.
            PolicyDenied: The caller may not import one of the keys; nothing was touched.
            RestoreBusy: Another process restores the same bundle.
            BridgeError: A key failed. Those before it are restored, and a second run goes on.
        """
        refused = [row for row in rows if row.action is Action.REFUSE]
        missing = [row for row in rows if row.action is Action.LEAVE]
        if refused:
            raise RestoreRefused(f"{refused[0].key.record.name}: {refused[0].note}", hint="--dry-run shows every key")
        if missing and not leave_out:
            raise RestoreRefused(
                f"{len(missing)} keys cannot come back, such as {missing[0].key.record.name}: {missing[0].note}",
                hint="--dry-run shows every key; --leave-out restores the others",
            )
        for row in rows:
            if row.action is not Action.LEAVE:
                # Each import asks as well, but by then heights are noted and half keys are removed.
                self._bridge.require(Operation.IMPORT, row.key.record.name, self._caller)
        with self._reserved(opened.digest, rows) as ids:
            for done, row in enumerate(rows):
                progress(done, len(rows))
                yield row, self._do(row, opened.digest, ids)
            progress(len(rows), len(rows))

    def _do(self, row: Row, digest: str, ids: Mapping[str, bytes]) -> StoredRecord | None:
        record = row.key.record
        if row.action is Action.LEAVE:
            return None
        if record.fingerprint is not None:
            for chain, signed in row.key.last_signed.items():
                # Before there is a record that could sign. What is known here already is only ever raised.
                self._store.note_last_signed(record.fingerprint, chain, signed)
        if row.action is Action.SAVE:
            with self._bridge.administer("key.restore", self._caller, {"key": record.name, "bundle": digest}):
                self._store.add(record)
            return record
        if row.action is Action.NOTHING:
            return self._proven(record.name)

        source = {"source": "backup", "bundle": digest}
        if row.action is Action.IMPORT and row.key.secret is not None:
            key_id = ids.get(record.name, b"")
            return self.restore_secret(
                record, row.key.secret, provider=row.provider, source=source, absent=True, key_id=key_id
            )

        def bring(device: Device, spec: KeySpec) -> KeyInfo:
            return _unwrap(device, spec, row.key, ids)

        absent = row.action is Action.UNWRAP
        return self.restore(record, bring, provider=row.provider, source=source, absent=absent)

    def _proven(self, name: str) -> StoredRecord:
        """Let a key that has its record already prove itself again."""
        from keyring_bridge.model import KeyRef

        known = self.key(name)
        if known.provider is not None and known.uri is not None and isinstance(known.record.public_key, PublicKey):
            self._bridge.prove(known.provider, KeyRef(known.uri, known.record.public_key.plain), known.purpose)
        return known

    @contextmanager
    def _reserved(self, digest: str, rows: Sequence[Row]) -> Iterator[Mapping[str, bytes]]:
        """Keep the ids of the keys to come in a file until all of them are there, by their records' names."""
        from keyring_bridge.config.files import private_dir, remove_durably, write_atomic

        folder = private_dir(self._bridge.config.state_dir / FOLDER)
        with _locked(folder):
            self._clean_up(folder)
            ids = {}
            for provider in sorted({row.provider for row in rows if row.provider is not None}):
                names = [
                    row.key.record.name
                    for row in rows
                    if row.provider == provider and row.action in (Action.UNWRAP, Action.IMPORT)
                ]
                if names:
                    ids[provider] = self._ids(provider, names)
            path = folder / f"{digest}.json"
            if ids:
                note = {name: {key: one.hex() for key, one in group.items()} for name, group in ids.items()}
                write_atomic(path, json.dumps(note).encode())
            yield {name: key_id for group in ids.values() for name, key_id in group.items()}
            remove_durably(path)

    def _clean_up(self, folder: Path) -> None:
        """Remove half keys that interrupted runs left, of this bundle or another; whole ones are left alone."""
        from keyring_bridge.config.files import remove_durably

        for path in sorted(folder.glob("*.json")):
            pending = _read_ids(path)
            for provider, group in pending.items():
                begun = [(key_id, name) for name, key_id in group.items() if key_id]
                if begun:
                    self._bridge.device(provider).discard_unfinished(begun)
            remove_durably(path)

    def _ids(self, provider: str, names: Sequence[str]) -> dict[str, bytes]:
        return dict(zip(names, self._bridge.device(provider).reserve_ids(len(names)), strict=True))


class _Token:
    """What a token has before anything is restored."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._wrapping: list[WrappingKey] | None = None
        self.keys: defaultdict[PublicKey, list[KeyInfo]] = defaultdict(list)
        for info in device.list_keys():
            self.keys[info.public_key].append(info)

    def has_wrapping_key(self, name: str, check: bytes) -> bool:
        from keyring_bridge.errors import CapabilityMissing

        try:
            if self._wrapping is None:
                self._wrapping = self.device.wrapping_keys()
        except CapabilityMissing:
            # It has another way: its keys are wrapped under what it does not show.
            return True
        return any(one.name == name and (not check or not one.check or one.check == check) for one in self._wrapping)


def _unwrap(device: Device, spec: KeySpec, key: BundleKey, ids: Mapping[str, bytes]) -> KeyInfo:
    public_key = key.record.record.public_key
    if key.wrapped is None or not isinstance(public_key, PublicKey):
        # The token had it when the plan was made.
        raise RestoreRefused(f"{key.record.name}: the key is not in the token any more, nor in the bundle")
    spec = replace(spec, key_id=ids.get(key.record.name, b""))
    return device.unwrap_key(spec, public_key.plain, key.wrapped)


def _read_ids(path: Path) -> dict[str, dict[str, bytes]]:
    """Return the ids of an interrupted run, by provider and name."""
    from keyring_bridge.config.files import read_trusted

    try:
        read = json.loads(bytes(read_trusted(path, what="note of a restore", limit=256 << 20)))
        return {
            str(provider): {str(name): bytes.fromhex(key_id) for name, key_id in group.items()}
            for provider, group in read.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BundleInvalid("the note of an interrupted restore cannot be read", detail=f"{path}: {error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let no other process restore meanwhile: not even another bundle, which may have the same keys."""
    import fcntl
    import os

    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder / ".lock", flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RestoreBusy("another process restores a bundle") from None
        yield
    finally:
        os.close(descriptor)
