"""What ``hsm migrate retire`` and ``hsm migrate --retire`` have in common: the options, the question and the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from keyring_bridge.cli.render import Style, visible

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.bridge import Bridge
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.migrate.journal import Journal
    from keyring_bridge.migrate.model import Source
    from keyring_bridge.migrate.retirement import Consent, Outlook

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
    group.add_argument("-y", "--yes", action="store_true", help="do not ask before files are removed; scripts need it")


def consent_of(arguments: argparse.Namespace) -> Consent:
    """Return what was declared on the command line."""
    from keyring_bridge.migrate.retirement import Consent

    return Consent(
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
    outlook = retirement.look(source, consent_of(arguments), progress)
    for one in outlook.left[:_SHOWN]:
        session.console.warn(one)
    if len(outlook.left) > _SHOWN:
        session.console.warn(f"{len(outlook.left) - _SHOWN} more files stay")
    session.console.confirm(_question(outlook, journal.history.path), answer="retire", assume=arguments.yes)
    retirement.run(outlook, None, progress)
    return {
        "migration": journal.id,
        "source": journal.history.path,
        "state": str(journal.history.state),
        "how": "erased",
        "keys": list(outlook.keys),
        "files": sorted(one.name for files in outlook.files.values() for one in files),
        "left": list(outlook.left),
        "limits": LIMITS,
    }


def _question(outlook: Outlook, path: str) -> str:
    names = ", ".join(outlook.keys[:_SHOWN]) + (
        f" and {len(outlook.keys) - _SHOWN} more" if outlook.keys[_SHOWN:] else ""
    )
    return (
        f"The private keys of {names} are in the token, which proved it just now. Their files in {path} will be "
        "overwritten and removed for ever."
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
