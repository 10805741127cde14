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


class SourceHasNone(BackupError):
    """A source whose keys are to be sealed in has none that there is a record of; nothing was written."""

    code = "backup_source_unmatched"
    default_hint = "`hsm migrate` brings its keys into a token first"


class BundleInvalid(BackupError):
    """What is in the bundle is not what a backup writes."""

    code = "backup_invalid"
    exit_code = Exit.INTEGRITY


class BundleNewer(BackupError):
    """The content of the bundle is of a newer version."""

    code = "backup_newer"
    exit_code = Exit.INTEGRITY
    default_hint = "open it with the version of this program that made it, or a newer one"


class RestoreRefused(BackupError):
    """Something stands in the way of restoring; nothing was touched."""

    code = "restore_refused"


class RestoreBusy(BackupError):
    """Another process restores a bundle."""

    code = "restore_busy"
    exit_code = Exit.UNAVAILABLE
    retryable = True
