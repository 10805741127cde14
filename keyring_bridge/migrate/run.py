"""Carries a plan out, key by key, so that it can be stopped anywhere and continued.

Of each key: open it at the source, import it, read it back, prove it, write its record. On disk before the token is
touched are the plan with the reserved ids, and the audit log's intent. A second run finds what a first one
left: a record (nothing to do), a key without a record (it is adopted), or parts of a key (removed by their id).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.errors import KeyMismatch
from keyring_bridge.migrate.errors import MigrationRefused
from keyring_bridge.migrate.files import digest
from keyring_bridge.migrate.keys import MigratedKeys
from keyring_bridge.migrate.plan import Action, Destination, Plan, Row, Wishes, make_plan
from keyring_bridge.migrate.pool import ahead
from keyring_bridge.model import Action as Operation
from keyring_bridge.model import KeySpec, Purpose
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from cosmos_formats.private_keys import PrivateKey
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.migrate.journal import Journal
    from keyring_bridge.migrate.model import Source
    from keyring_bridge.migrate.sources import SourceOptions
    from keyring_bridge.model import Caller, KeyInfo, Proof
    from keyring_bridge.store.base import StoredRecord

Progress = Callable[[int, int], object]
"""Called with how many keys are done, of how many."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """A key that is where it should be.

    Attributes:
        row: Its line of the plan.
        record: Its record.
        info: What the token told of it; None for records without a private key.
        proof: What it signed; None likewise.
    """

    row: Row
    record: StoredRecord
    info: KeyInfo | None
    proof: Proof | None


def _planned(row: Row, key_id: bytes) -> dict[str, object]:
    """Return a key's line of the plan, for the journal."""
    return {
        "name": row.name,
        "item": row.key.item,
        "kind": "" if row.key.record is None else row.key.record.kind,
        "action": str(row.action),
        "purpose": str(row.purpose),
        "fingerprint": row.fingerprint or "",
        "address": row.public_key.address.hex(),
        "key_id": key_id.hex(),
        # A file that is a source by itself is known by where it really is; an item of a keyring by its name there.
        "files": [digest(path if row.key.item else path.resolve()).to_json() for path in row.key.files],
    }


def survey(bridge: Bridge, provider: str) -> Destination:
    """Log in to a provider and return what it tells of itself and its keys."""
    device = bridge.device(provider)
    device.connect()
    told = device.survey()
    keys = tuple(device.list_keys())
    hardware = bridge.provider_status(provider).hardware
    return Destination(
        provider, device.scheme, hardware, device.imports, device.deletes, told.key_types, told.free_bytes, keys
    )


def plan(bridge: Bridge, source: Source, provider: str, wishes: Wishes) -> Plan:
    """Return what would be done; nothing is changed (errors: those of the source and of the provider's login)."""
    keys = source.keys()
    return make_plan(keys, wishes, survey(bridge, provider), bridge.store.list(), source.warnings)


