"""Which bundles were verified, and what of each key is in them.

A note per bundle, in ``verified-backups/`` of the state directory. Whoever is about to remove a key's last copy
elsewhere asks here first: :meth:`Register.covers`.

Nobody can see from wrapped bytes which key they are, and whoever knows a recipient can seal a bundle. A wrapped key
therefore counts only in a bundle that this bridge made; a note of each of those is in ``made-backups/``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from keyring_bridge.backup.errors import BackupNotesDamaged
from keyring_bridge.config.files import private_dir, read_trusted, write_atomic

FOLDER = "verified-backups"
MADE_FOLDER = "made-backups"

_MAX_NOTE = 64 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Holds(StrEnum):
    """What a bundle has of a key."""

    RECORD = "record"
    """Name, address and public key: the key itself cannot come back from the bundle."""
    WRAPPED = "wrapped"
    """The key, encrypted under a wrapping key that has to be in the token where it comes back."""
    SEALED = "sealed"
    """The key, protected by the bundle's own seal alone."""

    @property
    def has_key(self) -> bool:
        """Whether the private key can come back from the bundle."""
        return self is not Holds.RECORD


@dataclass(frozen=True, slots=True)
class Covered:
    """A verified bundle that knows a key.

    Attributes:
        holds: What it has of the key.
        digest: SHA-256 of the sealed bundle, 64 hexadecimal digits.
        verified_at: When it was read whole and checked (UTC).
        made_here: Whether this bridge made it.
    """

    holds: Holds
    digest: str
    verified_at: datetime
    made_here: bool

    @property
    def has_key(self) -> bool:
        """Whether it is known that the private key can come back from the bundle, and not its record alone."""
        return self.holds is Holds.SEALED or (self.holds is Holds.WRAPPED and self.made_here)


class Register:
    """The notes of one state directory.

    Args:
        state_dir: See :attr:`keyring_bridge.config.Config.state_dir`.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / FOLDER
        self._made = state_dir / MADE_FOLDER

    def note_made(self, digest: str, made_at: datetime) -> None:
        """Remember durably that this bridge made a bundle.

        Args:
            digest: SHA-256 of the sealed bundle, 64 hexadecimal digits.
            made_at: When, with a time zone.

        Raises:
            ValueError: The digest is none.
            OSError: It could not be written.
        """
        if _DIGEST.fullmatch(digest) is None:
            raise ValueError("not a digest")
        private_dir(self._made)
        note = {"version": 1, "digest": digest, "made_at": made_at.astimezone(UTC).isoformat()}
        write_atomic(self._made / f"{digest}.json", json.dumps(note, indent=1).encode() + b"\n")

    def note_verified(self, digest: str, verified_at: datetime, keys: Mapping[str, Holds]) -> None:
        """Remember durably that a bundle was read whole and found good.

        Args:
            digest: SHA-256 of the sealed bundle, 64 hexadecimal digits.
            verified_at: When, with a time zone.
            keys: What it has of each key, by fingerprint (64 hexadecimal digits).

        Raises:
            ValueError: The digest or a fingerprint is none.
            OSError: It could not be written.
        """
        if not all(_DIGEST.fullmatch(text) for text in (digest, *keys)):
            raise ValueError("not a digest")
        note = {
            "version": 1,
            "digest": digest,
            "verified_at": verified_at.astimezone(UTC).isoformat(),
            "keys": {fingerprint: str(holds) for fingerprint, holds in sorted(keys.items())},
        }
        private_dir(self._folder)
        write_atomic(self._folder / f"{digest}.json", json.dumps(note, indent=1).encode() + b"\n")

    def covers(self, fingerprint: str) -> Covered | None:
        """Return the verified bundle that knows most of a key: the last one that has the key, else one that names it.

        Raises:
            BackupNotesDamaged: A note cannot be read, so nothing can be said.
            InsecureFile: Somebody else could have written one.
        """
        found = [
            Covered(holds, digest, verified_at, self._made_here(digest))
            for digest, verified_at, keys in self._notes()
            if (holds := keys.get(fingerprint)) is not None
        ]
        return max(found, key=lambda covered: (covered.has_key, covered.verified_at), default=None)

    def _made_here(self, digest: str) -> bool:
        path = self._made / f"{digest}.json"
        try:
            note = json.loads(bytes(read_trusted(path, what="note of a backup", limit=_MAX_NOTE)))
            return bool(note["version"] == 1 and note["digest"] == digest)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BackupNotesDamaged("a note of a backup cannot be read", detail=f"{path}: {error}") from error

    def _notes(self) -> Iterator[tuple[str, datetime, dict[str, Holds]]]:
        for path in sorted(self._folder.glob("*.json")):
            try:
                note = json.loads(bytes(read_trusted(path, what="note of a backup", limit=_MAX_NOTE)))
                if note["version"] != 1 or note["digest"] != path.stem:
                    raise ValueError("version or digest")
                verified_at = datetime.fromisoformat(note["verified_at"]).astimezone(UTC)
                keys = {str(fingerprint): Holds(holds) for fingerprint, holds in note["keys"].items()}
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise BackupNotesDamaged(
                    "a note of a verified backup cannot be read", detail=f"{path}: {error}"
                ) from error
            yield path.stem, verified_at, keys
