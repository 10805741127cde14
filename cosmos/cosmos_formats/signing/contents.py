"""The contents of a transaction, read from its body and auth info.

Both must be in canonical form, so that the view and the bytes determine each other: that is stricter than the chain,
which only wants DIRECT documents so. Unknown non-critical fields (ADR-020) are tolerated in the body alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import FormatError, InvalidSignDoc
from cosmos_formats.multisig import TYPE_URL as MULTISIG_URL
from cosmos_formats.multisig import AnyPublicKey, pubkey_from_any
from cosmos_formats.pubkeys import ETH_TYPE_URLS, TYPE_URLS
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.facts import Coin, parse_amount
from cosmos_formats.signing.messages import MessageReader
from cosmos_formats.signing.tx_view import SignerView, TxView

if TYPE_CHECKING:
    from cosmos_formats.schema import Message, Schema
    from cosmos_formats.signing.transaction import TxParts

_KEY_URLS: Final = frozenset((*TYPE_URLS.values(), *ETH_TYPE_URLS, MULTISIG_URL))


def view_contents(mode: SignMode, transaction: TxParts, chain_id: str, account_number: int, schema: Schema) -> TxView:
    """Return what a transaction says.

    Args:
        mode: The mode in which it is going to be signed.
        transaction: Its body and auth info.
        chain_id: The chain that it is for.
        account_number: Of the account that signs.
        schema: The message types that are known.

    Raises:
        InvalidSignDoc: A part of it is not canonical, has unknown fields that are not allowed, no messages, or values
            that no chain accepts.
    """
    reader = MessageReader(schema)
    body = _body(reader, transaction.body_bytes, schema)
    auth = reader.parse(
        schema.message("cosmos.tx.v1beta1.AuthInfo"), transaction.auth_info_bytes, "the auth info", tolerate=False
    )
    fee = auth.fee
    has_tip = auth.HasField("tip")
    return TxView(
        mode=mode,
        chain_id=chain_id,
        account_number=account_number,
        **_body_fields(reader, body),
        fee=view_coins(fee.amount),
        gas_limit=fee.gas_limit,
        payer=fee.payer,
        granter=fee.granter,
        tip=view_coins(auth.tip.amount) if has_tip else (),
        tipper=auth.tip.tipper if has_tip else "",
        signers=tuple([_signer(info) for info in auth.signer_infos]),
        unknown_non_critical=reader.found_non_critical,
    )


def view_body(
    mode: SignMode, body_bytes: bytes, chain_id: str, account_number: int, signer: SignerView, schema: Schema
) -> TxView:
    """Return what a transaction says of which a signer sees the body alone (SIGN_MODE_DIRECT_AUX).

    Args:
        mode: The mode in which it is going to be signed.
        body_bytes: The serialised TxBody.
        chain_id: The chain that it is for.
        account_number: Of the account that signs.
        signer: The one signer that is known.
        schema: The message types that are known.

    Raises:
        InvalidSignDoc: As :func:`view_contents`.
    """
    reader = MessageReader(schema)
    body = _body(reader, body_bytes, schema)
    return TxView(
        mode=mode,
        chain_id=chain_id,
        account_number=account_number,
        **_body_fields(reader, body),
        fee=(),
        gas_limit=0,
        payer="",
        granter="",
        tip=(),
        tipper="",
        signers=(signer,),
        unknown_non_critical=reader.found_non_critical,
        signs_fee=False,
    )


def view_coins(coins: Message) -> tuple[Coin, ...]:
    """Return the coins of a fee or tip.

    Raises:
        InvalidSignDoc: An amount is not a whole number of at most 256 bits.
    """
    found = []
    for coin in coins:
        amount = parse_amount(coin.amount)
        if amount is None:
            raise InvalidSignDoc("the fee has an amount that is not a number")
        found.append(Coin(coin.denom, amount))
    return tuple(found)


def _body(reader: MessageReader, body_bytes: bytes, schema: Schema) -> Message:
    body = reader.parse(schema.message("cosmos.tx.v1beta1.TxBody"), body_bytes, "the body", tolerate=True)
    if not body.messages:
        raise InvalidSignDoc("the transaction has no messages")
    return body


def _body_fields(reader: MessageReader, body: Message) -> dict[str, Any]:
    """Return the fields of a TxView that the body decides."""
    extensions = [*body.extension_options, *body.non_critical_extension_options]
    return {
        "memo": body.memo,
        "timeout_height": body.timeout_height,
        "timeout_timestamp": _timestamp(body.timeout_timestamp) if body.HasField("timeout_timestamp") else None,
        "unordered": body.unordered,
        "messages": tuple([reader.unpack(packed.type_url, packed.value) for packed in body.messages]),
        "extensions": tuple([reader.unpack(packed.type_url, packed.value) for packed in extensions]),
    }


def _timestamp(value: Message) -> str:
    """Return a time as amino JSON has it: RFC 3339 in UTC with as many decimals as it needs."""
    try:
        text = str(value.ToJsonString())
    except ValueError:
        raise InvalidSignDoc("the timeout is not a valid time") from None
    return text if "." not in text else text.removesuffix("Z").rstrip("0") + "Z"


def _signer(info: Message) -> SignerView:
    packed = info.public_key
    mode_info = info.mode_info
    mode: SignMode | None = None
    which = mode_info.WhichOneof("sum")
    if which == "single":
        try:
            mode = SignMode(mode_info.single.mode)
        except ValueError:
            raise InvalidSignDoc(f"unknown sign mode {mode_info.single.mode}") from None
    elif which is None:
        raise InvalidSignDoc("a signer has no sign mode")
    return SignerView(_signer_key(packed.type_url, packed.value), packed.type_url, mode, info.sequence)


@lru_cache(maxsize=256)
def _signer_key(type_url: str, value: bytes) -> AnyPublicKey | None:
    """Return the key of a signer; None if it is absent or of a type that only its chain knows."""
    if type_url not in _KEY_URLS:
        return None
    try:
        return pubkey_from_any(AnyValue(type_url, value))
    except FormatError as error:
        raise InvalidSignDoc(f"a signer's public key: {error}") from error