class Migration:
    """One run.

    Args:
        bridge: The signing pipeline and its parts.
        caller: Who asks; the audit log tells.
        source: Where the keys are.
        journal: Of this source and destination, open.
        chain_id: Chain of a consensus key's state, where the file does not tell.
        options: What was said about the source, so that it can be opened again later.
    """

    def __init__(
        self,
        bridge: Bridge,
        caller: Caller,
        source: Source,
        journal: Journal,
        chain_id: str = "",
        options: SourceOptions | None = None,
    ) -> None:
        self._options = options
        self._bridge = bridge
        self._caller = caller
        self._keys = MigratedKeys(bridge, caller)
        self._source = source
        self._journal = journal
        self._chain_id = chain_id

    def run(self, plan: Plan, progress: Progress = lambda done, of: None) -> Iterator[Migrated]:
        """Do what the plan says, yielding each key when it is done; stop at the first that fails.

        Raises:
            MigrationRefused: The plan has problems; nothing was touched.
            PolicyDenied: The caller may not import one of the keys; nothing was touched.
            BridgeError: A key failed. Those before it are done, and the same command continues.
        """
        if not plan.ready:
            troubled = [f"{row.name or row.key.item}: {problem}" for row in plan.rows for problem in row.problems]
            raise MigrationRefused(
                "the plan has problems, so nothing was touched", detail="; ".join([*plan.problems, *troubled][:20])
            )
        for row in plan.rows:
            # Each import asks as well, but by then there are notes of heights, and of a migration that has begun.
            self._bridge.require(Operation.IMPORT, row.name, self._caller)
        self._clear(plan)
        ids = self._note_plan(plan)
        done = 0
        progress(done, len(plan.rows))
        for migrated in self._each(plan, ids):
            done += 1
            progress(done, len(plan.rows))
            yield migrated
        self._journal.note("finished", {}, durable=True)

    def _clear(self, plan: Plan) -> None:
        """Remove what an earlier run left half made, found by the ids that its plan reserved."""
        history = self._journal.history
        if history.finished or not history.keys:
            return
        imports = {row.name for row in plan.rows if row.action is Action.IMPORT}
        reserved = [
            (key.key_id, key.name)
            for key in history.keys.values()
            if key.name in imports and key.key_id and not key.how
        ]
        self._keys.device(plan.destination.provider).discard_unfinished(reserved)

    def _note_plan(self, plan: Plan) -> dict[str, bytes]:
        device = self._keys.device(plan.destination.provider)
        imports = [row.name for row in plan.rows if row.action is Action.IMPORT]
        ids = dict(zip(imports, device.reserve_ids(len(imports)), strict=True)) if imports else {}
        path = self._source.path
        fields = {
            "source": self._source.identity,
            "kind": str(self._source.kind),
            "path": "" if path is None else str(path.resolve()),
            "options": {} if self._options is None else self._options.to_json(),
            "provider": plan.destination.provider,
            "warnings": list(plan.warnings),
            "keys": [_planned(row, ids.get(row.name, b"")) for row in plan.rows],
        }
        self._journal.note("planned", fields, durable=True)
        return ids

    def _each(self, plan: Plan, ids: dict[str, bytes]) -> Iterator[Migrated]:
        provider = plan.destination.provider
        imports = [row for row in plan.rows if row.action is Action.IMPORT]
        others = [row for row in plan.rows if row.action is not Action.IMPORT]
        for row in (row for row in others if row.key.holds_secret):
            yield self._there(row, provider)
        # Closed at once where a key fails: those that were opened ahead must not wait for the collector to be wiped.
        opening = ahead(lambda row: self._source.open(row.key), imports, discard=lambda key: key.wipe())
        with closing(opening):
            for row, opened in opening:
                yield self._take_in(row, opened, provider, ids[row.name])
        if imports:
            self._check_found(imports, provider)
        for row in (row for row in others if not row.key.holds_secret):
            yield self._record_only(row)

    def _check_found(self, imports: Sequence[Row], provider: str) -> None:
        """Look for every imported key as later operations will: they were read back by handles, without a search."""
        times = Counter(info.fingerprint for info in self._keys.device(provider).list_keys())
        wrong = [row.name for row in imports if times[row.fingerprint or ""] != 1]
        if wrong:
            raise KeyMismatch(
                "the token does not show each imported key once; see `hsm status`", detail=", ".join(wrong[:20])
            )

    def _take_in(self, row: Row, opened: PrivateKey, provider: str, key_id: bytes) -> Migrated:
        with SecretBytes(opened.secret) as secret:
            self._note_floor(row, opened.public_key)
            spec = KeySpec(row.name, opened.key_type.curve, row.purpose, key_id=key_id)
            fields = {"source": str(self._source.kind), "migration": self._journal.id}
            proofs: list[Proof] = []
            told = self._told(row.name, proofs)
            record, info = self._keys.take_in(spec, opened.public_key, secret, provider, fields, told)
        self._journal.note("recorded", {"name": row.name, "how": "imported", "ours": True})
        return Migrated(row, record, info, proofs[0])

    def _there(self, row: Row, provider: str) -> Migrated:
        """Adopt a key that has no record, or let one that has it prove itself again."""
        public_key, info = row.public_key, row.info
        if info is None or not isinstance(public_key, PublicKey):
            raise MigrationRefused(f"{row.name}: the token does not have the key")
        self._note_floor(row, public_key)
        if row.action is Action.ADOPT:
            proofs: list[Proof] = []
            told = self._told(row.name, proofs)
            record = self._keys.take_up(info, row.name, public_key, row.purpose, provider, told)
            state = self._journal.history.keys.get(row.name)
            ours = state is not None and bool(state.key_id) and state.key_id == info.key_id
            self._journal.note("recorded", {"name": row.name, "how": "adopted", "ours": ours})
            return Migrated(row, record, info, proofs[0])
        record = self._keys.key(row.name)
        proof = self._keys.prove(record)
        self._note_proof(row.name, proof)
        self._note_recorded(row, info)
        return Migrated(row, record, info, proof)

    def _note_recorded(self, row: Row, info: KeyInfo) -> None:
        """Note a record that an earlier run wrote without being able to say so; others were there before."""
        state = self._journal.history.keys[row.name]
        if not state.how:
            ours = bool(state.key_id) and state.key_id == info.key_id
            self._journal.note("recorded", {"name": row.name, "how": "imported" if ours else "there", "ours": ours})

    def _record_only(self, row: Row) -> Migrated:
        if row.action is Action.NOTHING:
            state = self._journal.history.keys[row.name]
            if not state.how:
                # An earlier run that meant to save it was killed before it could say that it had.
                how = "saved" if state.intended == Action.SAVE else "there"
                self._journal.note("recorded", {"name": row.name, "how": how, "ours": False})
            return Migrated(row, self._keys.key(row.name), None, None)
        if row.key.record is None:
            raise MigrationRefused(f"{row.name}: cannot be read")
        record = self._keys.keep(replace(row.key.record, name=row.name))
        self._journal.note("recorded", {"name": row.name, "how": "saved", "ours": False})
        return Migrated(row, record, None, None)

    def _note_floor(self, row: Row, public_key: PublicKey) -> None:
        """Remember what a consensus key signed elsewhere, before it has a record here."""
        state = self._source.state
        if row.purpose is not Purpose.CONSENSUS or state is None:
            return
        signed = state.read()
        if signed is not None:
            chain = state.chain_id or self._chain_id
            self._bridge.store.note_last_signed(public_key.fingerprint, chain, signed)

    def _told(self, name: str, proofs: list[Proof]) -> Callable[[Proof], object]:
        def told(proof: Proof) -> None:
            proofs.append(proof)
            self._note_proof(name, proof)

        return told

    def _note_proof(self, name: str, proof: Proof) -> None:
        fields = {"name": name, "message": proof.message.hex(), "signature": proof.signature.hex()}
        self._journal.note("proved", fields)
