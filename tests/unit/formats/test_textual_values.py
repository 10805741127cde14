"""How TEXTUAL writes single values, by the rules of ADR-050 and what the SDK makes of odd ones."""

from __future__ import annotations

import pytest

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.signing.textual import CoinMetadata, DenomUnit, InvalidCoinMetadata, values
from cosmos_formats.signing.textual.coins import format_coins


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *(("0", "0"), ("7", "7"), ("999", "999"), ("1000", "1'000"), ("123456", "123'456"), ("1234567", "1'234'567")),
        *(("-1", "-1"), ("-1234", "-1'234"), ("-0", "-0"), ("007", "7"), ("-0012", "-12")),
        (str(2**64 - 1), "18'446'744'073'709'551'615"),
    ],
)
def test_integers(text: str, shown: str) -> None:
    assert values.integer(text) == shown


@pytest.mark.parametrize("text", ["", "-", "+1", "--1", "00", "1.0", "1e3", "1_000", " 1", "1 ", "٣", "abc", "1'000"])
def test_what_is_no_integer(text: str) -> None:
    with pytest.raises(InvalidSignDoc, match="not an integer"):
        values.integer(text)


def test_integers_of_any_length() -> None:
    shown = values.integer("9" * 1_000_000)
    assert shown.count("'") == 333_333


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *(("0", "0"), ("1", "0.000000000000000001"), ("1000000000000000000", "1"), ("-15" + "0" * 17, "-1.5")),
        *(
            ("123456789" + "0" * 18, "123'456'789"),
            ("+5" + "0" * 17, "0.5"),
            ("-0", "0"),
            ("-5", "-0.000000000000000005"),
        ),
        *(
            ("1.50", "1.5"),
            ("1.", "1"),
            ("1234.000", "1'234"),
            ("-0.1", "-0.1"),
            ("1." + "0" * 30 + "1", "1." + "0" * 30 + "1"),
        ),
        ("000", "0"),
    ],
)
def test_decimals(text: str, shown: str) -> None:
    assert values.decimal_field(text) == shown


@pytest.mark.parametrize("text", ["", "-", "+", ".5", "1.2.3", "1..", "1.x", "+1.5", "0x1", "1_0", "٣", "1. ", "1.-5"])
def test_what_is_no_decimal(text: str) -> None:
    with pytest.raises(InvalidSignDoc):
        values.decimal_field(text)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", ""),
        (b"\x0a", "0A"),
        (b"\x01\x02\x03", "0102 03"),
        (bytes(35), " ".join(["0000"] * 17) + " 00"),
        (
            bytes(36),
            "SHA-256=6DB6 5FD5 9FD3 56F6 7291 4057 1B5B CD6B B3B8 3492 A16E 1BF0 A388 4442 FC3C 8A0E",
        ),
    ],
)
def test_bytes(data: bytes, shown: str) -> None:
    assert values.data(data) == shown


@pytest.mark.parametrize(
    ("seconds", "nanos", "shown"),
    [
        (0, 0, "1970-01-01T00:00:00Z"),
        (1_709_251_199, 0, "2024-02-29T23:59:59Z"),
        (1_700_000_000, 500_000_000, "2023-11-14T22:13:20.5Z"),
        (1_700_000_000, 1, "2023-11-14T22:13:20.000000001Z"),
        (0, -1, "1969-12-31T23:59:59.999999999Z"),
        (0, 1_000_000_000, "1970-01-01T00:00:01Z"),
        (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
        (-62_135_596_801, 0, "0000-12-31T23:59:59Z"),
        (-62_198_755_200, 0, "-0001-01-01T00:00:00Z"),
        (253_402_300_799, 0, "9999-12-31T23:59:59Z"),
        (253_402_300_800, 0, "10000-01-01T00:00:00Z"),
        # The ends of 64 bits, as Go has them: the later one is beyond its years and comes round.
        (-(2**63), 0, "292277026596-12-04T15:30:08Z"),
        (2**63 - 1, 0, "292277026596-12-04T15:30:07Z"),
    ],
)
def test_timestamps(seconds: int, nanos: int, shown: str) -> None:
    assert values.timestamp(seconds, nanos) == shown


@pytest.mark.parametrize(
    ("seconds", "nanos", "shown"),
    [
        (0, 0, "0 seconds"),
        (1, 0, "1 second"),
        (2, 0, "2 seconds"),
        (60, 0, "1 minute"),
        (3601, 0, "1 hour, 0 minutes, 1 second"),
        (86_400, 0, "1 day"),
        (86_401, 0, "1 day, 0 hours, 0 minutes, 1 second"),
        (2 * 86_400 + 7_200, 0, "2 days, 2 hours"),
        (1, 500_000_000, "1.5 seconds"),
        (0, 1, "0.000000001 seconds"),
        (86_400, 1, "1 day, 0 hours, 0 minutes, 0.000000001 seconds"),
        (-90, 0, "-1 minute, 30 seconds"),
        (0, -1_000_000, "-0.001 seconds"),
        (315_576_000_000, 0, "3652500 days"),
    ],
)
def test_durations(seconds: int, nanos: int, shown: str) -> None:
    assert values.duration(seconds, nanos) == shown


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(315_576_000_001, 0), (-315_576_000_001, 0), (1, -1), (-1, 1), (0, 10**9), (0, -(10**9))]
)
def test_what_is_no_duration(seconds: int, nanos: int) -> None:
    with pytest.raises(InvalidSignDoc, match="valid duration"):
        values.duration(seconds, nanos)


