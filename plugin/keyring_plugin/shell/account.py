"""Account number and sequence of a sender, from the node that the chain's program asks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from keyring_plugin.shell.errors import ShellFailed

if TYPE_CHECKING:
    from keyring_bridge.node import Account
    from keyring_plugin.shell.app import App

_DEPTH: Final = 6
_MEMBERS: Final = ("account_number", "sequence")


def ask_account(app: App, address: str) -> Account:
    """Ask the chain's program, which asks its node.

    Raises:
        Ended: It failed, such as for an account that is not there or a node that does not answer, and has said so.
        ShellFailed: Its answer is about another account, or none.
    """
    where = [*app.common, *app.flags("node", "grpc-addr")]
    answer = app.ask(["query", "auth", "account", address, "--output=json", *where])
    return read_account(answer, address)


def given_account(app: App) -> Account:
    """Return what the command says itself, for ``--offline``.

    Raises:
        ShellFailed: It does not say it.
    """
    from keyring_bridge.node import Account

    number, sequence = app.line.value("account-number"), app.line.value("sequence")
    if app.switched("unordered") and sequence is None:
        sequence = "0"
    if number is None or sequence is None:
        raise ShellFailed("account-number and sequence must be set in offline mode")
    return Account(_unsigned(number, "account-number"), _unsigned(sequence, "sequence"))


def read_account(answer: bytes, address: str) -> Account:
    """Read the answer of ``query auth account``, of any version and kind of account.

    Args:
        answer: JSON. Around the base account there may be others (vesting, modules, a chain's own).
        address: What the account must have.
    """
    from keyring_bridge.node import Account

    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        document = None
    for found in _objects(document, 0):
        if found.get("address") == address:
            # Zeros may be left out.
            numbers = [_unsigned(str(found.get(name, 0)), name) for name in _MEMBERS]
            return Account(*numbers)
    raise ShellFailed(f"the node's answer says nothing about the account {address}")


def _objects(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    if depth > _DEPTH:
        return
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner, depth + 1)


def _unsigned(text: str, what: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) >> 64:
        raise ShellFailed(f'invalid argument "{text}" for "--{what.replace("_", "-")}" flag: no number of 64 bits')
    return int(text)
