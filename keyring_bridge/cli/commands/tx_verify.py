"""``hsm tx verify``: whether a transaction has the signatures that it needs, and whether they are good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.commands.tx_options import (
    add_account,
    add_chain,
    metadata_of,
    open_node,
    read_file,
    require_chain,
    schema_of,
)
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.errors import Exit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from cosmos_formats.schema import Schema
    from cosmos_formats.signing.transaction import SignerData
    from cosmos_formats.tx import Transaction
    from cosmos_formats.tx_verify import SignatureCheck
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.render import Style
    from keyring_bridge.cli.session import Session


def configure_verify(parser: Parser) -> None:
    """Define ``hsm tx verify``."""
    parser.usage = "hsm tx verify FILE [options]"
    parser.add_argument("file", metavar="FILE", help="a signed transaction in JSON; - reads standard input")
    add_chain(parser)
    add_account(parser)
    parser.add_argument(
        "--signer",
        action="append",
        default=[],
        metavar="ADDRESS=NUMBER[/SEQUENCE]",
        help="account number, and sequence, of one signer of several; may be given more than once",
    )
    parser.set_defaults(handler=verify)


def verify(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer one line for each signature. The exit code tells whether all are good."""
    from cosmos_formats.signing import SignMode
    from cosmos_formats.tx_verify import verify_transaction
    from keyring_bridge.tx.documents import format_errors, read_transaction
    from keyring_bridge.tx.signing import require_known, view_of

    chain_id = require_chain(arguments, session)
    schema = schema_of(session, chain_id)
    transaction = read_transaction(read_file(arguments.file), schema)
    with format_errors():
        required = require_known(view_of(transaction.parts, SignMode.DIRECT, schema)).addresses
        accounts = _accounts(arguments, session, chain_id, required, transaction, schema)
        metadata = metadata_of(session, chain_id)
        checks = verify_transaction(transaction.parts, transaction.signatures, accounts, schema, metadata)
    good = bool(checks) and all(check.ok for check in checks)
    data = {"ok": good, "signatures": [_check_json(check) for check in checks]}
    return Result(data, lambda style: _table(checks, style), Exit.OK if good else Exit.INTEGRITY)


def _check_json(check: SignatureCheck) -> dict[str, object]:
    modes = [mode.name for mode in check.modes]
    return {"address": check.address, "modes": modes, "ok": check.ok, "reason": check.reason}


def _table(checks: Sequence[SignatureCheck], style: Style) -> str:
    from keyring_bridge.cli.render import table
    from keyring_bridge.cli.safe_text import safe

    rows = [
        (
            number,
            safe(check.address) or "-",
            ", ".join(mode.name for mode in check.modes) or "-",
            "good" if check.ok else f"BAD: {safe(check.reason)}",
        )
        for number, check in enumerate(checks)
    ]
    return table(("#", "SIGNER", "MODE", "SIGNATURE"), rows, style)


def _accounts(
    arguments: argparse.Namespace,
    session: Session,
    chain_id: str,
    required: Sequence[str],
    transaction: Transaction,
    schema: Schema,
) -> list[SignerData]:
    """Return account number and sequence of each account that has to sign."""
    from cosmos_formats.signing.transaction import SignerData

    given = dict(map(_given, arguments.signer))
    if not arguments.offline:
        with open_node(arguments, session, chain_id) as node:
            known = {address: node.account(address, schema=schema) for address in required}
        return [SignerData(address, chain_id, found.number, found.sequence) for address, found in known.items()]
    if arguments.account_number is not None:
        if len(required) > 1:
            raise UsageError("the transaction has several signers", hint="name each with --signer ADDRESS=NUMBER")
        given.setdefault(required[0], (arguments.account_number, arguments.sequence))
    missing = [address for address in required if address not in given]
    if missing:
        raise UsageError(f"the account number of {missing[0]} is not known", hint="add --account-number, or --signer")
    # A sequence that nobody said is the one in the transaction: whether it is the chain's, only a node could tell.
    stated = [signer.sequence for signer in transaction.signers]
    accounts = []
    for place, address in enumerate(required):
        number, sequence = given[address]
        if sequence is None:
            sequence = stated[place] if place < len(stated) else 0
        accounts.append(SignerData(address, chain_id, number, sequence))
    return accounts


def _given(text: str) -> tuple[str, tuple[int, int | None]]:
    address, separator, numbers = text.partition("=")
    number, _, sequence = numbers.partition("/")
    if not separator or not number.isdecimal() or not (sequence or "0").isdecimal():
        raise UsageError("--signer takes ADDRESS=NUMBER or ADDRESS=NUMBER/SEQUENCE")
    return address, (int(number), int(sequence) if sequence else None)
