"""The form of an entry, and what its hash covers."""

from __future__ import annotations

import hashlib
import json

import pytest

from keyring_bridge.audit.entry import (
    EMPTY,
    MAX_FIELDS_BYTES,
    RESERVED,
    Head,
    NotAnEntry,
    check_identifier,
    check_kind,
    encode_fields,
    parse,
    scan,
    seal,
)
from keyring_bridge.errors import InvalidRequest

TIME = "2026-01-02T03:04:05.000006Z"


def line_of(fields: dict[str, object], previous: Head = EMPTY, of: int | None = None) -> bytes:
    line, _ = seal(previous, TIME, "sign.intent", "5f00", "9c00", encode_fields(fields), of)
    return line.removesuffix(b"\n")


def test_the_members_stand_in_the_documented_order() -> None:
    line, head = seal(Head(6, "ab" * 32), TIME, "sign.outcome", "5f00", "9c00", encode_fields({"result": "signed"}), 5)
    assert line == (
        b'{"v":1,"seq":7,"time":"2026-01-02T03:04:05.000006Z","kind":"sign.outcome","id":"5f00","bridge":"9c00",'
        b'"of":5,"result":"signed","prev":"' + b"ab" * 32 + b'","hash":"' + head.hash.encode() + b'"}\n'
    )
    assert head.seq == 7


def test_the_hash_covers_the_line_without_its_hash_member() -> None:
    line = line_of({"key": "val"})
    document = json.loads(line)
    claimed = document.pop("hash")
    # An independent writer of compact JSON gets the same bytes, and so the same hash.
    assert hashlib.sha256(json.dumps(document, separators=(",", ":")).encode()).hexdigest() == claimed
    assert hashlib.sha256(line[:-75] + b"}").hexdigest() == claimed


def test_the_first_entry_has_the_number_one_and_follows_zeros() -> None:
    frame = scan(line_of({}))
    assert (frame.seq, frame.prev) == (1, "0" * 64)


def test_an_entry_without_fields() -> None:
    assert parse(line_of({})).fields == {}


def test_what_is_written_is_read() -> None:
    fields: dict[str, object] = {
        "text": 'quote " backslash \\ feed \n null \0 name ключ \u2028 \ud800',
        "nested": {"prev": "x", "hash": "y", "list": [1, None, True]},
    }
    entry = parse(line_of(fields, of=3))
    assert entry.fields == fields
    assert (entry.seq, entry.time, entry.kind, entry.id, entry.of) == (1, TIME, "sign.intent", "5f00", 3)
    assert list(entry.to_dict()) == ["v", "seq", "time", "kind", "id", "bridge", "of", *fields, "prev", "hash"]
    assert "of" not in parse(line_of(fields)).to_dict()


def test_a_line_is_ascii_without_line_feeds() -> None:
    line = line_of({"text": "ключ\n\u0085\u2028"})
    assert line.isascii()
    assert b"\n" not in line


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match=name):
        encode_fields({name: 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", object(), {1, 2}])
def test_values_that_are_no_json_are_refused(value: object) -> None:
    with pytest.raises(InvalidRequest):
        encode_fields({"value": value})


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InvalidRequest):
        encode_fields({"value": loop})


def test_the_longest_fields_still_make_an_entry() -> None:
    fields = {"text": "x" * (MAX_FIELDS_BYTES - 11)}
    line, _ = seal(Head(10**17, "0" * 64), TIME, "k" * 64, "i" * 64, "b" * 64, encode_fields(fields), 10**17)
    assert parse(line[:-1]).fields == fields
    with pytest.raises(InvalidRequest, match="at most"):
        encode_fields({"text": "x" * (MAX_FIELDS_BYTES - 10)})


@pytest.mark.parametrize("kind", ["", "Sign", "a b", "a" * 65, 'a"', "ключ"])
def test_bad_kinds(kind: str) -> None:
    with pytest.raises(InvalidRequest):
        check_kind(kind)


@pytest.mark.parametrize("identifier", ["a" * 65, "a b", 'a"', "a\\", "a\n", "é", "\x7f"])
def test_bad_identifiers(identifier: str) -> None:
    with pytest.raises(InvalidRequest):
        check_identifier(identifier)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"\xff" * 200,
        b"[" * 100_000,
        line_of({})[:-1],
        line_of({})[1:],
        line_of({}) + b" ",
        b" " + line_of({}),
        line_of({}).replace(b"sign.intent", b"sign.intenT"),
        line_of({}).replace(b'"v":1', b'"v":2'),
        line_of({"key": "val"}).replace(b'"val"', b'"vax"'),
        line_of({}) + line_of({}),
    ],
)
def test_lines_that_are_no_entries(line: bytes) -> None:
    with pytest.raises(NotAnEntry):
        scan(line)
    with pytest.raises(NotAnEntry):
        parse(line)


def forge(inside: str) -> bytes:
    """An entry with a right hash over fields that no writer wrote."""
    line, _ = seal(EMPTY, TIME, "note", "", "", inside)
    return line[:-1]


@pytest.mark.parametrize(
    "inside", ['"seq":9,', '"kind":"other",', '"v":1,"v":2,', '"id":"x","id":"y",', '"of":1,"of":2,']
)
def test_a_member_that_occurs_twice_is_no_entry_for_readers(inside: str) -> None:
    with pytest.raises(NotAnEntry, match="twice"):
        parse(forge(inside))


@pytest.mark.parametrize("inside", ["nonsense,", '"a":1', "[" * 30_000])
def test_what_is_not_json_is_no_entry_for_readers(inside: str) -> None:
    with pytest.raises(NotAnEntry):
        parse(forge(inside))


def test_a_changed_byte_anywhere_is_noticed() -> None:
    line = line_of({"key": "val", "sha256": "00" * 32})
    for position in range(len(line)):
        changed = bytearray(line)
        changed[position] ^= 1
        with pytest.raises(NotAnEntry):
            scan(bytes(changed))
