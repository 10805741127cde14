"""What one line of the audit log is. Pure: no files, no clock.

An entry is one JSON object on one line, ASCII only, ended by a line feed::

    {"v":1,"seq":7,"time":"2026-01-02T03:04:05.000006Z","kind":"sign.intent","id":"5f…","bridge":"9c…",
     …fields…,"prev":"<64 hex>","hash":"<64 hex>"}

The first six members come in this order; ``of`` follows them in outcomes and names the ``seq`` of the intent. ``prev``
and ``hash`` are the last two. Between them stand the fields of the kind. No white space separates tokens.

**What the hash covers.** ``hash`` is SHA-256, in lower-case hexadecimal, over the bytes of the line from its opening
brace to the end of the ``prev`` member, followed by one closing brace: that is the line with its last 75 bytes
(``,"hash":"``, 64 digits, ``"}``) replaced by ``}``, without the line feed. ``prev`` is the ``hash`` of the entry
before it, or 64 zeros in the first entry (whose ``seq`` is 1). So each hash covers every byte of its own entry and,
through ``prev``, every byte of all entries before it. These are raw bytes: no canonical form of JSON is needed.

Between two entries there may be bytes that a dying writer left. They belong to the chain too: the ``recovery`` entry
after them holds their number and their SHA-256 (see :mod:`keyring_bridge.audit.recovery`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import InvalidRequest

VERSION = 1
FIRST_PREV = "0" * 64
MAX_LINE_BYTES = 64 * 1024
MAX_FIELDS_BYTES = MAX_LINE_BYTES - 1024
RECOVERY = "recovery"

INTENT_SUFFIX = ".intent"
OUTCOME_SUFFIX = ".outcome"

RESERVED = frozenset({"v", "seq", "time", "kind", "id", "bridge", "of", "prev", "hash"})
"""Members that the log itself writes; fields cannot have these names."""

HASH_MEMBER_BYTES = len(',"hash":"') + 64 + len('"}')

_FIRST_MEMBERS = re.compile(
    r'\{"v":1,"seq":([1-9][0-9]{0,17}),"time":"([0-9T:.\-]{26}Z)","kind":"([a-z0-9_.\-]{1,64})",'
    r'"id":"([!#-\[\]-~]{0,64})","bridge":"([!#-\[\]-~]{0,64})",(?:"of":([1-9][0-9]{0,17}),)?'
)
_LAST_MEMBERS = re.compile(r'"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}')
_LAST_BYTES = len('"prev":"') + 64 + len('"') + HASH_MEMBER_BYTES
_KIND = re.compile(r"[a-z0-9_.\-]{1,64}")
_IDENTIFIER = re.compile(r"[!#-\[\]-~]{0,64}")

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Head(NamedTuple):
    """The last entry of a chain: a promise about everything before it.

    Attributes:
        seq: Its number; 0 for an empty log.
        hash: Its hash, 64 hexadecimal digits; zeros for an empty log.
    """

    seq: int
    hash: str


EMPTY = Head(0, FIRST_PREV)


class Frame(NamedTuple):
    """The members of an entry that the log itself writes.

    Attributes:
        seq: Number in the chain, from 1.
        time: When it was written, RFC 3339, UTC, microseconds.
        kind: What it records, such as ``sign.intent``.
        id: Correlation id of the operation, the same in intent and outcome.
        bridge: The installation that wrote it.
        of: In an outcome the ``seq`` of its intent, otherwise None.
        prev: Hash of the entry before.
        hash: Its own.
    """

    seq: int
    time: str
    kind: str
    id: str
    bridge: str
    of: int | None
    prev: str
    hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it stands in a log. Its hash is right; its link to the entry before it is the verifier's business.

    Attributes:
        frame: The members that the log writes; the usual ones are at hand as properties.
        fields: Everything else.
    """

    frame: Frame
    fields: Mapping[str, object]

    @property
    def seq(self) -> int:
        """Number in the chain."""
        return self.frame.seq

    @property
    def time(self) -> str:
        """When it was written, RFC 3339, UTC."""
        return self.frame.time

    @property
    def kind(self) -> str:
        """What it records."""
        return self.frame.kind

    @property
    def id(self) -> str:
        """Correlation id."""
        return self.frame.id

    @property
    def of(self) -> int | None:
        """In an outcome the number of its intent."""
        return self.frame.of

    @property
    def head(self) -> Head:
        """This entry as the end of a chain."""
        return Head(self.frame.seq, self.frame.hash)

    def to_dict(self) -> dict[str, object]:
        """Return all members, in the line's order."""
        outer = {"v": VERSION, **self.frame._asdict()}
        if self.frame.of is None:
            del outer["of"]
        prev, digest = outer.pop("prev"), outer.pop("hash")
        return {**outer, **self.fields, "prev": prev, "hash": digest}


