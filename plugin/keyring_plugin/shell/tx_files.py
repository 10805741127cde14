"""``tx sign``, ``tx sign-batch``, ``tx multisign`` and ``tx multisign-batch``: the commands of ``hsm tx``.

They take the SDK's flags, and what a node has to be asked for comes from the one that the chain's program asks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyring_plugin.shell.access import require
from keyring_plugin.shell.account import ask_account, given_account
from keyring_plugin.shell.errors import ShellFailed

if TYPE_CHECKING:
    from keyring_bridge.node import Account
    from keyring_plugin.shell.access import Access
    from keyring_plugin.shell.app import App

COMMANDS: Final = {
    "sign": "sign",
    "sign-batch": "sign",
    "multisign": "multisign",
    "multi-sign": "multisign",
    "multisign-batch": "combine",
    "multi-sign-batch": "combine",
}
"""The SDK's commands that are answered here, and those of ``hsm tx`` that answer them."""

_COPIED_SWITCHES: Final = ("signature-only", "overwrite", "no-auto-increment")


def run(app: App, access: Access) -> int:
    """Answer the command; return the exit code."""
    from keyring_bridge.cli.parser import build_parser
    from keyring_bridge.cli.render import PLAIN

    _, command, *words = app.line.words
    chain_id = access.chain_id(app)
    access.enter_chain(chain_id)
    with ExitStack() as stack:
        if command == "sign-batch":
            words = [stack.enter_context(_joined(words))]
        ours = COMMANDS[command]
        arguments = [*_signer(app, ours), *_options(app, command), "--chain-id", chain_id]
        account = _account(app, access, ours, words)
        arguments += ["--offline", "--account-number", str(account.number), "--sequence", str(account.sequence)]
        parsed = build_parser().parse_args(["tx", ours, *arguments, "--", *words])
        result = parsed.handler(parsed, access)
    text = result.text(PLAIN)
    if text:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    return 0


def _signer(app: App, command: str) -> list[str]:
    if command != "sign":
        return []
    return ["--from", _from(app)]


def _from(app: App) -> str:
    name = app.setting("from") or app.setting("keyring-default-keyname")
    if not name:
        raise ShellFailed("no key name or address provided; have you forgotten the --from flag?")
    return name


def _options(app: App, command: str) -> list[str]:
    line = app.line
    if line.switch("append"):
        raise ShellFailed("--append is not available with keys in the bridge")
    options = [f"--{name}" for name in _COPIED_SWITCHES if line.switch(name)]
    if "--no-auto-increment" in options and COMMANDS[command] != "combine":
        options.remove("--no-auto-increment")
    if COMMANDS[command] == "sign":
        options += [f"--{name}={value}" for name in ("multisig", "sign-mode") if (value := line.value(name))]
        if command == "sign" and line.switch("amend"):
            options.append("--amend")
    document = line.value("output-document")
    if document:
        # The SDK writes over what is there.
        options += [f"--output-document={document}", "--force"]
    return options


def _account(app: App, access: Access, command: str, words: list[str]) -> Account:
    """Return number and sequence of the account that is signed for."""
    if app.switched("offline"):
        return given_account(app)
    from cosmos_formats import address

    if command == "sign":
        name = app.line.value("multisig") or _from(app)
    elif len(words) > 1:
        name = words[1]
    else:
        return given_account(app)
    record = require(access.records(), name)
    return ask_account(app, address.encode(access.config.prefix, record.address))


@contextmanager
def _joined(paths: list[str]) -> Iterator[str]:
    """Yield one file with the transactions of several."""
    if len(paths) < 2:
        yield paths[0] if paths else "-"
        return
    import tempfile

    from keyring_bridge.cli.commands.tx_options import lines_of, read_file

    lines = [line for path in paths for line in lines_of(read_file(path))]
    with tempfile.TemporaryDirectory() as folder:
        joined = Path(folder) / "transactions"
        joined.write_bytes(b"\n".join(lines) + b"\n")
        yield str(joined)
