"""``hsm migrate retire|unpack|undo``: the two ways in which a migration ends, and back from one of them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.commands.migrations import add_migration, opened, shown_address
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.render import Style, table, visible
from keyring_bridge.cli.retiring import add_archive_keys, add_retire_options, archive_key, retire_now, retired_text

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.migrate.model import Source
    from keyring_bridge.migrate.state_files import StateFile
    from keyring_bridge.migrate.undoing import Step


def configure_retire(parser: Parser) -> None:
    """Define ``hsm migrate retire``."""
    parser.usage = "hsm migrate retire MIGRATION [--accept-single-copy] [--old-signer-stopped] [--archive FILE] [--yes]"
    add_migration(parser, required=True)
    add_retire_options(parser)
    parser.set_defaults(handler=retire)


def retire(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer what was removed of the source."""
    from keyring_bridge.migrate.journal import Journal
    from keyring_bridge.migrate.known import find

    found = find(session.config.state_dir, arguments.migration)
    with ExitStack() as stack:
        bridge = stack.enter_context(session.bridge())
        journal = stack.enter_context(Journal.open(session.config.state_dir, found.id))

        def source() -> Source | None:
            source = opened(journal.history, arguments)
            if source is not None:
                stack.callback(source.close)
            return source

        done = retire_now(arguments, session, bridge, journal, source)
    return Result(done, lambda style: retired_text(done, style))


def configure_unpack(parser: Parser) -> None:
    """Define ``hsm migrate unpack``."""
    parser.usage = "hsm migrate unpack ARCHIVE --to FOLDER [--archive-passphrase SECRET | --archive-identity SECRET]"
    parser.add_argument("archive", metavar="ARCHIVE", help="what `hsm migrate retire --archive` wrote")
    parser.add_argument("--to", metavar="FOLDER", required=True, help="where its files go; the folder is made")
    add_archive_keys(parser)
    parser.set_defaults(handler=unpack)


def unpack(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer which files were written."""
    from keyring_bridge.migrate import archive
    from keyring_bridge.secrets import harden_process

    harden_process()
    folder = Path(arguments.to)
    with ExitStack() as secrets:
        names = archive.unpack(Path(arguments.archive), archive_key(arguments, secrets), folder)
    session.console.warn("these files hold private keys again: remove them as soon as they have served")
    return Result(
        {"archive": arguments.archive, "folder": str(folder), "files": names},
        lambda style: "\n".join(visible(str(folder / name)) for name in names),
    )


def configure_undo(parser: Parser) -> None:
    """Define ``hsm migrate undo``."""
    parser.usage = "hsm migrate undo MIGRATION [--even-if-used] [--state FILE] [--yes] [options]"
    add_migration(parser, required=True)
    parser.add_argument("--state", metavar="FILE", help="a consensus key's old signer keeps its state in this file")
    parser.add_argument("--even-if-used", action="store_true", help="also keys that signed something since")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask; scripts need it")
    parser.set_defaults(handler=undo)


def undo(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer what was removed of the token and the records."""
    from keyring_bridge.migrate.journal import Journal
    from keyring_bridge.migrate.known import find
    from keyring_bridge.migrate.undoing import Undo

    found = find(session.config.state_dir, arguments.migration)

    def progress(done: int, of: int) -> None:
        session.console.progress(f"{done} of {of} keys", ended=done == of)

    with ExitStack() as stack:
        bridge = stack.enter_context(session.bridge())
        journal = stack.enter_context(Journal.open(session.config.state_dir, found.id))
        source = opened(journal.history, arguments)
        if source is not None:
            stack.callback(source.close)
        undo = Undo(bridge, session.caller, journal, source, _state(arguments, source))
        steps = undo.look(even_if_used=arguments.even_if_used)
        destroyed = [step.key.name for step in steps if step.info is not None]
        session.console.confirm(
            f"{len(destroyed)} keys that this migration put into {journal.history.provider} will be destroyed there, "
            f"and {sum(step.record is not None for step in steps)} records removed. The source has these keys: "
            f"{journal.history.path}",
            answer="undo",
            assume=arguments.yes,
        )
        written = undo.run(steps, progress)
    return _undone(found.id, steps, written, session.config.prefix)


def _state(arguments: argparse.Namespace, source: Source | None) -> StateFile | None:
    from keyring_bridge.migrate.model import SourceKind
    from keyring_bridge.migrate.state_files import StateFile, StateFormat

    if arguments.state is None:
        return None
    tmkms = source is not None and source.kind is SourceKind.TMKMS
    return StateFile(Path(arguments.state), StateFormat.TMKMS if tmkms else StateFormat.COMETBFT)


def _undone(identifier: str, steps: list[Step], written: list[Path], prefix: str) -> Result:
    keys = [
        {
            "name": step.key.name,
            "address": shown_address(step.key.address, step.key.purpose, prefix),
            "key_destroyed": step.info is not None,
            "record_removed": step.record is not None,
            "stays": step.stays or None,
        }
        for step in steps
    ]
    data = {"migration": identifier, "keys": keys, "states_written": [str(path) for path in written]}

    def text(style: Style) -> str:
        rows = [
            (key["name"], key["address"], key["key_destroyed"], key["record_removed"], key["stays"]) for key in keys
        ]
        lines = [table(("NAME", "ADDRESS", "KEY DESTROYED", "RECORD REMOVED", "WHAT STAYS"), rows, style)]
        lines += [f"what the key signed last is in {visible(str(path))}" for path in written]
        return "\n".join(lines)

    return Result(data, text)
