"""Where a signer's entry goes in a transaction, and what it must not break.

A chain expects signer infos in the order in which the messages name the signers. The sign bytes of the modes DIRECT and
TEXTUAL cover all signer infos, so whoever signs in them has to be last, unless the infos were complete before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cosmos_formats import address
from cosmos_formats.errors import FormatError
from cosmos_formats.signing import SignMode
from keyring_bridge.tx.errors import TxConflict

if TYPE_CHECKING:
    from cosmos_formats.tx import Transaction, TxSigner

COVER_SIGNERS: Final = frozenset({SignMode.DIRECT, SignMode.TEXTUAL})
"""Modes whose sign bytes cover the signer infos of everybody."""


def place_signer(
    transaction: Transaction,
    signer: TxSigner,
    account: bytes,
    order: Sequence[str],
    *,
    amend: bool = False,
    overwrite: bool = False,
) -> tuple[Transaction, int]:
    """Put a signer into a transaction.

    Args:
        transaction: The transaction.
        signer: The entry, with or without its signature.
        account: Raw address of the account that signs.
        order: The addresses that have to sign, in their order; ``account`` is one of them.
        amend: Replace a signature that the account has given already.
        overwrite: Drop all other entries.

    Returns:
        The transaction, and the place of the entry in it.

    Raises:
        TxConflict: The account has signed already, or a signature that is there would not be good any more.
        InvalidTx: The signer infos cannot be read.
    """
    if overwrite:
        return transaction.with_signers((signer,)), 0
    ranks = _ranks(order)
    rank = ranks.get(account, len(ranks))
    entries = list(transaction.signers)
    owners = [_rank_of(entry, place, ranks) for place, entry in enumerate(entries)]
    if rank in owners:
        place = owners.index(rank)
        if entries[place].signature and not amend:
            raise TxConflict(
                "this account has signed the transaction already",
                hint="--amend replaces its signature, --overwrite drops all signatures",
            )
        entries[place] = signer
    else:
        place = sum(owner < rank for owner in owners)
        entries.insert(place, signer)
    placed = transaction.with_signers(entries)
    if placed.parts != transaction.parts:
        for number, entry in enumerate(entries):
            if number != place and entry.signature and _covers(entry):
                raise TxConflict(
                    f"signature {number} covers the list of signers, which this signature would change",
                    hint="who signs in the modes direct and textual has to sign last; --overwrite drops all signatures",
                )
    return placed, place


def _ranks(order: Sequence[str]) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for text in order:
        try:
            ranks.setdefault(address.decode(text)[1], len(ranks))
        except FormatError:
            ranks.setdefault(text.encode(), len(ranks))
    return ranks


def _rank_of(entry: TxSigner, place: int, ranks: dict[bytes, int]) -> int:
    """Return which of the accounts an entry belongs to; the one at its place if its key does not say."""
    from cosmos_formats.multisig import pubkey_from_any

    if entry.public_key is None:
        return place
    try:
        return ranks.get(pubkey_from_any(entry.public_key, check_point=False).address, len(ranks) + 1 + place)
    except FormatError:
        return place


def _covers(entry: TxSigner) -> bool:
    from cosmos_formats.multisig_signature import decode_mode_info

    if entry.mode_info is None:
        return False
    try:
        return not COVER_SIGNERS.isdisjoint(decode_mode_info(entry.mode_info).modes())
    except FormatError:
        return True  # nobody can tell
