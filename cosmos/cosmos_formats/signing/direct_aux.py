"""SIGN_MODE_DIRECT_AUX: what somebody signs who does not pay the fee and so need not know it.

The document holds the transaction's body, but neither the fee nor the other signers. Follows ``cosmos.tx.v1beta1`` and
``x/tx/signing/directaux`` of cosmos-sdk v0.53.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cosmos_formats import address, wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import FormatError, InvalidAddress, InvalidSignDoc
from cosmos_formats.multisig import AnyPublicKey, pubkey_from_any
from cosmos_formats.signing.messages import MessageReader

if TYPE_CHECKING:
    from cosmos_formats.schema import Schema
    from cosmos_formats.signing.transaction import SignerData, TxParts

_LAYOUT: Final = {
    1: wire.Kind.BYTES,
    2: wire.Kind.MESSAGE,
    3: wire.Kind.BYTES,
    4: wire.Kind.VARINT,
    5: wire.Kind.VARINT,
}
_TIP: Final = 6
_LAYOUT_WITH_TIP: Final = {**_LAYOUT, _TIP: wire.Kind.MESSAGE}


@dataclass(frozen=True, slots=True)
class SignDocDirectAux:
    """``cosmos.tx.v1beta1.SignDocDirectAux``.

    Attributes:
        body_bytes: The serialised TxBody.
        public_key: Of the signing account.
        chain_id: The chain that the signature is for.
        account_number: Of the signer, on that chain.
        sequence: Of the signer.
        tip_bytes: The serialised Tip, None if there is none. It is deprecated: :func:`sign_bytes` never sets it.
    """

    body_bytes: bytes = field(repr=False)
    public_key: AnyPublicKey
    chain_id: str
    account_number: int
    sequence: int
    tip_bytes: bytes | None = None

    def encode(self) -> bytes:
        """Return the sign bytes.

        Raises:
            InvalidProtobuf: A chain id that UTF-8 cannot write, or a number of more than 64 bits.
        """
        return (
            wire.bytes_field(1, self.body_bytes)
            + wire.message_field(2, self.public_key.to_any().encode())
            + wire.text_field(3, self.chain_id)
            + wire.varint_field(4, self.account_number)
            + wire.varint_field(5, self.sequence)
            + (b"" if self.tip_bytes is None else wire.message_field(_TIP, self.tip_bytes))
        )


def chain_of(data: bytes) -> str:
    """Return the chain that a sign document is for, before its chain's message types are known.

    Raises:
        InvalidSignDoc: Not the canonical encoding, or an unknown field.
    """
    try:
        return wire.read(data, _LAYOUT_WITH_TIP).text(3)
    except FormatError as error:
        raise InvalidSignDoc(f"sign document: {error}") from error


def decode_sign_doc_aux(data: bytes, schema: Schema) -> SignDocDirectAux:
    """Read a sign document; :meth:`SignDocDirectAux.encode` gives the same bytes back.

    Args:
        data: Its bytes.
        schema: Says whether the chain's SDK has tips, and what they look like.

    Raises:
        InvalidSignDoc: Not the canonical encoding, an unknown field, or no public key of a known type.
    """
    doc_type = schema.message("cosmos.tx.v1beta1.SignDocDirectAux").DESCRIPTOR
    has_tips = _TIP in doc_type.fields_by_number
    try:
        fields = wire.read(data, _LAYOUT_WITH_TIP if has_tips else _LAYOUT)
        packed = fields.message(2)
        if packed is None:
            raise InvalidSignDoc("the sign document names no public key")
        tip = fields.message(_TIP)
        if tip is not None:
            tip_class = schema.message(doc_type.fields_by_number[_TIP].message_type.full_name)
            MessageReader(schema).parse(tip_class, tip, "the tip", tolerate=False)
        return SignDocDirectAux(
            body_bytes=fields.binary(1),
            public_key=pubkey_from_any(AnyValue.decode(packed)),
            chain_id=fields.text(3),
            account_number=fields.varint(4),
            sequence=fields.varint(5),
            tip_bytes=tip,
        )
    except InvalidSignDoc:
        raise
    except FormatError as error:
        raise InvalidSignDoc(f"sign document: {error}") from error


def sign_bytes(transaction: TxParts, signer: SignerData, schema: Schema) -> bytes:
    """Return what a signer of this mode signs.

    Args:
        transaction: The body, and the auth info as far as it names a fee payer.
        signer: Chain and account, with the public key that the chain has of it.
        schema: The message types that are known.

    Raises:
        InvalidSignDoc: The signer pays the fee, the key or the chain is not named, or the parts do not parse.
    """
    if not signer.chain_id:
        raise InvalidSignDoc("the sign document names no chain")
    if signer.public_key is None:
        raise InvalidSignDoc("SIGN_MODE_DIRECT_AUX signs the public key, which is not known")
    if _pays_fee(signer, transaction, schema):
        raise InvalidSignDoc(f"fee payer {signer.address} cannot sign with SIGN_MODE_DIRECT_AUX: unauthorized")
    try:
        return SignDocDirectAux(
            transaction.body_bytes, signer.public_key, signer.chain_id, signer.account_number, signer.sequence
        ).encode()
    except FormatError as error:
        raise InvalidSignDoc(f"sign document: {error}") from error


def _pays_fee(signer: SignerData, transaction: TxParts, schema: Schema) -> bool:
    """Tell whether the signer is whom the fee names, or else the first signer of the first message."""
    reader = MessageReader(schema)
    auth = reader.parse(
        schema.message("cosmos.tx.v1beta1.AuthInfo"), transaction.auth_info_bytes, "the auth info", tolerate=False
    )
    if not auth.HasField("fee"):
        raise InvalidSignDoc("the transaction has no fee")
    if auth.fee.payer:
        return bool(auth.fee.payer == signer.address)
    body = reader.parse(schema.message("cosmos.tx.v1beta1.TxBody"), transaction.body_bytes, "the body", tolerate=True)
    if not body.messages:
        raise InvalidSignDoc("the transaction has no messages")
    first = reader.unpack(body.messages[0].type_url, body.messages[0].value)
    if not first.signers:
        raise InvalidSignDoc(f"nobody knows who signs {first.type_url}, and so who pays the fee")
    # A validator's operator signs by an address with another prefix than the account's.
    try:
        return address.decode(first.signers[0].lower())[1] == address.decode(signer.address)[1]
    except InvalidAddress as error:
        raise InvalidSignDoc(f"the first signer, who pays the fee: {error}") from error
