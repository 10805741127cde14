"""``keys add`` and its kin: from the SDK's flags to the commands of ``hsm keys``, which do it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from keyring_plugin.shell.errors import ShellFailed
from keyring_plugin.shell.prompts import on_terminal, read_line

if TYPE_CHECKING:
    from keyring_bridge.cli.session import Session
    from keyring_bridge.store.base import StoredRecord
    from keyring_plugin.shell.access import Access
    from keyring_plugin.shell.app import App
    from keyring_plugin.shell.command_line import CommandLine

_ADVICE: Final = """
**Important** write this mnemonic phrase in a safe place.
It is the only way to recover your account if you ever forget your password.

"""
"""The SDK's."""

_COPIED: Final = ("hd-path", "coin-type", "account", "index", "key-type")


def command(session: Session, name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a command of ``hsm keys`` and return what it answers."""
    from keyring_bridge.cli.parser import build_parser

    parsed = build_parser().parse_args(["keys", name, *arguments])
    answer = parsed.handler(parsed, session).data
    return answer if isinstance(answer, dict) else {}


def add(app: App, access: Access, name: str) -> StoredRecord:
    """Make what ``keys add`` is asked for; a new mnemonic is shown on standard error.

    Raises:
        ShellFailed: The flags do not go together.
    """
    line = app.line
    for switch in ("dry-run", "ledger"):
        if line.switch(switch):
            raise ShellFailed(f"--{switch} is not available with keys in the bridge")
    public, base64 = line.value("pubkey"), line.value("pubkey-base64")
    if public and base64:
        raise ShellFailed("flags pubkey and pubkey-base64 cannot be used simultaneously")
    if line.value("multisig"):
        return _add_multisig(line, access, name)
    if base64:
        public = f'{{"@type":"/cosmos.crypto.secp256k1.PubKey","key":"{base64}"}}'
    if public:
        command(access, "add", ["--pubkey", public, "--", name])
        return _made(access, name)
    arguments = [f"--{flag}={value}" for flag in _COPIED if (value := line.value(flag)) is not None]
    algorithm = line.value("algo")
    if algorithm is not None:
        arguments.append(f"--key-type={algorithm}")
    if line.switch("no-backup"):
        arguments.append("--no-backup")
    if line.switch("interactive"):
        arguments += ["--bip39-passphrase", "prompt"]
    if line.switch("recover"):
        source = line.value("source")
        if source:
            command(access, "add", [*arguments, "--recover", f"--source=file:{os.path.abspath(source)}", "--", name])
        else:
            with typed("Enter your bip39 mnemonic") as piped:
                command(access, "add", [*arguments, "--recover", f"--source={piped}", "--", name])
    else:
        if not line.switch("no-backup"):
            # The mnemonic itself follows, written by what made it; it is never part of the output.
            sys.stderr.write(_ADVICE)
        command(access, "add", [*arguments, "--", name])
    return _made(access, name)


def put_back(access: Access, old: StoredRecord) -> None:
    """Save a record again that was to be replaced by one that could not be made."""
    from cosmos_formats.record import Multi

    with access.keyring(ask=False) as keyring:
        save = keyring.save_multisig if isinstance(old.record.item, Multi) else keyring.save_offline_key
        save(old.name, old.record.public_key)


def threshold(line: CommandLine, members: int) -> int:
    """Return how many members of a multisig key have to sign.

    Raises:
        ShellFailed: It is none of 1 to ``members``.
    """
    text = line.value("multisig-threshold") or "1"
    if not text.lstrip("-").isdecimal() or int(text) <= 0:
        raise ShellFailed("threshold must be a positive integer")
    if int(text) > members:
        raise ShellFailed(f"threshold k of n multisignature: {members} < {int(text)}")
    return int(text)


def _add_multisig(line: CommandLine, access: Access, name: str) -> StoredRecord:
    from cosmos_formats.multisig import MultisigPublicKey
    from keyring_bridge.errors import KeyNotFound

    names = [part for part in (line.value("multisig") or "").split(",") if part]
    needed = threshold(line, len(names))
    known = {record.name: record.record.public_key for record in access.records()}
    for place, member in enumerate(names):
        if member in names[:place]:
            raise ShellFailed(f"duplicate multisig keys: {member}")
        if member not in known:
            raise KeyNotFound(f"{member}.info: key not found")
    keys = [known[member] for member in names]
    if not line.switch("nosort"):
        keys.sort(key=lambda key: key.address)
    with access.keyring(ask=False) as keyring:
        return keyring.save_multisig(name, MultisigPublicKey(needed, tuple(keys)))


def _made(access: Access, name: str) -> StoredRecord:
    return next(record for record in access.records() if record.name == name)


@contextmanager
def typed(question: str) -> Iterator[str]:
    """Yield the source of a secret as the SDK reads it: typed on a terminal, else the next line of standard input."""
    if on_terminal():
        yield "prompt"
        return
    line = read_line().encode()
    reading, writing = os.pipe()
    try:
        # Less than a pipe takes at once: prompts read at most so much.
        os.write(writing, line + b"\n")
        os.close(writing)
        yield f"fd:{reading}"
    finally:
        with suppress(OSError):  # whoever read it has closed it
            os.close(reading)
