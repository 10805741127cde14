"""What a writer that died leaves at the end of a log, and the entry that closes it. Pure.

An entry is written by one ``write`` call, so a killed process, a full disk or a power cut can leave a beginning of it
without a line feed. These bytes are never removed. The next writer appends, in one ``write``:

1. a line feed, which ends the torn line;
2. a ``recovery`` entry with ``"torn":{"bytes":N,"sha256":"…"}``: number and SHA-256 of all bytes between the last good
   entry and that line feed (exclusive);
3. its own entry.

If that write is torn too, the next recovery covers both pieces and the line feed between them. An entry that is
complete but lacks its line feed counts as an entry; the recovery after it says 0 bytes.

So the torn bytes are part of the chain like everything else. What may be torn is narrow on purpose
(:func:`is_tear`): a line that ends like a whole entry but has a wrong hash was edited, not torn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

MAX_TORN_BYTES = 1 << 20
"""More than this at the end of a log is no tear."""

_START = b'{"v":1,"seq":'
_WHOLE = re.compile(rb'"prev":"[0-9a-f]{64}","hash":"[0-9a-f]{64}"\}\Z')


def is_tear(region: bytes) -> bool:
    """Whether these bytes, which hold no entry, can be what writers left that died.

    Each of their lines must be a beginning of an entry (zeros may follow: a file system's gift after a power cut), or
    zeros, or empty, and must not end as a whole entry does.
    """
    return all(_is_torn_line(line) for line in region.split(b"\n"))


def _is_torn_line(line: bytes) -> bool:
    text = line.rstrip(b"\0")
    return text.startswith(_START[: len(text)]) and not _WHOLE.search(text)


def recovery_fields(region: bytes) -> dict[str, object]:
    """Return the fields of the recovery entry that closes ``region``."""
    return {"torn": {"bytes": len(region), "sha256": sha256(region).hexdigest()}}


def closes(fields: Mapping[str, object], region: bytes) -> bool:
    """Whether a recovery entry with these fields stands for exactly ``region``."""
    return fields.get("torn") == recovery_fields(region)["torn"]
