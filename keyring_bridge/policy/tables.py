"""The tables of a policy file, key by key, and what each of their values may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from cosmos_formats.quickclass import dataclass
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.facts import is_denom, parse_amount
from keyring_bridge.config.model import check_chain_id
from keyring_bridge.policy.model import Limit, Terms
from keyring_bridge.policy.patterns import MessagePatterns

if TYPE_CHECKING:
    from keyring_bridge.policy.texts import MemoPattern
    from keyring_bridge.policy.times import Window

SIGN_MODES: Mapping[str, SignMode] = {
    "direct": SignMode.DIRECT,
    "direct-aux": SignMode.DIRECT_AUX,
    "amino-json": SignMode.LEGACY_AMINO_JSON,
    "textual": SignMode.TEXTUAL,
    "eip-191": SignMode.EIP_191,
}
SIGN = "sign"

_Mode = Literal["direct", "direct-aux", "amino-json", "textual", "eip-191"]
_Operation = Literal["sign", "export_public", "delete", "rename", "backup"]
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_CALLER = re.compile(r"[a-z][a-z0-9+.-]*:\S+")
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WORDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
LONGEST_SECONDS = 31 * 86400
MOST_SIGNATURES = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsTable:
    """A table of conditions; see :class:`~keyring_bridge.policy.model.Terms`."""

    name: str | None = None
    chains: tuple[str, ...] | None = None
    sign_modes: tuple[_Mode, ...] | None = None
    messages: tuple[str, ...] | None = None
    callers: tuple[str, ...] | None = None
    operations: tuple[_Operation, ...] | None = None
    times: tuple[str, ...] | None = None
    recipients: tuple[str, ...] | None = None
    denied_recipients: tuple[str, ...] | None = None
    max_amount: Mapping[str, int | str] | None = None
    max_fee: Mapping[str, int | str] | None = None
    max_gas: int | None = None
    payers: tuple[str, ...] | None = None
    granters: tuple[str, ...] | None = None
    memos: tuple[str, ...] | None = None
    timeout_required: bool = False
    unknown_spending: tuple[str, ...] = ()
    arbitrary_data: bool = False
    unsafe_blind_signing: bool = False
    all_of: tuple[TermsTable, ...] | None = None
    any_of: tuple[TermsTable, ...] | None = None

    def __post_init__(self) -> None:
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise ValueError("name must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
        for chain in self.chains or ():
            check_chain_id(chain)
        if self.callers is not None and not self.callers:
            raise ValueError("callers is empty, so nobody could ask: name somebody, or leave it out for everybody")
        check_callers(self.callers or ())
        MessagePatterns.of(self.messages or ())
        MessagePatterns.of(self.unknown_spending)
        _windows(self.times)
        for where in ("recipients", "payers", "granters"):
            for text in getattr(self, where) or ():
                _check_address(where, text)
        _accounts(self.denied_recipients)
        for where in ("max_amount", "max_fee"):
            amounts(where, getattr(self, where))
        if self.max_gas is not None and self.max_gas < 0:
            raise ValueError("max_gas is negative")
        for kind in ("all_of", "any_of"):
            tables = getattr(self, kind)
            if tables is not None and not tables:
                raise ValueError(f"{kind} is empty: give it a table, or leave it out")
            for place, table in enumerate(tables or ()):
                if table.is_empty:
                    raise ValueError(f"{kind}[{place}] states no condition")

    @property
    def is_empty(self) -> bool:
        """Whether it states no condition, so that it would allow everything."""
        said = (
            self.chains, self.sign_modes, self.messages, self.callers, self.operations, self.times, self.recipients,
            self.denied_recipients, self.max_amount, self.max_fee, self.max_gas, self.payers, self.granters,
            self.memos, self.all_of, self.any_of,
        )  # fmt: skip
        return all(one is None for one in said) and not self.timeout_required

    def conditions(self, name: str = "") -> dict[str, Any]:
        """Return the arguments of the :class:`~keyring_bridge.policy.model.Terms` that it means."""
        modes = self.sign_modes
        return {
            "name": name,
            "chains": _set(self.chains),
            "sign_modes": None if modes is None else frozenset(SIGN_MODES[mode] for mode in modes),
            "messages": None if self.messages is None else MessagePatterns.of(self.messages),
            "callers": _set(self.callers),
            "operations": _set(self.operations),
            "times": _windows(self.times),
            "recipients": _set(self.recipients),
            "denied_recipients": _accounts(self.denied_recipients),
            "max_amount": amounts("max_amount", self.max_amount),
            "max_fee": amounts("max_fee", self.max_fee),
            "max_gas": self.max_gas,
            "payers": _set(self.payers),
            "granters": _set(self.granters),
            "memos": _memos(self.memos),
            "timeout_required": self.timeout_required,
            "unknown_spending": MessagePatterns.of(self.unknown_spending),
            "arbitrary_data": self.arbitrary_data,
            "unsafe_blind_signing": self.unsafe_blind_signing,
            "all_of": _terms("all_of", self.all_of or ()),
            "any_of": None if self.any_of is None else _terms("any_of", self.any_of),
        }


def _terms(kind: str, tables: tuple[TermsTable, ...]) -> tuple[Terms, ...]:
    return tuple(Terms(**table.conditions(table.name or f"{kind}[{place}]")) for place, table in enumerate(tables))


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitTable:
    """A table of ``limits``; see :class:`~keyring_bridge.policy.model.Limit`."""

    per: str
    name: str | None = None
    signatures: int | None = None
    burst: int | None = None
    amount: Mapping[str, int | str] | None = None
    callers: tuple[str, ...] | None = None
    each_caller: bool = False

    def __post_init__(self) -> None:
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise ValueError("name must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
        seconds_of(self.per)
        if (self.signatures is None) == (not self.amount):
            raise ValueError("a limit is about signatures or about an amount: state one of the two")
        if self.signatures is not None and not 1 <= self.signatures <= MOST_SIGNATURES:
            raise ValueError(f"signatures must be 1 to {MOST_SIGNATURES}")
        if self.burst is not None and (self.signatures is None or not 1 <= self.burst <= self.signatures):
            raise ValueError("burst must be 1 to the number of signatures")
        amounts("amount", self.amount)
        if self.callers is not None and not self.callers:
            raise ValueError("callers is empty, so the limit would be nobody's")
        check_callers(self.callers or ())

    def limit(self, place: int) -> Limit:
        """Return what it means."""
        return Limit(
            name=self.name or f"limits[{place}]",
            seconds=seconds_of(self.per),
            signatures=self.signatures,
            burst=self.burst or self.signatures,
            amount=amounts("amount", self.amount),
            callers=_set(self.callers),
            each_caller=self.each_caller,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTable(TermsTable):
    """One table of ``keys``."""

    fingerprint: str | None = None  # required, but missing it deserves a hint
    limits: tuple[LimitTable, ...] = ()

    def __post_init__(self) -> None:
        # super() needs the class that slots=True replaces.
        TermsTable.__post_init__(self)
        if self.name is not None:
            raise ValueError("name is for the tables of all_of and any_of")
        if self.fingerprint is not None and not _FINGERPRINT.fullmatch(self.fingerprint):
            raise ValueError("fingerprint must be 64 lower-case hexadecimal digits")


def check_callers(callers: Iterable[str], *, anybody: bool = False) -> None:
    """Check the names of callers.

    Args:
        callers: The names.
        anybody: Whether ``*`` is one.

    Raises:
        ValueError: One is none.
    """
    for caller in callers:
        if not _CALLER.fullmatch(caller) and not (anybody and caller == "*"):
            raise ValueError(f"{caller[:100]!r} is no caller: write it as 'uid:1000' or 'spiffe://…'")


def amounts(where: str, said: Mapping[str, int | str] | None) -> dict[str, int] | None:
    """Return amounts by denomination.

    Raises:
        ValueError: One is no whole number, or a denomination is none.
    """
    if said is None:
        return None
    found = {}
    for denom, amount in said.items():
        if not is_denom(denom):
            raise ValueError(f"{where}: {denom[:100]!r} is no denomination")
        number = parse_amount(str(amount))
        if number is None:
            raise ValueError(f"{where}.{denom}: expected a whole number, such as 1000000 or '1000000'")
        found[denom] = number
    return found


def seconds_of(text: str) -> int:
    """Return the seconds of a duration such as ``minute``, ``24h`` or ``7d``.

    Raises:
        ValueError: It is none, or longer than 31 days.
    """
    if text in _WORDS:
        return _WORDS[text]
    form = _DURATION.fullmatch(text)
    seconds = int(form[1]) * _UNITS[form[2]] if form is not None else 0
    if not 1 <= seconds <= LONGEST_SECONDS:
        words = ", ".join(_WORDS)
        raise ValueError(
            f"per: {text[:40]!r} is none of {words}, nor a time such as '90s', '24h' or '7d' of 31 days at most"
        )
    return seconds


def _check_address(where: str, text: str) -> None:
    if not 0 < len(text) <= 256 or not text.isprintable() or " " in text:
        raise ValueError(f"{where}: {text[:100]!r} is no address")


def _windows(said: tuple[str, ...] | None) -> tuple[Window, ...] | None:
    if said is None:
        return None
    from keyring_bridge.policy.times import Window

    return tuple(Window.of(text) for text in said)


def _memos(said: tuple[str, ...] | None) -> tuple[MemoPattern, ...] | None:
    if said is None:
        return None
    from keyring_bridge.policy.texts import MemoPattern

    return tuple(MemoPattern.of(text) for text in said)


def _accounts(said: tuple[str, ...] | None) -> frozenset[str] | None:
    if said is None:
        return None
    from keyring_bridge.policy.texts import account_of

    found = {text: account_of(text) for text in said}
    for text, account in found.items():
        if account is None:
            raise ValueError(f"denied_recipients: {text[:100]!r} is no address")
    return frozenset(account for account in found.values() if account is not None)


def _set(said: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if said is None else frozenset(said)
