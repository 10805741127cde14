import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyring_bridge.cli.render import Style, cell, details, table, timestamp, to_json, visible, width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("validator-1", "validator-1"),
        ("schlüssel ключ 鍵", "schlüssel ключ 鍵"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("evil\u202etxt", "evil\\u202etxt"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("line\u2028para\u2029", "line\\u2028para\\u2029"),
        ("filler\u3164\u2800", "filler\\u3164\\u2800"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(alphabet=st.characters()))
def test_visible_text_stays_on_its_line_and_in_its_direction(text: str) -> None:
    shown = visible(text)
    assert shown.splitlines() in ([], [shown])
    assert not set(shown) & set(
        "\x00\x07\x08\x0a\x0d\x1b\x7f\x9b\u061c\u200e\u200f\u202a\u202b\u202d\u202e\u2066\u2067"
    )
    assert visible(shown) == shown


def test_columns_line_up_with_wide_and_combining_characters() -> None:
    text = table(("NAME", "WHAT"), [("鍵", "x"), ("e\u0301e\u0301", "y"), ("plain", "z")])
    columns = {
        width(line[: line.index(mark)]) for line, mark in zip(text.splitlines(), ("WHAT", "x", "y", "z"), strict=True)
    }
    assert columns == {7}


def test_table_cells_are_made_visible() -> None:
    assert "\x1b" not in table(("NAME",), [("\x1b[2Jgone",)])


def test_cells_of_every_kind() -> None:
    assert [cell(value) for value in (None, True, False, 7, ["a", "b"], (), frozenset({"y", "x"}))] == [
        "-", "yes", "no", "7", "a, b", "-", "x, y",
    ]  # fmt: skip


def test_details_leave_out_what_is_unknown_and_align_the_rest() -> None:
    assert details({"name": "ops", "uri": None, "purpose": "account"}) == "name:    ops\npurpose: account"


def test_colour_is_only_there_when_asked_for() -> None:
    assert Style(True).bad("no") == "\x1b[31mno\x1b[0m"
    assert Style(False).bad("no") == "no"


def test_json_is_one_line_of_ascii() -> None:
    text = to_json({"label": "\u202e\x1b鍵\n", "path": Path("/etc/x"), "when": datetime(2026, 11, 23, tzinfo=UTC)})
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["path"] == "/etc/x"
    assert json.loads(text)["when"] == "2026-11-23T00:00:00Z"


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes"])
def test_json_refuses_what_has_no_place_in_it(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        to_json({"value": value})


def test_times_are_shown_in_utc() -> None:
    assert timestamp(datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31T23:30:00Z"
