"""What ``hsm chain`` knows of the chain that a command is about, where the command does not say it itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.errors import ConfigMissing

if TYPE_CHECKING:
    from keyring_bridge.chains import Chain, ChainBook
    from keyring_bridge.cli.session import Session


def chain_book(session: Session) -> ChainBook | None:
    """Return the chains that were added; None without a configuration."""
    from keyring_bridge.chains import ChainBook

    try:
        return ChainBook(session.config.state_dir)
    except ConfigMissing:
        return None


def chain_of_keys(session: Session, chain_id: str | None) -> Chain | None:
    """Return the chain that new keys are for, None if nothing is known of it.

    Args:
        session: Of the command.
        chain_id: What ``--chain-id`` said; the configuration's chain if None.

    Raises:
        ChainDamaged: What is stored of it is damaged.
    """
    book = chain_book(session)
    wanted = chain_id if chain_id is not None or book is None else session.config.chain_id
    return None if book is None or wanted is None else book.get(wanted)


def key_type_of(chain: Chain | None) -> str:
    """Return the algorithm of a chain's account keys: a type URL where chains differ in it."""
    if chain is None or chain.key_algorithm is None:
        return "secp256k1"
    return chain.settings.pubkey_type_url or chain.key_algorithm


def prefix_of(session: Session, chain_id: str) -> str:
    """Return the prefix of a chain's account addresses; the configuration's for chains that were not added."""
    book = chain_book(session)
    chain = None if book is None else book.get(chain_id)
    return session.config.prefix if chain is None else chain.prefix
