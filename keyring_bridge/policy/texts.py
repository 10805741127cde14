"""Addresses and memos as the policy compares them."""

from __future__ import annotations

import re

from cosmos_formats import address
from cosmos_formats.quickclass import dataclass

_BECH32 = re.compile(r"[a-z0-9]{1,83}1([ac-hj-np-z02-9]+)[ac-hj-np-z02-9]{6}")
_HEX = re.compile(r"0[xX]([0-9a-fA-F]{40})")


def account_of(text: str) -> str | None:
    """Return what all spellings of one account's address have in common; None if it is of no form that is known here.

    One account has many spellings: other prefixes (its validator's address among them), capital letters, which the SDK
    takes too, and on chains with an EVM ``0x`` and hexadecimal digits. What they have in common are the characters that
    bech32 writes its bytes with. The checksum after them is not looked at: a chain refuses a wrong one.
    """
    found = _HEX.fullmatch(text)
    if found is not None:
        text = address.encode("x", bytes.fromhex(found[1]))
    elif text.isupper():
        text = text.lower()
    form = _BECH32.fullmatch(text)
    return None if form is None else form[1]


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
