"""The ceiling of fees: a node that lies about gas or prices must not make anybody pay.

A fee that the command names itself (``--fees``, or ``--gas-prices`` with a gas limit) is what the person wants. Any
other one comes from what a node said, and is held below a ceiling: ``--hsm-max-fee`` of the command, else the variable,
else what ``hsm chain add --max-fee`` says, else ten whole coins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Context, Decimal
from typing import TYPE_CHECKING, Final

from keyring_plugin.shell.errors import ShellFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosmos_formats.signing.facts import Coin

VARIABLE: Final = "KEYRING_BRIDGE_MAX_FEE"
WHOLE_COINS: Final = 10
USUAL_EXPONENT: Final = 6
"""Of coins of which nothing is known: nearly all of them start with ``u``, for a millionth."""

DEFAULT_GAS: Final = 200_000
"""The SDK's, where a command names none."""

_COIN: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z][a-zA-Z0-9/:._-]{2,127})")
_EXACT: Final = Context(prec=100)


def parse_coins(text: str) -> dict[str, Decimal]:
    """Read coins as the SDK writes them, such as ``500uve,0.5uatom``; amounts by denomination.

    Raises:
        ShellFailed: It is something else.
    """
    found: dict[str, Decimal] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        matched = _COIN.fullmatch(part)
        if matched is None or len(matched[1]) > 80 or matched[2] in found:
            raise ShellFailed(f"invalid coins: {text[:100]}")
        found[matched[2]] = Decimal(matched[1])
    return found


def named_fee(fees: str, gas_prices: str, gas: str) -> dict[str, int] | None:
    """Return the fee that a command names itself; None if it depends on what a node says."""
    if fees:
        return {denom: int(amount) for denom, amount in parse_coins(fees).items() if amount}
    if not gas_prices:
        return {}
    if gas and not gas.isdecimal():
        return None
    limit = Decimal(gas or DEFAULT_GAS)
    prices = parse_coins(gas_prices)
    charged = {
        denom: int(_EXACT.multiply(price, limit).to_integral_value(ROUND_CEILING)) for denom, price in prices.items()
    }
    return {denom: amount for denom, amount in charged.items() if amount}


def check_fee(fee: Sequence[Coin], named: Mapping[str, int] | None, ceiling: str, exponents: Mapping[str, int]) -> None:
    """Check what a transaction is going to cost.

    Args:
        fee: Of the transaction.
        named: What the command names itself, see :func:`named_fee`.
        ceiling: What was set, empty for nothing.
        exponents: Of coins that are known: how many digits a whole one has.

    Raises:
        ShellFailed: It is more than was set, or than ten whole coins.
    """
    asked = {coin.denom: int(coin.amount) for coin in fee}
    if named is not None and {denom: amount for denom, amount in asked.items() if amount} == named:
        return
    limits = parse_coins(ceiling)
    for denom, amount in asked.items():
        limit = limits.get(denom, Decimal(0))
        if not ceiling:
            limit = Decimal(WHOLE_COINS * 10 ** exponents.get(denom, USUAL_EXPONENT))
        if amount > limit:
            hint = (
                "the node says how much gas the transaction needs. If that is right, name the fee with --fees, or "
                f"another ceiling with --hsm-max-fee or {VARIABLE}"
            )
            if not ceiling and denom not in exponents:
                hint += f". {unknown_coin(denom)}"
            raise ShellFailed(
                f"the fee of {amount}{denom} is above the ceiling of {int(limit)}{denom}; nothing was signed", hint=hint
            )


def unknown_coin(denom: str) -> str:
    """Return what to do about the ceiling of a coin of which nothing is known."""
    return (
        f"Nothing is known of {denom}, so a whole coin was taken for 10^{USUAL_EXPONENT} of it; of a coin with 18 "
        f"decimals the ceiling has to be named, such as 0.01 coins with --hsm-max-fee {10**16}{denom}, or for good "
        "with `hsm chain add --max-fee`"
    )
