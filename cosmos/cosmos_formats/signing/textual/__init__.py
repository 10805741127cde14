"""SIGN_MODE_TEXTUAL: transactions as screens that a person can read (ADR-050)."""

from __future__ import annotations

from cosmos_formats.signing.textual.coins import CoinMetadata, DenomUnit, InvalidCoinMetadata, MetadataFor
from cosmos_formats.signing.textual.envelope import chain_of, matches, screens, sign_bytes
from cosmos_formats.signing.textual.screen import Screen, decode_screens, encode_screens

__all__ = [
    "CoinMetadata",
    "DenomUnit",
    "InvalidCoinMetadata",
    "MetadataFor",
    "Screen",
    "chain_of",
    "decode_screens",
    "encode_screens",
    "matches",
    "screens",
    "sign_bytes",
]
