"""Putting the signatures of members together to that of their multisig account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cosmos_formats.errors import FormatError
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.transaction import SignerData
from keyring_bridge.errors import InvalidRequest
from keyring_bridge.tx.documents import format_errors
from keyring_bridge.tx.errors import TxConflict
from keyring_bridge.tx.placing import place_signer
from keyring_bridge.tx.signing import require_known, sign_bytes, view_of

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey
    from cosmos_formats.schema import Schema
    from cosmos_formats.tx import Transaction
    from keyring_bridge.tx.documents import SignaturePart


def assemble(
    transaction: Transaction,
    key: MultisigPublicKey,
    parts: Sequence[SignaturePart],
    account: SignerData,
    schema: Schema,
    *,
    overwrite: bool = False,
) -> tuple[Transaction, int]:
    """Return the transaction with the account's signature, and its place.

    Every part is verified; their order does not matter, and of two by one member the later one counts.

    Args:
        transaction: What the members signed.
        key: The account's key.
        parts: What they passed on.
        account: Chain, account number and sequence; the address is taken from the transaction.
        schema: The message types of the chain.
        overwrite: Drop what other signers there are.

    Raises:
        TxConflict: The account is no signer of the transaction.
        InvalidRequest: A part is not good, of no member, or there are too few.
    """
    from cosmos_formats.multisig_signature import combine
    from cosmos_formats.signing.signers import is_address_of
    from cosmos_formats.tx import TxSigner

    with format_errors():
        view = view_of(transaction.parts, SignMode.LEGACY_AMINO_JSON, schema)
        required = require_known(view)
        text = next((text for text in required.addresses if is_address_of(text, key.address)), None)
        if text is None:
            raise TxConflict("tx intended signer does not match the given multisig account")
        signer = SignerData(text, account.chain_id, account.account_number, account.sequence, key)
        combined: dict[AnyPublicKey, tuple[bytes, SignMode]] = {}
        for part in parts:
            if part.sequence != signer.sequence and not view.unordered:
                raise InvalidRequest(
                    f"a signature is for the sequence {part.sequence}, the transaction for {signer.sequence}"
                )
            combined[part.public_key] = (part.signature, part.mode)
        try:
            info, signature = combine(
                key, combined, lambda mode: sign_bytes(mode, transaction.parts, signer, schema, None)
            )
        except FormatError as error:
            raise InvalidRequest(f"couldn't combine the signatures: {error}") from error
        entry = TxSigner(key.to_any(), info.encode(), signer.sequence, signature)
        return place_signer(transaction, entry, key.address, required.addresses, amend=True, overwrite=overwrite)
