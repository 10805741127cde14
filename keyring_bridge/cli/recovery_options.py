"""Options that say how a recoverable key is made again: the shares of its words, and a passphrase of BIP-39."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.cli.errors import FileFailed, UsageError
from keyring_bridge.cli.secret_options import read_new_secret, read_secret

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.ceremony.shares import Given
    from keyring_bridge.secrets import SecretBytes
    from keyring_bridge.store.base import StoredRecord

_LARGEST_FILE = 1 << 16


def add_phrase_option(group: argparse._ArgumentGroup) -> None:
    """Define ``--bip39-passphrase``."""
    group.add_argument(
        "--bip39-passphrase",
        metavar="SOURCE",
        help="where a passphrase comes from that is part of the seed; none by default",
    )


def add_share_options(shares: argparse._ArgumentGroup) -> None:
    """Define ``--share``, ``--share-words``, ``--identity`` and ``--slip39-passphrase``."""
    shares.add_argument(
        "--share", metavar="FILE", action="append", default=[], help="a share's sealed file; may be repeated"
    )
    shares.add_argument(
        "--share-words",
        metavar="SOURCE",
        action="append",
        default=[],
        help="where the words of a share come from, such as prompt; may be repeated",
    )
    shares.add_argument(
        "--identity",
        metavar="FILE",
        action="append",
        default=[],
        help="age identities that open files (0600); may be repeated",
    )
    shares.add_argument(
        "--slip39-passphrase", metavar="SOURCE", help="where the passphrase of SLIP-39 comes from, if there was one"
    )


def from_shares(arguments: argparse.Namespace) -> bool:
    """Whether shares are named.

    Raises:
        UsageError: Options are given that do not go together.
    """
    named = bool(arguments.share or arguments.share_words)
    if not named and (arguments.identity or arguments.slip39_passphrase is not None):
        raise UsageError("--identity and --slip39-passphrase go with shares")
    if arguments.identity and not arguments.share:
        raise UsageError("--identity opens files, which --share names")
    if named and arguments.bip39_passphrase is not None:
        raise UsageError("a key whose shares were handed out has no passphrase of BIP-39")
    return named


def algorithm_of(record: StoredRecord) -> str:
    """Return the key type of a record, or the type URL of its key if that says more.

    Raises:
        UsageError: It has no single key.
    """
    public_key = record.record.public_key
    if not isinstance(public_key, PublicKey):
        raise UsageError(f"{record.name} has no single key")
    return public_key.url or str(public_key.key_type)


def read_phrase(arguments: argparse.Namespace, secrets: ExitStack) -> SecretBytes | None:
    """Return the passphrase of BIP-39, wiped with ``secrets``; None if there is none."""
    if arguments.bip39_passphrase is None:
        return None
    return secrets.enter_context(read_new_secret(arguments.bip39_passphrase, "BIP-39 passphrase"))


def words_of_shares(arguments: argparse.Namespace) -> SecretBytes:
    """Return the words that the shares make.

    Raises:
        ShareError: They make none.
        FileFailed: A file cannot be read.
    """
    from keyring_bridge.ceremony.recipe import words_of
    from keyring_bridge.ceremony.shares import Given, combine
    from keyring_bridge.secrets import SecretBytes

    with ExitStack() as stack:
        given: list[Given] = [_share_file(name, stack) for name in arguments.share]
        for place, source in enumerate(arguments.share_words, len(given) + 1):
            given.append(Given(stack.enter_context(read_secret(source, f"words of share {place}"))))
        identities = None
        if arguments.identity:
            files = [stack.enter_context(read_secret(_file_source(name), "identity")) for name in arguments.identity]
            identities = stack.enter_context(SecretBytes(bytearray().join([*_lines(files)])))
        passphrase = None
        if arguments.slip39_passphrase is not None:
            source = arguments.slip39_passphrase
            passphrase = stack.enter_context(read_secret(source, "passphrase of SLIP-39"))
        entropy = stack.enter_context(combine(given, passphrase, identities))
        return words_of(entropy)


def _lines(files: list[SecretBytes]) -> list[bytearray | bytes]:
    return [part for file in files for part in (file.reveal(), b"\n")]


def _file_source(name: str) -> str:
    return f"file:{Path(name).absolute()}"


def _share_file(name: str, stack: ExitStack) -> Given:
    from keyring_bridge.ceremony.shares import Given
    from keyring_bridge.sealing.header import Header
    from keyring_bridge.secrets import SecretBytes

    try:
        with open(name, "rb") as file:
            content = file.read(_LARGEST_FILE)
    except OSError as error:
        raise FileFailed.of(error) from None
    header = Header.parse(content[: content.find(b"\n") + 1])
    passphrase = None
    if header.argon2 is not None:
        passphrase = stack.enter_context(read_secret("prompt", f"passphrase of {Path(name).name}"))
    return Given(SecretBytes(content), sealed=True, passphrase=passphrase)
