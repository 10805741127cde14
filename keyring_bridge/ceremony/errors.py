"""What can go wrong in a ceremony or a recovery. No message ever holds a word: positions are told instead."""

from __future__ import annotations

from keyring_bridge.errors import BridgeError, Exit


class CeremonyError(BridgeError):
    """Base of the errors of ceremonies and recoveries."""

    code = "ceremony_failed"
    rpc_code = -32095
    exit_code = Exit.CONFLICT


class RecoveredOtherKey(CeremonyError):
    """What was given makes a key, but not the one that is wanted; nothing was imported."""

    code = "recovered_other_key"
    exit_code = Exit.INTEGRITY
    default_hint = (
        "check the words, the passphrase (a wrong one gives another key without any sign of it), the path and the "
        "algorithm"
    )
