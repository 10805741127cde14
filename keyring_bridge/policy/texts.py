"""Addresses and memos as the policy compares them."""

from __future__ import annotations

import re

from cosmos_formats import address
from cosmos_formats.errors import FormatError
from cosmos_formats.quickclass import dataclass

_HEX = re.compile(r"0[xX]([0-9a-fA-F]{40})")


def account_of(text: str) -> bytes | None:
    """Return the account that an address stands for, None if it is of no form that is known here.

    One account has many spellings: other prefixes (its validator's address among them), capital letters, and on chains
    with an EVM ``0x`` and hexadecimal digits.
    """
    found = _HEX.fullmatch(text)
    if found is not None:
        return bytes.fromhex(found[1])
    try:
        # The SDK takes addresses that are all in capitals.
        return address.decode(text.lower() if text.isupper() else text)[1]
    except FormatError:
        return None


@dataclass(frozen=True, slots=True)
class MemoPattern:
    """A memo, in which ``*`` stands for any printable characters, also none.

    Not a regular expression: those can be made to run for ever by whoever writes the memo.
    """

    parts: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> MemoPattern:
        """Return the pattern that a text of the policy file means."""
        return cls(tuple(text.split("*")))

    def matches(self, memo: str) -> bool:
        """Tell whether a memo is one of those that are meant."""
        first, *rest = self.parts
        if not rest:
            return memo == first
        if not memo.isprintable() or not memo.startswith(first):
            return False
        *middle, last = rest
        at, stop = len(first), len(memo) - len(last)
        if stop < at or not memo.endswith(last):
            return False
        for part in middle:
            found = memo.find(part, at, stop)
            if found < 0:
                return False
            at = found + len(part)
        return True

    def __str__(self) -> str:
        return "*".join(self.parts)
