"""Making rules of a key's terms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cosmos_formats.quickclass import dataclass
from keyring_bridge.model import Action, Purpose
from keyring_bridge.policy import conditions
from keyring_bridge.policy.case import shown
from keyring_bridge.policy.patterns import MessagePatterns
from keyring_bridge.policy.rules import AllOf, AnyOf, Objection, Rule

if TYPE_CHECKING:
    from keyring_bridge.policy.case import Case
    from keyring_bridge.policy.model import KeyPolicy, Terms


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """The key must be the one that the policy was written for."""

    fingerprint: str
    name: str = "fingerprint"

    def allows(self, case: Case) -> bool:
        return case.question.fingerprint == self.fingerprint

    def objection(self, case: Case) -> Objection:
        return Objection(self.name, f"the policy of {shown(case.question.key)} is for another key of that name")


@dataclass(frozen=True, slots=True)
class _Purpose:
    """Only account keys sign what comes here."""

    name: str = "purpose"

    def allows(self, case: Case) -> bool:
        return case.question.purpose is Purpose.ACCOUNT or isinstance(case.question.operation, Action)

    def objection(self, case: Case) -> Objection:
        return Objection(
            self.name, f"this is a key for {case.question.purpose}, and only account keys sign transactions"
        )


def compile_key(policy: KeyPolicy) -> AllOf:
    """Return a key's policy as one rule."""
    own: list[Rule] = [_Fingerprint(policy.fingerprint), _Purpose(), *_table(policy, policy.unknown_spending, policy)]
    if any(limit.amount for limit in (*policy.limits, *policy.shared)):
        own.append(conditions.KnownAmounts(policy.unknown_spending))
    return AllOf("", tuple(own), _unsafe(policy))


def _compile(terms: Terms, accepted: MessagePatterns) -> AllOf:
    accepted = accepted | terms.unknown_spending
    return AllOf(terms.name, tuple(_table(terms, accepted, None)), _unsafe(terms))


def _unsafe(terms: Terms) -> frozenset[str]:
    return frozenset(name for name in ("arbitrary_data", "unsafe_blind_signing") if getattr(terms, name))


def _table(terms: Terms, accepted: MessagePatterns, key: KeyPolicy | None) -> Iterator[Rule]:
    """Yield the rules of one table, in the order in which they are asked; cheap ones first.

    Args:
        terms: The table.
        accepted: Messages whose spending need not be known.
        key: The policy if this is a key's own table. What nothing states there, nothing is allowed of.
    """
    none: frozenset[str] = frozenset()
    if terms.callers is not None:
        yield conditions.Callers(terms.callers)
    if terms.operations is not None:
        yield conditions.Operations(terms.operations)
    if terms.times is not None:
        yield conditions.Times(terms.times)
    if terms.sign_modes is not None:
        yield conditions.SignModes(terms.sign_modes)
    elif key is not None and not key.states("sign_modes"):
        yield conditions.SignModes(frozenset())
    if terms.chains is not None:
        yield conditions.Chains(terms.chains)
    elif key is not None and not key.states("chains"):
        yield conditions.Chains(none)
    if terms.messages is not None:
        yield conditions.Messages(terms.messages)
    elif key is not None and not key.states("messages"):
        yield conditions.Messages(MessagePatterns())
    if terms.max_gas is not None:
        yield conditions.MaxGas(terms.max_gas)
    if terms.payers is not None:
        yield conditions.FeeAccounts("payers", terms.payers)
    if terms.granters is not None:
        yield conditions.FeeAccounts("granters", terms.granters)
    if terms.memos is not None:
        yield conditions.Memos(terms.memos)
    if terms.timeout_required:
        yield conditions.TimeoutRequired()
    if terms.max_fee is not None:
        yield conditions.MaxFee(terms.max_fee)
    if terms.recipients is not None:
        yield conditions.Recipients(terms.recipients, accepted)
    if terms.denied_recipients is not None:
        yield conditions.DeniedRecipients(terms.denied_recipients, accepted)
    if terms.max_amount is not None:
        yield conditions.MaxAmount(terms.max_amount, accepted)
    for inner in terms.all_of:
        yield _compile(inner, accepted)
    if terms.any_of is not None:
        yield AnyOf(tuple(_compile(inner, accepted) for inner in terms.any_of))
