"""What ``hsm migrate retire`` and ``hsm migrate --retire`` have in common: the options, the question and the answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.render import Style, visible
from keyring_bridge.cli.secret_options import SOURCES, read_new_secret, read_secret

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.bridge import Bridge
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.migrate.archive import SealedArchive
    from keyring_bridge.migrate.journal import Journal
    from keyring_bridge.migrate.model import Source
    from keyring_bridge.migrate.retirement import Consent, Outlook
    from keyring_bridge.sealing import Identities, Passphrase

_SHOWN = 20

LIMITS = (
    "overwriting reaches what the file system writes in place: an SSD, a copy-on-write file system (btrfs, ZFS, APFS), "
    "a journal of data, a snapshot or a backup may keep a copy"
)


def add_retire_options(parser: Parser) -> None:
    """Define what removing the source's copies needs to be told."""
    group = parser.add_argument_group("removing the source's copies")
    group.add_argument(
        "--accept-single-copy",
        action="store_true",
        help="no verified backup can bring the keys back, and that is meant: the token has the only copy then",
    )
    group.add_argument(
        "--old-signer-stopped",
        action="store_true",
        help="whatever signed with a consensus key until now does not run any more",
    )
    group.add_argument("--archive", metavar="FILE", help="move them into this sealed file instead of destroying them")
    add_archive_keys(group)
    group.add_argument(
        "--archive-recipient", metavar="AGE1", action="append", default=[], help="seal it for this age recipient"
    )
    group.add_argument("-y", "--yes", action="store_true", help="do not ask before files are removed; scripts need it")


def add_archive_keys(group: argparse._ActionsContainer) -> None:
    """Define what opens an archive."""
    group.add_argument(
        "--archive-passphrase",
        metavar="SECRET",
        default="prompt",
        help=f"where the passphrase of the archive comes from: {SOURCES}",
    )
    group.add_argument(
        "--archive-identity",
        metavar="SECRET",
        help="where age identities come from that open an archive which is sealed for recipients, such as file:/PATH",
    )


def archive_key(arguments: argparse.Namespace, secrets: ExitStack, *, new: bool = False) -> Identities | Passphrase:
    """Return what opens an archive; what it is made of is wiped with ``secrets``."""
    from keyring_bridge.sealing import Identities, Passphrase

    if arguments.archive_identity is not None:
        with read_secret(arguments.archive_identity, "age identities of the archive") as identities:
            return Identities.parse(identities)
    ask = read_new_secret if new else read_secret
    return Passphrase(secrets.enter_context(ask(arguments.archive_passphrase, "passphrase of the archive")))


def _archive_of(arguments: argparse.Namespace, secrets: ExitStack) -> SealedArchive | None:
    from keyring_bridge.migrate.archive import SealedArchive
    from keyring_bridge.sealing import Identities, Recipients

    if arguments.archive is None:
        return None
    path = Path(arguments.archive)
    if bool(arguments.archive_recipient) != (arguments.archive_identity is not None):
        raise UsageError(
            "--archive-recipient and --archive-identity go together: an archive is read back before anything is removed"
        )
    lock = Recipients.parse(arguments.archive_recipient) if arguments.archive_recipient else None
    key = archive_key(arguments, secrets, new=not path.exists())
    if lock is not None:
        return SealedArchive(path, lock, key)
    if isinstance(key, Identities):
        raise UsageError("--archive-identity needs --archive-recipient")
    return SealedArchive(path, key, key)


def consent_of(arguments: argparse.Namespace, session: Session) -> Consent:
    """Return what was declared on the command line, and what is known of backups."""
    from keyring_bridge.backup.register import Register
    from keyring_bridge.migrate.retirement import Consent

    register = Register(session.config.state_dir)

    def covered(fingerprint: str) -> bool:
        found = register.covers(fingerprint)
        return found is not None and found.has_key

    return Consent(
        covered,
        single_copy=arguments.accept_single_copy,
        old_signer_stopped=arguments.old_signer_stopped,
    )


def retire_now(
    arguments: argparse.Namespace,
    session: Session,
    bridge: Bridge,
    journal: Journal,
    opened: Callable[[], Source | None],
) -> dict[str, object]:
    """Compare, ask, and remove the source's copies.

    Args:
        arguments: With the options of :func:`add_retire_options`.
        session: Of the command.
        bridge: Open.
        journal: Of the migration, open.
        opened: Opens the source; asked only if something of it is left. The caller closes it.

    Returns:
        What was done, ready for JSON.

    Raises:
        RetirementRefused: Something is not as it must be.
        NotConfirmed: The person said no.
    """
    from keyring_bridge.migrate.retirement import Retirement

    def progress(done: int, of: int) -> None:
        session.console.progress(f"{done} of {of} keys", ended=done == of)

    retirement = Retirement(bridge, session.caller, journal)
    source = opened() if retirement.needs_source() else None
    outlook = retirement.look(source, consent_of(arguments, session), progress)
    for one in outlook.left[:_SHOWN]:
        session.console.warn(one)
    if len(outlook.left) > _SHOWN:
        session.console.warn(f"{len(outlook.left) - _SHOWN} more files stay")
    session.console.confirm(_question(arguments, outlook, journal.history.path), answer="retire", assume=arguments.yes)
    with ExitStack() as secrets:
        retirement.run(outlook, _archive_of(arguments, secrets), progress)
    return {
        "migration": journal.id,
        "source": journal.history.path,
        "state": str(journal.history.state),
        "how": "erased" if arguments.archive is None else "archived",
        "archive": arguments.archive,
        "keys": list(outlook.keys),
        "files": sorted(one.name for files in outlook.files.values() for one in files),
        "left": list(outlook.left),
        "limits": LIMITS,
    }


def _question(arguments: argparse.Namespace, outlook: Outlook, path: str) -> str:
    names = ", ".join(outlook.keys[:_SHOWN]) + (
        f" and {len(outlook.keys) - _SHOWN} more" if outlook.keys[_SHOWN:] else ""
    )
    fate = "removed for ever" if arguments.archive is None else f"removed, when {arguments.archive} has them"
    return (
        f"The private keys of {names} are in the token, which proved it just now. Their files in {path} will be "
        f"overwritten and {fate}. Mind that {LIMITS}."
    )


def retired_text(done: dict[str, object], style: Style) -> str:
    """Return the answer for people."""
    keys, left = done["keys"], done["left"]
    count = len(keys) if isinstance(keys, list) else 0
    lines = [style.good(f"the source's copies of {count} keys were {done['how']}")]
    if isinstance(left, list) and left:
        lines.append(style.warning(f"{len(left)} things stay in {visible(str(done['source']))}"))
    lines.append(f"note: {LIMITS}")
    return "\n".join(lines)
