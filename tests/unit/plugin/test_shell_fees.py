import pytest

from cosmos_formats.signing.facts import Coin
from keyring_plugin.shell.errors import ShellFailed
from keyring_plugin.shell.fees import check_fee, named_fee, parse_coins


@pytest.mark.parametrize(
    ("fees", "prices", "gas", "fee"),
    [
        ("", "", "", {}),
        ("", "", "auto", {}),
        ("500uve", "", "auto", {"uve": 500}),
        ("500uve,1uatom,0ubtc", "", "", {"uve": 500, "uatom": 1}),
        ("", "0.025uve", "", {"uve": 5000}),
        ("", "0.025uve", "1", {"uve": 1}),
        ("", "0.000000000000000001uve", "1", {"uve": 1}),
        ("", "0uve", "100", {}),
        ("", "0.1uve,2uatom", "15", {"uve": 2, "uatom": 30}),
        ("", "0.025uve", "auto", None),
        ("", "0.025uve", "much", None),
    ],
)
def test_what_a_command_names(fees: str, prices: str, gas: str, fee: dict[str, int] | None) -> None:
    assert named_fee(fees, prices, gas) == fee


@pytest.mark.parametrize("text", ["uve", "5", "-5uve", "5 uve", "1uve,1uve", "5ü", "1" * 100 + "uve"])
def test_what_is_no_coins(text: str) -> None:
    with pytest.raises(ShellFailed, match="invalid coins"):
        parse_coins(text)


def fee(*coins: str) -> list[Coin]:
    return [Coin(coin.lstrip("0123456789"), int(coin.rstrip("abcdefghijklmnopqrstuvwxyz"))) for coin in coins]


@pytest.mark.parametrize(
    ("asked", "named", "ceiling"),
    [
        (fee(), None, ""),
        (fee("10000000uve"), None, ""),
        (fee("10000000000000000000aevm"), None, ""),
        (fee("99999999uve"), {"uve": 99999999}, ""),
        (fee("99999999uve"), {"uve": 99999999}, "1uve"),
        (fee("5uve"), None, "5uve"),
        (fee("5uve", "0uatom"), None, "5uve"),
    ],
)
def test_fees_that_are_paid(asked: list[Coin], named: dict[str, int] | None, ceiling: str) -> None:
    check_fee(asked, named, ceiling, {"aevm": 18})


@pytest.mark.parametrize(
    ("asked", "named", "ceiling"),
    [
        (fee("10000001uve"), None, ""),
        (fee("10000001uve"), {}, ""),
        (fee("10000001uve"), {"uve": 10000000}, ""),
        (fee("10000001uve", "1uatom"), {"uve": 10000001}, ""),
        (fee("10000001ubtc"), {"uve": 10000001}, ""),
        (fee("10000000000000000001aevm"), None, ""),
        (fee("6uve"), None, "5uve"),
        (fee("5uve", "1uatom"), None, "5uve"),
    ],
)
def test_fees_that_are_too_high(asked: list[Coin], named: dict[str, int] | None, ceiling: str) -> None:
    with pytest.raises(ShellFailed, match="above the ceiling of"):
        check_fee(asked, named, ceiling, {"aevm": 18})


def test_a_ceiling_for_coins_of_which_nothing_is_known_has_to_be_named() -> None:
    with pytest.raises(ShellFailed) as raised:
        check_fee(fee("10000000000000000aeth"), None, "", {"uve": 6})
    assert "18 decimals" in (raised.value.hint or "")
    assert "--hsm-max-fee 10000000000000000aeth" in (raised.value.hint or "")
    check_fee(fee("10000000000000000aeth"), None, "10000000000000000aeth", {"uve": 6})
    with pytest.raises(ShellFailed) as raised:
        check_fee(fee("10000001uve"), None, "", {"uve": 6})
    assert "decimals" not in (raised.value.hint or "")
