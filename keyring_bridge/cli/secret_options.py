"""Secrets that a command asks for: typed without echo, or from a source that others cannot see; never an argument."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from keyring_bridge.cli.errors import UsageError

if TYPE_CHECKING:
    from keyring_bridge.secrets import SecretBytes

SOURCES = "file:/PATH, fd:N, stdin, env:NAME, credential:NAME, command:/PROGRAM or prompt"


def read_secret(source: str, what: str) -> SecretBytes:
    """Return a secret.

    Args:
        source: See :func:`keyring_bridge.secrets.parse_source`; or ``stdin``, the first line of standard input.
        what: What it is, for the prompt and for errors.

    Raises:
        ConfigError: The text names no source.
        PinRequired: The source has nothing to give.
        UsageError: Standard input is a terminal, which would show what is typed.
    """
    from keyring_bridge.secrets import parse_source, tty_prompt

    if source == "stdin":
        return _from_stdin(what)
    return parse_source(source).read(tty_prompt, what)


def _from_stdin(what: str) -> SecretBytes:
    from keyring_bridge.errors import PinRequired
    from keyring_bridge.secrets.reading import read_stream

    try:
        if os.isatty(0):
            raise UsageError("standard input is a terminal, which shows what is typed", hint="use prompt")
        return read_stream(0, what, first_line=True)
    except OSError as error:
        raise PinRequired(f"no {what}: standard input cannot be read", detail=str(error)) from None


def read_new_secret(source: str, what: str) -> SecretBytes:
    """As :func:`read_secret`, for one that cannot be checked: what is typed is typed twice.

    Raises:
        UsageError: The two differ.
    """
    first = read_secret(source, what)
    if source == "prompt":
        with read_secret(source, f"{what} again") as second:
            if first != second:
                first.wipe()
                raise UsageError("the two that were typed differ")
    return first


def can_be_shown() -> bool:
    """Whether a secret can be shown at all: standard error is open."""
    return sys.stderr is not None and not sys.stderr.closed


def show_once(secret: SecretBytes) -> None:
    """Write a secret and a newline to standard error, without making a text of it."""
    sys.stderr.flush()
    if os.writev(sys.stderr.fileno(), (secret.reveal(), b"\n")) != len(secret) + 1:
        raise OSError("standard error took only a part")
