"""``hsm migrate report``: a migration's signed report, written or checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import FileFailed, UsageError
from keyring_bridge.cli.render import Style, table
from keyring_bridge.cli.report_text import report_text
from keyring_bridge.errors import Exit

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.bridge import Bridge
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.migrate.journal import Journal


def configure_report(parser: Parser) -> None:
    """Define ``hsm migrate report``."""
    parser.usage = "hsm migrate report [MIGRATION] [--report FILE] | --check FILE [options]"
    parser.add_argument(
        "migration",
        metavar="MIGRATION",
        nargs="?",
        help="id of the migration or the beginning of it, or the path of its source (default: the only one there is)",
    )
    parser.add_argument(
        "--report", metavar="FILE", help="write it to this file as JSON, and as text to the same name with .txt"
    )
    parser.add_argument(
        "--check", metavar="FILE", help="verify a report in JSON, without a token, a configuration or a network"
    )
    parser.set_defaults(handler=report)


def report(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer a new report, or what an earlier one is worth."""
    if arguments.check is not None:
        if arguments.migration is not None or arguments.report is not None:
            raise UsageError("--check goes with nothing else")
        return _checked(Path(arguments.check))
    from keyring_bridge.migrate.journal import Journal
    from keyring_bridge.migrate.known import find

    found = find(session.config.state_dir, arguments.migration)
    path = None if arguments.report is None else free_report_path(arguments.report)
    with session.bridge() as bridge, Journal.open(session.config.state_dir, found.id) as journal:
        made = make_report(session, bridge, journal)
    if path is not None:
        write_report(made, path)
        return Result(
            {"migration": found.id, "report": str(path)}, lambda style: f"written to {path} and {_text_path(path)}"
        )
    return Result(made, lambda style: report_text(made, _statement(made), style))


def make_report(session: Session, bridge: Bridge, journal: Journal) -> dict[str, object]:
    """Return a new report of a migration, signed by its keys."""
    from keyring_bridge.bridge_id import bridge_id
    from keyring_bridge.migrate.keys import MigratedKeys
    from keyring_bridge.migrate.report import make

    keys = MigratedKeys(bridge, session.caller)
    made = make(bridge, keys, journal.id, journal.history, bridge_id(session.config.state_dir))
    journal.note("reported", {"sha256": _statement(made)}, durable=True)
    return made


def free_report_path(text: str) -> Path:
    """Return where a report will be written.

    Raises:
        UsageError: There is a file already, or no folder.
    """
    path = Path(text)
    for one in (path, _text_path(path)):
        if one.exists() or one.is_symlink():
            raise UsageError(f"{one} exists already; a report is never overwritten")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder")
    return path


def write_report(made: dict[str, object], path: Path) -> None:
    """Write a report as JSON, and as text beside it."""
    import json

    from keyring_bridge.config import write_atomic

    write_atomic(path, json.dumps(made, indent=2, ensure_ascii=False).encode() + b"\n")
    write_atomic(_text_path(path), report_text(made, _statement(made)).encode("utf-8", "backslashreplace") + b"\n")


def _text_path(path: Path) -> Path:
    return path.with_suffix(".txt") if path.suffix == ".json" else path.with_name(f"{path.name}.txt")


def _statement(made: dict[str, Any]) -> str:
    from keyring_bridge.migrate.report import statement_of

    return statement_of(made).hex()


def _checked(path: Path) -> Result:
    from keyring_bridge.migrate.report import LARGEST, check

    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise FileFailed.of(error) from error
    made, found = check(content)
    data = {
        "file": str(path),
        "good": not found.problems,
        "migration": made.get("migration"),
        "made_at": made.get("made_at"),
        "statement": found.statement,
        "signed_by": [{"name": name, "address": address} for name, address in found.keys],
        "problems": list(found.problems),
    }

    def text(style: Style) -> str:
        lines = [table(("SIGNED BY", "ADDRESS"), found.keys, style)] if found.keys else []
        lines += [style.bad(f"problem: {one}") for one in _shown(found.problems)]
        if not found.problems:
            lines.append(style.good("every key vouches for this report; compare the addresses with those you know"))
        return "\n".join(lines)

    return Result(data, text, Exit.INTEGRITY if found.problems else Exit.OK)


def _shown(texts: tuple[str, ...]) -> list[str]:
    from keyring_bridge.cli.render import visible

    return [visible(one) for one in texts]
