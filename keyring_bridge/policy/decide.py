"""Deciding, without looking at anything but the policy and the question.

A key's policy is asked rule by rule in the order of :data:`RULES` and :data:`TRANSACTION_RULES`. The first rule that
objects decides; if none does, the signature is allowed. A rule is named after the key of the policy file that it reads,
if there is one. Rules about the transaction never meet one that cannot be read: ``unsafe_blind_signing`` has decided by
then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cosmos_formats.signing.tx_view import ArbitraryData, TxView
from keyring_bridge.model import Operation, Purpose
from keyring_bridge.policy.model import Decision

if TYPE_CHECKING:
    from cosmos_formats.signing.messages import MessageView
    from keyring_bridge.policy.model import KeyPolicy, Policy, Question

# Public keys travel as Any inside messages and order nothing.
_DATA = frozenset(
    {
        "/cosmos.crypto.ed25519.PubKey",
        "/cosmos.crypto.multisig.LegacyAminoPubKey",
        "/cosmos.crypto.secp256k1.PubKey",
        "/cosmos.crypto.secp256r1.PubKey",
    }
)

_SHOWN = 200

NO_POLICY = "no-policy"
ALLOWED = "messages"
ALLOWED_BLIND = "unsafe_blind_signing"
ALLOWED_DATA = "arbitrary_data"


def decide(policy: Policy, question: Question) -> Decision:
    """Return the policy's answer to ``question``."""
    key_policy = policy.keys.get(question.key)
    if key_policy is None:
        return Decision("deny", NO_POLICY, f"the key {_shown(question.key)} has no policy, so it signs nothing")
    view = _readable(question)
    for name, rule in RULES:
        objection = rule(key_policy, question, view)
        if objection is not None:
            return Decision("deny", name, objection)
    if question.operation is Operation.ARBITRARY:
        return Decision("allow", ALLOWED_DATA, "the policy allows arbitrary data with this key")
    if view is None:
        return Decision("allow", ALLOWED_BLIND, "the policy allows blind signing with this key")
    for name, check in TRANSACTION_RULES:
        objection = check(key_policy, view)
        if objection is not None:
            return Decision("deny", name, objection)
    return Decision("allow", ALLOWED, "every message is allowed")


def _readable(question: Question) -> TxView | None:
    """Return what the question's document says, or None if that cannot be known."""
    return question.view if question.operation is Operation.SIGN and isinstance(question.view, TxView) else None


def _shown(text: str) -> str:
    """Return what somebody sent, short and without characters that a terminal would act on."""
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return cut if cut.isprintable() else ascii(cut)


# --- rules about the request -----------------------------------------------------------------------------------------


def _fingerprint(policy: KeyPolicy, question: Question, view: TxView | None) -> str | None:
    if policy.fingerprint == question.fingerprint:
        return None
    return f"the policy of {_shown(question.key)} is for another key of that name"


def _purpose(policy: KeyPolicy, question: Question, view: TxView | None) -> str | None:
    if question.purpose is Purpose.ACCOUNT:
        return None
    return f"this is a key for {question.purpose}, and only account keys sign transactions"


def _callers(policy: KeyPolicy, question: Question, view: TxView | None) -> str | None:
    if policy.callers is None or question.caller.name in policy.callers:
        return None
    return f"the caller {_shown(question.caller.name)} may not use this key"


def _blind_signing(policy: KeyPolicy, question: Question, view: TxView | None) -> str | None:
    if policy.unsafe_blind_signing or view is not None or question.operation is Operation.ARBITRARY:
        return None
    what = "a digest" if question.operation is Operation.DIGEST else "a document that cannot be read"
    return f"this would be blind signing of {what}, which the policy does not allow"


def _arbitrary_data(policy: KeyPolicy, question: Question, view: TxView | None) -> str | None:
    if question.operation is not Operation.ARBITRARY:
        return None
    if not isinstance(question.view, ArbitraryData):
        return "this is no arbitrary data in the envelope of ADR-036"
    return None if policy.arbitrary_data else "signing arbitrary data (ADR-036) is not allowed"


def _sign_modes(policy: KeyPolicy, question: Question, view: TxView | None) -> str | None:
    if question.operation is not Operation.SIGN:
        return None
    if view is not None and view.mode != question.mode:
        return "the document is of another sign mode than the request says"
    if question.mode in policy.sign_modes:
        return None
    return f"sign mode {question.mode.name} is not allowed"


RULES: tuple[tuple[str, Callable[[KeyPolicy, Question, TxView | None], str | None]], ...] = (
    ("fingerprint", _fingerprint),
    ("purpose", _purpose),
    ("callers", _callers),
    ("sign_modes", _sign_modes),
    ("arbitrary_data", _arbitrary_data),
    ("unsafe_blind_signing", _blind_signing),
)
"""Rules that every request passes: their name, and the objection or None. The view is None if nobody can read it."""


# --- rules about the transaction -------------------------------------------------------------------------------------


def _chains(policy: KeyPolicy, view: TxView) -> str | None:
    if view.chain_id in policy.chains:
        return None
    return f"the chain {_shown(view.chain_id)} is not allowed"


def _messages(policy: KeyPolicy, view: TxView) -> str | None:
    if not view.messages:
        return "the transaction has no message"
    # An extension option changes what the transaction does, so it has to be named like a message.
    for message, inside in _walk((*view.messages, *view.extensions)):
        if inside is not None and message.type_url in _DATA:
            continue
        if not policy.messages.match(message.type_url, known=message.known):
            where = f" inside {_shown(inside.type_url)}" if inside is not None else ""
            what = "the message" if message.known else "the message of unknown type"
            return f"{what} {_shown(message.type_url)}{where} is not allowed"
    return None


def _walk(messages: tuple[MessageView, ...]) -> Iterator[tuple[MessageView, MessageView | None]]:
    """Yield every message, at any depth, with the one it is directly inside of."""
    rest: list[tuple[MessageView, MessageView | None]] = [(message, None) for message in reversed(messages)]
    while rest:
        message, around = rest.pop()
        yield message, around
        rest.extend((nested, message) for nested in reversed(message.nested))


TRANSACTION_RULES: tuple[tuple[str, Callable[[KeyPolicy, TxView], str | None]], ...] = (
    ("chains", _chains),
    ("messages", _messages),
)
"""Rules that every transaction passes besides."""
