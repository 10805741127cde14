"""Any entry survives its line; any change of a log is found."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from keyring_bridge.audit import AuditLog, Head, verify
from keyring_bridge.audit.entry import EMPTY, RESERVED, NotAnEntry, encode_fields, parse, scan, seal
from keyring_bridge.audit.recovery import is_tear
from keyring_bridge.errors import AuditCorrupt

TIME = "2026-01-02T03:04:05.000006Z"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
fields = st.dictionaries(st.text().filter(lambda name: name not in RESERVED), json_values, max_size=6)
identifiers = st.text(st.sampled_from([chr(c) for c in range(33, 127) if chr(c) not in '"\\']), max_size=64)
kinds = st.from_regex(r"[a-z0-9_.\-]{1,64}", fullmatch=True)


@given(kinds, identifiers, identifiers, fields, st.none() | st.integers(1, 10**17))
def test_what_is_sealed_is_read(
    kind: str, identifier: str, bridge: str, given_fields: dict[str, object], of: int
) -> None:
    line, head = seal(EMPTY, TIME, kind, identifier, bridge, encode_fields(given_fields), of)
    assert line.count(b"\n") == 1
    entry = parse(line[:-1])
    assert entry.fields == given_fields
    assert (entry.kind, entry.id, entry.frame.bridge, entry.of, entry.head) == (kind, identifier, bridge, of, head)


@given(st.binary(max_size=300))
def test_arbitrary_lines_never_break_the_reader(line: bytes) -> None:
    for function in (scan, parse):
        with contextlib.suppress(NotAnEntry):
            function(line)
    is_tear(line)


def small_log() -> bytes:
    head, data = EMPTY, b""
    for number in range(6):
        kind, of = ("sign.outcome", number) if number % 2 else ("sign.intent", None)
        line, head = seal(head, TIME, kind, f"id{number // 2}", "bridge", encode_fields({"view": {"a": "b"}}), of)
        data += line
    return data


LOG = small_log()
LAST = scan(LOG.splitlines()[-1])


def run(data: bytes, anchored: bool) -> bool:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return verify(Path(file.name), anchor=Head(LAST.seq, LAST.hash) if anchored else None).ok


positions = st.integers(0, len(LOG))


@given(st.lists(st.tuples(positions, positions, st.binary(max_size=8)), min_size=1, max_size=3))
def test_every_change_is_found_by_one_who_noted_the_head(changes: list[tuple[int, int, bytes]]) -> None:
    data = LOG
    for start, stop, insert in changes:
        data = data[: min(start, stop)] + insert + data[max(start, stop) :]
    if not data.startswith(LOG.removesuffix(b"\n")):
        assert not run(data, anchored=True)


@given(st.integers(0, LOG[:-1].rindex(b"\n")), st.binary(min_size=1, max_size=4))
def test_every_change_before_the_last_line_is_found_by_anybody(start: int, insert: bytes) -> None:
    data = LOG[:start] + insert + LOG[start + len(insert) :]
    if data != LOG:
        assert not run(data, anchored=False)


@given(st.permutations(LOG.splitlines(keepends=True)))
def test_no_other_order_of_the_lines_verifies(lines: list[bytes]) -> None:
    assert run(b"".join(lines), anchored=False) == (b"".join(lines) == LOG)


@given(st.lists(positions, min_size=1, max_size=5))
def test_however_often_a_writer_dies_the_log_is_continued_and_verifies(cuts: list[int]) -> None:
    """Each round the last write is torn at some point, and another writer goes on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.log"
        kept = 0
        for cut in cuts:
            with AuditLog(path, "bridge", sync=lambda _: None) as log:
                before = path.stat().st_size
                log.intend("sign.intent", "a", {"view": {"a": {"b": "c"}}})
            written = path.stat().st_size - before
            with path.open("r+b") as file:
                file.truncate(before + cut % (written + 1))
            report = verify(path)
            assert report.ok
            assert report.entries >= kept
            kept = report.entries
        with AuditLog(path, "bridge", sync=lambda _: None) as log:
            log.note("note", "", {})
        report = verify(path)
        assert (report.ok, report.torn_bytes) == (True, 0)
        assert report.entries > kept


@given(st.binary(min_size=1, max_size=200))
def test_whatever_stands_at_the_end_is_either_continued_soundly_or_refused(junk: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.log"
        path.write_bytes(LOG + junk)
        path.chmod(0o600)
        try:
            with AuditLog(path, "bridge", sync=lambda _: None) as log:
                log.note("note", "", {})
        except AuditCorrupt:
            assert path.read_bytes() == LOG + junk
            assert not verify(path).ok
        else:
            assert verify(path).ok
