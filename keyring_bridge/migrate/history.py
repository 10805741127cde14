"""What a migration's journal says, line by line, folded together. Pure: no files, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How far a migration is."""

    RUNNING = "running"
    """A process works at it now."""
    INTERRUPTED = "interrupted"
    """A process ended in the middle of it; the same command continues."""
    DONE = "done"
    """Every key is where it should be, and the source is still there."""
    RETIRED = "retired"
    """The source's copies are gone."""
    UNDONE = "undone"
    """What it made was removed again."""


@dataclass(frozen=True, slots=True)
class FileDigest:
    """One file of a source, as it was.

    Attributes:
        name: Within the source's folder.
        sha256: Of its content, in hexadecimal digits.
        size: In bytes.
        device: Number of its file system, with ``inode`` only where it is about to be removed.
        inode: Its number there.
    """

    name: str
    sha256: str
    size: int
    device: int = 0
    inode: int = 0

    def to_json(self) -> list[object]:
        """Return it as the journal has it."""
        return [self.name, self.sha256, self.size, self.device, self.inode]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> FileDigest:
        """Read what :meth:`to_json` returned."""
        name, digest, size, device, inode = value
        return cls(str(name), str(digest), int(size), int(device), int(inode))


@dataclass(slots=True)
class KeyState:
    """What the journal says of one key.

    Attributes:
        name: Of its record, when it was planned.
        item: Of the source (:class:`~keyring_bridge.migrate.model.SourceKey`).
        kind: Of the record: ``local``, ``offline``, ``ledger`` or ``multi``.
        purpose: What it is for.
        address: Raw bytes in hexadecimal digits.
        files: Of the source, as they were when it was planned.
        intended: What the last plan that was not carried out would have done with it: ``import``, ``adopt``, ``save``.
        key_id: The id that was reserved for it in the token.
        how: ``imported``, ``adopted``, ``saved``, or ``there`` for what was there before; empty until it has a record.
        ours: Whether this migration put the key into the token, so that undoing it destroys the key.
        proof: Challenge and signature in hexadecimal digits.
        proved_at: When it proved itself, RFC 3339.
        retired: ``erased`` or ``archived``, once the source's files of it are gone.
        undone: Whether its record, and a key of ours, were removed again.
    """

    name: str
    item: str = ""
    kind: str = "local"
    purpose: str = ""
    address: str = ""
    fingerprint: str = ""
    files: tuple[FileDigest, ...] = ()
    intended: str = ""
    key_id: bytes = b""
    how: str = ""
    ours: bool = False
    proof: tuple[str, str] | None = None
    proved_at: str = ""
    retired: str = ""
    undone: bool = False

    @property
    def private(self) -> bool:
        """Whether the source has, or had, its private half."""
        return self.kind == "local"


@dataclass(frozen=True, slots=True)
class Retiring:
    """A retirement that has begun.

    Attributes:
        how: ``erased`` or ``archived``.
        archive: Where the archive is; empty without one.
        files: What is removed, by the name of the key.
    """

    how: str
    archive: str
    files: Mapping[str, tuple[FileDigest, ...]]


@dataclass(slots=True)
class History:
    """A journal's lines, folded together.

    Attributes:
        identity: The source.
        provider: The destination.
        path: Where the source is; empty for a secret that came from nowhere on disk.
        options: What a person said about the source (:class:`~keyring_bridge.migrate.sources.SourceOptions`).
        keys: By name.
        finished: Whether the last run came to its end, or was undone.
        retiring: A retirement that did not come to its end.
        undoing: Whether an undo did not come to its end.
        warnings: What was odd about the source.
        began: When the first line was written, RFC 3339.
        changed: When the last one was.
    """

    identity: str = ""
    provider: str = ""
    kind: str = ""
    path: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    keys: dict[str, KeyState] = field(default_factory=dict)
    finished: bool = False
    retiring: Retiring | None = None
    undoing: bool = False
    warnings: tuple[str, ...] = ()
    began: str = ""
    changed: str = ""

    @property
    def state(self) -> State:
        """How far it is, as far as the lines tell: whether a process is at it, they don't."""
        if not self.finished or self.retiring is not None or self.undoing:
            return State.INTERRUPTED
        keys = self.keys.values()
        if keys and all(key.undone or key.how == "" for key in keys):
            return State.UNDONE
        moved = [key for key in keys if key.how]
        return State.RETIRED if moved and all(key.retired for key in moved) else State.DONE

    def fold(self, line: Mapping[str, Any]) -> None:
        """Take one line in."""
        event = line["event"]
        self.changed = line.get("time", "")
        self.began = self.began or self.changed
        match event:
            case "planned":
                self._plan(line)
            case "finished":
                self.finished = True
            case "retiring":
                files = {one["name"]: tuple(map(FileDigest.from_json, one["files"])) for one in line["keys"]}
                self.retiring = Retiring(line["how"], line["archive"], files)
            case "retirement_finished":
                self.retiring = None
            case "undoing":
                self.undoing = True
            case "undo_finished":
                # Of a migration that was cut off, nothing is left that could be continued.
                self.undoing, self.finished = False, True
            case "recorded" | "proved" | "retired" | "undone":
                self._tell(event, self.keys.setdefault(line["name"], KeyState(line["name"])), line)
            case _:
                # A later release may tell more; what it means for a key is told by the lines above.
                pass

    def _plan(self, line: Mapping[str, Any]) -> None:
        self.identity, self.provider = line["source"], line["provider"]
        self.kind, self.path = line["kind"], line["path"]
        self.options = dict(line.get("options", {}))
        self.warnings = tuple(line.get("warnings", ()))
        self.finished = False
        for one in line["keys"]:
            key = self.keys.setdefault(one["name"], KeyState(one["name"]))
            key.fingerprint = one["fingerprint"]
            key.key_id = bytes.fromhex(one["key_id"]) or key.key_id
            key.item, key.kind = one.get("item", ""), one.get("kind", "local" if key.fingerprint else "multi")
            key.purpose, key.address = one.get("purpose", ""), one.get("address", "")
            key.files = tuple(map(FileDigest.from_json, one.get("files", ())))
            if one.get("action", "nothing") != "nothing":
                key.intended = one["action"]
            # It is in the source again, whatever happened to it before.
            key.retired = ""

    def _tell(self, event: str, key: KeyState, line: Mapping[str, Any]) -> None:
        if event == "recorded":
            key.how, key.ours, key.undone, key.intended = line["how"], line["ours"], False, ""
        elif event == "proved":
            key.proof, key.proved_at = (line["message"], line["signature"]), line.get("time", "")
        elif event == "retired":
            key.retired = line["how"]
        else:
            key.how, key.ours, key.proof, key.undone, key.intended = "", False, None, True, ""
