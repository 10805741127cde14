"""Hierarchical derivation paths (BIP-32, BIP-44), with the error texts of the SDK's ``crypto/hd``.

How a key is derived is :mod:`cosmos_formats.hd_keys`' part.
"""

from __future__ import annotations

from typing import Final

from cosmos_formats import wire
from cosmos_formats.errors import FormatError
from cosmos_formats.go_text import NotANumber, parse_uint, quoted
from cosmos_formats.quickclass import dataclass
from cosmos_formats.wire import InvalidProtobuf

HARDENED: Final = 1 << 31
"""The bit that marks an index as hardened."""

LONGEST_PATH: Final = 256
"""Most characters of a path."""

_LAYOUT: Final = dict.fromkeys(range(1, 6), wire.Kind.VARINT)
_UINT32: Final = 1 << 32


class InvalidPath(FormatError):
    """A derivation path that does not follow BIP-32 or BIP-44."""

    code = "invalid_path"


@dataclass(frozen=True, slots=True)
class HdPath:
    """A path from the master key to a derived one (BIP-32).

    Attributes:
        indexes: One per level, with :data:`HARDENED` in it where the level is hardened; none for the master key.
    """

    indexes: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.indexes) > 255 or not all(0 <= index < 2 * HARDENED for index in self.indexes):
            raise InvalidPath("a path has at most 255 levels of 32 bits each")

    def __str__(self) -> str:
        levels = [f"{index % HARDENED}'" if index >= HARDENED else str(index) for index in self.indexes]
        return "/".join(["m", *levels])

    @property
    def keeps_to_its_account(self) -> bool:
        """Whether purpose, coin type and account are there and hardened.

        If they are not, one leaked private key together with a public extended key gives away its whole branch.
        """
        return len(self.indexes) >= 3 and all(index >= HARDENED for index in self.indexes[:3])

    @classmethod
    def parse(cls, text: str, *, allow_unhardened: bool = False) -> HdPath:
        """Read a path as the SDK's derivation does, such as ``m/44'/118'/0'/0/0``; an empty text is the master key.

        Args:
            text: With or without ``m/``; ``'`` marks hardened levels.
            allow_unhardened: Take paths that do not keep to their account, the master key among them.

        Raises:
            InvalidPath: It is none, or one that needs ``allow_unhardened``.
        """
        if len(text) > LONGEST_PATH:
            raise InvalidPath(f"derivation path of {len(text)} characters; at most {LONGEST_PATH} are allowed")
        path = cls(_indexes(text))
        if not allow_unhardened and not path.keeps_to_its_account:
            raise InvalidPath(f"derivation path {path} does not begin with a hardened purpose, coin type and account")
        return path


@dataclass(frozen=True, slots=True)
class Bip44Path:
    """The five parts of a BIP-44 path, each without the bit that marks it as hardened.

    Attributes:
        purpose: 44.
        coin_type: SLIP-44 number; 118 for most Cosmos chains.
        account: From 0.
        change: False for the external chain (0), True for the internal one (1).
        address_index: From 0.
    """

    purpose: int = 44
    coin_type: int = 118
    account: int = 0
    change: bool = False
    address_index: int = 0

    def __post_init__(self) -> None:
        for part in (self.purpose, self.coin_type, self.account, self.address_index):
            if not 0 <= part < _UINT32:
                raise InvalidPath("a part of the path does not fit 32 bits")

    def __str__(self) -> str:
        return f"m/{self.purpose}'/{self.coin_type}'/{self.account}'/{int(self.change)}/{self.address_index}"

    @classmethod
    def parse(cls, text: str) -> Bip44Path:
        """Read a path of exactly five levels, as the SDK does for Ledger devices: ``m/44'/118'/0'/0/0``.

        Raises:
            InvalidPath: It is not of that form.
        """
        if len(text) > LONGEST_PATH:
            raise InvalidPath(f"derivation path of {len(text)} characters; at most {LONGEST_PATH} are allowed")
        levels = text.split("/")
        if len(levels) == 1:
            raise InvalidPath(f"path {text} doesn't contain '/' separators")
        first = levels[0].strip()
        if not first:
            raise InvalidPath(
                f"ambiguous path {text}: use 'm/' prefix for absolute paths, or no leading '/' for relative ones"
            )
        if first == "m":
            del levels[0]
        if len(levels) != 5:
            raise InvalidPath(f"invalid path length {text}")
        numbers = [_bip44_number(name, level) for name, level in zip(_BIP44_NAMES, levels, strict=True)]
        if levels[0] != "44'":
            raise InvalidPath(f"first field in path must be 44', got {levels[0]}")
        if not (levels[1].endswith("'") and levels[2].endswith("'")):
            raise InvalidPath(
                "second and third field in path must be hardened "
                f"(ie. contain the suffix ', got {levels[1]} and {levels[2]}"
            )
        if levels[3].endswith("'") or levels[4].endswith("'"):
            raise InvalidPath(
                "fourth and fifth field in path must not be hardened "
                f"(ie. not contain the suffix ', got {levels[3]} and {levels[4]}"
            )
        if numbers[3] > 1:
            raise InvalidPath("change field can only be 0 or 1")
        return cls(numbers[0], numbers[1], numbers[2], bool(numbers[3]), numbers[4])

    def encode(self) -> bytes:
        """Return the bytes of ``cosmos.crypto.hd.v1.BIP44Params``."""
        parts = (self.purpose, self.coin_type, self.account, int(self.change), self.address_index)
        return b"".join(wire.varint_field(number, part) for number, part in enumerate(parts, 1))

    @classmethod
    def decode(cls, data: bytes) -> Bip44Path:
        """Read what :meth:`encode` returns.

        Raises:
            InvalidProtobuf: Not the canonical encoding.
            InvalidPath: A part does not fit.
        """
        fields = wire.read(data, _LAYOUT)
        change = fields.varint(4)
        if change > 1:
            raise InvalidProtobuf("field 4 is not a bool")
        return cls(fields.varint(1), fields.varint(2), fields.varint(3), bool(change), fields.varint(5))


_BIP44_NAMES: Final = ("purpose", "coin type", "account", "change", "address index")


def _bip44_number(name: str, level: str) -> int:
    try:
        return parse_uint(level.removesuffix("'"), 32)
    except NotANumber as error:
        raise InvalidPath(f"invalid HD path {name} {level}: {error}") from None


def _indexes(text: str) -> tuple[int, ...]:
    if not text:
        return ()
    path = text.rstrip("/")
    levels = path.split("/")
    if len(levels) == 1:
        raise InvalidPath(f"path '{path}' doesn't contain '/' separators")
    if levels[0].strip() == "m":
        del levels[0]
    indexes = []
    for number, level in enumerate(levels):
        if not level:
            raise InvalidPath(f"path {quoted(level)} with split element #{number} is an empty string")
        digits = level.removesuffix("'")
        try:
            index = parse_uint(digits, 31)
        except NotANumber as error:
            raise InvalidPath(f"invalid BIP 32 path {path}: {error}") from None
        indexes.append(index if digits == level else index + HARDENED)
    return tuple(indexes)
