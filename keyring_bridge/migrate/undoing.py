"""Removes what a migration made: its keys in the token and its records, as long as the source still has the keys.

Of each key, in this order: the source is opened and has the key; what a consensus key signed is in its old signer's
state; the key is destroyed in the token; its record is removed; the journal says so. Only what the journal proves to be
this migration's goes: a key with the id that was reserved for it, a record that it wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyring_bridge.audit.entry import INTENT_SUFFIX
from keyring_bridge.audit.reader import Damaged, read
from keyring_bridge.migrate.comparison import same_key
from keyring_bridge.migrate.errors import UndoRefused
from keyring_bridge.migrate.keys import MigratedKeys
from keyring_bridge.migrate.plan import Action
from keyring_bridge.migrate.watermark import hand_back, signed_by
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    from pathlib import Path

    from keyring_bridge.bridge import Bridge
    from keyring_bridge.migrate.history import KeyState
    from keyring_bridge.migrate.journal import Journal
    from keyring_bridge.migrate.model import Source, SourceKey
    from keyring_bridge.migrate.state_files import StateFile
    from keyring_bridge.model import Caller, KeyInfo
    from keyring_bridge.store.base import LastSigned, StoredRecord

Progress = Callable[[int, int], object]

_NOT_SIGNING = ("challenge.", "key.")
"""Kinds of audit entries that tell of a key without a signature for anybody else."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is undone of one key.

    Attributes:
        key: What the journal says.
        source_key: The source's; None only where nothing is removed.
        info: The key in the token that is destroyed; None if it has none of ours.
        record: The record that is removed; None if it has none of ours.
        signed: What a consensus key signed last; None if nothing is known, and for other keys.
        stays: Why the key in the token or the record stays, for people.
    """

    key: KeyState
    source_key: SourceKey | None
    info: KeyInfo | None
    record: StoredRecord | None
    signed: LastSigned | None
    stays: str = ""


class Undo:
    """One run of an undo.

    Args:
        bridge: The signing pipeline and its parts.
        caller: Who asks; the audit log tells.
        journal: Of the migration, open.
        source: Opened again.
        state: Where a consensus key's old signer keeps its state, if the source does not know it.
    """

    def __init__(
        self, bridge: Bridge, caller: Caller, journal: Journal, source: Source | None, state: StateFile | None = None
    ) -> None:
        history = journal.history
        if source is None:
            raise UndoRefused(
                "the source is no file, so whether it still has the keys cannot be told",
                hint="`hsm keys delete --destroy` removes a key for good",
            )
        if history.retiring is not None or any(key.retired for key in history.keys.values()):
            raise UndoRefused(
                "the source's copies were retired",
                hint="an archive's come back with `hsm migrate unpack`; without one the token's are the last",
            )
        self._bridge = bridge
        self._caller = caller
        self._keys = MigratedKeys(bridge, caller)
        self._journal = journal
        self._source = source
        self._state = state or source.state
        self._device = self._keys.device(history.provider)

    def look(self, *, even_if_used: bool = False) -> list[Step]:
        """Return what would be undone, the last migrated first; nothing is changed.

        Args:
            even_if_used: Also keys that signed something since.

        Raises:
            UndoRefused: Something stands in the way.
        """
        self._device.connect()
        in_token: dict[str, list[KeyInfo]] = {}
        for info in self._device.list_keys():
            in_token.setdefault(info.fingerprint, []).append(info)
        found = self._source.keys()
        in_source = {key.item: key for key in found}
        steps = [
            self._step(key, in_source.get(key.item), in_token.get(key.fingerprint, []))
            for key in reversed(self._journal.history.keys.values())
            if not key.undone
        ]
        if any(step.info is not None for step in steps) and not self._device.deletes:
            raise UndoRefused(f"the backend {self._device.scheme} destroys no keys")
        if not even_if_used:
            self._check_unused(steps)
        return steps

    def run(self, steps: list[Step], progress: Progress = lambda done, of: None) -> list[Path]:
        """Undo it, after a person confirmed.

        Returns:
            The state files that were written.

        Raises:
            UndoRefused: The source does not have a key any more, or its signer's state cannot be written; the keys
                before it are undone, it is not.
            BridgeError: Likewise.
        """
        for step in steps:
            if step.info is not None and not step.key.ours:
                # A killed run could not say so any more.
                self._journal.note("recorded", {"name": step.key.name, "how": step.key.how or "imported", "ours": True})
        self._journal.note("undoing", {"keys": [step.key.name for step in steps]}, durable=True)
        reserved = [(step.key.key_id, step.key.name) for step in steps if step.key.key_id and step.info is None]
        self._device.discard_unfinished(reserved)
        written = []
        for done, step in enumerate(steps):
            progress(done, len(steps))
            state = self._undo(step)
            if state is not None:
                written.append(state)
        progress(len(steps), len(steps))
        self._journal.note("undo_finished", {}, durable=True)
        return written

    def _step(self, key: KeyState, source_key: SourceKey | None, found: list[KeyInfo]) -> Step:
        mine = [info for info in found if _is_ours(key, info)]
        if len(mine) > 1:
            raise UndoRefused(f"{key.name}: the token has it {len(mine)} times")
        info = mine[0] if mine else None
        record = self._keys.record_of(key)
        stays = "" if info is not None or not found else "the key in the token was there before"
        foreign = "" if record is None else self._foreign(key, record, info, bool(found))
        if foreign:
            record, stays = None, foreign
        if (info is not None or record is not None) and (source_key is None or not same_key(source_key, key)):
            raise UndoRefused(f"{key.name}: the source does not have it any more; the token's may be the only one")
        signed = None
        if key.purpose == Purpose.CONSENSUS and record is not None:
            chain = "" if self._state is None else self._state.chain_id
            signed = signed_by(self._bridge.store, record, chain)
            if signed is not None and self._state is None:
                hand_back(signed, None, key.name)
        return Step(key, source_key, info, record, signed, stays)

    def _foreign(self, key: KeyState, record: StoredRecord, info: KeyInfo | None, in_token: bool) -> str:
        """Return why a record is not this migration's to remove; empty if it is."""
        if key.how == "imported" and info is None and in_token:
            return "the token's key, and so its record, came there in another way since"
        if key.how == "there" and info is None:
            return "its record was there before"
        if not key.how and info is None and key.intended != Action.SAVE:
            return "its record is not this migration's"
        if key.private and record.provider != self._journal.history.provider:
            return f"its record is in {record.provider or 'no token'} now"
        return ""

    def _check_unused(self, steps: list[Step]) -> None:
        names = {step.key.fingerprint: step.key.name for step in steps if step.record is not None and step.key.private}
        used = signed_something(self._bridge.audit.path, names)
        if used:
            (fingerprint, when), *more = used.items()
            others = f" (and {len(more)} more)" if more else ""
            raise UndoRefused(
                f"{names[fingerprint]} signed since it was migrated, last at {when}{others}",
                hint="--even-if-used undoes it all the same",
            )

    def _undo(self, step: Step) -> Path | None:
        key = step.key
        audited = {"key": key.name, "fingerprint": key.fingerprint, "migration": self._journal.id}
        written = False
        with self._bridge.administer("key.undo", self._caller, audited) as outcome:
            if step.source_key is not None and (step.info is not None or step.record is not None):
                if step.source_key.holds_secret:
                    self._source.open(step.source_key).wipe()
                written = hand_back(step.signed, self._state, key.name)
                if written:
                    outcome["state_written"] = True
            if step.info is not None:
                self._device.delete_key(step.info.ref)
            if step.record is not None:
                self._bridge.store.delete(step.record.name)
        self._journal.note("undone", {"name": key.name}, durable=True)
        return self._state.path if written and self._state is not None else None


