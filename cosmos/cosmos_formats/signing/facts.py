"""What a message does with whose money, read off its descriptor's options.

Nothing here knows a message type. A field named by ``cosmos.msg.v1.signer`` holds a signer, a field whose
``cosmos_proto.scalar`` is an address holds one, and every ``cosmos.base.v1beta1.Coin`` is an amount, at any depth but
not inside packed messages, which have facts of their own.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cosmos_formats.options import field_options, message_options
from cosmos_formats.quickclass import dataclass
from cosmos_formats.signing.messages import field_values, is_map, is_repeated

if TYPE_CHECKING:
    from cosmos_formats.schema import Descriptor, FieldDescriptor, Message

_COIN: Final = "cosmos.base.v1beta1.Coin"
_ANY: Final = "google.protobuf.Any"
_ADDRESSES: Final = frozenset(
    {"cosmos.AddressString", "cosmos.ValidatorAddressString", "cosmos.ConsensusAddressString"}
)
# Some modules (IBC's transfer among them) name the receiver without saying that it is an address.
_RECEIVER_NAMES: Final = frozenset({"receiver", "recipient", "to_address", "to"})
_DENOM: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9/:._-]{2,127}")
"""What the SDK takes for the name of a denomination."""
_DEPTH: Final = 32
_LARGEST: Final = 78  # digits of 2²⁵⁶, beyond which the SDK's integers do not go


@dataclass(frozen=True, slots=True)
class Coin:
    """An amount of one denomination."""

    denom: str
    amount: int

    def __str__(self) -> str:
        # No chain has a denomination called `000uve` or `uve, 5uatom`; beside its amount it would read as another coin.
        return f"{self.amount}{self.denom}" if is_denom(self.denom) else f"{self.amount} {self.denom!r}"


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """The facts that policy and display need of one message.

    Attributes:
        signers: Addresses that must sign for it, as the message spells them; none if its type does not say.
        names_signers: Whether its type says who signs.
        recipients: Other addresses in it, in the order of its fields, each once: receivers, validators, grantees.
        amounts: All coins in it, in the order of its fields.
        unreadable_amounts: Whether one of its coins has an amount that is not a whole number of at most 256 bits.
    """

    signers: tuple[str, ...]
    names_signers: bool
    recipients: tuple[str, ...]
    amounts: tuple[Coin, ...]
    unreadable_amounts: bool


def facts(message: Message) -> MessageFacts:
    """Return the facts of a message."""
    signers = dict.fromkeys(_signers(message))
    others = dict.fromkeys(text for text in _addresses(message, 0) if text)
    coins = [(coin.denom, parse_amount(coin.amount)) for coin in _coins(message, 0)]
    return MessageFacts(
        signers=tuple(signers),
        names_signers=bool(message_options(message.DESCRIPTOR).signers),
        recipients=tuple(text for text in others if text not in signers),
        amounts=tuple([Coin(denom, amount) for denom, amount in coins if amount is not None]),
        unreadable_amounts=any(amount is None for _, amount in coins),
    )


def is_denom(text: str) -> bool:
    """Tell whether a denomination may have this name in the SDK."""
    return _DENOM.fullmatch(text) is not None


def parse_amount(text: str) -> int | None:
    """Return a coin's amount; None if it is not a whole number of at most 78 digits in its only form.

    The SDK reads numbers as Go's literals are: ``010`` is eight there, and ``0x10`` and ``1_0`` are numbers too. Nobody
    writes them so, and who did would want to be misread.
    """
    # int() would accept signs, spaces, underscores and other scripts.
    if not 0 < len(text) <= _LARGEST or not text.isascii() or not text.isdigit():
        return None
    return None if text[0] == "0" and text != "0" else int(text)


def signers_of(message: Message) -> tuple[str, ...] | None:
    """Return the addresses that must sign for a message, each once; None if its type does not say who signs."""
    if not message_options(message.DESCRIPTOR).signers:
        return None
    return tuple(dict.fromkeys(_signers(message)))


def _signers(message: Message) -> Iterator[str]:
    """Yield what the signer fields hold; a field that is a message has a signer field of its own."""
    pending = deque([(message, 0)])
    while pending:
        current, depth = pending.popleft()
        by_name = current.DESCRIPTOR.fields_by_name
        for name in message_options(current.DESCRIPTOR).signers:
            item = by_name.get(name)
            if item is None or depth > _DEPTH:
                continue
            if item.message_type is not None:
                pending += [(inner, depth + 1) for inner in field_values(current, item)]
            elif item.type == item.TYPE_STRING:
                value = getattr(current, name)
                yield from value if is_repeated(item) else (value,)


def _addresses(message: Message, depth: int) -> Iterator[str]:
    for item, is_address in _address_fields(message.DESCRIPTOR):
        if is_address:
            value = getattr(message, item.name)
            yield from value if is_repeated(item) else (value,)
        elif depth < _DEPTH:
            for inner in field_values(message, item):
                yield from _addresses(inner, depth + 1)


def _coins(message: Message, depth: int) -> Iterator[Message]:
    for item, is_coin in _coin_fields(message.DESCRIPTOR):
        for inner in field_values(message, item):
            if is_coin:
                yield inner
            elif depth < _DEPTH:
                yield from _coins(inner, depth + 1)


@lru_cache(maxsize=4096)
def _address_fields(descriptor: Descriptor) -> tuple[tuple[FieldDescriptor, bool], ...]:
    """Return the fields that are addresses (True) or may hold messages with some (False)."""
    found = []
    for item in descriptor.fields:
        if item.message_type is None:
            if item.type == item.TYPE_STRING and (
                field_options(item).scalar in _ADDRESSES or item.name in _RECEIVER_NAMES
            ):
                found.append((item, True))
        elif _leads_on(item):
            found.append((item, False))
    return tuple(found)


@lru_cache(maxsize=4096)
def _coin_fields(descriptor: Descriptor) -> tuple[tuple[FieldDescriptor, bool], ...]:
    """Return the fields that are coins (True) or may hold messages with some (False)."""
    return tuple(
        (item, not is_map(item) and item.message_type.full_name == _COIN)
        for item in descriptor.fields
        if item.message_type is not None and _leads_on(item)
    )


def _leads_on(item: FieldDescriptor) -> bool:
    """Tell whether a message field is looked into: not packed messages, nor maps of plain values."""
    target = item.message_type.fields_by_name["value"].message_type if is_map(item) else item.message_type
    return target is not None and not target.full_name.startswith("google.protobuf.")
