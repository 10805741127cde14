"""Hierarchical derivation paths (BIP-32, BIP-44)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cosmos_formats import wire
from cosmos_formats.errors import FormatError
from cosmos_formats.wire import InvalidProtobuf

_LAYOUT: Final = dict.fromkeys(range(1, 6), wire.Kind.VARINT)
_UINT32: Final = 1 << 32


class InvalidPath(FormatError):
    """A derivation path that does not follow BIP-44."""

    code = "invalid_path"


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
