"""Reading sign bytes: from any mode to the one :class:`~cosmos_formats.signing.tx_view.TxView`.

The *declared* sign mode picks the reader; bytes are never guessed at. What cannot be read completely and unambiguously
in that mode is an error. What has nothing that could be read gives :class:`~cosmos_formats.signing.tx_view.Opaque`,
which only a policy for blind signing allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.schema import Schema, default_schema
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.contents import view_contents
from cosmos_formats.signing.direct import decode_sign_doc
from cosmos_formats.signing.transaction import TxParts
from cosmos_formats.signing.tx_view import Opaque, TxView

SchemaFor: TypeAlias = Callable[[str], Schema]
"""Gives the message types that are known for a chain id."""


def view(
    mode: SignMode,
    sign_bytes: bytes,
    schema_for: SchemaFor | None = None,
) -> TxView | Opaque:
    """Return what sign bytes say.

    Args:
        mode: The declared sign mode.
        sign_bytes: The bytes to be signed, unhashed.
        schema_for: Gives the message types that are known for a chain id; the shipped ones if None.

    Raises:
        InvalidSignDoc: They are not a complete, unambiguous document of that mode.
    """
    if schema_for is None:
        schema_for = _shipped
    if mode is SignMode.DIRECT:
        return _view_direct(sign_bytes, schema_for)
    return Opaque.of(sign_bytes, f"sign mode {mode.name} is not readable in this release")


def _shipped(chain_id: str) -> Schema:
    return default_schema()


def _view_direct(sign_bytes: bytes, schema_for: SchemaFor) -> TxView:
    doc = decode_sign_doc(sign_bytes)
    _require_chain(doc.chain_id)
    transaction = TxParts(doc.body_bytes, doc.auth_info_bytes)
    return view_contents(SignMode.DIRECT, transaction, doc.chain_id, doc.account_number, schema_for(doc.chain_id))


def _require_chain(chain_id: str) -> None:
    if not chain_id:
        raise InvalidSignDoc("the sign document names no chain")
