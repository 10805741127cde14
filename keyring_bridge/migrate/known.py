"""The migrations that the journals know of, and their sources opened again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.migrate.errors import JournalDamaged, MigrationAmbiguous, MigrationNotFound
from keyring_bridge.migrate.history import History, State
from keyring_bridge.migrate.journal import FOLDER, read

if TYPE_CHECKING:
    from keyring_bridge.migrate.model import Source
    from keyring_bridge.migrate.sources import Ask


@dataclass(frozen=True, slots=True)
class Known:
    """One migration.

    Attributes:
        id: Its name.
        history: What its journal says; empty if that cannot be read.
        state: How far it is; None if its journal cannot be read.
        trouble: Why the journal cannot be read.
    """

    id: str
    history: History
    state: State | None
    trouble: str = ""


def known(state_dir: Path) -> list[Known]:
    """Return every migration, the oldest first. Journals are not changed; one that is damaged is told as such."""
    found = []
    folder = state_dir / FOLDER
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
        try:
            history, busy = read(path)
        except (JournalDamaged, OSError) as error:
            found.append(Known(path.stem, History(), None, str(error)))
            continue
        if busy or history.keys:
            found.append(Known(path.stem, history, State.RUNNING if busy else history.state))
    return sorted(found, key=lambda one: one.history.began)


def find(state_dir: Path, wanted: str | None) -> Known:
    """Return the migration that is meant.

    Args:
        state_dir: Of the configuration.
        wanted: Its id or the beginning of it, or the path of its source; None for the only one that there is.

    Raises:
        MigrationNotFound: There is none.
        MigrationAmbiguous: Several could be meant.
        JournalDamaged: Its journal cannot be read.
    """
    every = known(state_dir)
    if wanted is None:
        matching = every
    else:
        matching = [one for one in every if one.id == wanted]
        matching = matching or [one for one in every if len(wanted) >= 4 and one.id.startswith(wanted)]
        path = str(Path(wanted).resolve())
        matching = matching or [one for one in every if one.history.path and path in _paths(one.history)]
    if not matching:
        raise MigrationNotFound("no migration is known" if wanted is None else f"no migration is known as {wanted!r}")
    if len(matching) > 1:
        raise MigrationAmbiguous(f"{len(matching)} migrations could be meant", hint="name one by its id")
    (one,) = matching
    if one.state is None:
        raise JournalDamaged("the migration's journal is damaged", detail=one.trouble)
    return one


def _paths(history: History) -> tuple[str, ...]:
    """Return what a person may call a source: itself, or the home that it was found in."""
    path = Path(history.path)
    return (history.path, str(path.parent)) if path.name.startswith("keyring-") else (history.path,)


def reopen(history: History, ask: Ask) -> Source | None:
    """Open the source of a migration again, as it was opened then.

    Args:
        history: Of the migration.
        ask: Gives the password, if one is needed.

    Returns:
        The source; None for a secret that came from nowhere on disk.

    Raises:
        BridgeError: As :func:`keyring_bridge.migrate.sources.open_path`.
    """
    from keyring_bridge.migrate.model import SourceKind
    from keyring_bridge.migrate.sources import SourceOptions, open_path

    if not history.path:
        return None
    options = replace(SourceOptions.from_json(history.options), kind=SourceKind(history.kind))
    return open_path(Path(history.path), ask, options)


def place_of(history: History) -> tuple[Path, bool]:
    """Return the folder in which a source's files lie, and whether the folder itself is the source."""
    path = Path(history.path)
    keyring = history.kind in ("keyring-file", "keyring-test")
    return (path if keyring else path.parent), keyring
