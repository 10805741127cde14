"""``hsm migrate``: moves the keys of a keyring or a file into a provider."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.commands.migration_report import free_report_path, make_report, write_report
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.render import Style, table
from keyring_bridge.cli.retiring import add_retire_options, retire_now, retired_text
from keyring_bridge.cli.secret_options import SOURCES, read_secret
from keyring_bridge.cli.starter import add_policy_options, check_starter, write_starters
from keyring_bridge.errors import Exit
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.migrate.model import Source
    from keyring_bridge.migrate.plan import Plan, Row, Wishes
    from keyring_bridge.migrate.run import Migrated
    from keyring_bridge.migrate.sources import SourceOptions
    from keyring_bridge.secrets import SecretBytes

_PURPOSES = tuple(str(one) for one in (Purpose.ACCOUNT, Purpose.CONSENSUS, Purpose.AUDIT))
_KINDS = (
    *("keyring-file", "keyring-test", "armor", "hex", "mnemonic", "validator-key"),
    *("node-key", "tmkms", "cosmos-kms", "pem"),
)


def configure_migrate(parser: Parser) -> None:
    """Define ``hsm migrate``."""
    parser.usage = (
        "hsm migrate [SOURCE] [--mnemonic SECRET | --hex SECRET] [--dry-run] [options]\n"
        "       hsm migrate list|verify|report|retire|unpack|undo [options]"
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="?",
        help="an SDK keyring directory (or the home that holds it), an armor, a validator's, node's or signer's key "
        "file, a PEM file; one that is called like a command below is ./NAME",
    )
    parser.add_argument("--mnemonic", metavar="SECRET", help=f"where the words of a mnemonic come from: {SOURCES}")
    parser.add_argument("--hex", metavar="SECRET", help="where 64 hexadecimal digits of a private key come from")
    parser.add_argument(
        "--password", metavar="SECRET", default="prompt", help="where the password of the source comes from"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    parser.add_argument("--key", metavar="NAME", action="append", default=[], help="migrate this key; may be repeated")
    parser.add_argument("--skip", metavar="NAME", action="append", default=[], help="leave this key out; likewise")
    parser.add_argument("--rename", metavar="OLD=NEW", action="append", default=[], help="give a key a new name")
    parser.add_argument("--name", metavar="NAME", help="name of the one key of a source that has no name for it")
    parser.add_argument(
        "--purpose", metavar="PURPOSE", choices=_PURPOSES, help="what keys are for where the source does not tell"
    )
    parser.add_argument("--kind", metavar="KIND", choices=_KINDS, help=f"what the source is: {', '.join(_KINDS)}")
    parser.add_argument("--key-type", metavar="TYPE", help="algorithm of a key whose file does not tell")
    parser.add_argument("--state", metavar="FILE", help="what a consensus key signed last, if it lies elsewhere")
    parser.add_argument("--hd-path", metavar="PATH", default="m/44'/118'/0'/0/0", help="path of a mnemonic's key")
    parser.add_argument("--bip39-passphrase", action="store_true", help="the mnemonic has a passphrase; ask for it")
    parser.add_argument(
        "--report", metavar="FILE", help="write a signed report as JSON, and as text to the same name with .txt"
    )
    parser.add_argument(
        "--retire", action="store_true", help="remove the source's copies afterwards, after a question of its own"
    )
    add_provider_options(parser)
    add_policy_options(parser)
    add_retire_options(parser)
    parser.set_defaults(handler=migrate)


def migrate(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the plan, or what was done."""
    from keyring_bridge.migrate.journal import Journal, journal_id
    from keyring_bridge.migrate.run import Migration, plan

    provider = chosen_provider(arguments, session.config)
    wishes = _wishes(arguments)
    check_starter(session.config.policy_path, arguments.chain_id, arguments.message)
    path = None if arguments.report is None else free_report_path(arguments.report)
    if arguments.retire and arguments.source is None:
        raise UsageError("--retire removes files, and this source is none")
    source, options = _open(arguments)
    retired = None
    try:
        with session.bridge() as bridge:
            if arguments.dry_run:
                return _plan_result(plan(bridge, source, provider, wishes), session.config.prefix)
            identifier = journal_id(source.identity, provider)
            with Journal.open(session.config.state_dir, identifier) as journal:
                # Only now: another process may have changed everything until it let the journal go.
                planned = plan(bridge, source, provider, wishes)
                migration = Migration(bridge, session.caller, source, journal, arguments.chain_id or "", options)

                def progress(done: int, of: int) -> None:
                    session.console.progress(f"{done} of {of} keys", ended=done == of)

                done = list(migration.run(planned, progress))
                _write_starters(done, arguments, session)
                if path is not None:
                    write_report(make_report(session, bridge, journal), path)
                if arguments.retire:
                    session.console.note(f"every key was migrated (migration {identifier})")
                    retired = retire_now(arguments, session, bridge, journal, lambda: source)
    finally:
        source.close()
    return _done_result(done, planned, identifier, session.config.prefix, path, retired)


def _write_starters(done: list[Migrated], arguments: argparse.Namespace, session: Session) -> None:
    """Give every key a starter policy that has none: also those that an interrupted run left without one."""
    from keyring_bridge.policy import Policy

    path = session.config.policy_path
    known = set(Policy.load(path).keys) if path.exists() else set()
    new = [one.record for one in done if one.record.provider is not None and one.record.name not in known]
    write_starters(session, new, arguments.chain_id, arguments.message)


