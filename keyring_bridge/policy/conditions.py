"""The conditions that a table of the policy file can state, one class for each of its keys.

A condition about the transaction allows what has no view: there is nothing to look at. That such a thing may be signed
at all is not said here (see :func:`keyring_bridge.policy.rules.names_unsafe`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cosmos_formats.quickclass import dataclass
from cosmos_formats.signing.facts import Coin, is_denom
from keyring_bridge.model import Operation
from keyring_bridge.policy.case import shown
from keyring_bridge.policy.rules import Objection

if TYPE_CHECKING:
    from cosmos_formats.signing import SignMode
    from keyring_bridge.policy.case import Case
    from keyring_bridge.policy.effects import Unknown
    from keyring_bridge.policy.patterns import MessagePatterns
    from keyring_bridge.policy.texts import MemoPattern
    from keyring_bridge.policy.times import Window


@dataclass(frozen=True, slots=True)
class Callers:
    """``callers``: who may ask."""

    names: frozenset[str]
    name: str = "callers"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return case.question.caller.name in self.names

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return Objection(self.name, f"the caller {shown(case.question.caller.name)} may not use this key")


@dataclass(frozen=True, slots=True)
class Operations:
    """``operations``: what may be done with the key; every signature is ``sign``."""

    names: frozenset[str]
    name: str = "operations"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return _operation(case) in self.names

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return Objection(self.name, f"the operation {_operation(case)} is not allowed")


def _operation(case: Case) -> str:
    return "sign" if case.signing else str(case.question.operation)


@dataclass(frozen=True, slots=True)
class Times:
    """``times``: when."""

    windows: tuple[Window, ...]
    name: str = "times"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        now = case.question.time
        return now is not None and any(window.contains(now) for window in self.windows)

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return Objection(self.name, f"only at these times: {', '.join(map(str, self.windows))}")


@dataclass(frozen=True, slots=True)
class SignModes:
    """``sign_modes``: how transactions are signed."""

    modes: frozenset[SignMode]
    name: str = "sign_modes"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        question = case.question
        if question.operation is not Operation.SIGN:
            return True
        return question.mode in self.modes and (case.view is None or case.view.mode == question.mode)

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        question = case.question
        if case.view is not None and case.view.mode != question.mode:
            return Objection(self.name, "the document is of another sign mode than the request says")
        return Objection(self.name, f"sign mode {question.mode.name} is not allowed")


@dataclass(frozen=True, slots=True)
class Chains:
    """``chains``: the chain's id, exactly."""

    ids: frozenset[str]
    name: str = "chains"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return case.view is None or case.view.chain_id in self.ids

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        assert case.view is not None  # noqa: S101 - it allows the others
        return Objection(self.name, f"the chain {shown(case.view.chain_id)} is not allowed")


@dataclass(frozen=True, slots=True)
class Messages:
    """``messages``: the types of all messages at any depth, and of extension options, which change what is done."""

    patterns: MessagePatterns
    name: str = "messages"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        if case.view is None:
            return True
        match = self.patterns.match
        for message, _ in case.messages:
            if not match(message.type_url, known=message.known):
                return False
        return bool(case.view.messages)

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        for message, inside in case.messages:
            if not self.patterns.match(message.type_url, known=message.known):
                where = f" inside {shown(inside.type_url)}" if inside is not None else ""
                what = "the message" if message.known else "the message of unknown type"
                return Objection(self.name, f"{what} {shown(message.type_url)}{where} is not allowed")
        return Objection(self.name, "the transaction has no message")


@dataclass(frozen=True, slots=True)
class Recipients:
    """``recipients``: addresses, exactly, that the messages may name besides their signers."""

    addresses: frozenset[str]
    accepted: MessagePatterns
    name: str = "recipients"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        effects, addresses = case.effects, self.addresses
        for text in effects.recipients:
            if text not in addresses:
                return False
        return not effects.unknown_recipients or _first(effects.unknown_recipients, self.accepted) is None

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        for text in case.effects.recipients:
            if text not in self.addresses:
                return Objection(self.name, f"the recipient {shown(text)} is not allowed")
        return Objection(self.name, _cannot_know("whom", case.effects.unknown_recipients, self.accepted))


@dataclass(frozen=True, slots=True)
class DeniedRecipients:
    """``denied_recipients``: accounts, however their addresses are spelled, that no message may name."""

    accounts: frozenset[str]
    accepted: MessagePatterns
    name: str = "denied_recipients"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        from keyring_bridge.policy.texts import account_of

        effects = case.effects
        for text in effects.recipients:
            account = account_of(text)
            if account is None or account in self.accounts:
                return False
        return _first(effects.unknown_recipients, self.accepted) is None

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        from keyring_bridge.policy.texts import account_of

        for text in case.effects.recipients:
            account = account_of(text)
            if account is None:
                return Objection(self.name, f"the recipient {shown(text)} cannot be compared with those denied")
            if account in self.accounts:
                return Objection(self.name, f"the recipient {shown(text)} is denied")
        return Objection(self.name, _cannot_know("whom", case.effects.unknown_recipients, self.accepted))


