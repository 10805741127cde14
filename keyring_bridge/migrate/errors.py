"""What can go wrong in a migration. Nothing here means that a key was lost: only a retirement changes a source."""

from __future__ import annotations

from keyring_bridge.errors import AuthError, BridgeError, Exit


class MigrationError(BridgeError):
    """Base of the errors of migrations."""

    code = "migration_failed"
    rpc_code = -32090
    exit_code = Exit.CONFLICT


class SourceUnknown(MigrationError):
    """What was named is none of the sources that are known."""

    code = "source_unknown"
    exit_code = Exit.USAGE
    default_hint = "docs/migration.md lists what can be migrated; --kind names it where it cannot be told"


class SourceAmbiguous(MigrationError):
    """What was named could be several sources."""

    code = "source_ambiguous"
    exit_code = Exit.USAGE


class SourceUnreadable(MigrationError):
    """The source is damaged, or not what it seems to be."""

    code = "source_unreadable"
    exit_code = Exit.INTEGRITY


class SourcePasswordIncorrect(AuthError):
    """The password does not open the source. It was tried once."""

    code = "source_password_incorrect"
    rpc_code = -32091
    default_hint = "nothing was changed; run the command again with the right password"


class SourceChanged(MigrationError):
    """The source is not any more what it was when the migration was planned, or migrated."""

    code = "source_changed"
    exit_code = Exit.INTEGRITY


class MigrationRefused(MigrationError):
    """The plan has problems; nothing was touched."""

    code = "migration_refused"


class JournalDamaged(MigrationError):
    """A migration's journal cannot be read."""

    code = "migration_journal_damaged"
    exit_code = Exit.INTEGRITY
    default_hint = "move it away and migrate again: keys that are in the token already are found there"


class MigrationBusy(MigrationError):
    """Another process works at the same migration."""

    code = "migration_busy"
    exit_code = Exit.UNAVAILABLE
    retryable = True


class MigrationNotFound(MigrationError):
    """No migration is known that is meant."""

    code = "migration_not_found"
    exit_code = Exit.NOT_FOUND
    default_hint = "`hsm migrate list` shows those that are known"


class MigrationAmbiguous(MigrationError):
    """Several migrations could be meant."""

    code = "migration_ambiguous"
    exit_code = Exit.USAGE


class RetirementRefused(MigrationError):
    """The source's copies are not removed: something about them is not as it must be. Nothing more was removed."""

    code = "migration_retirement_refused"


class UndoRefused(MigrationError):
    """A migration cannot be undone. Nothing more was removed."""

    code = "migration_undo_refused"


class ReportInvalid(MigrationError):
    """A report of a migration is not what the keys signed, or is none."""

    code = "migration_report_invalid"
    exit_code = Exit.INTEGRITY


class ArchiveInvalid(MigrationError):
    """An archive of a retired source that cannot be read or unpacked."""

    code = "migration_archive_invalid"
    exit_code = Exit.INTEGRITY
