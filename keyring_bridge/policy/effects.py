"""What a transaction moves, and to whom, as far as anybody can know.

Coins are summed over all messages, nested ones included, with fee and tip. What is summed is never less than what can
be moved: a message whose reach cannot be read off its fields is listed as unknown, and only a rule that names its type
lets it pass. So the list of modules that are understood (:data:`_UNDERSTOOD`) is a list of what was looked at, one by
one; every other module is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cosmos_formats.signing.facts import MessageFacts
    from cosmos_formats.signing.messages import MessageView
    from cosmos_formats.signing.tx_view import TxView

# Public keys travel as Any inside messages and order nothing.
DATA = frozenset(
    {
        "/cosmos.crypto.ed25519.PubKey",
        "/cosmos.crypto.multisig.LegacyAminoPubKey",
        "/cosmos.crypto.secp256k1.PubKey",
        "/cosmos.crypto.secp256r1.PubKey",
    }
)

# Modules whose messages move the coins that their fields show, and no more.
_UNDERSTOOD = (
    "/cosmos.auth.",
    "/cosmos.authz.",
    "/cosmos.bank.",
    "/cosmos.circuit.",
    "/cosmos.consensus.",
    "/cosmos.distribution.",
    "/cosmos.evidence.",
    "/cosmos.feegrant.",
    "/cosmos.gov.",
    "/cosmos.group.",
    "/cosmos.mint.",
    "/cosmos.params.",
    "/cosmos.protocolpool.",
    "/cosmos.slashing.",
    "/cosmos.staking.",
    "/cosmos.upgrade.",
    "/cosmos.vesting.",
    "/ibc.applications.fee.v1.",
    "/ibc.applications.transfer.v1.",
    "/ibc.core.channel.v1.",
    "/ibc.core.client.v1.",
    "/ibc.core.connection.v1.",
    "/ibc.lightclients.tendermint.v1.",
)
_MULTI_SEND = "/cosmos.bank.v1beta1.MsgMultiSend"
_TRANSFER = "/ibc.applications.transfer.v1.MsgTransfer"
_PERIODIC = "/cosmos.feegrant.v1beta1.PeriodicAllowance"
# Types of these modules that move what is not in the transaction.
_ELSEWHERE: Mapping[str, str] = {
    "/cosmos.group.v1.MsgExec": "it carries out what was proposed earlier",
    "/cosmos.group.v1.MsgVote": "it may carry out what was proposed earlier",
    "/cosmos.protocolpool.v1.MsgCreateContinuousFund": "it goes on paying",
}
# Grants that are without limit unless they name coins.
_LIMITED_BY_COINS = frozenset(
    {
        "/cosmos.bank.v1beta1.SendAuthorization",
        "/cosmos.feegrant.v1beta1.BasicAllowance",
        "/cosmos.staking.v1beta1.StakeAuthorization",
        "/ibc.applications.transfer.v1.TransferAuthorization",
    }
)
# A wrapper around another allowance, which is looked at itself.
_WRAPS = "/cosmos.feegrant.v1beta1.AllowedMsgAllowance"


class Placed(NamedTuple):
    """A message where it stands.

    Attributes:
        message: The message.
        inside: The message that it is directly inside of, None at the top.
    """

    message: MessageView
    inside: MessageView | None


class Unknown(NamedTuple):
    """A message whose reach cannot be known.

    Attributes:
        type_url: Its type.
        known: Whether the schema has the type.
        why: In a few words.
    """

    type_url: str
    known: bool
    why: str


class Effects(NamedTuple):
    """What a transaction does with coins.

    Attributes:
        totals: All that is moved by messages, fee and tip, by denomination.
        fees: Fee and tip, by denomination.
        recipients: Addresses other than the signers of the message that names them, each once.
        unknown_amounts: Messages that may move more than their fields show.
        unknown_recipients: Messages that may reach others than their fields show.
        unreadable: Type of a message with an amount that is no number; empty if there is none.
    """

    totals: Mapping[str, int]
    fees: Mapping[str, int]
    recipients: tuple[str, ...]
    unknown_amounts: tuple[Unknown, ...]
    unknown_recipients: tuple[Unknown, ...]
    unreadable: str


NO_EFFECTS = Effects({}, {}, (), (), (), "")


def is_understood(type_url: str) -> bool:
    """Tell whether the fields of messages of a type show what they move, or can show it."""
    if not type_url.startswith(_UNDERSTOOD) or type_url in _ELSEWHERE:
        return False
    return not type_url.endswith("Authorization") or type_url in _LIMITED_BY_COINS


def placed(view: TxView) -> Iterator[Placed]:
    """Yield every message and extension option, at any depth, except public keys inside of others."""
    rest = [Placed(message, None) for message in reversed((*view.messages, *view.extensions))]
    while rest:
        item = rest.pop()
        if item.inside is None or item.message.type_url not in DATA:
            yield item
        rest.extend(Placed(nested, item.message) for nested in reversed(item.message.nested))


def effects_of(view: TxView | None, messages: Iterable[Placed]) -> Effects:
    """Return what the messages of a view move. Of what nobody can read, nothing is known and nothing is listed."""
    if view is None:
        return NO_EFFECTS
    fees: dict[str, int] = {}
    for coin in (*view.fee, *view.tip):
        fees[coin.denom] = fees.get(coin.denom, 0) + coin.amount
    totals = dict(fees)
    recipients: dict[str, None] = {}
    amounts: list[Unknown] = []
    reached: list[Unknown] = []
    unreadable = ""
    for message, _ in messages:
        facts = message.facts
        why_amount, why_reach = _unknown(message, facts)
        if why_amount:
            amounts.append(Unknown(message.type_url, message.known, why_amount))
        if why_reach:
            reached.append(Unknown(message.type_url, message.known, why_reach))
        if facts is None:
            continue
        if facts.unreadable_amounts:
            unreadable = unreadable or message.type_url
        recipients.update(dict.fromkeys(facts.recipients))
        for denom, amount in _amounts(message, facts).items():
            totals[denom] = totals.get(denom, 0) + amount
    return Effects(totals, fees, tuple(recipients), tuple(amounts), tuple(reached), unreadable)


def _amounts(message: MessageView, facts: MessageFacts) -> dict[str, int]:
    totals: dict[str, int] = {}
    for coin in facts.amounts:
        totals[coin.denom] = totals.get(coin.denom, 0) + coin.amount
    if message.type_url == _MULTI_SEND:
        # Inputs and outputs are the same coins, or the chain refuses the message.
        return {denom: (amount + 1) // 2 for denom, amount in totals.items()}
    return totals


def _unknown(message: MessageView, facts: MessageFacts | None) -> tuple[str, str]:
    """Return why amounts and recipients of a message cannot be known; empty texts where they can."""
    type_url = message.type_url
    if facts is None:
        return ("its type is not known",) * 2
    if not type_url.startswith(_UNDERSTOOD):
        return ("its module's messages may do more than they show",) * 2
    name = type_url[type_url.rfind(".") + 1 :]
    elsewhere = _ELSEWHERE.get(type_url)
    if elsewhere is not None:
        return elsewhere, elsewhere
    if name.endswith("Authorization"):
        unlimited = type_url not in _LIMITED_BY_COINS or not facts.amounts
        return "it grants without a limit" if unlimited else "", "whoever it is granted to chooses them"
    if name.endswith("Allowance") and not name.startswith("Msg"):
        return "" if _is_limited(message, facts) else "it grants without a limit", ""
    if len(facts.signers) > 1:
        # One of them may be paid by another; addresses of signers are not listed as recipients.
        return "", "several accounts sign it"
    if type_url == _TRANSFER and message.fields().get("memo"):
        return "", "its memo may have it passed on"
    return "", ""


def _is_limited(message: MessageView, facts: MessageFacts) -> bool:
    if message.type_url == _WRAPS:
        return True
    if message.type_url == _PERIODIC:
        basic = message.fields().get("basic")
        return isinstance(basic, dict) and bool(basic.get("spend_limit"))
    return message.type_url in _LIMITED_BY_COINS and bool(facts.amounts)
