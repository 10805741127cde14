"""``hsm audit``: the log for people and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.render import Style, details, table
from keyring_bridge.errors import Exit

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.audit import Damaged, Entry, VerifyReport
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session

DEFAULT_LINES = 20
MAX_LINES = 100_000
_TOLD = ("result", "key", "op", "provider", "caller", "rule", "code", "message")


def configure_tail(parser: Parser) -> None:
    """Define ``hsm audit tail``."""
    parser.usage = "hsm audit tail [-n LINES] [FILE] [options]"
    _add_file(parser)
    parser.add_argument(
        "-n", "--lines", metavar="LINES", type=int, default=DEFAULT_LINES, help=f"how many (default: {DEFAULT_LINES})"
    )
    parser.set_defaults(handler=tail)


def configure_verify(parser: Parser) -> None:
    """Define ``hsm audit verify``."""
    parser.usage = "hsm audit verify [FILE] [options]"
    _add_file(parser)
    parser.set_defaults(handler=verify)


def _add_file(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="an audit log (default: the configured one)")


def _log(arguments: argparse.Namespace, session: Session) -> Path:
    return Path(arguments.file) if arguments.file is not None else session.config.audit_path


def tail(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the last entries, oldest first."""
    from keyring_bridge.audit import Damaged
    from keyring_bridge.audit import tail as read_tail

    if not 1 <= arguments.lines <= MAX_LINES:
        raise UsageError(f"--lines must be between 1 and {MAX_LINES}")
    entries = read_tail(_log(arguments, session), arguments.lines)
    data = [_damage(entry) if isinstance(entry, Damaged) else entry.to_dict() for entry in entries]

    def text(style: Style) -> str:
        return table(("SEQ", "TIME", "KIND", "ID", "WHAT"), [_row(entry) for entry in entries], style)

    return Result(data, text)


def verify(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer whether the chain is whole; the exit code tells it too."""
    from keyring_bridge.audit import verify as verify_log

    path = _log(arguments, session)
    report = verify_log(path)
    data = report_json(path, report)

    def text(style: Style) -> str:
        verdict = style.good("the log is whole") if report.ok else style.bad("THE LOG DOES NOT VERIFY")
        fields = details({"log": path, "entries": report.entries, "head": report.head.hash})
        problems = [style.bad(f"problem: {problem}") for problem in map(str, data["problems"])]
        return "\n".join([verdict, fields, *problems])

    return Result(data, text, Exit.OK if report.ok else Exit.INTEGRITY)


def report_json(path: Path, report: VerifyReport) -> dict[str, object]:
    """Return a verification report ready for JSON."""
    return {
        "path": str(path),
        "ok": report.ok,
        "entries": report.entries,
        "head": {"seq": report.head.seq, "hash": report.head.hash},
        "problems": [str(problem) for problem in report.problems],
    }


def _damage(damaged: Damaged) -> dict[str, object]:
    return {"damaged": {"offset": damaged.offset, "size": damaged.size, "reason": damaged.reason}}


def _row(entry: Entry | Damaged) -> tuple[object, ...]:
    from keyring_bridge.audit import Damaged

    if isinstance(entry, Damaged):
        return ("-", "-", "damaged", "-", f"{entry.size} bytes at {entry.offset}: {entry.reason}")
    told = ", ".join(f"{name}={entry.fields[name]}" for name in _TOLD if entry.fields.get(name) not in (None, ""))
    return (entry.seq, entry.time, entry.kind, entry.id, told)
