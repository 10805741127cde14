"""Ceremonies that are under way, and those that were cut off: one file each, on disk before the token is touched.

A key whose ceremony was cut off may be in its token although nobody has its words. The file says so until the key has a
record or is gone. While the ceremony runs its process holds a lock on it. No secrets.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from keyring_bridge.config.files import private_dir, remove_durably

FOLDER = "ceremonies"
_LARGEST = 4096
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Marker:
    """One ceremony that did not end.

    Attributes:
        fingerprint: Of the key.
        name: Of the key; empty if the file was cut off, too.
        provider: Where the key may be.
        key_id: The id that was reserved for it there.
        under_way: Whether its process still lives.
    """

    fingerprint: str
    name: str
    provider: str
    key_id: bytes
    under_way: bool


class Running:
    """The marker of the ceremony that this process holds.

    Attributes:
        keep: Whether the file stays behind when the ceremony ends: the key is left in the token.
    """

    def __init__(self) -> None:
        self.keep = False


@contextmanager
def running(state_dir: Path, fingerprint: str, name: str, provider: str, key_id: bytes) -> Iterator[Running]:
    """Mark a ceremony as under way; the mark goes when the block ends, and stays if the process is killed.

    Raises:
        OSError: The mark cannot be written.
    """
    folder = private_dir(state_dir / FOLDER)
    path = folder / fingerprint
    fields = {
        "v": 1,
        "name": name,
        "provider": provider,
        "key_id": key_id.hex(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    held = Running()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps(fields).encode("ascii"))
        os.fsync(descriptor)
        _sync(folder)
        yield held
    finally:
        if not held.keep:
            remove_durably(path)
        os.close(descriptor)


def unfinished(state_dir: Path) -> Mapping[str, Marker]:
    """Return the ceremonies that did not end, by the fingerprint of their key."""
    folder = state_dir / FOLDER
    if not folder.is_dir():
        return {}
    found = {}
    for path in sorted(folder.iterdir()):
        if len(path.name) == 64 and _HEX.issuperset(path.name):
            marker = _read(path)
            if marker is not None:
                found[path.name] = marker
    return found


def remove(state_dir: Path, fingerprint: str) -> None:
    """Forget a ceremony: its key has a record, or is gone."""
    if (state_dir / FOLDER / fingerprint).exists():
        remove_durably(state_dir / FOLDER / fingerprint)


def _read(path: Path) -> Marker | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            under_way = False
        except BlockingIOError:
            under_way = True
        content = os.read(descriptor, _LARGEST)
    finally:
        os.close(descriptor)
    try:
        fields = json.loads(content)
        name, provider = str(fields["name"]), str(fields["provider"])
        return Marker(path.name, name, provider, bytes.fromhex(fields["key_id"]), under_way)
    except (ValueError, KeyError, TypeError):
        # Killed while it was written: nothing had reached the token.
        return Marker(path.name, "", "", b"", under_way)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