def metadata(base: str, display: str, **exponents: int) -> CoinMetadata:
    return CoinMetadata(base, display, tuple([DenomUnit(name, exponent) for name, exponent in exponents.items()]))


KNOWN = {
    "uve": metadata("uve", "ve", uve=0, mve=3, ve=6),
    "wei": metadata("wei", "eth", wei=0, eth=18),
    "fine": metadata("fine", "coarse", fine=0, coarse=19),
    "up": metadata("up", "down", up=6, down=2),
    "lost": metadata("lost", "found", lost=0),
    "blank": metadata("blank", "", blank=0),
    "flat": metadata("flat", "flat", flat=0),
    "far": metadata("far", "away", far=0, away=78),
    "edge": metadata("edge", "case", edge=0, case=77),
}


@pytest.mark.parametrize(
    ("amount", "denom", "shown"),
    [
        *(
            ("1", "uve", "0.000001 ve"),
            ("1500000", "uve", "1.5 ve"),
            ("0", "uve", "0 ve"),
            ("12345678901234", "uve", "12'345'678.901234 ve"),
        ),
        *(
            ("-5", "uve", "-0.000005 ve"),
            ("--5", "uve", "0.000005 ve"),
            ("+5", "uve", "0.000005 ve"),
            ("1.5", "uve", "0.0000015 ve"),
        ),
        *(("1", "unknown", "1 unknown"), ("1000.50", "unknown", "1'000.5 unknown"), ("5", "ve", "5 ve")),
        *(("1", "wei", "0.000000000000000001 eth"), ("7", "up", "70'000 down")),
        # Half to even at the eighteenth place.
        *(
            ("5", "fine", "0 coarse"),
            ("15", "fine", "0.000000000000000002 coarse"),
            ("25", "fine", "0.000000000000000002 coarse"),
        ),
        *(
            ("-5", "fine", "0 coarse"),
            ("6", "fine", "0.000000000000000001 coarse"),
            ("-15", "fine", "-0.000000000000000002 coarse"),
        ),
        *(("1000", "lost", "1'000 lost"), ("1000.5", "blank", "1'000.5 blank"), ("1000", "flat", "1'000 flat")),
        (str(2**256 - 1), "uve", values.integer(str((2**256 - 1) // 10**6)) + ".639935 ve"),
        ("1" + "0" * 77, "edge", "1 case"),
    ],
)
def test_a_coin(amount: str, denom: str, shown: str) -> None:
    assert format_coins([(denom, amount)], KNOWN) == shown
    assert format_coins([(denom, amount)], KNOWN.get) == shown


@pytest.mark.parametrize(
    ("amount", "denom"),
    [
        *(
            ("", "uve"),
            ("-", "uve"),
            ("x", "uve"),
            ("1.", "uve"),
            (".5", "uve"),
            ("1_0", "uve"),
            ("1.2.3", "uve"),
            ("٣", "uve"),
        ),
        *(
            ("0." + "0" * 18 + "1", "uve"),
            (str(2**256), "uve"),
            ("9" * 100_000, "uve"),
            ("1", "far"),
            (str(2**256 - 1), "up"),
        ),
        *(("", "unknown"), ("+1", "unknown"), ("1.5", "lost"), ("1", "a,b"), ("1", "a, 2 b")),
    ],
)
def test_coins_that_are_refused(amount: str, denom: str) -> None:
    with pytest.raises(InvalidSignDoc):
        format_coins([(denom, amount)], KNOWN)


def test_coins_are_sorted_by_the_shown_unit() -> None:
    coins = [("zz", "1"), ("uve", "2000000"), ("wei", "1"), ("Aa", "3"), ("zz", "0")]
    assert format_coins(coins, KNOWN) == "3 Aa, 0.000000000000000001 eth, 2 ve, 1 zz, 0 zz"
    assert format_coins([("same y", "2"), ("same x", "1")], KNOWN) == "2 same y, 1 same x"
    assert format_coins([], KNOWN) == "zero"


def test_metadata_from_json() -> None:
    answer = {
        "description": "",
        "denom_units": [
            {"denom": "uve", "exponent": 0, "aliases": ["microve"]},
            {"denom": "ve", "exponent": 6, "aliases": None},
            {"denom": "uve", "exponent": 1},
        ],
        "base": "uve",
        "display": "ve",
        "uri_hash": "",
    }
    read = CoinMetadata.from_json(answer)
    assert read == CoinMetadata(
        "uve", "ve", (DenomUnit("uve", 0, ("microve",)), DenomUnit("ve", 6), DenomUnit("uve", 1))
    )
    assert (read.exponent("uve"), read.exponent("ve"), read.exponent("microve")) == (1, 6, None)
    assert CoinMetadata.from_json({}) == CoinMetadata("", "", ())


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"base": 1},
        {"display": None},
        {"denom_units": {}},
        {"denom_units": [1]},
        {"denom_units": [{"denom": 1}]},
        {"denom_units": [{"exponent": "6"}]},
        {"denom_units": [{"exponent": True}]},
        {"denom_units": [{"exponent": -1}]},
        {"denom_units": [{"exponent": 2**32}]},
        {"denom_units": [{"aliases": "ab"}]},
        {"denom_units": [{"aliases": [1]}]},
    ],
)
def test_what_is_no_metadata(value: object) -> None:
    with pytest.raises(InvalidCoinMetadata):
        CoinMetadata.from_json(value)
