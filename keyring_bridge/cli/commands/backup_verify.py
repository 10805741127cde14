"""``hsm backup verify``: reads a bundle whole, and remembers that it is good."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from keyring_bridge.cli.commands.backup import kept_json, kept_lines
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.render import Style, timestamp, visible
from keyring_bridge.cli.sealing_options import add_opening_options, opened_file, opening_key

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.backup.creating import KeptKey
    from keyring_bridge.backup.verifying import Opened
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session


def configure_verify(parser: Parser) -> None:
    """Define ``hsm backup verify``."""
    parser.usage = "hsm backup verify FILE (--identity SECRET | --passphrase SECRET) [options]"
    parser.add_argument("file", metavar="FILE", help="the bundle; - for standard input")
    add_opening_options(parser)
    parser.set_defaults(handler=verify)


def verify(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer what the bundle has of each key, and which keys of this keyring it does not know."""
    from keyring_bridge.backup.verifying import note_verified, open_bundle

    with ExitStack() as secrets:
        key = opening_key(arguments, secrets, "the bundle")
        with opened_file(arguments.file) as read:
            opened = open_bundle(read, key)
        # Each private key was compared with its record while it was read; nothing else is wanted of it.
        opened.wipe()
    with session.bridge() as bridge:
        note_verified(bridge, session.caller, opened)
        known = opened.holds()
        records = bridge.store.list()
        missing = [one.name for one in records if one.fingerprint is not None and one.fingerprint not in known]
    kept = kept_keys(opened)
    bundle = opened.bundle
    data = {
        "good": True,
        "digest": opened.digest,
        "created_at": timestamp(bundle.created_at),
        "bridge": bundle.bridge,
        "audit": None if bundle.audit is None else {"seq": bundle.audit[0], "hash": bundle.audit[1]},
        "config": bundle.config,
        "policy": bundle.policy,
        "keys": [kept_json(one) for one in kept],
        "not_in_bundle": missing,
    }

    def text(style: Style) -> str:
        lines = kept_lines(kept, style)
        lines.append(style.good(f"the bundle of {timestamp(bundle.created_at)} is whole; SHA-256 {opened.digest}"))
        if missing:
            names = ", ".join(visible(name) for name in missing)
            lines.append(style.warning(f"{len(missing)} keys of this keyring are not in it: {names}"))
        return "\n".join(lines)

    return Result(data, text)


def kept_keys(opened: Opened) -> list[KeptKey]:
    """Return what an opened bundle has of each key."""
    from keyring_bridge.backup.creating import KeptKey

    return [
        KeptKey(one.record, one.holds, "" if one.wrapped is None else one.wrapped.by, one.why) for one in opened.keys
    ]
