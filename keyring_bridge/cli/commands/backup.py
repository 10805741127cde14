"""``hsm backup``: one sealed bundle, and what it can and cannot bring back, key by key."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.render import Style, table, to_json, visible
from keyring_bridge.cli.seal_in_options import add_seal_in_options, check_seal_in_options, seal_in
from keyring_bridge.cli.sealing_options import (
    PIPE,
    add_recipient_options,
    check_not_terminal,
    sealing_key,
    written_to,
)

if TYPE_CHECKING:
    from keyring_bridge.backup.creating import KeptKey
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.store.base import StoredRecord


class _Output(argparse.Action):
    """``--output``: a format as everywhere, or where the backup goes, as VirtEngine's command has it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, "output" if values in ("text", "json") else "destination", values)


def configure_backup(parser: Parser) -> None:
    """Define ``hsm backup``."""
    parser.usage = (
        "hsm backup --output FILE (--recipient AGE1 | --passphrase SECRET) [--recover NAME | --source PATH] [options]\n"
        "       hsm backup --metadata-only [--output FILE] [options]\n"
        "       hsm backup verify|wrapping-key [options]"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        action=_Output,
        default=argparse.SUPPRESS,
        help="where the bundle goes; - for standard output. text and json are formats of what the command tells, as "
        "everywhere, and may be given besides (a file of such a name is ./json)",
    )
    add_recipient_options(parser, what="the bundle")
    parser.add_argument(
        "--wrapping-key",
        metavar="NAME",
        help="the trusted key in each token that keys are wrapped with (default: the only one there is)",
    )
    parser.add_argument(
        "--metadata-only",
        action="store_true",
        help="labels, fingerprints and algorithms as plain JSON, as `virtengine hsm backup` has it: nothing can be "
        "restored from it",
    )
    add_provider_options(parser)
    add_seal_in_options(parser)
    parser.set_defaults(handler=backup, destination=None)


def backup(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer what the bundle has of each key; where the bundle is standard output, that goes to standard error."""
    if arguments.metadata_only:
        return _metadata(arguments, session)
    if arguments.provider is not None or arguments.backend is not None:
        raise UsageError("--provider and --backend are for --metadata-only; a bundle has every key")
    name = arguments.destination
    if name is None:
        raise UsageError("name a file with --output, or - for standard output")
    from keyring_bridge.backup.bundle import KIND
    from keyring_bridge.backup.creating import Backup
    from keyring_bridge.backup.register import Register
    from keyring_bridge.cli.commands.config import config_json
    from keyring_bridge.sealing import seal

    check_seal_in_options(arguments)
    check_not_terminal(name)
    as_json = session.console.json
    if name == PIPE:
        # Standard output has the bundle, and nothing else: errors neither.
        session.console.json = False

    def progress(done: int, of: int) -> None:
        session.console.progress(f"{done} of {of} keys", ended=done == of)

    with ExitStack() as secrets:
        key = sealing_key(arguments, secrets, "the bundle")
        with session.bridge() as bridge, bridge.administer("backup.create", session.caller, {}) as outcome:
            made = Backup(bridge, session.caller, config_json(session.config), arguments.wrapping_key)
            secrets.callback(made.wipe)
            seal_in(arguments, session, bridge, made)
            made.look()
            with written_to(name) as write:
                digest = seal(KIND, made.chunks(progress), write, key)
            Register(session.config.state_dir).note_made(digest, datetime.now(UTC))
            outcome |= {"bundle": digest, "keys": len(made.kept), "sealed": made.sealed}
    data: dict[str, object] = {
        "bundle": name,
        "digest": digest,
        "keys": [kept_json(one) for one in made.kept],
        "come_back": sum(one.comes_back for one in made.kept),
        "do_not_come_back": [one.record.name for one in made.kept if not one.comes_back],
    }

    def text(style: Style) -> str:
        return "\n".join([*kept_lines(made.kept, style), f"bundle {visible(name)}, SHA-256 {digest}", _next(name)])

    if name == PIPE:
        for one in (to_json(data) if as_json else text(Style(False))).splitlines():
            session.console.note(one)
        return Result({}, lambda _: "")
    return Result(data, text)


def _next(name: str) -> str:
    return (
        f"nothing counts on it before `hsm backup verify {visible('FILE' if name == PIPE else name)}` has read it whole"
    )


def _metadata(arguments: argparse.Namespace, session: Session) -> Result:
    from keyring_bridge.backup.creating import metadata

    sealing = (arguments.recipient, arguments.recipients_file, arguments.passphrase, arguments.wrapping_key)
    if any((*sealing, arguments.recover, arguments.source)):
        raise UsageError("metadata has no keys and is not sealed", hint="leave --metadata-only out for a bundle")
    only = chosen_provider(arguments, session.config) if arguments.provider or arguments.backend else None
    with session.store() as store:
        records: list[StoredRecord] = [one for one in store.list() if only is None or one.provider == only]
    data = metadata(records)
    if arguments.destination not in (None, PIPE):
        from keyring_bridge.sealing import new_file

        with new_file(Path(arguments.destination)) as out:
            out.write(to_json(data).encode() + b"\n")
        done = {"file": arguments.destination, "keys": len(records), "metadata_only": True}
        return Result(done, lambda _: f"metadata of {len(records)} keys is in {visible(arguments.destination)}")
    return Result(data, lambda _: to_json(data))


def kept_json(one: KeptKey) -> dict[str, object]:
    """Return what a bundle has of a key, ready for JSON."""
    return {
        "name": one.record.name,
        "fingerprint": one.record.fingerprint,
        "key_type": one.record.key_type,
        "purpose": one.record.purpose,
        "holds": str(one.holds),
        "comes_back": one.comes_back,
        "wrapping_key": one.by or None,
        "why_not": one.why or None,
    }


def kept_lines(kept: Sequence[KeptKey], style: Style) -> list[str]:
    """Return the table of what a bundle has of each key, and what follows from it."""
    from keyring_bridge.backup.register import Holds

    rows = []
    for one in kept:
        if one.record.provider is None:
            what = "record; it has no private key here"
        elif one.holds is Holds.SEALED:
            what = "private key: sealed in the bundle"
        elif one.by:
            what = f"key, wrapped with {one.by}"
        else:
            what = "RECORD ONLY" if not one.holds.has_key else "key"
        kind = None if one.record.key_type is None else str(one.record.key_type)
        rows.append((one.record.name, kind, str(one.record.purpose), what, one.why))
    lines = [table(("NAME", "ALGORITHM", "PURPOSE", "IN THE BUNDLE", "WHY NOT"), rows, style)]
    lost = sum(not one.comes_back for one in kept)
    if lost:
        lines.append(style.warning(f"{lost} of {len(kept)} keys cannot come back from this bundle"))
    sealed = sum(one.holds is Holds.SEALED for one in kept)
    if sealed:
        lines.append(style.warning(f"whoever opens the bundle has {sealed} private keys: keep what opens it elsewhere"))
    wrapping = sorted({one.by for one in kept if one.by})
    if wrapping:
        lines.append(f"wrapped keys come back only into a token that has the wrapping key {', '.join(wrapping)}")
    return lines
