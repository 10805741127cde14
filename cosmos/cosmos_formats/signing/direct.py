"""SIGN_MODE_DIRECT: the sign document.

Follows ``cosmos.tx.v1beta1`` of cosmos-sdk v0.53 and ADR-027.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from cosmos_formats import wire
from cosmos_formats.errors import FormatError, InvalidSignDoc
from cosmos_formats.quickclass import dataclass

if TYPE_CHECKING:
    from cosmos_formats.schema import Schema
    from cosmos_formats.signing.transaction import SignerData, TxParts

_LAYOUT: Final = {
    1: wire.Kind.BYTES,
    2: wire.Kind.BYTES,
    3: wire.Kind.BYTES,
    4: wire.Kind.VARINT,
}


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


def sign_bytes(transaction: TxParts, signer: SignerData, schema: Schema | None = None) -> bytes:
    """Return what a signer of this mode signs.

    Args:
        transaction: With the final signer infos of all signers.
        signer: Chain and account; its sequence stands in the signer infos already.
        schema: Of no use in this mode.

    Raises:
        InvalidSignDoc: No chain id, or numbers or texts that protobuf cannot carry.
    """
    if not signer.chain_id:
        raise InvalidSignDoc("the sign document names no chain")
    return SignDoc(transaction.body_bytes, transaction.auth_info_bytes, signer.chain_id, signer.account_number).encode()
