"""Rotation: one key takes the place of another.

The bridge makes the successor and links the two records. From a date on, if there is one, the old key signs nothing any
more (:meth:`keyring_bridge.signing_key.SigningKey.require_current`); until then both do, because what a chain has to be
told is signed with the old one (:mod:`keyring_bridge.rotation_steps`).

A rotation that was cut off is continued by the same call. Before the successor is made a note says who it will be, so
that a record of this name is then known as ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.config.files import private_dir, remove_durably, write_atomic
from keyring_bridge.errors import BridgeError, CannotSign, Exit, KeyExists, KeyNotFound
from keyring_bridge.names import check_name
from keyring_bridge.token_keys import TokenKeys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from keyring_bridge.store.base import StoredRecord

FOLDER = "rotations"


class RotationRefused(BridgeError):
    """Two keys of which one cannot take the other's place."""

    code = "rotation_refused"
    rpc_code = -32036
    exit_code = Exit.CONFLICT


@dataclass(frozen=True, slots=True)
class Rotation:
    """Two records that are linked.

    Attributes:
        old: The key that is replaced.
        new: Its successor.
        made: Whether the successor was made just now.
    """

    old: StoredRecord
    new: StoredRecord
    made: bool


class RotatedKeys(TokenKeys):
    """One caller's rotations."""

    def rotate(
        self,
        name: str,
        successor: str,
        *,
        existing: bool = False,
        until: datetime | None = None,
        provider: str | None = None,
    ) -> Rotation:
        """Let a key take the place of another. The same call again changes nothing, or continues.

        Args:
            name: Of the record that is replaced.
            successor: Name of the record that takes its place.
            existing: Whether the successor's record is there already; otherwise a key of the same kind and purpose is
                made.
            until: Moment from which the old key signs nothing any more; None leaves that as it is.
            provider: Where the successor is made; with the old key if None.

        Raises:
            KeyNotFound: There is no such record.
            KeyExists: A record has the successor's name, and it was not said to be one.
            CannotSign: The old record never had a private key.
            RotationRefused: The successor is of another kind or purpose, was replaced itself, or has no private key;
                the old key has another successor already, or its date is over.
        """
        old = self.key(name)
        if old.provider is None or not isinstance(old.record.public_key, PublicKey):
            raise CannotSign(f"{old.name}: the record has no private key that another one could replace")
        if check_name(successor) == old.name:
            raise RotationRefused("a key cannot take its own place")
        new, made = self._successor(old, successor, existing=existing, provider=provider)
        changed = replace(
            old,
            successor=new.fingerprint,
            verify_only_from=old.verify_only_from if until is None else until.astimezone(UTC),
        )
        self._check_date(old, changed)
        if changed != old:
            fields = {"key": old.name, "fingerprint": old.fingerprint, "successor": new.name}
            fields |= {"successor_fingerprint": new.fingerprint, "verify_only_from": _text(changed.verify_only_from)}
            with self._bridge.administer("key.rotate", self._caller, fields):
                self._store.update(changed)
        self._forget(old)
        return Rotation(changed, new, made)

    def _successor(
        self, old: StoredRecord, successor: str, *, existing: bool, provider: str | None
    ) -> tuple[StoredRecord, bool]:
        """Return the successor's record, made if it is not there, and whether it was made now."""
        new = self._store.get(successor)
        if new is not None:
            if not (existing or old.successor == new.fingerprint or self._noted(old) == successor):
                raise KeyExists(
                    f"{successor}: key already exists", hint="add --existing if this key is to be the successor"
                )
            self._check(old, new)
            return new, False
        if existing:
            raise KeyNotFound(f"{successor}.info: key not found")
        if old.successor is not None:
            raise RotationRefused(f"{old.name} has a successor already", hint="`hsm keys show` names it")
        public_key = old.record.public_key
        if not isinstance(public_key, PublicKey):
            raise CannotSign(f"{old.name}: the record has no single key")
        self._note(old, successor)
        chosen = provider if provider is not None else old.provider
        try:
            made = self.generate(successor, public_key.key_type, old.purpose, provider=chosen, url=public_key.url)
        except BaseException:
            if self._store.get(successor) is None:
                # There is nothing to continue: a key that gets this name later is another one.
                self._forget(old)
            raise
        return made, True

    def _check(self, old: StoredRecord, new: StoredRecord) -> None:
        if old.successor not in (None, new.fingerprint):
            raise RotationRefused(f"{old.name} has another successor already", hint="`hsm keys show` names it")
        if new.provider is None or not isinstance(new.record.public_key, PublicKey):
            raise RotationRefused(f"{new.name} has no private key here")
        if new.purpose is not old.purpose or new.key_type is not old.key_type:
            raise RotationRefused(
                f"{new.name} ({new.key_type}, {new.purpose}) is another kind of key than {old.name} ({old.key_type}, "
                f"{old.purpose})"
            )
        if new.successor is not None:
            raise RotationRefused(f"{new.name} was replaced itself", hint="name the last one of the line")

    def _check_date(self, old: StoredRecord, changed: StoredRecord) -> None:
        over = old.verify_only_from is not None and old.verify_only_from <= datetime.now(UTC)
        if over and changed.verify_only_from != old.verify_only_from:
            raise RotationRefused(f"{old.name} signs nothing any more since {_text(old.verify_only_from)}")

    def _folder(self) -> Path:
        return self._bridge.config.state_dir / FOLDER

    def _note(self, old: StoredRecord, successor: str) -> None:
        content = json.dumps({"v": 1, "key": old.name, "successor": successor}).encode("ascii")
        write_atomic(private_dir(self._folder()) / str(old.fingerprint), content)

    def _noted(self, old: StoredRecord) -> str | None:
        try:
            noted = json.loads((self._folder() / str(old.fingerprint)).read_bytes())["successor"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return noted if isinstance(noted, str) else None

    def _forget(self, old: StoredRecord) -> None:
        path = self._folder() / str(old.fingerprint)
        if path.exists():
            remove_durably(path)


def links(record: StoredRecord, records: Iterable[StoredRecord]) -> Mapping[str, object]:
    """Return the names of a record's successor and of the keys whose place it took; empty where there are none."""
    named: dict[str, object] = {}
    replaces = []
    for other in records:
        if record.successor is not None and other.fingerprint == record.successor:
            named["successor_name"] = other.name
        if record.fingerprint is not None and other.successor == record.fingerprint:
            replaces.append(other.name)
    return named | ({"replaces": replaces} if replaces else {})


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