def _wishes(arguments: argparse.Namespace) -> Wishes:
    from keyring_bridge.migrate.plan import Wishes

    renames = {}
    for text in arguments.rename:
        old, equals, new = text.partition("=")
        if not (old and equals and new):
            raise UsageError("--rename is OLD=NEW")
        renames[old] = new
    purpose = None if arguments.purpose is None else Purpose(arguments.purpose)
    return Wishes(tuple(arguments.key), tuple(arguments.skip), renames, arguments.name, purpose)


def _open(arguments: argparse.Namespace) -> tuple[Source, SourceOptions]:
    from keyring_bridge.migrate.model import SourceKind
    from keyring_bridge.migrate.sources import SourceOptions, open_path, open_secret

    if sum(one is not None for one in (arguments.source, arguments.mnemonic, arguments.hex)) != 1:
        raise UsageError("name one source: a path, --mnemonic or --hex")

    def ask(what: str) -> SecretBytes:
        return read_secret(arguments.password, what)

    options = SourceOptions(
        None if arguments.kind is None else SourceKind(arguments.kind),
        arguments.key_type,
        None if arguments.state is None else Path(arguments.state),
        arguments.hd_path,
        arguments.bip39_passphrase,
    )
    if arguments.source is not None:
        return open_path(Path(arguments.source), ask, options), options
    kind = SourceKind.MNEMONIC if arguments.mnemonic is not None else SourceKind.HEX
    secret = read_secret(arguments.mnemonic or arguments.hex, str(kind))
    return open_secret(kind, secret, ask, options), options


def _row_json(row: Row, prefix: str) -> dict[str, object]:
    return {
        "name": row.name,
        "source_name": row.key.name,
        "type": "?" if row.key.record is None else row.key.record.kind,
        "key_type": row.key_type,
        "purpose": str(row.purpose),
        "address": _address(row, prefix),
        "fingerprint": row.fingerprint,
        "action": str(row.action),
        "notes": list(row.notes),
        "problems": list(row.problems),
    }


def _address(row: Row, prefix: str) -> str | None:
    from cosmos_formats import address

    if row.key.record is None:
        return None
    names = address.prefixes(prefix)
    human = names.valcons if row.purpose is Purpose.CONSENSUS else names.account
    return address.encode(human, row.public_key.address)


def _plan_result(planned: Plan, prefix: str) -> Result:
    rows = [_row_json(row, prefix) for row in planned.rows]
    data = {
        "dry_run": True,
        "ready": planned.ready,
        "provider": planned.destination.provider,
        "backend": planned.destination.backend,
        "warnings": list(planned.warnings),
        "problems": list(planned.problems),
        "keys": rows,
    }

    def text(style: Style) -> str:
        lines = [_table(planned, rows, style)]
        lines += [style.warning(f"note: {_shown(one)}") for one in planned.warnings]
        lines += [style.bad(f"problem: {_shown(one)}") for one in planned.problems]
        lines.append("nothing stands in the way" if planned.ready else "there are problems: nothing would be touched")
        return "\n".join(lines)

    return Result(data, text, Exit.OK if planned.ready else Exit.CONFLICT)


def _shown(text: str) -> str:
    from keyring_bridge.cli.render import visible

    return visible(text)


def _table(planned: Plan, rows: list[dict[str, object]], style: Style) -> str:
    lines = [
        (
            *(row["name"], row["address"], row["type"], row["key_type"], planned.destination.provider, row["action"]),
            "; ".join((*shown.problems, *shown.notes)),
        )
        for row, shown in zip(rows, planned.rows, strict=True)
    ]
    return table(("NAME", "ADDRESS", "TYPE", "ALGORITHM", "DESTINATION", "ACTION", "WHAT TO KNOW"), lines, style)


def _done_result(
    done: list[Migrated],
    planned: Plan,
    identifier: str,
    prefix: str,
    report: Path | None,
    retired: dict[str, object] | None,
) -> Result:
    from keyring_bridge.cli.token_view import attributes

    keys = []
    for one in done:
        fields = _row_json(one.row, prefix) | {"uri": one.record.uri, "needs_floor": one.record.needs_floor}
        if one.info is not None and one.proof is not None:
            proof = {"message": one.proof.message.hex(), "signature": one.proof.signature.hex()}
            fields |= attributes(one.info) | {"proof": proof}
        keys.append(fields)
    data = {
        "migration": identifier,
        "provider": planned.destination.provider,
        "keys": keys,
        "warnings": list(planned.warnings),
        "report": None if report is None else str(report),
        "retired": retired,
    }

    def text(style: Style) -> str:
        rows = [(key["name"], key["address"], key["action"], "yes" if "proof" in key else None) for key in keys]
        lines = [table(("NAME", "ADDRESS", "DONE", "PROVED"), rows, style)]
        lines += [style.warning(f"note: {_shown(one)}") for one in planned.warnings]
        if report is not None:
            lines.append(f"a signed report is in {_shown(str(report))}")
        if retired is not None:
            lines.append(retired_text(retired, style))
        else:
            lines.append("the source was not changed")
            lines.append(f"migration {identifier}: `hsm migrate verify`, `report`, `retire` and `undo` go on from here")
        return "\n".join(lines)

    return Result(data, text)