class NotAnEntry(ValueError):
    """A line that is not an entry; the text says why."""


def encode_fields(fields: Mapping[str, object]) -> str:
    """Return the fields of an entry as they stand in its line: ``"name":value,`` for each, or an empty text.

    Raises:
        InvalidRequest: A name is reserved, a value is not JSON, or the fields are too long for one entry.
    """
    if not fields:
        return ""
    if not RESERVED.isdisjoint(fields):
        raise InvalidRequest(f"reserved names in an audit entry: {', '.join(sorted(RESERVED.intersection(fields)))}")
    try:
        text = _encode(fields)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest("a field of an audit entry cannot be written as JSON", detail=str(error)) from error
    if len(text) > MAX_FIELDS_BYTES:
        raise InvalidRequest(f"audit entry of {len(text)} bytes; at most {MAX_FIELDS_BYTES} are allowed")
    return text[1:-1] + ","


@lru_cache(maxsize=256)
def check_kind(kind: str) -> None:
    """Check an entry's kind.

    Raises:
        InvalidRequest: It is not 1 to 64 of the characters ``a-z 0-9 _ . -``.
    """
    if not _KIND.fullmatch(kind):
        raise InvalidRequest("the kind of an audit entry is 1 to 64 of the characters a-z 0-9 _ . -")


def check_identifier(identifier: str) -> None:
    """Check a correlation id or a bridge's name.

    Raises:
        InvalidRequest: It has more than 64 characters, or others than printable ASCII without space, quotation mark
            and backslash.
    """
    if not _IDENTIFIER.fullmatch(identifier):
        raise InvalidRequest("an identifier in the audit log is at most 64 printable ASCII characters without spaces")


def seal(
    previous: Head, time: str, kind: str, identifier: str, bridge: str, fields: str, of: int | None = None
) -> tuple[bytes, Head]:
    """Make the entry that follows ``previous``.

    Args:
        previous: The chain's head.
        time: RFC 3339, UTC, six digits of fraction, ``Z``.
        kind: See :func:`check_kind`.
        identifier: See :func:`check_identifier`.
        bridge: As ``identifier``.
        fields: From :func:`encode_fields`.
        of: Number of the intent, in an outcome.

    Returns:
        The line with its line feed, and the new head.
    """
    seq = previous.seq + 1
    link = "" if of is None else f'"of":{of},'
    body = (
        f'{{"v":1,"seq":{seq},"time":"{time}","kind":"{kind}","id":"{identifier}","bridge":"{bridge}",'
        f'{link}{fields}"prev":"{previous.hash}"}}'
    ).encode("ascii")
    digest = sha256(body).hexdigest()
    return b'%b,"hash":"%b"}\n' % (body[:-1], digest.encode("ascii")), Head(seq, digest)


def scan(line: bytes) -> Frame:
    """Read the outer members of one line, without its line feed, and check its hash.

    What stands between the first and the last members is not looked at: its bytes are under the hash.

    Raises:
        NotAnEntry: It does not begin and end as an entry does, or its hash is not that of its bytes.
    """
    text = line.decode("latin-1")
    first = _FIRST_MEMBERS.match(text)
    last = _LAST_MEMBERS.fullmatch(text, max(0, len(text) - _LAST_BYTES))
    if first is None or last is None or first.end() > last.start() or len(line) > MAX_LINE_BYTES:
        raise NotAnEntry("it is not an entry")
    seq, time, kind, identifier, bridge, of = first.groups()
    prev, digest = last.groups()
    if sha256(line[:-HASH_MEMBER_BYTES] + b"}").hexdigest() != digest:
        raise NotAnEntry("its hash is not that of its bytes")
    return Frame(int(seq), time, kind, identifier, bridge, int(of) if of is not None else None, prev, digest)


def parse(line: bytes) -> Entry:
    """Read one line, without its line feed, completely.

    Raises:
        NotAnEntry: As :func:`scan`, or it is not JSON.
    """
    frame = scan(line)
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NotAnEntry("it is not JSON") from error
    # JSON gives the last of two members with one name, the frame has the first.
    if fields.pop("v", None) != VERSION or any(
        fields.pop(name, None) != value for name, value in frame._asdict().items()
    ):
        raise NotAnEntry("a member of it occurs twice")
    return Entry(frame, fields)
