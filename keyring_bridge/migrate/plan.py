"""What a migration would do with each key, and what stands in its way. Pure: nothing is read or asked here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import InvalidName
from keyring_bridge.model import Purpose
from keyring_bridge.names import check_name

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey
    from keyring_bridge.migrate.model import SourceKey
    from keyring_bridge.model import KeyInfo
    from keyring_bridge.store.base import StoredRecord

BYTES_PER_KEY = 300
"""What a token needs for a key at least: a private and a public object. Less free room than this is too little."""


class Action(StrEnum):
    """What is done with a key."""

    IMPORT = "import"
    """Its private half goes into the token."""
    ADOPT = "adopt"
    """The token has it already, without a record: it proves itself and gets one."""
    SAVE = "save"
    """It has no private half here: its record comes along."""
    NOTHING = "nothing"
    """It is there, token and record; it proves itself again."""
    REFUSE = "refuse"
    """Something stands in the way."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person wants of a migration.

    Attributes:
        only: Names (or items) of the keys to take; all if empty.
        skip: Names of keys to leave out.
        renames: New names by the source's names.
        name: Name of a single key whose source has none for it.
        purpose: What keys are for whose source does not tell.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    renames: Mapping[str, str] | None = None
    name: str | None = None
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where keys go, as the provider tells it.

    Attributes:
        provider: Name of the configured provider.
        backend: Its backend.
        hardware: Whether its keys are outside this computer.
        imports: Whether it takes private keys in.
        deletes: Whether it destroys keys, without which a migration cannot be undone.
        key_types: Curves that it signs with; None if it does not tell.
        free_bytes: Room for private objects; None if it does not tell.
        keys: The keys it has now.
    """

    provider: str
    backend: str
    hardware: bool
    imports: bool
    deletes: bool
    key_types: frozenset[KeyType] | None
    free_bytes: int | None
    keys: tuple[KeyInfo, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One key of the plan.

    Attributes:
        key: As the source has it.
        name: What its record will be called.
        purpose: What it is for.
        action: What is done with it.
        notes: What the token will and will not do.
        problems: Why it is refused; empty otherwise.
        info: The key in the token, where it is there already.
    """

    key: SourceKey
    name: str
    purpose: Purpose
    action: Action
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    info: KeyInfo | None = None

    @property
    def public_key(self) -> AnyPublicKey:
        """The key's public half; rows without one are refused."""
        if self.key.record is None:
            raise ValueError("a row without a key")
        return self.key.record.public_key

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the public key; None for multisigs."""
        key = self.key.record.public_key if self.key.record is not None else None
        return key.fingerprint if isinstance(key, PublicKey) else None

    @property
    def key_type(self) -> str:
        """Algorithm, for people."""
        if self.key.record is None:
            return "?"
        key = self.key.record.public_key
        return "multisig" if isinstance(key, MultisigPublicKey) else str(key.key_type)


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, in this order.

    Attributes:
        destination: Where to.
        rows: The keys: private ones first, multisigs after everything they may be made of.
        warnings: What is odd about the source.
        problems: What stands in the way of all of it.
    """

    destination: Destination
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.problems and not any(row.problems for row in self.rows)


def make_plan(
    keys: Sequence[SourceKey],
    wishes: Wishes,
    destination: Destination,
    records: Iterable[StoredRecord],
    warnings: tuple[str, ...] = (),
) -> Plan:
    """Decide what to do with the keys of a source.

    Args:
        keys: Of the source.
        wishes: What is wanted.
        destination: Where they go.
        records: Those that the store has.
        warnings: What the source found odd about itself.
    """
    chosen, problems = _choose(keys, wishes)
    judge = _Judge(wishes, destination, records)
    rows = tuple(judge.row(key, single=len(keys) == 1) for key in sorted(chosen, key=_order))
    imports = sum(row.action is Action.IMPORT for row in rows)
    if destination.free_bytes is not None and destination.free_bytes < imports * BYTES_PER_KEY:
        problems.append(f"the token has {destination.free_bytes} bytes free, too little for {imports} keys")
    return Plan(destination, rows, warnings, tuple(problems))


def _choose(keys: Sequence[SourceKey], wishes: Wishes) -> tuple[list[SourceKey], list[str]]:
    known = {name for key in keys for name in (key.name, key.item)}
    named = (*wishes.only, *wishes.skip, *(wishes.renames or {}))
    problems = [f"the source has no key named {name!r}" for name in dict.fromkeys(named) if name not in known]
    chosen = [
        key
        for key in keys
        if (not wishes.only or key.name in wishes.only or key.item in wishes.only)
        and key.name not in wishes.skip
        and key.item not in wishes.skip
    ]
    if not keys:
        problems.append("the source has no keys")
    return chosen, problems


def _order(key: SourceKey) -> tuple[int, int]:
    if key.record is None or key.holds_secret:
        return (0, 0)
    public = key.record.public_key
    return (2, _depth(public)) if isinstance(public, MultisigPublicKey) else (1, 0)


def _depth(key: AnyPublicKey) -> int:
    return key.depth if isinstance(key, MultisigPublicKey) else 0


