"""What every sign mode signs: the parts of a transaction and the facts about one signer.

The same two things go into each mode's ``sign_bytes(transaction, signer, schema)``; see ``cosmos.tx.v1beta1`` and
``x/tx/signing`` of cosmos-sdk v0.53.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from cosmos_formats.quickclass import dataclass

if TYPE_CHECKING:
    from cosmos_formats.multisig import AnyPublicKey


@dataclass(frozen=True, slots=True)
class TxParts:
    """A transaction without its signatures, in the bytes that ``TxRaw`` holds.

    Attributes:
        body_bytes: The serialised TxBody.
        auth_info_bytes: The serialised AuthInfo, with the final signer infos and fee.
    """

    body_bytes: bytes = field(repr=False)
    auth_info_bytes: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignerData:
    """Who signs, where, and as which transaction of the account.

    Attributes:
        address: Bech32 address of the signing account; for a multisig account that of the account, not the member.
        chain_id: The chain.
        account_number: Of the account, on that chain.
        sequence: Number of the account's transaction.
        public_key: Of the signing account, also where a member of its multisig key signs: that is what the chain puts
            into the documents that show a key (DIRECT_AUX, TEXTUAL). None if it is not known; other modes need none.
    """

    address: str
    chain_id: str
    account_number: int
    sequence: int
    public_key: AnyPublicKey | None = None
