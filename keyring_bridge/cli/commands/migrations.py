"""``hsm migrate list|verify``: what became of earlier migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.render import Style, details, table
from keyring_bridge.cli.secret_options import read_secret
from keyring_bridge.errors import Exit

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.migrate.comparison import Compared
    from keyring_bridge.migrate.history import History
    from keyring_bridge.migrate.known import Known
    from keyring_bridge.migrate.model import Source
    from keyring_bridge.secrets import SecretBytes


def add_migration(parser: Parser, *, required: bool = False) -> None:
    """Define the argument that names a migration, and what opens its source again."""
    parser.add_argument(
        "migration",
        metavar="MIGRATION",
        nargs=None if required else "?",
        help="id of the migration or the beginning of it, or the path of its source"
        + ("" if required else " (default: the only one there is)"),
    )
    parser.add_argument(
        "--password", metavar="SECRET", default="prompt", help="where the password of the source comes from"
    )


def opened(history: History, arguments: argparse.Namespace) -> Source | None:
    """Open the source of a migration again."""
    from keyring_bridge.migrate.known import reopen

    def ask(what: str) -> SecretBytes:
        return read_secret(arguments.password, what)

    return reopen(history, ask)


def counts(history: History) -> dict[str, int]:
    """Return how many keys are how far."""
    keys = history.keys.values()
    return {
        "keys": len(keys),
        "migrated": sum(bool(key.how) for key in keys),
        "private": sum(key.private for key in keys),
        "retired": sum(bool(key.retired) for key in keys),
        "undone": sum(key.undone for key in keys),
    }


def configure_list(parser: Parser) -> None:
    """Define ``hsm migrate list``."""
    parser.usage = "hsm migrate list [options]"
    parser.set_defaults(handler=list_migrations)


def list_migrations(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the migrations that the journals know of."""
    from keyring_bridge.migrate.known import known

    found = known(session.config.state_dir)
    data = [_known_json(one) for one in found]

    def text(style: Style) -> str:
        if not data:
            return "no migrations"
        headings = ("ID", "SOURCE", "PROVIDER", "STATE", "KEYS", "MIGRATED", "RETIRED", "UNDONE", "BEGAN")
        names = ("id", "source", "provider", "state", "keys", "migrated", "retired", "undone", "began")
        return table(headings, [[one[name] for name in names] for one in data], style)

    return Result(data, text)


def _known_json(one: Known) -> dict[str, object]:
    history = one.history
    fields: dict[str, object] = {
        "id": one.id,
        "source": history.path or history.kind or None,
        "kind": history.kind or None,
        "provider": history.provider or None,
        "state": "damaged" if one.state is None else str(one.state),
        **counts(history),
        "began": history.began or None,
        "changed": history.changed or None,
    }
    return fields | ({"trouble": one.trouble} if one.trouble else {})


def configure_verify(parser: Parser) -> None:
    """Define ``hsm migrate verify``."""
    parser.usage = "hsm migrate verify [MIGRATION] [--password SECRET] [options]"
    add_migration(parser)
    parser.set_defaults(handler=verify)


def verify(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the differences between source, journal, records and token."""
    from keyring_bridge.migrate.comparison import compare
    from keyring_bridge.migrate.keys import MigratedKeys
    from keyring_bridge.migrate.known import find

    found = find(session.config.state_dir, arguments.migration)
    history = found.history
    gone = all(key.retired or key.undone for key in history.keys.values())
    source = None if gone else opened(history, arguments)
    try:
        with session.bridge() as bridge:

            def progress(done: int, of: int) -> None:
                session.console.progress(f"{done} of {of} keys", ended=done == of)

            compared = compare(MigratedKeys(bridge, session.caller), history, source, progress=progress)
    finally:
        if source is not None:
            source.close()
    return _verified(found, compared, session.config.prefix)


def compared_json(one: Compared, prefix: str) -> dict[str, object]:
    """Return how a key compares, ready for JSON."""
    fields: dict[str, object] = {
        "name": one.key.name if one.record is None else one.record.name,
        "address": shown_address(one.key.address, one.key.purpose, prefix),
        "fingerprint": one.key.fingerprint or None,
        "how": one.key.how or None,
        "proved": one.proof is not None,
        "differences": list(one.differences),
        "notes": list(one.notes),
    }
    if one.proof is not None:
        fields["proof"] = {"message": one.proof.message.hex(), "signature": one.proof.signature.hex()}
    return fields


def shown_address(raw: str, purpose: str, prefix: str) -> str | None:
    """Return an address as people know it; ``raw`` are the journal's hexadecimal digits."""
    from cosmos_formats import address
    from keyring_bridge.model import Purpose

    if not raw:
        return None
    names = address.prefixes(prefix)
    human = names.valcons if purpose == Purpose.CONSENSUS else names.account
    return address.encode(human, bytes.fromhex(raw))


def _verified(found: Known, compared: list[Compared], prefix: str) -> Result:
    keys = [compared_json(one, prefix) for one in compared]
    good = not any(one.differences for one in compared)
    data = {
        "migration": found.id,
        "source": found.history.path or None,
        "provider": found.history.provider,
        "state": str(found.state),
        "same": good,
        "keys": keys,
    }

    def text(style: Style) -> str:
        rows = [
            (
                *(key["name"], key["address"], key["how"], key["proved"]),
                "; ".join((*one.differences, *one.notes)) or "the same everywhere",
            )
            for key, one in zip(keys, compared, strict=True)
        ]
        head = details({"migration": found.id, "source": found.history.path, "state": found.state}, style)
        if not compared:
            return f"{head}\nnothing of it is left to compare"
        lines = [head, table(("NAME", "ADDRESS", "HOW", "PROVED", "WHAT DIFFERS"), rows, style)]
        lines.append(style.good("no differences") if good else style.bad("there are differences"))
        return "\n".join(lines)

    return Result(data, text, Exit.OK if good else Exit.INTEGRITY)
