from __future__ import annotations

import time

import pytest

from keyring_plugin import jsontext
from keyring_plugin.errors import ParseError

DEPTH = 16


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, -2.5e3, true, null, "\\u00e9\\ud83d\\ude00"]}\r', {"a": [1, -2500.0, True, None, "é😀"]}),
        ('{"ключ":"値"}'.encode(), {"ключ": "値"}),
        (b"[" * DEPTH + b"]" * DEPTH, None),
        (b'["' + b"[" * 5000 + b'"]', ["[" * 5000]),
        (b'["\\"' + b"{" * 5000 + b'\\\\"]', ['"' + "{" * 5000 + "\\"]),
        (b'[{"a":[]},{"a":[]},{"a":[]},{"a":[]},{"a":[]},{"a":[]},{"a":[]},{"a":[]}]', [{"a": []}] * 8),
    ],
)
def test_good_texts(text: bytes, value: object) -> None:
    parsed = jsontext.parse(text, DEPTH)
    assert value is None or parsed == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b'"a\nb"', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b"[NaN]", "NaN is no number"),
        (b"[Infinity]", "Infinity is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"[1e999]", "out of range"),
        (b"[" + b"9" * 5000 + b"]", "too many digits"),
        (b'{"a":1,"a":1}', "twice"),
        (b'{"a":{"b":1,"\\u0062":2}}', "twice"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b'"\\ud83d"', "surrogate"),
        (b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), "nested more than 16 deep"),
        (b"[" * 100_000, "nested more than 16 deep"),
        (b'{"a":' * 100_000, "nested more than 16 deep"),
        (b'["","\\\\",' + b"[" * DEPTH, "nested more than 16 deep"),
    ],
)
def test_bad_texts(text: bytes, says: str) -> None:
    with pytest.raises(ParseError, match=says):
        jsontext.parse(text, DEPTH)


def test_a_depth_that_only_the_parser_notices_is_an_error_too() -> None:
    with pytest.raises(ParseError, match="nested too deeply"):
        jsontext.parse(b"[" * 100_000, 1_000_000)


@pytest.mark.parametrize(
    "hostile",
    [
        b'"\\' * 500_000,
        b'"' * 1_000_000,
        b'["' + b'\\"' * 500_000,
        b"[" + b'"\\\\",' * 200_000,
        b'"' + b"\\" * 1_000_000 + b"[" * 100,
        b"[" * 1_000_000,
    ],
    ids=["escaped quotes", "quotes", "open string", "many strings", "backslashes", "brackets"],
)
def test_the_depth_check_takes_time_in_proportion_to_the_text(hostile: bytes) -> None:
    begin = time.process_time()
    with pytest.raises(ParseError):
        jsontext.parse(hostile + b"[" * 100, DEPTH)
    # A second is hundreds of times what it takes; what is not linear takes hours.
    assert time.process_time() - begin < 1


def test_what_is_encoded_is_one_line_of_ascii() -> None:
    assert jsontext.encode({"a": "é\n\u2028😀", "b": [1, None]}) == (
        b'{"a":"\\u00e9\\n\\u2028\\ud83d\\ude00","b":[1,null]}'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1, 2}])
def test_what_json_has_no_form_for_is_not_encoded(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        jsontext.encode([value])
