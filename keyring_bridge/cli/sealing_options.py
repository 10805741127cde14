"""Options that say who can open a sealed file, and what opens one; and reading such a file from a path or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.errors import FileFailed, UsageError
from keyring_bridge.cli.secret_options import SOURCES, read_new_secret, read_secret

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.sealing import Identities, Passphrase, Recipients

PIPE = "-"


def add_recipient_options(parser: argparse.ArgumentParser, *, what: str) -> None:
    """Define who can open a file that is written; ``what`` completes "who can open …"."""
    group = parser.add_argument_group(f"who can open {what}")
    group.add_argument(
        "--recipient", metavar="AGE1", action="append", default=[], help="an age recipient; may be repeated"
    )
    group.add_argument("--recipients-file", metavar="FILE", help="a file with an age recipient in each line")
    group.add_argument(
        "--passphrase", metavar="SECRET", help=f"whoever knows a passphrase, instead; it comes from {SOURCES}"
    )


def sealing_key(arguments: argparse.Namespace, secrets: ExitStack, what: str) -> Recipients | Passphrase:
    """Return who can open what is written; a passphrase is wiped with ``secrets``.

    Raises:
        UsageError: Nobody was named, or both ways were.
        RecipientInvalid: A recipient is none.
    """
    from keyring_bridge.sealing import Passphrase, Recipients
    from keyring_bridge.secrets import harden_process

    harden_process()
    texts = list(arguments.recipient)
    if arguments.recipients_file is not None:
        try:
            texts += Path(arguments.recipients_file).read_text("utf-8", "replace").splitlines()
        except OSError as error:
            raise FileFailed(f"{arguments.recipients_file}: {error.strerror}") from error
    named = bool(arguments.recipient) or arguments.recipients_file is not None
    if named == (arguments.passphrase is not None):
        raise UsageError(f"say who can open {what}: with --recipient, or with --passphrase")
    if named:
        return Recipients.parse(texts)
    return Passphrase(secrets.enter_context(read_new_secret(arguments.passphrase, f"passphrase of {what}")))


def add_opening_options(parser: argparse.ArgumentParser) -> None:
    """Define what opens a file."""
    group = parser.add_argument_group("what opens it")
    group.add_argument("--identity", metavar="SECRET", help="where age identities come from, such as file:/PATH")
    group.add_argument("--passphrase", metavar="SECRET", help=f"where its passphrase comes from: {SOURCES}")


def opening_key(arguments: argparse.Namespace, secrets: ExitStack, what: str) -> Identities | Passphrase:
    """Return what opens a file; a passphrase is wiped with ``secrets``.

    Raises:
        UsageError: Neither was given, or both, or standard input was meant to be two things.
        IdentityInvalid: The identities are none.
    """
    from keyring_bridge.sealing import Identities, Passphrase
    from keyring_bridge.secrets import harden_process

    harden_process()
    if (arguments.identity is None) == (arguments.passphrase is None):
        raise UsageError(f"say what opens {what}: --identity or --passphrase")
    if arguments.file == PIPE and "stdin" in (arguments.identity, arguments.passphrase):
        raise UsageError("standard input cannot be the file and the secret at once", hint="use fd:3, for example")
    if arguments.identity is not None:
        with read_secret(arguments.identity, "age identities") as identities:
            return Identities.parse(identities)
    return Passphrase(secrets.enter_context(read_secret(arguments.passphrase, f"passphrase of {what}")))


@contextmanager
def opened_file(name: str) -> Iterator[Callable[[int], bytes]]:
    """Lend what reads a file, or standard input for ``-``.

    Raises:
        FileFailed: It cannot be opened or read.
    """
    try:
        if name == PIPE:
            yield lambda size: os.read(0, size)
        else:
            with open(name, "rb", buffering=0) as file:
                yield lambda size: file.read(size) or b""
    except OSError as error:
        raise FileFailed(f"{'standard input' if name == PIPE else name}: {error.strerror}") from error


def check_not_terminal(name: str) -> None:
    """Raise UsageError if sealed bytes would be written to a terminal."""
    if name == PIPE and (sys.stdout is None or os.isatty(1)):
        raise UsageError("sealed bytes are not for a terminal", hint="name a file, or lead the output into a pipe")


@contextmanager
def written_to(name: str) -> Iterator[Callable[[bytes], object]]:
    """Lend what writes a new file, or standard output for ``-``.

    Raises:
        SealedFileExists: The file exists.
        SealedNotWritten: It cannot be written.
    """
    from keyring_bridge.sealing import new_file

    if name != PIPE:
        with new_file(Path(name)) as out:
            yield out.write
        return

    def write(data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(1, rest) :]

    yield write
