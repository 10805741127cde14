"""The sign bytes of SIGN_MODE_LEGACY_AMINO_JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.signing.amino_json.encode import Encoder
from cosmos_formats.signing.amino_json.text import JsonValue, canonical
from cosmos_formats.signing.messages import MessageReader

if TYPE_CHECKING:
    from cosmos_formats.schema import Message, Schema
    from cosmos_formats.signing.transaction import SignerData, TxParts

_UINT64: Final = 2**64


def sign_bytes(transaction: TxParts, signer: SignerData, schema: Schema) -> bytes:
    """Return what a signer of a transaction signs in this mode.

    Args:
        transaction: Body and auth info; the signer infos do not matter.
        signer: Who signs; the address only has to be there.
        schema: The message types that are known.

    Returns:
        The sign document, canonical JSON.

    Raises:
        InvalidSignDoc: The mode cannot sign this transaction: extension options, unknown fields or types, no fee, no
            messages, no chain id, or a message that amino JSON cannot write.
    """
    if not signer.address:
        raise InvalidSignDoc("the signer has no address")
    if not signer.chain_id:
        raise InvalidSignDoc("the sign document names no chain")
    if not (0 <= signer.account_number < _UINT64 and 0 <= signer.sequence < _UINT64):
        raise InvalidSignDoc("account number or sequence is not a number of 64 bits")
    reader = MessageReader(schema)
    body = reader.parse(schema.message("cosmos.tx.v1beta1.TxBody"), transaction.body_bytes, "the body", tolerate=False)
    auth = reader.parse(
        schema.message("cosmos.tx.v1beta1.AuthInfo"), transaction.auth_info_bytes, "the auth info", tolerate=False
    )
    if body.extension_options or body.non_critical_extension_options:
        raise InvalidSignDoc("amino JSON cannot sign extension options")
    if not auth.HasField("fee"):
        raise InvalidSignDoc("the transaction has no fee")
    if not body.messages:
        raise InvalidSignDoc("the transaction has no messages")
    encoder = Encoder(schema)
    doc: dict[str, JsonValue] = {
        "account_number": str(signer.account_number),
        "chain_id": signer.chain_id,
        "fee": _fee(auth.fee, encoder),
        "memo": body.memo,
        "msgs": [encoder.packed(packed.type_url, packed.value) for packed in body.messages],
        "sequence": str(signer.sequence),
    }
    if body.timeout_height:
        doc["timeout_height"] = str(body.timeout_height)
    if body.HasField("timeout_timestamp"):
        doc["timeout_timestamp"] = encoder.plain(body.timeout_timestamp)
    if body.unordered:
        doc["unordered"] = True
    return canonical(doc)


def _fee(fee: Message, encoder: Encoder) -> JsonValue:
    if not all(coin.amount for coin in fee.amount):
        raise InvalidSignDoc("the fee has a coin without an amount")  # the SDK would write "<nil>"
    written: dict[str, JsonValue] = {
        "amount": [encoder.plain(coin) for coin in fee.amount],
        "gas": str(fee.gas_limit),
    }
    for name in ("payer", "granter"):
        address = getattr(fee, name)
        if address:
            written[name] = address
    return written
