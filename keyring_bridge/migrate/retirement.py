"""Removes the source's copies of what a migration moved, once the token has proved that it has the private keys.

In this order, and nothing of it is skipped when an interrupted retirement continues::

    1 look       which files, and whether they may be removed; their digests
    2 compare    source, journal, records and token tell of the same keys; every key proves itself now
    3 confirm    a person, who was told what is removed and what that cannot promise
    4 note       the journal says which files will go, durably
    5 archive    if wanted: sealed, written, read back and compared with the files
    6 take away  key by key: the audit log's intent, a hidden name, random bytes, unlinked; the journal's word

A file that is not any more what was looked at before its key was compared is left as it is, and so is everything in the
source that this migration did not move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from keyring_bridge.keyring_directory import KEYHASH
from keyring_bridge.migrate.comparison import compare, same_key, troubled
from keyring_bridge.migrate.errors import RetirementRefused
from keyring_bridge.migrate.files import Folder, hidden_name
from keyring_bridge.migrate.keys import MigratedKeys
from keyring_bridge.migrate.known import place_of
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.migrate.comparison import Compared
    from keyring_bridge.migrate.history import FileDigest, KeyState
    from keyring_bridge.migrate.journal import Journal
    from keyring_bridge.migrate.model import Source
    from keyring_bridge.model import Caller

Progress = Callable[[int, int], object]


class Archive(Protocol):
    """Where copies of the files go before they are removed."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def write(self, folder: Folder, files: Sequence[FileDigest], extra: Sequence[FileDigest]) -> None:
        """Make the archive, read it back and compare it; one that is there already is only compared.

        Args:
            folder: Of the source.
            files: What must be in it; those that are gone from the folder already must be in an archive that is there.
            extra: What is put in besides, if the archive is made now.

        Raises:
            RetirementRefused: It cannot be made, or does not hold what it must.
        """
        ...


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person declared.

    Attributes:
        covered: Tells of a key's fingerprint whether a verified backup can bring it back.
        single_copy: That the token's copy may be the only one.
        old_signer_stopped: That whatever signed with a consensus key until now does not run any more.
    """

    covered: Callable[[str], bool] = lambda fingerprint: False
    single_copy: bool = False
    old_signer_stopped: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a retirement would do.

    Attributes:
        keys: Names of the keys whose copies go.
        files: Of them, by the name of the key; those of an interrupted retirement that lost their names already are not
            among them.
        begun: Names of keys of which an interrupted retirement left something.
        left: What stays in the source, for people.
    """

    keys: tuple[str, ...]
    files: Mapping[str, tuple[FileDigest, ...]]
    begun: tuple[str, ...]
    left: tuple[str, ...]