class _Judge:
    """Looks at one key after the other, remembering those before it."""

    def __init__(self, wishes: Wishes, destination: Destination, records: Iterable[StoredRecord]) -> None:
        self._wishes = wishes
        self._destination = destination
        self._by_name = {record.name: record for record in records}
        self._by_address = {record.address: record for record in self._by_name.values()}
        self._in_token = {info.fingerprint: info for info in destination.keys}
        self._names: dict[str, str] = {}
        self._addresses: dict[bytes, str] = {}

    def row(self, key: SourceKey, *, single: bool) -> Row:
        renames = self._wishes.renames or {}
        # By its item where several records claim one name.
        name = renames.get(key.name) or renames.get(key.item, key.name)
        if single and self._wishes.name is not None:
            name = self._wishes.name
        purpose = key.purpose or self._wishes.purpose
        if key.record is None:
            return Row(key, name, Purpose.ACCOUNT, Action.REFUSE, (), (f"cannot be read: {key.trouble}",))
        problems = self._clashes(key, name, key.record.public_key)
        if purpose is None:
            problems.append("the source does not tell what the key is for: say it with --purpose")
        if not key.holds_secret:
            return self._record_only(key, name, problems)
        return self._private(key, name, purpose or Purpose.ACCOUNT, problems)

    def _clashes(self, key: SourceKey, name: str, public_key: AnyPublicKey) -> list[str]:
        problems = []
        if not name:
            problems.append("the source has no name for it: give it one with --name")
        else:
            try:
                check_name(name)
            except InvalidName as error:
                problems.append(f"{error}: rename it with --rename")
        if name in self._names:
            problems.append(f"two keys would be called {name}")
        address = public_key.address
        other = self._addresses.get(address)
        if other is not None:
            problems.append(f"it has the address of {other}: leave one of the two out with --skip")
        self._names.setdefault(name, key.item)
        self._addresses.setdefault(address, name)
        held = self._by_name.get(name)
        if held is not None and held.record.public_key != public_key:
            problems.append("another key has this name: rename it with --rename")
        twin = self._by_address.get(address)
        if twin is not None and twin.name != name:
            problems.append(f"the record {twin.name} has its address already")
        return problems

    def _record_only(self, key: SourceKey, name: str, problems: list[str]) -> Row:
        held = self._by_name.get(name)
        there = held is not None and not problems
        notes = ("there already",) if there else ("record only: it signs nothing here",)
        action = Action.REFUSE if problems else Action.NOTHING if there else Action.SAVE
        return Row(key, name, Purpose.ACCOUNT, action, notes, tuple(problems))

    def _private(self, key: SourceKey, name: str, purpose: Purpose, problems: list[str]) -> Row:
        public_key = key.record.public_key if key.record is not None else None
        if not isinstance(public_key, PublicKey):
            return Row(key, name, purpose, Action.REFUSE, (), (*problems, "not a single key"))
        info = self._in_token.get(public_key.fingerprint)
        held = self._by_name.get(name)
        action = Action.IMPORT
        if held is not None and held.record.public_key == public_key:
            action = Action.NOTHING
            problems += self._wrong_record(held, info, purpose)
        elif info is not None:
            action = Action.ADOPT
            problems += _unprotected(info)
            if info.purpose is not None and info.purpose is not purpose:
                problems.append(f"the token has it already, for {info.purpose}")
        else:
            problems += self._unable(public_key)
        if purpose not in (Purpose.ACCOUNT, Purpose.CONSENSUS, Purpose.AUDIT):
            problems.append(f"a signing key is not for {purpose}")
        return Row(
            key,
            name,
            purpose,
            Action.REFUSE if problems else action,
            () if problems else self._promises(purpose, action),
            tuple(problems),
            info,
        )

    def _wrong_record(self, held: StoredRecord, info: KeyInfo | None, purpose: Purpose) -> list[str]:
        if held.provider is None:
            return ["a record without a private key has this name: delete it first"]
        if held.provider != self._destination.provider:
            return [f"the key is in {held.provider} already"]
        if info is None:
            return ["its record is there, but the token does not have the key: delete the record first"]
        return [f"its record is for {held.purpose}"] if held.purpose is not purpose else []

    def _unable(self, public_key: PublicKey) -> list[str]:
        if not self._destination.imports:
            return [f"the backend {self._destination.backend} takes no private keys in"]
        types = self._destination.key_types
        if types is not None and public_key.key_type.curve not in types:
            return [f"the token does not sign with {public_key.key_type.curve} keys"]
        return []

    def _promises(self, purpose: Purpose, action: Action) -> tuple[str, ...]:
        notes = []
        if action is Action.IMPORT:
            notes.append("not extractable, read back" if self._destination.hardware else "NOT HARDWARE")
        elif action is Action.ADOPT:
            notes.append("in the token already, without a record")
        else:
            notes.append("there already")
        if purpose is Purpose.CONSENSUS:
            notes.append("signs nothing until its floor is set")
        if not self._destination.deletes:
            notes.append("cannot be undone: the backend destroys no keys")
        return tuple(notes)


def _unprotected(info: KeyInfo) -> list[str]:
    if info.extractable or info.sensitive is False:
        return ["the token has it already, in a form that may leave the token: destroy that one first"]
    return []