def _is_ours(key: KeyState, info: KeyInfo) -> bool:
    """Whether a key in the token is the one that the migration put there."""
    if key.key_id:
        return info.key_id == key.key_id
    # Of a backend without ids of its own, the journal's word has to do.
    return key.ours


def signed_something(audit: Path, fingerprints: Iterable[str]) -> dict[str, str]:
    """Return which keys signed something, and when they did it last, as the audit log tells.

    An intent without an outcome counts as signed, and so does every kind of entry about a key that is not known to be
    something else.

    Raises:
        AuditFailed: The log cannot be read.
    """
    wanted = frozenset(fingerprints)
    signed: dict[int, tuple[str, str]] = {}
    for _, entry in read(audit):
        if isinstance(entry, Damaged):
            # Torn lines of killed writers are closed by a recovery entry and hold no intent that was carried out.
            continue
        if entry.of is not None:
            if entry.fields.get("result") == "failed":
                signed.pop(entry.of, None)
        elif entry.kind.endswith(INTENT_SUFFIX) and not entry.kind.startswith(_NOT_SIGNING):
            fingerprint = entry.fields.get("fingerprint")
            if isinstance(fingerprint, str) and fingerprint in wanted:
                signed[entry.seq] = (fingerprint, entry.time)
    return dict(signed.values())
