"""Reading sign documents that come as bytes.

A document is accepted if writing it again gives the same bytes. That refuses spaces, another order, keys that stand
twice and other ways to write a text or a number, so nobody can show one thing and have another signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.signing.amino_json.scalars import UINT64, Mismatch
from cosmos_formats.signing.amino_json.text import JsonValue, canonical, read
from cosmos_formats.signing.amino_json.times import read_timestamp
from cosmos_formats.signing.facts import Coin, parse_amount

_EIP191_PREFIX: Final = b"\x19Ethereum Signed Message:\n"
_LONGEST_SIZE: Final = 10
_ALWAYS: Final = frozenset({"account_number", "chain_id", "fee", "memo", "msgs", "sequence"})
_SOMETIMES: Final = {"timeout_height": "0", "timeout_timestamp": "", "unordered": False}
_FEE_ALWAYS: Final = frozenset({"amount", "gas"})
_FEE_SOMETIMES: Final = {"granter": "", "payer": ""}
_COIN_ALWAYS: Final = frozenset({"amount"})
_COIN_SOMETIMES: Final = {"denom": ""}
_MESSAGE_ALWAYS: Final = frozenset({"type", "value"})


@dataclass(frozen=True, slots=True)
class AminoMessage:
    """One message of a sign document.

    Attributes:
        name: Its amino name, or its type URL if it has none.
        value: What it says, any JSON value.
    """

    name: str
    value: JsonValue = field(repr=False)


@dataclass(frozen=True, slots=True)
class StdFee:
    """The fee of a sign document.

    Attributes:
        coins: What is paid.
        gas: Most gas that may be used.
        payer: Address that pays, empty for the first signer.
        granter: Address whose fee grant pays, or empty.
    """

    coins: tuple[Coin, ...]
    gas: int
    payer: str
    granter: str


@dataclass(frozen=True, slots=True)
class StdSignDoc:
    """A sign document of this mode.

    Attributes:
        chain_id: The chain; empty in documents that are for none, such as those of ADR-036.
        account_number: Of the signer.
        sequence: Of the signer.
        fee: The fee.
        memo: As it is; may hold control characters.
        timeout_height: Last block that may include the transaction, 0 for none.
        timeout_timestamp: Last moment, RFC 3339 in UTC with as many decimals as it needs, or None.
        unordered: No sequence protects it against replay, only the timeout.
        messages: At least one.
    """

    chain_id: str
    account_number: int
    sequence: int
    fee: StdFee
    memo: str
    timeout_height: int
    timeout_timestamp: str | None
    unordered: bool
    messages: tuple[AminoMessage, ...]


def parse_sign_doc(data: bytes) -> StdSignDoc:
    """Read a sign document.

    Args:
        data: Its bytes.

    Raises:
        InvalidSignDoc: It is not UTF-8 or not JSON, is not what the SDK would write (spaces, order, keys twice, other
            escapes, …), has numbers that are not whole, is nested more than 64 deep, or is not a sign document.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidSignDoc("the sign document is not UTF-8") from None
    value = read(text, floats=False)
    if canonical(value) != data:
        raise InvalidSignDoc("the sign document is not in canonical form")
    doc = _object(value, "the sign document", _ALWAYS, _SOMETIMES)
    unordered = doc.get("unordered", False)
    if type(unordered) is not bool:
        raise InvalidSignDoc("unordered is neither true nor false")
    messages = tuple([_message(one) for one in _list(doc["msgs"], "msgs")])
    if not messages:
        raise InvalidSignDoc("the transaction has no messages")
    return StdSignDoc(
        chain_id=_text(doc["chain_id"], "chain_id"),
        account_number=_number(doc["account_number"], "account_number"),
        sequence=_number(doc["sequence"], "sequence"),
        fee=_fee(doc["fee"]),
        memo=_text(doc["memo"], "memo"),
        timeout_height=_number(doc.get("timeout_height", "0"), "timeout_height"),
        timeout_timestamp=_time(doc["timeout_timestamp"]) if "timeout_timestamp" in doc else None,
        unordered=unordered,
        messages=messages,
    )


def unwrap_eip191(data: bytes) -> bytes:
    """Return the sign document inside an Ethereum signed message (EIP-191, version 0x45).

    Args:
        data: The prefix, the number of bytes that follow in decimal, and those bytes.

    Raises:
        InvalidSignDoc: It does not start with the prefix, or the number is not that of the bytes in its shortest form.
    """
    if not data.startswith(_EIP191_PREFIX):
        raise InvalidSignDoc("not an Ethereum signed message")
    rest = data[len(_EIP191_PREFIX) :]
    # The document starts with a brace, so the digits before it are the number.
    document = rest.lstrip(b"0123456789")
    size = rest[: len(rest) - len(document)]
    if len(size) > _LONGEST_SIZE or size != str(len(document)).encode("ascii"):
        raise InvalidSignDoc("the Ethereum signed message does not have the length it names")
    return document


def _fee(value: JsonValue) -> StdFee:
    fee = _object(value, "the fee", _FEE_ALWAYS, _FEE_SOMETIMES)
    return StdFee(
        coins=tuple([_coin(one) for one in _list(fee["amount"], "amount")]),
        gas=_number(fee["gas"], "gas"),
        payer=_text(fee.get("payer", ""), "payer"),
        granter=_text(fee.get("granter", ""), "granter"),
    )


def _coin(value: JsonValue) -> Coin:
    coin = _object(value, "a coin of the fee", _COIN_ALWAYS, _COIN_SOMETIMES)
    text = _text(coin["amount"], "amount")
    amount = parse_amount(text)
    if amount is None or str(amount) != text:
        raise InvalidSignDoc("the fee has an amount that is not a number")
    return Coin(_text(coin.get("denom", ""), "denom"), amount)


def _message(value: JsonValue) -> AminoMessage:
    message = _object(value, "a message", _MESSAGE_ALWAYS, {})
    return AminoMessage(_text(message["type"], "type"), message["value"])


def _object(value: JsonValue, what: str, always: frozenset[str], sometimes: Mapping[str, object]) -> dict[str, Any]:
    """Check the keys of an object: which there must be, and which there may be with another value than this."""
    if type(value) is not dict:
        raise InvalidSignDoc(f"{what} is not an object")
    keys = value.keys()
    for name in sorted(always - keys):
        raise InvalidSignDoc(f"{what} has no {name}")
    for name in sorted(keys - always - sometimes.keys()):
        raise InvalidSignDoc(f"{what} has the unknown field {name[:64]!r}")
    for name, empty in sometimes.items():
        if value.get(name) == empty:
            raise InvalidSignDoc(f"{what} has {name}, which is left out if it is empty")
    return value


def _list(value: JsonValue, what: str) -> list[Any]:
    if type(value) is not list:
        raise InvalidSignDoc(f"{what} is not a list")
    return value


def _text(value: JsonValue, what: str) -> str:
    if type(value) is not str:
        raise InvalidSignDoc(f"{what} is not a text")
    return value


def _number(value: JsonValue, what: str) -> int:
    try:
        number: int = UINT64.decode(value)
    except Mismatch:
        raise InvalidSignDoc(f"{what} is not a number of 64 bits in decimal text") from None
    return number


def _time(value: JsonValue) -> str:
    text = _text(value, "timeout_timestamp")
    if read_timestamp(text) is None:
        raise InvalidSignDoc("the timeout is not a valid time")
    return text
