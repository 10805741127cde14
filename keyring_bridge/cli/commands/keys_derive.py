"""The part of ``hsm keys add`` that makes a key from a mnemonic, a new one or one that is recovered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.chain_defaults import chain_of_keys, key_type_of
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.providers import chosen_provider
from keyring_bridge.cli.recipes import add_path_options, path_of
from keyring_bridge.cli.secret_options import SOURCES, can_be_shown, read_new_secret, read_secret, show_once
from keyring_bridge.cli.starter import check_starter, write_starter
from keyring_bridge.errors import KeyExists, KeyNotFound
from keyring_bridge.key_kinds import DERIVED_TYPES

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.secrets import SecretBytes
    from keyring_bridge.store.base import StoredRecord

_ADVICE = (
    "Write these words down and keep them in a safe place. They are shown this once and kept nowhere; whoever has them "
    "has the key, and without them it cannot be recovered once the token is lost:"
)


def add_derive_options(parser: Parser) -> None:
    """Define the options about mnemonics, with the SDK's names."""
    group = parser.add_argument_group("key from a mnemonic")
    group.add_argument("--recover", action="store_true", help="ask for a mnemonic instead of making a new one")
    group.add_argument(
        "--source", metavar="SOURCE", help=f"where the mnemonic comes from: {SOURCES} (default with --recover: prompt)"
    )
    group.add_argument(
        "--bip39-passphrase",
        metavar="SOURCE",
        help="where a passphrase comes from that is part of the seed (prompt, or as for --source); none by default",
    )
    group.add_argument("--no-backup", action="store_true", help="do not show a new mnemonic")
    group.add_argument(
        "--key-type",
        "--algo",
        metavar="TYPE",
        help=f"{' or '.join(DERIVED_TYPES)}, or the type URL of a chain's eth_secp256k1 key (default: what "
        "`hsm chain` knows of the chain, else secp256k1)",
    )
    add_path_options(group)
    group.add_argument(
        "--allow-unhardened",
        action="store_true",
        help="take a path whose purpose, coin type or account is missing or not hardened",
    )


def add_derived(
    arguments: argparse.Namespace, session: Session
) -> tuple[StoredRecord, dict[str, object] | None, dict[str, object]]:
    """Make the key and show a new mnemonic.

    Returns:
        The record, its starter policy, and what else is to be told of it.
    """
    chain = chain_of_keys(session, arguments.chain_id)
    key_type = arguments.key_type or key_type_of(chain)
    path = path_of(arguments, key_type, chain)
    if arguments.source is not None and not arguments.recover:
        raise UsageError("--source goes with --recover")
    if not (arguments.recover or arguments.no_backup or can_be_shown()):
        raise UsageError("standard error is closed, so a new mnemonic could not be shown", hint="or use --no-backup")
    provider = chosen_provider(arguments, session.config)
    check_starter(session.config.policy_path, arguments.chain_id, arguments.message)
    with session.keyring() as keyring:
        _check_free(keyring, arguments.name)
        if arguments.recover:
            record = _recover(arguments, keyring, path, key_type, provider)
        else:
            record = _make(arguments, session, keyring, path, key_type, provider)
    policy = write_starter(session, record, arguments.chain_id, arguments.message)
    return record, policy, {"hd_path": path}


def _make(
    arguments: argparse.Namespace, session: Session, keyring: Keyring, path: str, key_type: str, provider: str
) -> StoredRecord:
    passphrase = _passphrase(arguments)
    try:
        record, mnemonic = keyring.new_mnemonic(
            arguments.name,
            "english",
            path,
            passphrase,
            key_type,
            provider=provider,
            allow_unhardened=arguments.allow_unhardened,
        )
    finally:
        _wipe(passphrase)
    with mnemonic:
        if not arguments.no_backup:
            session.console.note(_ADVICE)
            show_once(mnemonic)
    return record


def _recover(arguments: argparse.Namespace, keyring: Keyring, path: str, key_type: str, provider: str) -> StoredRecord:
    with read_secret(arguments.source or "prompt", "mnemonic") as mnemonic:
        passphrase = _passphrase(arguments)
        try:
            return keyring.new_account(
                arguments.name,
                mnemonic,
                passphrase,
                path,
                key_type,
                provider=provider,
                allow_unhardened=arguments.allow_unhardened,
            )
        finally:
            _wipe(passphrase)


def _passphrase(arguments: argparse.Namespace) -> SecretBytes | None:
    if arguments.bip39_passphrase is None:
        return None
    return read_new_secret(arguments.bip39_passphrase, "BIP-39 passphrase")


def _wipe(secret: SecretBytes | None) -> None:
    if secret is not None:
        secret.wipe()


def _check_free(keyring: Keyring, name: str) -> None:
    """Refuse a name that is taken before anybody is asked for a secret."""
    from keyring_bridge.names import check_name

    try:
        keyring.key(check_name(name))
    except KeyNotFound:
        return
    raise KeyExists(f"{name}: key already exists")
