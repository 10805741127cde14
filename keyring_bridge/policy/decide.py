"""Deciding, without looking at anything but the policy and the question.

A key's rules are asked in a fixed order (:mod:`keyring_bridge.policy.compile`). The first one that objects decides; if
none does, what is asked for is allowed, unless it is of a kind that has to be named: data that is no transaction, and
what nobody can read. A rule is named after the key of the policy file that it reads, if there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats.signing.tx_view import ArbitraryData
from keyring_bridge.model import Action, Operation
from keyring_bridge.policy.case import Case, shown
from keyring_bridge.policy.model import Decision
from keyring_bridge.policy.rules import allowing, names_unsafe

if TYPE_CHECKING:
    from keyring_bridge.model import Caller
    from keyring_bridge.policy.model import KeyPolicy, Policy, Question

NO_POLICY = "no-policy"
ALLOWED = "messages"
BLIND = "unsafe_blind_signing"
DATA = "arbitrary_data"
MANAGE = "manage"
ANYBODY = "*"


def decide(policy: Policy, question: Question) -> Decision:
    """Return the policy's answer to ``question``."""
    if isinstance(question.operation, Action):
        return _decide_action(policy, question)
    key = policy.keys.get(question.key)
    if key is None:
        return Decision("deny", NO_POLICY, f"the key {shown(question.key)} has no policy, so it signs nothing")
    case = Case(question)
    rule = key.rule
    if not rule.allows(case):
        return Decision("deny", *rule.objection(case))
    if question.operation is Operation.ARBITRARY:
        return _decide_data(key, case)
    if case.view is None:
        return _decide_blind(key, case)
    return Decision("allow", allowing(rule, case) or ALLOWED, "every rule allows it")


def _decide_data(key: KeyPolicy, case: Case) -> Decision:
    if not isinstance(case.question.view, ArbitraryData):
        return Decision("deny", DATA, "this is no arbitrary data in the envelope of ADR-036")
    if not names_unsafe(key.rule, case, DATA):
        return Decision("deny", DATA, "signing arbitrary data (ADR-036) is not allowed")
    return Decision("allow", DATA, "the policy allows arbitrary data with this key")


def _decide_blind(key: KeyPolicy, case: Case) -> Decision:
    if not names_unsafe(key.rule, case, BLIND):
        what = "a digest" if case.question.operation is Operation.DIGEST else "a document that cannot be read"
        return Decision("deny", BLIND, f"this would be blind signing of {what}, which the policy does not allow")
    return Decision("allow", BLIND, "the policy allows blind signing with this key")


def _decide_action(policy: Policy, question: Question) -> Decision:
    """Decide about something else than a signature: the file's ``manage``, then the key's own rules if it has some."""
    action = str(question.operation)
    if policy.manage is not None and not _may(policy.manage.get(action, frozenset()), question.caller):
        return Decision("deny", MANAGE, f"the caller {shown(question.caller.name)} may not {_in_words(action)}")
    key = policy.keys.get(question.key)
    # A key that is still to be made has no fingerprint, and the table of its name is not about it.
    if key is not None and question.fingerprint and key.mentions("operations"):
        case = Case(question)
        if not key.rule.allows(case):
            return Decision("deny", *key.rule.objection(case))
    return Decision("allow", MANAGE, "every rule allows it")


def _may(callers: frozenset[str], caller: Caller) -> bool:
    return ANYBODY in callers or caller.name in callers


def _in_words(action: str) -> str:
    return {
        "export_public": "export public keys",
        "backup": "back keys up",
    }.get(action, f"{action} keys")
