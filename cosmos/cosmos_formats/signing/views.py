"""Reading sign bytes: from any mode to the one :class:`~cosmos_formats.signing.tx_view.TxView`.

The *declared* sign mode picks the reader; bytes are never guessed at. What cannot be read completely and unambiguously
in that mode is an error. What has nothing that could be read gives :class:`~cosmos_formats.signing.tx_view.Opaque`,
which only a policy for blind signing allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.schema import Schema, default_schema
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.contents import view_body, view_coins, view_contents
from cosmos_formats.signing.direct import decode_sign_doc
from cosmos_formats.signing.messages import MessageReader, MessageView
from cosmos_formats.signing.transaction import TxParts
from cosmos_formats.signing.tx_view import Opaque, SignerView, TxView

if TYPE_CHECKING:
    from cosmos_formats.pubkeys import PublicKey
    from cosmos_formats.signing.amino_json import AminoMessage
    from cosmos_formats.signing.textual import MetadataFor

SchemaFor: TypeAlias = Callable[[str], Schema]
"""Gives the message types that are known for a chain id."""

AMINO_URL: Final = "amino:"
"""What the type of an amino message starts with that no known protobuf type fits; its amino name follows."""


def view(
    mode: SignMode,
    sign_bytes: bytes,
    schema_for: SchemaFor | None = None,
    *,
    transaction: TxParts | None = None,
    public_key: PublicKey | None = None,
    metadata: MetadataFor | None = None,
) -> TxView | Opaque:
    """Return what sign bytes say.

    Args:
        mode: The declared sign mode.
        sign_bytes: The bytes to be signed, unhashed.
        schema_for: Gives the message types that are known for a chain id; the shipped ones if None.
        transaction: The body and auth info that TEXTUAL screens are rendered from. Other modes carry what they need.
        public_key: The key that is to sign; TEXTUAL screens show it.
        metadata: Gives the bank's metadata of a denomination, in which TEXTUAL shows amounts.

    Raises:
        InvalidSignDoc: They are not a complete, unambiguous document of that mode.
    """
    if schema_for is None:
        schema_for = _shipped
    if mode is SignMode.DIRECT:
        return _view_direct(sign_bytes, schema_for)
    if mode is SignMode.DIRECT_AUX:
        return _view_direct_aux(sign_bytes, schema_for)
    if mode is SignMode.LEGACY_AMINO_JSON:
        return _view_amino(sign_bytes, schema_for)
    if mode is SignMode.EIP_191:
        from cosmos_formats.signing.amino_json import unwrap_eip191

        return replace(_view_amino(unwrap_eip191(sign_bytes), schema_for), mode=mode)
    if mode is SignMode.TEXTUAL:
        if transaction is None or public_key is None:
            return Opaque.of(sign_bytes, "TEXTUAL screens without the transaction that they show")
        return _view_textual(sign_bytes, schema_for, transaction, public_key, metadata)
    return Opaque.of(sign_bytes, f"sign mode {mode.name} has no documents")


def _shipped(chain_id: str) -> Schema:
    return default_schema()


def _view_direct(sign_bytes: bytes, schema_for: SchemaFor) -> TxView:
    doc = decode_sign_doc(sign_bytes)
    _require_chain(doc.chain_id)
    transaction = TxParts(doc.body_bytes, doc.auth_info_bytes)
    return view_contents(SignMode.DIRECT, transaction, doc.chain_id, doc.account_number, schema_for(doc.chain_id))


def _view_direct_aux(sign_bytes: bytes, schema_for: SchemaFor) -> TxView:
    from cosmos_formats.signing.direct_aux import chain_of, decode_sign_doc_aux

    chain_id = chain_of(sign_bytes)
    _require_chain(chain_id)
    schema = schema_for(chain_id)
    doc = decode_sign_doc_aux(sign_bytes, schema)
    signer = SignerView(doc.public_key, doc.public_key.type_url, SignMode.DIRECT_AUX, doc.sequence)
    seen = view_body(SignMode.DIRECT_AUX, doc.body_bytes, chain_id, doc.account_number, signer, schema)
    if doc.tip_bytes is None:
        return seen
    tip = schema.message("cosmos.tx.v1beta1.Tip").FromString(doc.tip_bytes)
    return replace(seen, tip=view_coins(tip.amount), tipper=tip.tipper)


def _view_amino(sign_bytes: bytes, schema_for: SchemaFor) -> TxView:
    from cosmos_formats.signing.amino_json import parse_sign_doc

    doc = parse_sign_doc(sign_bytes)
    _require_chain(doc.chain_id)
    if not doc.messages:
        raise InvalidSignDoc("the transaction has no messages")
    schema = schema_for(doc.chain_id)
    return TxView(
        mode=SignMode.LEGACY_AMINO_JSON,
        chain_id=doc.chain_id,
        account_number=doc.account_number,
        memo=doc.memo,
        timeout_height=doc.timeout_height,
        timeout_timestamp=doc.timeout_timestamp,
        unordered=doc.unordered,
        fee=doc.fee.coins,
        gas_limit=doc.fee.gas,
        payer=doc.fee.payer,
        granter=doc.fee.granter,
        tip=(),
        tipper="",
        signers=(SignerView(None, "", SignMode.LEGACY_AMINO_JSON, doc.sequence),),
        messages=tuple([_view_amino_message(message, schema) for message in doc.messages]),
        extensions=(),
        unknown_non_critical=False,
    )


def _view_amino_message(message: AminoMessage, schema: Schema) -> MessageView:
    from cosmos_formats.signing.amino_json import canonical, decode_message

    found = decode_message(message.name, message.value, schema)
    if found is None:
        return MessageView(AMINO_URL + message.name, canonical(message.value), known=False)
    type_url, decoded = found
    return MessageReader(schema).view(type_url, decoded)


def _view_textual(
    sign_bytes: bytes,
    schema_for: SchemaFor,
    transaction: TxParts,
    public_key: PublicKey,
    metadata: MetadataFor | None,
) -> TxView | Opaque:
    from cosmos_formats.signing.textual import chain_of, matches

    chain_id = chain_of(sign_bytes)
    _require_chain(chain_id)
    schema = schema_for(chain_id)
    signer = matches(sign_bytes, transaction, public_key, schema, metadata or {})
    if signer is None:
        return Opaque.of(sign_bytes, "TEXTUAL screens that show another transaction than the one beside them")
    return view_contents(SignMode.TEXTUAL, transaction, signer.chain_id, signer.account_number, schema)


def _require_chain(chain_id: str) -> None:
    if not chain_id:
        raise InvalidSignDoc("the sign document names no chain")
