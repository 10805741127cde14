"""SIGN_MODE_DIRECT: the sign document, and the transaction in it.

Follows ``cosmos.tx.v1beta1`` of cosmos-sdk v0.53, ADR-020 and ADR-027, and is stricter than the chain: body and auth
info must be in canonical form too, so that the view and the signed bytes determine each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cosmos_formats import wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import FormatError, InvalidSignDoc
from cosmos_formats.multisig import TYPE_URL as MULTISIG_URL
from cosmos_formats.multisig import AnyPublicKey, pubkey_from_any
from cosmos_formats.pubkeys import TYPE_URLS
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.messages import MessageReader
from cosmos_formats.signing.tx_view import Coin, SignerView, TxView

if TYPE_CHECKING:
    from cosmos_formats.schema import Message, Schema

_LAYOUT: Final = {
    1: wire.Kind.BYTES,
    2: wire.Kind.BYTES,
    3: wire.Kind.BYTES,
    4: wire.Kind.VARINT,
}
_KEY_URLS: Final = frozenset((*TYPE_URLS.values(), MULTISIG_URL))


@dataclass(frozen=True, slots=True)
class SignDoc:
    """``cosmos.tx.v1beta1.SignDoc``.

    Attributes:
        body_bytes: The serialised TxBody.
        auth_info_bytes: The serialised AuthInfo.
        chain_id: The chain that the signature is for.
        account_number: Of the signer, on that chain.
    """

    body_bytes: bytes = field(repr=False)
    auth_info_bytes: bytes = field(repr=False)
    chain_id: str
    account_number: int

    def encode(self) -> bytes:
        """Return the sign bytes.

        Raises:
            InvalidProtobuf: A chain id that UTF-8 cannot write, or an account number of more than 64 bits.
        """
        return (
            wire.bytes_field(1, self.body_bytes)
            + wire.bytes_field(2, self.auth_info_bytes)
            + wire.text_field(3, self.chain_id)
            + wire.varint_field(4, self.account_number)
        )


def decode_sign_doc(data: bytes) -> SignDoc:
    """Read a sign document; :meth:`SignDoc.encode` gives the same bytes back.

    Raises:
        InvalidSignDoc: Not the canonical encoding of a SignDoc, or an unknown field.
    """
    try:
        fields = wire.read(data, _LAYOUT)
        return SignDoc(fields.binary(1), fields.binary(2), fields.text(3), fields.varint(4))
    except FormatError as error:
        raise InvalidSignDoc(f"sign document: {error}") from error


def view_direct(sign_bytes: bytes, schema: Schema) -> TxView:
    """Return what a sign document says.

    Args:
        sign_bytes: The serialised SignDoc.
        schema: The message types that are known.

    Raises:
        InvalidSignDoc: It or a part of it is not canonical, has unknown fields that are not allowed, no chain id, no
            messages, or values that no chain accepts.
    """
    doc = decode_sign_doc(sign_bytes)
    if not doc.chain_id:
        raise InvalidSignDoc("the sign document names no chain")
    reader = MessageReader(schema)
    body = reader.parse(schema.message("cosmos.tx.v1beta1.TxBody"), doc.body_bytes, "the body", tolerate=True)
    auth = reader.parse(
        schema.message("cosmos.tx.v1beta1.AuthInfo"), doc.auth_info_bytes, "the auth info", tolerate=False
    )
    if not body.messages:
        raise InvalidSignDoc("the transaction has no messages")
    fee = auth.fee
    messages = tuple([reader.unpack(packed.type_url, packed.value) for packed in body.messages])
    extensions = [*body.extension_options, *body.non_critical_extension_options]
    return TxView(
        mode=SignMode.DIRECT,
        chain_id=doc.chain_id,
        account_number=doc.account_number,
        memo=body.memo,
        timeout_height=body.timeout_height,
        timeout_timestamp=_timestamp(body.timeout_timestamp) if body.HasField("timeout_timestamp") else None,
        unordered=body.unordered,
        fee=_coins(fee.amount),
        gas_limit=fee.gas_limit,
        payer=fee.payer,
        granter=fee.granter,
        tip=_coins(auth.tip.amount) if auth.HasField("tip") else (),
        tipper=auth.tip.tipper if auth.HasField("tip") else "",
        signers=tuple([_signer(info) for info in auth.signer_infos]),
        messages=messages,
        extensions=tuple([reader.unpack(packed.type_url, packed.value) for packed in extensions]),
        unknown_non_critical=reader.found_non_critical,
    )


def _coins(coins: Message) -> tuple[Coin, ...]:
    return tuple([Coin(coin.denom, _amount(coin.amount)) for coin in coins])


def _amount(text: str) -> int:
    # 78 digits hold 256 bits, the SDK's limit; and int() would accept signs, spaces, underscores and other scripts.
    if not 0 < len(text) <= 78 or not text.isascii() or not text.isdigit():
        raise InvalidSignDoc("the fee has an amount that is not a number")
    return int(text)


def _timestamp(value: Message) -> str:
    try:
        return str(value.ToJsonString())
    except ValueError:
        raise InvalidSignDoc("the timeout is not a valid time") from None


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