@dataclass(frozen=True, slots=True)
class MaxAmount:
    """``max_amount``: all that messages, fee and tip move together, by denomination. Others may not move at all."""

    limits: Mapping[str, int]
    accepted: MessagePatterns
    name: str = "max_amount"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        effects = case.effects
        return (
            not effects.unreadable
            and _too_much(effects.totals, self.limits) is None
            and _first(effects.unknown_amounts, self.accepted) is None
        )

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        effects = case.effects
        found = _too_much(effects.totals, self.limits)
        if found is not None:
            return Objection(self.name, f"the transaction moves {found}")
        return Objection(self.name, unknown_spending(case, self.accepted))


@dataclass(frozen=True, slots=True)
class KnownAmounts:
    """What a limit by amounts needs: that everything a transaction moves can be known."""

    accepted: MessagePatterns
    name: str = "limits"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        effects = case.effects
        return not effects.unreadable and _first(effects.unknown_amounts, self.accepted) is None

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return Objection(self.name, unknown_spending(case, self.accepted))


@dataclass(frozen=True, slots=True)
class MaxFee:
    """``max_fee``: fee and tip, by denomination."""

    limits: Mapping[str, int]
    name: str = "max_fee"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return _too_much(case.effects.fees, self.limits) is None

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return Objection(self.name, f"the fee is {_too_much(case.effects.fees, self.limits)}")


@dataclass(frozen=True, slots=True)
class MaxGas:
    """``max_gas``: the most gas that a transaction may use."""

    limit: int
    name: str = "max_gas"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return case.view is None or case.view.gas_limit <= self.limit

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        assert case.view is not None  # noqa: S101 - it allows the others
        return Objection(self.name, f"the gas limit is {case.view.gas_limit}, and {self.limit} is allowed")


@dataclass(frozen=True, slots=True)
class FeeAccounts:
    """``payers`` or ``granters``: who, beside the first signer, may pay the fee."""

    name: str
    addresses: frozenset[str]

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        named = self._named(case)
        return not named or named in self.addresses

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return Objection(self.name, f"the fee's {self.name[:-1]} {shown(self._named(case))} is not allowed")

    def _named(self, case: Case) -> str:
        if case.view is None:
            return ""
        return case.view.payer if self.name == "payers" else case.view.granter


@dataclass(frozen=True, slots=True)
class Memos:
    """``memos``: what the memo may be."""

    patterns: tuple[MemoPattern, ...]
    name: str = "memos"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return case.view is None or any(pattern.matches(case.view.memo) for pattern in self.patterns)

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        assert case.view is not None  # noqa: S101 - it allows the others
        memo = case.view.memo
        return Objection(self.name, f"the memo {shown(memo)!r} is not allowed" if memo else "a memo is required")


@dataclass(frozen=True, slots=True)
class TimeoutRequired:
    """``timeout_required``: the transaction becomes void at a height or a moment."""

    name: str = "timeout_required"

    def allows(self, case: Case) -> bool:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        view = case.view
        return view is None or view.timeout_height > 0 or view.timeout_timestamp is not None

    def objection(self, case: Case) -> Objection:
        """See :class:`~keyring_bridge.policy.rules.Rule`."""
        return Objection(self.name, "the transaction has neither a timeout height nor a timeout timestamp")


def unknown_spending(case: Case, accepted: MessagePatterns) -> str:
    """Return why what a transaction moves cannot be known."""
    unreadable = case.effects.unreadable
    if unreadable:
        return f"the message {shown(unreadable)} has an amount that is not a whole number"
    return _cannot_know("how much", case.effects.unknown_amounts, accepted)


def _first(unknown: Iterable[Unknown], accepted: MessagePatterns) -> Unknown | None:
    for one in unknown:
        if not accepted.match(one.type_url, known=one.known):
            return one
    return None


def _cannot_know(what: str, unknown: Iterable[Unknown], accepted: MessagePatterns) -> str:
    found = _first(unknown, accepted)
    assert found is not None  # noqa: S101 - there is one, or nobody would ask
    verb = "pays" if what == "whom" else "moves"
    return f"{what} {shown(found.type_url)} {verb} cannot be known ({found.why}), and unknown_spending does not name it"


def _too_much(totals: Mapping[str, int], limits: Mapping[str, int]) -> str | None:
    for denom, amount in totals.items():
        if amount and amount > limits.get(denom, 0):
            coin = shown(str(Coin(denom, amount)))
            if denom not in limits:
                return f"{coin}, and nothing is allowed of {shown(denom) if is_denom(denom) else shown(repr(denom))}"
            return f"{coin}, and {Coin(denom, limits[denom])} is allowed"
    return None
