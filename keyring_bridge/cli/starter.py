"""The starter policy of a new key.

Without a policy a key signs nothing. What is written here is small, commented and in plain sight, for a person to
widen or to narrow: one chain, DIRECT sign documents, a bank send.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.model import Action, Purpose

if TYPE_CHECKING:
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.store.base import StoredRecord

DEFAULT_MESSAGES = ("/cosmos.bank.v1beta1.MsgSend",)


def add_policy_options(parser: Parser) -> None:
    """Define ``--chain-id`` and ``--message``, the contents of a starter policy."""
    group = parser.add_argument_group("starter policy")
    group.add_argument(
        "--chain-id",
        metavar="CHAIN",
        help="chain that the key may sign for (default: the configuration's chain_id; without either, none)",
    )
    group.add_argument(
        "--message",
        metavar="TYPE_URL",
        action="append",
        default=[],
        help=f"message that the key may sign, may be repeated (default: {DEFAULT_MESSAGES[0]})",
    )


def check_starter(path: Path, chain_id: str | None, messages: Sequence[str]) -> None:
    """Make sure that a starter can be written, before there is a key that needs one.

    Raises:
        UsageError: The chain's id or a message's type is not one.
        PolicyInvalid: The policy that exists is broken.
        InsecureFile: Others can write it.
    """
    from keyring_bridge.cli.errors import UsageError
    from keyring_bridge.config.model import check_chain_id
    from keyring_bridge.policy import Policy
    from keyring_bridge.policy.patterns import MessagePatterns

    try:
        if chain_id is not None:
            check_chain_id(chain_id)
        MessagePatterns.of(messages)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if path.exists():
        Policy.load(path)


def write_starter(
    session: Session, record: StoredRecord, chain_id: str | None, messages: Sequence[str]
) -> dict[str, object] | None:
    """Write the starter policy of a key and say what it allows.

    Returns:
        What was written, ready for JSON; None for keys that no transaction policy concerns.
    """
    if record.purpose is not Purpose.ACCOUNT:
        return None
    from keyring_bridge.policy.write import add_starter

    path = session.config.policy_path
    chain = chain_id if chain_id is not None else session.config.chain_id
    allowed = tuple(messages) or DEFAULT_MESSAGES
    written = add_starter(path, record.name, record.fingerprint or "", chain, allowed)
    if not written:
        session.console.warn(f"{path} has a policy for the name {record.name} already; it was left as it is")
    elif chain is None:
        session.console.warn(f"the policy of {record.name} allows no chain yet, so it signs nothing: see {path}")
    return {
        "path": str(path),
        "written": written,
        "chains": [chain] if written and chain is not None else [],
        "messages": list(allowed) if written else [],
    }


def write_starters(
    session: Session, records: Iterable[StoredRecord], chain_id: str | None, messages: Sequence[str]
) -> None:
    """Give every account key a starter policy that has no policy of its name, all in one change of the file."""
    from keyring_bridge.policy.write import add_starters

    fingerprints = {one.name: one.fingerprint or "" for one in records if one.purpose is Purpose.ACCOUNT}
    if not fingerprints:
        return
    path = session.config.policy_path
    chain = chain_id if chain_id is not None else session.config.chain_id
    written = add_starters(path, fingerprints, chain, tuple(messages) or DEFAULT_MESSAGES)
    if written and chain is None:
        session.console.warn(
            f"the new policies of {len(written)} keys allow no chain yet, so they sign nothing: see {path}"
        )


def write_empty_policy(path: Path, chain_id: str | None) -> bool:
    """Write a policy that lets this user manage keys and no key sign, and shows how one is written; unless one exists.

    Returns:
        Whether it was written.
    """
    from keyring_bridge.config import write_atomic

    if path.exists():
        return False
    chain = json.dumps(chain_id if chain_id is not None else "CHAIN-ID", ensure_ascii=False)
    manage = "\n".join(f'{action} = ["uid:{os.getuid()}"]' for action in Action)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(path, _EMPTY_POLICY.format(chain=chain, message=DEFAULT_MESSAGES[0], manage=manage).encode())
    return True


_EMPTY_POLICY = """\
# What each key may sign. What is not allowed here is denied; a key that is not here signs nothing.
# Every rule is described in docs/policy.md. A change counts from the next signature on.
version = 1

# Who may make, change and take away keys: whoever ran `hsm init`, and nobody else.
[manage]
{manage}

# `hsm keygen` adds a table like this one for every new account key:
#
# [keys."NAME"]
# fingerprint = "SHA-256 of the public key"
# chains = [{chain}]
# sign_modes = ["direct"]
# messages = ["{message}"]
"""
