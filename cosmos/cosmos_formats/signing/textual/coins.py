"""Amounts in the unit that people know: ``1.5 ATOM`` for 1500000uatom (ADR-050, annex 1).

Which unit that is says the bank module's metadata of the denomination, which is state of the chain: whoever signs has
to know it, and the chain refuses the signature if the metadata was another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from cosmos_formats.errors import FormatError, InvalidSignDoc
from cosmos_formats.signing.textual import values

_NUMBER: Final = re.compile(r"([+-]?)([0-9]+)")
_LIMIT: Final = 2**256 * 10**values.PRECISION
"""Decimals of the SDK, multiplied by 10¹⁸, stay below it."""

_LIMIT_DIGITS: Final = len(str(_LIMIT))
_MAX_POWER: Final = 77
"""The highest power of ten below 2²⁵⁶: the SDK can calculate with no higher one."""


class InvalidCoinMetadata(FormatError):
    """JSON that is not the metadata of a denomination."""

    code: ClassVar[str] = "coin_metadata_invalid"


@dataclass(frozen=True, slots=True)
class DenomUnit:
    """A unit of a coin.

    Attributes:
        denom: Its name, such as ``atom``.
        exponent: One of it is 10^exponent of the base unit; at most 32 bits.
        aliases: Other names.
    """

    denom: str
    exponent: int
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CoinMetadata:
    """What ``cosmos.bank.v1beta1.Metadata`` says about the units of a coin.

    Attributes:
        base: The unit that amounts are in, such as ``uatom``.
        display: The unit that people know, such as ``atom``.
        units: All units with their exponents.
    """

    base: str
    display: str
    units: tuple[DenomUnit, ...]

    @classmethod
    def from_json(cls, value: object) -> CoinMetadata:
        """Read one ``metadata`` object of the bank module's query; members that are not needed are passed over.

        Raises:
            InvalidCoinMetadata: Not such an object.
        """
        if not isinstance(value, Mapping):
            raise InvalidCoinMetadata("the metadata of a coin is a JSON object")
        units = value.get("denom_units", [])
        if not isinstance(units, list):
            raise InvalidCoinMetadata("denom_units is a list")
        return cls(_text(value, "base"), _text(value, "display"), tuple([_unit(one) for one in units]))

    def exponent(self, denom: str) -> int | None:
        """Return the exponent of a unit, None if there is none; of several with the name the last counts."""
        found = [unit.exponent for unit in self.units if unit.denom == denom]
        return found[-1] if found else None


MetadataFor: TypeAlias = Mapping[str, CoinMetadata] | Callable[[str], CoinMetadata | None]
"""Where the metadata of a base denomination is found: a mapping or a function."""


def format_coins(coins: Iterable[tuple[str, str]], metadata: MetadataFor) -> str:
    """Return coins sorted by the names of the units that they are shown in, with ``, `` between them.

    Args:
        coins: The denomination and the amount of each, as they stand in the transaction.
        metadata: See :data:`MetadataFor`.

    Raises:
        InvalidSignDoc: An amount that is not a number or too large, or a denomination with a comma, which could pass
            for two coins.
    """
    find = metadata.get if isinstance(metadata, Mapping) else metadata
    formatted = [_format(denom, amount, find(denom)) for denom, amount in coins]
    # The SDK, too, sorts by what stands between the first two spaces.
    formatted.sort(key=lambda coin: coin.split(" ")[1])
    return ", ".join(formatted) or "zero"


def _format(denom: str, amount: str, metadata: CoinMetadata | None) -> str:
    coin = _in_display_unit(denom, amount, metadata)
    if "," in coin:
        raise InvalidSignDoc(f"the coin {coin[:100]!r} has a comma")
    return coin


def _in_display_unit(denom: str, amount: str, metadata: CoinMetadata | None) -> str:
    if metadata is None or metadata.display in ("", denom):
        return f"{values.decimal(amount)} {denom}"
    have, want = metadata.exponent(denom), metadata.exponent(metadata.display)
    if have is None or want is None:
        return f"{values.integer(amount)} {denom}"
    return f"{_scale(_parse(amount), have - want)} {metadata.display}"


def _parse(amount: str) -> int:
    """Return an amount multiplied by 10¹⁸. As in the SDK, a minus sign may have another sign behind it."""
    negative = amount.startswith("-")
    whole, point, fraction = (amount[1:] if negative else amount).partition(".")
    number = _NUMBER.fullmatch(whole + fraction.ljust(values.PRECISION, "0")) if whole else None
    if number is None or len(fraction) > values.PRECISION or (point and not fraction):
        raise InvalidSignDoc(f"{amount[:100]!r} is not an amount")
    digits = number[2].lstrip("0") or "0"
    if len(digits) > _LIMIT_DIGITS or int(digits) >= _LIMIT:
        raise InvalidSignDoc("an amount is too large")
    return -int(digits) if negative != (number[1] == "-") else int(digits)


def _scale(amount: int, power: int) -> str:
    """Return an amount, given multiplied by 10¹⁸, times a power of ten; halves are rounded to even."""
    if abs(power) > _MAX_POWER:
        raise InvalidSignDoc("the units of a coin are too far apart")
    size = abs(amount)
    if power > 0:
        size *= 10**power
    else:
        # The SDK cuts first, at 36 places, and then rounds to 18.
        size = size * 10**values.PRECISION // 10**-power
        size, rest = divmod(size, 10**values.PRECISION)
        half = 10**values.PRECISION // 2
        size += rest > half or (rest == half and size % 2 == 1)
    if size >= _LIMIT:
        raise InvalidSignDoc("an amount is too large")
    return values.decimal(("-" if amount < 0 and size else "") + values.with_point(str(size)))


def _text(value: Mapping[object, object], name: str) -> str:
    text = value.get(name, "")
    if not isinstance(text, str):
        raise InvalidCoinMetadata(f"{name} is text")
    return text


def _unit(value: object) -> DenomUnit:
    if not isinstance(value, Mapping):
        raise InvalidCoinMetadata("a unit of a coin is a JSON object")
    exponent = value.get("exponent", 0)
    aliases = value.get("aliases") or []
    if not isinstance(exponent, int) or isinstance(exponent, bool) or not 0 <= exponent < 2**32:
        raise InvalidCoinMetadata("an exponent is a whole number of 32 bits")
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise InvalidCoinMetadata("aliases are a list of texts")
    return DenomUnit(_text(value, "denom"), exponent, tuple(aliases))
