"""Sign modes and the documents they sign."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["SignMode"]


class SignMode(IntEnum):
    """Values of ``cosmos.tx.signing.v1beta1.SignMode``."""

    UNSPECIFIED = 0
    DIRECT = 1
    TEXTUAL = 2
    DIRECT_AUX = 3
    LEGACY_AMINO_JSON = 127
    EIP_191 = 191
