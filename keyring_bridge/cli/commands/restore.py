"""``hsm restore``: brings a bundle back, with a plan first and a proof of every key."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.records import bech32
from keyring_bridge.cli.render import Style, table, visible
from keyring_bridge.cli.sealing_options import add_opening_options, opened_file, opening_key
from keyring_bridge.errors import Exit

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.backup.restoring import Row
    from keyring_bridge.backup.verifying import Opened
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.store.base import StoredRecord

FLOOR = "it signs nothing until an officer sets its floor above the chain's height and says that the old signer stopped"


def configure_restore(parser: Parser) -> None:
    """Define ``hsm restore``."""
    parser.usage = "hsm restore FILE (--identity SECRET | --passphrase SECRET) [--dry-run] [options]"
    parser.add_argument("file", metavar="FILE", help="the bundle; - for standard input")
    add_opening_options(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    parser.add_argument("--key", metavar="NAME", action="append", default=[], help="restore this one; may be repeated")
    parser.add_argument(
        "--leave-out", action="store_true", help="restore the others where neither bundle nor token has a key"
    )
    parser.add_argument(
        "--with-policy", action="store_true", help="put the bundle's policy in force, if there is none with keys here"
    )
    add_provider_options(parser)
    parser.set_defaults(handler=restore)


def restore(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the plan, or what was done."""
    from keyring_bridge.backup.verifying import open_bundle

    with ExitStack() as secrets:
        key = opening_key(arguments, secrets, "the bundle")
        with opened_file(arguments.file) as read:
            # To its end before anything is touched: only then is it known to be whole.
            opened = open_bundle(read, key)
    try:
        return _restored(opened, arguments, session)
    finally:
        opened.wipe()


def _restored(opened: Opened, arguments: argparse.Namespace, session: Session) -> Result:
    from keyring_bridge.backup.restoring import Action, Restore

    named = arguments.provider is not None or arguments.backend is not None
    provider = chosen_provider(arguments, session.config) if named else None
    policy = _policy_to_write(opened, session) if arguments.with_policy else None

    def progress(done: int, of: int) -> None:
        session.console.progress(f"{done} of {of} keys", ended=done == of)

    with session.bridge() as bridge:
        work = Restore(bridge, session.caller)
        rows = work.plan(opened, only=arguments.key, provider=provider)
        if arguments.dry_run:
            stopped = any(row.action is Action.REFUSE for row in rows)
            stopped |= not arguments.leave_out and any(row.action is Action.LEAVE for row in rows)
            return _plan_result(opened, rows, session.config.prefix, ready=not stopped)
        done = list(work.run(opened, rows, leave_out=arguments.leave_out, progress=progress))
        if policy is not None:
            _write_policy(policy, session)
    return _done_result(opened, done, session.config.prefix, policy=policy is not None)


def _policy_to_write(opened: Opened, session: Session) -> bytes:
    from keyring_bridge.backup.errors import RestoreRefused
    from keyring_bridge.policy import Policy

    if opened.bundle.policy is None:
        raise RestoreRefused("the bundle has no policy")
    path = session.config.policy_path
    if path.exists() and Policy.load(path).keys:
        raise RestoreRefused(
            "there is a policy with keys already, and it stays in force",
            hint="leave --with-policy out, and compare the two by hand",
        )
    return opened.bundle.policy.encode()


def _write_policy(policy: bytes, session: Session) -> None:
    from keyring_bridge.config import write_atomic
    from keyring_bridge.policy import Policy

    path = session.config.policy_path
    trial = path.with_name(f".{path.name}.restored")
    write_atomic(trial, policy)
    try:
        Policy.load(trial)
        write_atomic(path, policy)
    finally:
        trial.unlink(missing_ok=True)


def _row_json(row: Row, prefix: str) -> dict[str, object]:
    record = row.key.record
    return {
        "name": record.name,
        "address": bech32(record, prefix),
        "fingerprint": record.fingerprint,
        "key_type": record.key_type,
        "purpose": record.purpose,
        "action": str(row.action),
        "provider": row.provider,
        "note": row.note or None,
    }


def _table(rows: Sequence[Row], prefix: str, style: Style) -> str:
    lines = [
        (
            *(row.key.record.name, bech32(row.key.record, prefix), row.key.record.key_type, row.provider),
            *(str(row.action), row.note),
        )
        for row in rows
    ]
    return table(("NAME", "ADDRESS", "ALGORITHM", "INTO", "ACTION", "WHAT TO KNOW"), lines, style)


def _plan_result(opened: Opened, rows: Sequence[Row], prefix: str, *, ready: bool) -> Result:
    data = {
        "dry_run": True,
        "ready": ready,
        "digest": opened.digest,
        "keys": [_row_json(row, prefix) for row in rows],
    }

    def text(style: Style) -> str:
        end = "nothing stands in the way" if ready else "something stands in the way: nothing would be touched"
        return f"{_table(rows, prefix, style)}\n{end}"

    return Result(data, text, Exit.OK if ready else Exit.CONFLICT)


def _done_result(
    opened: Opened, done: Sequence[tuple[Row, StoredRecord | None]], prefix: str, *, policy: bool
) -> Result:
    keys = [
        _row_json(row, prefix)
        | {
            "uri": None if record is None else record.uri,
            "proved": record is not None and record.provider is not None,
            "needs_floor": record is not None and record.needs_floor,
        }
        for row, record in done
    ]
    blocked = [record.name for _, record in done if record is not None and record.needs_floor]
    data = {"digest": opened.digest, "keys": keys, "policy": policy}

    def text(style: Style) -> str:
        lines = [_table([row for row, _ in done], prefix, style)]
        lines += [style.warning(f"{visible(name)}: {FLOOR}") for name in blocked]
        proved = sum(bool(key["proved"]) for key in keys)
        lines.append(style.good(f"{proved} keys proved themselves by a signature; bundle SHA-256 {opened.digest}"))
        if not policy and opened.bundle.policy is not None:
            lines.append(
                "the bundle's policy was not put in force (--with-policy): a key without a policy signs nothing"
            )
        return "\n".join(lines)

    return Result(data, text)
