"""What can go wrong with backups."""

from __future__ import annotations

from keyring_bridge.errors import BridgeError, Exit


class BackupError(BridgeError):
    """Base of the errors of backups and of restoring them."""

    code = "backup_failed"
    rpc_code = -32105
    exit_code = Exit.CONFLICT


class BackupNotesDamaged(BackupError):
    """What is remembered of verified backups cannot be read."""

    code = "backup_notes_damaged"
    exit_code = Exit.INTEGRITY
    default_hint = "move the file away and verify the backup again"
