"""What a consensus key signed: what a signer must know before it takes the key over again.

The seam for the validator's part: where votes are signed here, their watermark belongs into :func:`signed_by`, and the
sign bytes of the last one into :meth:`~keyring_bridge.migrate.state_files.StateFile.raise_to`, for a tmkms that shall
sign at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.migrate.errors import UndoRefused

if TYPE_CHECKING:
    from keyring_bridge.migrate.state_files import StateFile
    from keyring_bridge.store.base import LastSigned, Store, StoredRecord


def signed_by(store: Store, record: StoredRecord, chain_id: str) -> LastSigned | None:
    """Return the highest that a consensus key signed on a chain, here or elsewhere; None if nothing is known.

    Args:
        store: Where it is remembered.
        record: The key's.
        chain_id: The chain; empty if nobody knows, and then the highest of all counts.

    Raises:
        UndoRefused: It may sign here, and nobody remembers what.
    """
    if record.fingerprint is None or not record.needs_floor:
        raise UndoRefused(f"{record.name}: its floor was set, and what it signed since is not known here")
    signed = store.last_signed(record.fingerprint)
    return max((one for chain, one in signed.items() if not chain_id or chain in ("", chain_id)), default=None)


def hand_back(signed: LastSigned | None, state: StateFile | None, name: str) -> bool:
    """Write what a key signed into its old signer's state.

    Args:
        signed: What must not be signed again; None if nothing is known.
        state: The signer's state; None if nobody knows where it is.
        name: Of the key, for errors.

    Returns:
        Whether the state was written; it is left as it is if it says as much already.

    Raises:
        UndoRefused: There is no state to write to, or it cannot hold it.
    """
    if signed is None:
        return False
    if state is None:
        raise UndoRefused(
            f"{name}: its signer's state was not found, and what it signed must be written there first",
            hint="name it with --state",
        )
    return state.raise_to(signed)
