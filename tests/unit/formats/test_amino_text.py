"""Canonical JSON text, as Go's ``encoding/json`` writes it, and reading it."""

from __future__ import annotations

import pytest

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.signing.amino_json import canonical
from cosmos_formats.signing.amino_json.text import MAX_DEPTH, JsonValue, read


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", '""'),
        ('"\\/', '"\\"\\\\/"'),
        ("\b\f\n\r\t", '"\\b\\f\\n\\r\\t"'),
        ("\x00\x1f\x7f", '"\\u0000\\u001f\x7f"'),
        ('<a href="x">&\'', '"\\u003ca href=\\"x\\"\\u003e\\u0026\'"'),
        ("\u2028\u2029\u202a", '"\\u2028\\u2029\u202a"'),
        ("é漢😀\ufffd\ufeff", '"é漢😀\ufffd\ufeff"'),
        ("\\u003c", '"\\\\u003c"'),
    ],
)
def test_text_is_escaped_as_go_does(text: str, written: str) -> None:
    assert canonical(text).decode() == written
    assert canonical({text: text}).decode() == f"{{{written}:{written}}}"
    assert read(written, floats=False) == text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (-(2**31), "-2147483648"),
        ([], "[]"),
        ({}, "{}"),
        ([1, "1", [None]], '[1,"1",[null]]'),
        ({"b": 1, "a": 2, "B": 3, "é": 4, "": 5, "a<": 6}, '{"":5,"B":3,"a":2,"a\\u003c":6,"b":1,"é":4}'),
        # Code points beyond U+FFFF sort after all others, as their UTF-8 does and their UTF-16 does not.
        ({"\uffff": 1, "\U00010000": 2}, '{"\uffff":1,"\U00010000":2}'),
    ],
)
def test_values(value: JsonValue, written: str) -> None:
    assert canonical(value).decode() == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0", "0"),
        ("-0", "-0"),
        ("-0.0", "-0"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ("0.1", "0.1"),
        ("1.50", "1.5"),
        ("0.000001", "0.000001"),
        ("0.00001", "0.00001"),
        ("0.00000099", "9.9e-7"),
        ("1e-10", "1e-10"),
        ("5e-324", "5e-324"),
        ("100000000000000000000", "100000000000000000000"),
        ("12345678901234567890", "12345678901234567000"),
        ("1e21", "1e+21"),
        ("-1.7976931348623157e308", "-1.7976931348623157e+308"),
    ],
)
def test_numbers_that_a_message_carries_are_floats_to_go(text: str, written: str) -> None:
    assert canonical(read(text, floats=True)).decode() == written


@pytest.mark.parametrize("text", ["1.0", "0.1", "1e3", "NaN", "Infinity", "-Infinity", "1" * 25])
def test_only_short_whole_numbers_are_read(text: str) -> None:
    with pytest.raises(InvalidSignDoc, match="number"):
        read(text, floats=False)


@pytest.mark.parametrize("text", ["1e400", "-1e400", "9" * 400, "NaN", "-Infinity"])
def test_floats_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(InvalidSignDoc, match="number"):
        read(text, floats=True)


@pytest.mark.parametrize(
    "text", ["", "{", "[1,]", '{"a":1,}', "{'a':1}", "01", "+1", ".5", "tru", "1 2", '"\n"', "\ufeff1"]
)
@pytest.mark.parametrize("floats", [True, False])
def test_what_is_not_json_is_refused(text: str, floats: bool) -> None:
    with pytest.raises(InvalidSignDoc, match="not JSON"):
        read(text, floats=floats)


def test_a_key_that_stands_twice_has_its_last_value() -> None:
    assert read('{"a":1,"b":2,"a":3}', floats=False) == {"a": 3, "b": 2}


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_lone_surrogates_are_refused(text: str) -> None:
    with pytest.raises(InvalidSignDoc, match="UTF-8"):
        canonical([text])
    with pytest.raises(InvalidSignDoc, match="UTF-8"):
        canonical({text: 1})


def nested(levels: int) -> JsonValue:
    value: JsonValue = "x"
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


def test_the_deepest_document() -> None:
    assert canonical(nested(MAX_DEPTH)).count(b"[") == MAX_DEPTH // 2
    with pytest.raises(InvalidSignDoc, match="more than 64 deep"):
        canonical(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("levels", [1_000, 200_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_text_of_any_depth_ends_in_a_clear_error(levels: int, opening: str) -> None:
    with pytest.raises(InvalidSignDoc):
        canonical(read(opening * levels + "1" + ("]" if opening == "[" else "}") * levels, floats=False))


def test_numbers_that_json_cannot_write_are_refused() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(InvalidSignDoc, match="number"):
            canonical(value)