class Retirement:
    """One run of a retirement.

    Args:
        bridge: The signing pipeline and its parts.
        caller: Who asks; the audit log tells.
        journal: Of the migration, open.
    """

    def __init__(self, bridge: Bridge, caller: Caller, journal: Journal) -> None:
        self._bridge = bridge
        self._caller = caller
        self._keys = MigratedKeys(bridge, caller)
        self._journal = journal
        history = journal.history
        if not history.path:
            raise RetirementRefused("the source is no file: there is nothing to remove")
        if not history.finished:
            raise RetirementRefused("the migration did not come to its end", hint="run it again first")
        if history.undoing:
            raise RetirementRefused("the migration is being undone", hint="`hsm migrate undo` continues that")
        self._path, self._keyring = place_of(history)

    def needs_source(self) -> bool:
        """Whether the source still has files of keys that were not retired, so that it has to be opened."""
        with Folder(self._path) as folder:
            return any(folder.has(names[0]) for _, names in self._pending())

    def look(self, source: Source | None, consent: Consent, progress: Progress = lambda done, of: None) -> Outlook:
        """Do the first two steps; nothing is changed.

        Args:
            source: Opened again; None if :meth:`needs_source` says so.
            consent: What was declared.
            progress: Called with how many keys are compared, of how many.

        Raises:
            RetirementRefused: Something is not as it must be.
        """
        pending = self._pending()
        if not pending and self._journal.history.retiring is None:
            raise RetirementRefused("there is nothing left to remove")
        self._check_consent(consent)
        with Folder(self._path) as folder:
            folder.check_writable()
            gone = frozenset(key.name for key, names in pending if not folder.has(names[0]))
            looked = {key.name: [folder.look(name) for name in names if folder.has(name)] for key, names in pending}
            compared = self._compare(source, gone, progress)
            files = {}
            for one in compared:
                # An address item that leads to another key by now is not this key's any more.
                own = None if one.source_key is None else {path.name for path in one.source_key.files}
                found = looked[one.key.name]
                files[one.key.name] = tuple(file for file in found if own is None or file.name in own)
            left = self._left(folder, source, {file.name for found in files.values() for file in found})
        return Outlook(tuple(files), files, tuple(sorted(gone)), left)

    def run(self, outlook: Outlook, archive: Archive | None = None, progress: Progress = lambda done, of: None) -> None:
        """Do the rest, after a person confirmed.

        Raises:
            RetirementRefused: It was begun with an archive, and none is named now.
            SourceChanged: A file was changed since it was looked at. Those before it are gone, it is not.
            BridgeError: Likewise.
        """
        before = self._journal.history.retiring
        if before is not None and before.archive and archive is None:
            raise RetirementRefused("it was begun with an archive", hint=f"name it again: --archive {before.archive}")
        how = "archived" if archive is not None else "erased"
        with Folder(self._path) as folder:
            self._note(outlook, archive, folder)
            for done, name in enumerate(outlook.keys):
                progress(done, len(outlook.keys))
                self._take_away(folder, self._journal.history.keys[name], outlook.files[name], how)
            progress(len(outlook.keys), len(outlook.keys))
            if self._keyring:
                self._remove_keyhash(folder)
            self._journal.note("retirement_finished", {}, durable=True)

    def _pending(self) -> list[tuple[KeyState, tuple[str, ...]]]:
        """Return the keys that are not retired, with the names of their files, their own one first."""
        history = self._journal.history
        begun = {} if history.retiring is None else history.retiring.files
        pending = []
        for key in history.keys.values():
            if key.how and not key.retired:
                files = begun.get(key.name) or key.files
                if not files:
                    raise RetirementRefused(f"{key.name}: the journal does not tell its files; migrate once more first")
                pending.append((key, tuple(dict.fromkeys(one.name for one in files))))
        return pending

    def _check_consent(self, consent: Consent) -> None:
        pending = [key for key, _ in self._pending() if key.private]
        alone = [key.name for key in pending if not consent.covered(key.fingerprint)]
        if alone and not consent.single_copy:
            raise RetirementRefused(
                f"no verified backup can bring back {_some(alone)}",
                hint="`hsm backup --source` makes one, `hsm backup verify` checks it; or say --accept-single-copy",
            )
        consensus = [key.name for key in pending if key.purpose == Purpose.CONSENSUS]
        if consensus and not consent.old_signer_stopped:
            raise RetirementRefused(
                f"{_some(consensus)} is a consensus key: the old signer must not run any more",
                hint="stop it, make sure that nothing starts it again, and say --old-signer-stopped",
            )

    def _compare(self, source: Source | None, gone: frozenset[str], progress: Progress) -> list[Compared]:
        names = {key.name for key, _ in self._pending()}
        compared = compare(
            self._keys,
            self._journal.history,
            source,
            gone=gone,
            only=lambda key: key.name in names,
            progress=progress,
        )
        problems = troubled(compared)
        if problems:
            raise RetirementRefused(
                f"nothing was removed: {problems[0]}" + (f" (and {len(problems) - 1} more)" if problems[1:] else ""),
                hint="`hsm migrate verify` shows all differences",
                detail="; ".join(problems[:20]),
            )
        for one in compared:
            self._check_compared(one, source, gone)
        return compared

    def _check_compared(self, one: Compared, source: Source | None, gone: frozenset[str]) -> None:
        """Make sure that nothing goes whose key the token does not have: these are the promises of this module."""
        if one.record is None or (one.key.private and one.proof is None):
            raise RetirementRefused(f"{one.key.name}: the token did not prove that it has the key")
        if one.key.name in gone:
            return
        found = one.source_key
        if source is None or found is None or found.record is None or not same_key(found, one.key):
            raise RetirementRefused(f"{one.key.name}: the source was not compared with the token")
        if found.holds_secret != one.key.private:
            raise RetirementRefused(f"{one.key.name}: the source has another kind of record now")
        if not one.key.private:
            if replace(found.record, name=one.record.name) != one.record.record:
                raise RetirementRefused(f"{one.key.name}: the source's record says something else than ours")
            return
        # Opened once more, after its files were looked at: what is removed is what was compared.
        source.open(found).wipe()

    def _left(self, folder: Folder, source: Source | None, going: set[str]) -> tuple[str, ...]:
        if not self._keyring:
            return ()
        hidden = {hidden_name(self._journal.id, name) for _, names in self._pending() for name in names}
        staying = [name for name in folder.names() if name not in going | hidden | {KEYHASH}]
        left = [f"{name} stays: it is none of the files of these keys" for name in staying]
        moved = {key.fingerprint for key, _ in self._pending() if key.fingerprint}
        items = {key.item for key, _ in self._pending()}
        for found in () if source is None else source.keys():
            public_key = None if found.record is None else found.record.public_key
            if found.holds_secret and found.item not in items and getattr(public_key, "fingerprint", "") in moved:
                left.insert(
                    0, f"{found.name} IS A SECOND COPY of a key that is removed, and stays: it was not migrated"
                )
        return tuple(left)

    def _note(self, outlook: Outlook, archive: Archive | None, folder: Folder) -> None:
        """Archive what will go, if that is wanted, and note it. What an interrupted run noted stays noted."""
        before = {} if self._journal.history.retiring is None else self._journal.history.retiring.files
        every: dict[str, tuple[FileDigest, ...]] = {}
        for name, files in outlook.files.items():
            every[name] = tuple({one.name: one for one in (*before.get(name, ()), *files)}.values())
        if archive is not None:
            extra = (folder.look(KEYHASH),) if self._keyring and folder.has(KEYHASH) else ()
            archive.write(folder, [file for files in every.values() for file in files], extra)
        fields = {
            "how": "erased" if archive is None else "archived",
            "archive": "" if archive is None else str(archive.path),
            "keys": [{"name": name, "files": [one.to_json() for one in files]} for name, files in every.items()],
        }
        self._journal.note("retiring", fields, durable=True)

    def _take_away(self, folder: Folder, key: KeyState, files: tuple[FileDigest, ...], how: str) -> None:
        noted = () if self._journal.history.retiring is None else self._journal.history.retiring.files.get(key.name, ())
        # Somebody else was quicker; the token has the key all the same.
        how = how if noted else "missing"
        audited = {"key": key.name, "fingerprint": key.fingerprint, "migration": self._journal.id, "how": how}
        with self._bridge.administer("key.retire", self._caller, audited):
            there = {one.name: one for one in files}
            for name in (one.name for one in noted):
                hidden = hidden_name(self._journal.id, name)
                if folder.has(hidden):
                    folder.erase(hidden)
                if name in there:
                    folder.set_aside(there[name], hidden)
                    folder.erase(hidden)
        self._journal.note("retired", {"name": key.name, "how": how}, durable=True)

    def _remove_keyhash(self, folder: Folder) -> None:
        """Remove what the SDK checks the password with, if nothing else is left."""
        hidden = hidden_name(self._journal.id, KEYHASH)
        if folder.has(hidden):
            folder.erase(hidden)
        if folder.names() == [KEYHASH]:
            folder.set_aside(folder.look(KEYHASH), hidden)
            folder.erase(hidden)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
