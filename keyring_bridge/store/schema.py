"""Tables of the SQLite store, and how older files become newer ones.

A file's ``user_version`` says how many of its migrations it has had; ``application_id`` says
that it is ours. Migrations are only ever appended.
"""

from __future__ import annotations

from cosmos_formats.quickclass import dataclass


@dataclass(frozen=True, slots=True)
class Schema:
    """One database file.

    Attributes:
        what: Its name in messages.
        application_id: Marks the file.
        migrations: Statements that bring it from each version to the next.
        synchronous: SQLite's setting: ``FULL`` syncs every commit, so that it survives a power cut; ``OFF`` never.
        lost_hint: What somebody can do about a damaged file.
    """

    what: str
    application_id: int
    migrations: tuple[tuple[str, ...], ...]
    synchronous: str
    lost_hint: str

    @property
    def version(self) -> int:
        """The version this release writes."""
        return len(self.migrations)


RECORDS = Schema(
    what="the store of key records",
    application_id=0x6B627231,
    synchronous="FULL",
    lost_hint="restore it from a backup, or move it away and run `hsm keys sync` to make records from the tokens",
    migrations=(
        (
            """
            CREATE TABLE records (
                name        TEXT PRIMARY KEY NOT NULL,
                address     BLOB NOT NULL UNIQUE,
                record      BLOB NOT NULL,
                provider    TEXT,
                uri         TEXT,
                key_type    TEXT,
                purpose     TEXT NOT NULL,
                fingerprint TEXT,
                created_at  TEXT NOT NULL,
                hardware    INTEGER
            )
            """,
        ),
        ("ALTER TABLE records ADD COLUMN extractable INTEGER",),
        (
            "ALTER TABLE records ADD COLUMN needs_floor INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE records ADD COLUMN successor TEXT",
            "ALTER TABLE records ADD COLUMN verify_only_from TEXT",
            """
            CREATE TABLE last_signed (
                fingerprint TEXT NOT NULL,
                chain_id    TEXT NOT NULL,
                height      INTEGER NOT NULL,
                round       INTEGER NOT NULL,
                step        INTEGER NOT NULL,
                PRIMARY KEY (fingerprint, chain_id)
            ) WITHOUT ROWID
            """,
        ),
    ),
)
"""``record`` is the SDK's protobuf ``Record``; ``created_at`` RFC 3339, UTC; ``name`` sorts by its UTF-8 bytes."""

LIMITS = Schema(
    what="the file of limits",
    application_id=0x6B626C31,
    migrations=(("CREATE TABLE counters (counter TEXT PRIMARY KEY NOT NULL, state TEXT NOT NULL) WITHOUT ROWID",),),
    synchronous="OFF",
    lost_hint="remove it: what was signed is counted anew from the audit log",
)
"""One file for each boot of the machine; ``state`` is what :mod:`keyring_bridge.store.counters` makes of it."""
