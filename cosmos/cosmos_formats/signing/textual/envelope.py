"""SIGN_MODE_TEXTUAL: a transaction as screens, and the bytes that are signed (ADR-050).

Equal to ``x/tx/signing/textual`` v0.14 for every transaction in canonical form. As for SIGN_MODE_DIRECT, this is
stricter than the chain: what does not re-serialise to the same bytes is refused, and so are the unknown fields that the
chain's decoder refuses (ADR-020). A tip is in no screen, only in the hash of the raw bytes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.signing.messages import MessageReader
from cosmos_formats.signing.textual import values
from cosmos_formats.signing.textual.rendering import Renderer
from cosmos_formats.signing.textual.screen import Screen, decode_screens, encode_screens
from cosmos_formats.signing.transaction import SignerData, TxParts

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey
    from cosmos_formats.schema import Message, Schema
    from cosmos_formats.signing.textual.coins import MetadataFor

_CHAIN_ID: Final = "Chain id"
_ACCOUNT_NUMBER: Final = "Account number"
_SEQUENCE: Final = "Sequence"
_ADDRESS: Final = "Address"

_EXPERT: Final = frozenset(
    {
        _ADDRESS,
        "Public key",
        "Fee payer",
        "Fee granter",
        "Gas limit",
        "Timeout height",
        "Timeout timestamp",
        "Unordered",
        "Other signer",
        "Extension options",
        "Non critical extension options",
        "Hash of raw bytes",
    }
)
"""Titles of outermost screens that only experts see, with all that is indented below them."""


def sign_bytes(
    transaction: TxParts, signer: SignerData, schema: Schema, *, metadata: MetadataFor, complete: bool = False
) -> bytes:
    """Return what a signer signs in this mode.

    Args:
        transaction: The transaction.
        signer: Who signs; see :func:`screens`.
        schema: The message types that are known.
        metadata: Metadata of the denominations in it, by base denomination: what the chain has in its state. A
            denomination without is shown as it is.
        complete: The chain has code for the newer protobuf library for all its messages, which is rare; see
            :mod:`cosmos_formats.signing.registries`.

    Raises:
        InvalidSignDoc: See :func:`screens`.
    """
    return encode_screens(screens(transaction, signer, schema, metadata=metadata, complete=complete))


def screens(
    transaction: TxParts, signer: SignerData, schema: Schema, *, metadata: MetadataFor, complete: bool = False
) -> tuple[Screen, ...]:
    """Return what a signer sees in this mode; see :func:`sign_bytes` for the arguments.

    The texts hold what the transaction holds: making control characters visible is up to whoever shows them.

    Raises:
        InvalidSignDoc: No chain id; no public key of the signer or of another one; no fee; a part that is not
            canonical, has unknown fields that are not allowed or is nested too deep; a type or value that the mode
            cannot show; or more than 100,000 screens.
    """
    if not signer.chain_id:
        raise InvalidSignDoc("no chain is named")
    body = _fields(transaction.body_bytes, "cosmos.tx.v1beta1.TxBody", "the body", schema, tolerate=True)
    auth = _fields(transaction.auth_info_bytes, "cosmos.tx.v1beta1.AuthInfo", "the auth info", schema, tolerate=False)
    if "fee" not in auth:
        raise InvalidSignDoc("the transaction has no fee")
    fee = {item.name: (item, value) for item, value in auth["fee"][1].ListFields()}
    others = _other_signers(auth, signer)

    renderer = Renderer(schema, metadata, complete=complete)

    def show(fields: dict[str, tuple[Any, Any]], name: str, title: str) -> None:
        if name in fields:
            renderer.top_field(*fields[name], title, tolerate=fields is body)

    renderer.add(_CHAIN_ID, signer.chain_id)
    if signer.account_number:
        renderer.add(_ACCOUNT_NUMBER, values.integer(str(signer.account_number)))
    if signer.sequence:
        renderer.add(_SEQUENCE, values.integer(str(signer.sequence)))
    if signer.address:
        renderer.add(_ADDRESS, signer.address)
    if signer.public_key is not None:
        key = signer.public_key.to_any()
        renderer.top_packed(key.type_url, key.value, "Public key", tolerate=False)
    messages_at = len(renderer.lines)
    show(body, "messages", "Message")
    if "messages" in body:
        count = len(body["messages"][1])
        renderer.lines[messages_at] = ("", f"This transaction has {count} Message{'s' * (count != 1)}", 0)
    show(body, "memo", "Memo")
    show(fee, "amount", "Fees")
    show(fee, "payer", "Fee payer")
    show(fee, "granter", "Fee granter")
    show(fee, "gas_limit", "Gas limit")
    show(body, "timeout_height", "Timeout height")
    if others:
        renderer.top_field(auth["signer_infos"][0], others, "Other signer", tolerate=False)
    show(body, "extension_options", "Extension options")
    show(body, "non_critical_extension_options", "Non critical extension options")
    renderer.add("Hash of raw bytes", _hash(transaction))
    show(body, "unordered", "Unordered")
    show(body, "timeout_timestamp", "Timeout timestamp")
    return _mark_expert(renderer)


def chain_of(data: bytes) -> str:
    """Return the chain id that sign bytes show; empty if they show none.

    Raises:
        InvalidSignDoc: The bytes are not screens.
    """
    return _head(data).get(_CHAIN_ID, "")


def matches(
    data: bytes, transaction: TxParts, public_key: AnyPublicKey | None, schema: Schema, metadata: MetadataFor
) -> SignerData | None:
    """Tell whose sign bytes of a transaction these are.

    They are only if rendering the transaction anew gives the same bytes, with either kind of registry that a chain can
    have. The screens name body and auth info by their hash, so what the transaction says is then what is signed.

    Args:
        data: The bytes to be signed in this mode.
        transaction: The transaction that is said to be in them.
        public_key: The key that signs.
        schema: The message types that are known.
        metadata: See :func:`sign_bytes`.

    Returns:
        The signer with chain, account number, sequence and address as the screens say. Whether the address is that of
        the key is not checked: for a member of a multisig account it is not. None if the bytes are those of another
        transaction, another key or other metadata.

    Raises:
        InvalidSignDoc: The bytes are not screens, or the transaction cannot be rendered.
    """
    shown = _head(data)
    chain_id = shown.get(_CHAIN_ID, "")
    account_number = _uint64(shown.get(_ACCOUNT_NUMBER, "0"))
    sequence = _uint64(shown.get(_SEQUENCE, "0"))
    if not chain_id or account_number is None or sequence is None:
        return None
    signer = SignerData(shown.get(_ADDRESS, ""), chain_id, account_number, sequence, public_key)
    try:
        if sign_bytes(transaction, signer, schema, metadata=metadata) == data:
            return signer
    except InvalidSignDoc:
        pass  # where the complete registry is needed, only the refusal without it is in the way
    return signer if sign_bytes(transaction, signer, schema, metadata=metadata, complete=True) == data else None


def _head(data: bytes) -> dict[str, str]:
    """Return the first four screens by title: what the transaction itself does not say about the signer is in them."""
    return {screen.title: screen.content for screen in decode_screens(data)[:4]}


def _fields(data: bytes, name: str, what: str, schema: Schema, *, tolerate: bool) -> dict[str, tuple[Any, Any]]:
    """Return the fields that are set, with their descriptors. A chain's own schema may lack those of newer versions."""
    message = MessageReader(schema).parse(schema.message(name), data, what, tolerate=tolerate)
    return {item.name: (item, value) for item, value in message.ListFields()}


