"""Options of ``hsm backup`` that put private keys into the bundle: made again from words or shares, or of a source."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.recipes import add_path_options, recipe_of
from keyring_bridge.cli.recovery_options import (
    add_phrase_option,
    add_share_options,
    algorithm_of,
    from_shares,
    read_phrase,
    words_of_shares,
)
from keyring_bridge.cli.secret_options import SOURCES, read_secret

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.backup.creating import Backup
    from keyring_bridge.bridge import Bridge
    from keyring_bridge.cli.session import Session
    from keyring_bridge.secrets import SecretBytes


def add_seal_in_options(parser: argparse.ArgumentParser) -> None:
    """Define them."""
    group = parser.add_argument_group(
        "private keys that are put into the bundle itself", "whoever opens the bundle has these keys"
    )
    group.add_argument(
        "--recover",
        metavar="NAME[=SOURCE]",
        action="append",
        default=[],
        help="make the key of this record again, from words or from the shares below, and seal it in; the words come "
        f"from {SOURCES} (default: prompt); may be repeated for keys of words",
    )
    group.add_argument(
        "--source",
        metavar="PATH",
        action="append",
        default=[],
        help="seal in the private keys of an SDK keyring directory or a key file, as for `hsm migrate`, as far as "
        "there are records of them; may be repeated",
    )
    group.add_argument(
        "--source-password", metavar="SECRET", default="prompt", help="where the password of the source comes from"
    )
    group.add_argument("--source-key-type", metavar="TYPE", help="algorithm of a key whose file does not tell")
    add_phrase_option(group)
    add_share_options(parser.add_argument_group("shares of the key that is made again"))
    add_path_options(parser.add_argument_group("path, as it was when the key was made"))


def check_seal_in_options(arguments: argparse.Namespace) -> None:
    """Make sure that the options go together.

    Raises:
        UsageError: They do not.
    """
    shared = from_shares(arguments)
    if shared and (len(arguments.recover) != 1 or "=" in arguments.recover[0]):
        raise UsageError("shares make one key: name it with --recover NAME")
    if (
        not arguments.recover
        and (
            *(arguments.bip39_passphrase, arguments.hd_path, arguments.coin_type),
            *(arguments.account or None, arguments.index or None),
        )
        != (None,) * 5
    ):
        raise UsageError("paths and a passphrase of BIP-39 go with --recover")
    names = [one.partition("=")[0] for one in arguments.recover]
    if len(set(names)) != len(names) or "" in names:
        raise UsageError("--recover is NAME or NAME=SOURCE, once for each name")


def seal_in(arguments: argparse.Namespace, session: Session, bridge: Bridge, backup: Backup) -> None:
    """Ask for the secrets, and put the keys that they make into a backup that is about to be written.

    Raises:
        RecoveredOtherKey: Something makes another key than the record's.
        BridgeError: A source cannot be read, or the policy denies it.
    """
    for text in arguments.recover:
        _recover(text, arguments, session, bridge, backup)
    for path in arguments.source:
        _take_from(path, arguments, bridge, backup)


def _recover(text: str, arguments: argparse.Namespace, session: Session, bridge: Bridge, backup: Backup) -> None:
    from keyring_bridge.ceremony.recovery import RecoveredKeys
    from keyring_bridge.cli.chain_defaults import chain_of_keys

    name, _, source = text.partition("=")
    shared = from_shares(arguments)
    keys = RecoveredKeys(bridge, session.caller)
    record = keys.key(name)
    keys.wanted(record.name, record.address)
    recipe = recipe_of(arguments, algorithm_of(record), chain_of_keys(session, None))
    with ExitStack() as secrets:
        read = words_of_shares(arguments) if shared else read_secret(source or "prompt", f"mnemonic of {name}")
        words = secrets.enter_context(read)
        secret = keys.made_again(record, recipe, words, read_phrase(arguments, secrets))
    backup.seal_in(record, secret, {"source": "shares" if shared else "words", **recipe.describe()})


def _take_from(path: str, arguments: argparse.Namespace, bridge: Bridge, backup: Backup) -> None:
    from keyring_bridge.backup.errors import SourceHasNone
    from keyring_bridge.migrate.sources import SourceOptions, open_path
    from keyring_bridge.secrets import SecretBytes

    def ask(what: str) -> SecretBytes:
        return read_secret(arguments.source_password, f"{what} ({path})")

    # What makes a signature is the curve and the point; the file may not tell which chain's kind of key it is.
    records = [
        (one, one.record.public_key.plain)
        for one in bridge.store.list()
        if one.provider is not None and isinstance(one.record.public_key, PublicKey)
    ]
    source = open_path(Path(path), ask, SourceOptions(key_type=arguments.source_key_type))
    found = False
    try:
        told = source.keys()
        for key in told:
            if key.record is None or not key.holds_secret:
                continue
            public_key = key.record.public_key
            for record, wanted in records:
                if isinstance(public_key, PublicKey) and (public_key.key_type.curve, public_key.data) == (
                    wanted.key_type.curve,
                    wanted.data,
                ):
                    backup.seal_in(record, SecretBytes(source.open(key).secret), {"source": str(source.kind)})
                    found = True
    finally:
        source.close()
    if not found:
        raise SourceHasNone(f"{path} has no key of any record here")
