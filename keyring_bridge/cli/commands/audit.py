"""``hsm audit``: the log for people and scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.render import Style, details, table, visible
from keyring_bridge.errors import Exit

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.audit import Damaged, Entry, Head, VerifyReport
    from keyring_bridge.cli.console import Console
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session

DEFAULT_LINES = 20
MAX_LINES = 100_000
_HEX = frozenset("0123456789abcdef")
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
    parser.usage = "hsm audit verify [FILE] [--head SEQ:HASH] [options]"
    _add_file(parser)
    parser.add_argument(
        "--head", metavar="SEQ:HASH", help="a head noted earlier, elsewhere; a log that was cut since does not hold it"
    )
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
    anchor = parse_head(arguments.head) if arguments.head is not None else None
    report = verify_log(path, anchor=anchor, progress=_progress(session.console))

    def text(style: Style) -> str:
        fields = {
            "log": path,
            "entries": report.entries,
            "from": report.first_time,
            "to": report.last_time,
            "head": f"{report.head.seq}:{report.head.hash}",
            "intents without an outcome": [f"{frame.seq} {frame.kind}" for frame in report.outstanding] or None,
            "recoveries": report.recoveries or None,
            "torn bytes at the end": report.torn_bytes or None,
            "problems": report.problem_count or None,
        }
        verdict = style.good("the log is whole") if report.ok else style.bad("THE LOG DOES NOT VERIFY")
        problems = [style.bad("problem: ") + visible(str(problem)) for problem in report.problems]
        return "\n".join([verdict, details(fields, style), *problems])

    return Result(report_json(path, report), text, Exit.OK if report.ok else Exit.INTEGRITY)


def parse_head(text: str) -> Head:
    """Return the head that ``SEQ:HASH`` names, as ``hsm audit verify`` prints it.

    Raises:
        UsageError: It is not of that form.
    """
    from keyring_bridge.audit import Head

    seq, _, digest = text.partition(":")
    if not (seq.isascii() and seq.isdigit() and len(seq) < 19 and len(digest) == 64 and set(digest) <= _HEX):
        raise UsageError("--head is the number of an entry and its hash: SEQ:HASH, as `hsm audit verify` prints it")
    return Head(int(seq), digest)


def report_json(path: Path, report: VerifyReport) -> dict[str, object]:
    """Return a verification report ready for JSON."""
    return {
        "path": path,
        "ok": report.ok,
        "entries": report.entries,
        "first_time": report.first_time,
        "last_time": report.last_time,
        "head": {"seq": report.head.seq, "hash": report.head.hash},
        "outstanding": [{"seq": frame.seq, "kind": frame.kind, "id": frame.id} for frame in report.outstanding],
        "recoveries": report.recoveries,
        "torn_bytes": report.torn_bytes,
        "problem_count": report.problem_count,
        "problems": [
            {"code": problem.code, "line": problem.line, "offset": problem.offset, "message": problem.message}
            for problem in report.problems
        ],
    }


def _progress(console: Console) -> Callable[[int, int], None] | None:
    if not console.interactive:
        return None
    return lambda done, total: console.progress(f"verified {done >> 20} of {total >> 20} MiB", ended=done == total)


def _damage(damaged: Damaged) -> dict[str, object]:
    return {"damaged": {"offset": damaged.offset, "size": damaged.size, "reason": damaged.reason}}


def _row(entry: Entry | Damaged) -> tuple[object, ...]:
    from keyring_bridge.audit import Damaged

    if isinstance(entry, Damaged):
        return ("-", "-", "damaged", "-", f"{entry.size} bytes at {entry.offset}: {entry.reason}")
    told = ", ".join(f"{name}={entry.fields[name]}" for name in _TOLD if entry.fields.get(name) not in (None, ""))
    return (entry.seq, entry.time, entry.kind, entry.id, told)