def _other_signers(auth: dict[str, tuple[Any, Any]], signer: SignerData) -> list[Message]:
    """Return the signer infos with another key; as in the SDK, keys of any types are told apart by their bytes only."""
    if "signer_infos" not in auth:
        return []
    if signer.public_key is None:
        raise InvalidSignDoc("the public key of the signer is not given")
    infos = auth["signer_infos"][1]
    if not all(info.HasField("public_key") for info in infos):
        raise InvalidSignDoc("a signer's public key is left out, which SIGN_MODE_TEXTUAL does not allow")
    own = signer.public_key.to_any().value
    return [info for info in infos if info.public_key.value != own]


def _mark_expert(renderer: Renderer) -> tuple[Screen, ...]:
    """Return the screens: one with an expert title and all behind it are for experts, up to the next outermost one.

    The line that ends a list belongs to it. The SDK knows that line by its text alone, and so do we.
    """
    result = []
    within: set[str] = set()
    for title, content, indent in renderer.lines:
        if indent == 0:
            within = {one for one in within if content == f"End of {one}"}
            if title in _EXPERT:
                within.add(title)
        result.append(Screen(title, content, indent, bool(within)))
    return tuple(result)


def _hash(transaction: TxParts) -> str:
    digest = hashlib.sha256()
    for part in (transaction.body_bytes, transaction.auth_info_bytes):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()


def _uint64(text: str) -> int | None:
    digits = text.replace("'", "")
    if len(digits) > 20 or not digits.isascii() or not digits.isdigit():
        return None
    number = int(digits)
    return number if number < 2**64 else None
