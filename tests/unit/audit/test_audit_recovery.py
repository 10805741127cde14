"""What counts as torn."""

from __future__ import annotations

import pytest

from keyring_bridge.audit.entry import EMPTY, encode_fields, seal
from keyring_bridge.audit.recovery import closes, is_tear, recovery_fields

LINE = seal(
    EMPTY,
    "2026-01-02T03:04:05.000006Z",
    "sign.intent",
    "5f",
    "9c",
    encode_fields({"view": {"a": {"b": "c"}}, "d": "e"}),
)[0]


def test_every_beginning_of_a_line_is_a_tear() -> None:
    for length in range(len(LINE) - 1):
        assert is_tear(LINE[:length])
        assert is_tear(LINE[:length] + b"\n")
        assert is_tear(LINE[:length] + b"\n" + LINE[: length // 2])


def test_zeros_that_a_power_cut_leaves_are_a_tear() -> None:
    assert is_tear(b"\0" * 4096)
    assert is_tear(LINE[:40] + b"\0" * 4096)


@pytest.mark.parametrize(
    "region",
    [
        LINE,
        LINE[:-1],
        LINE.replace(b'"e"', b'"f"'),
        LINE.replace(b'"e"', b'"f"')[:-1],
        LINE[:-1] + b"\0\0",
        b"chain_id = 'x'\n",
        b"{}",
        b'{"v":2,"seq":1,',
        LINE[:30] + b"\nhello",
        b"\0" + LINE[:30],
    ],
)
def test_what_no_dying_writer_leaves(region: bytes) -> None:
    assert not is_tear(region)


def test_a_recovery_stands_for_exact_bytes() -> None:
    fields = recovery_fields(b"abc")
    assert closes(fields, b"abc")
    assert not closes(fields, b"abd")
    assert not closes(fields, b"")
    assert not closes({}, b"abc")
    assert not closes({"torn": None}, b"")
