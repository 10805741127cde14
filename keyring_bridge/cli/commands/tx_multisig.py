"""``hsm tx multisign`` and ``hsm tx combine``: the signatures of members become that of their multisig account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from keyring_bridge.cli.chain_defaults import prefix_of
from keyring_bridge.cli.commands.tx_options import (
    account_of,
    add_account,
    add_chain,
    add_document,
    document_result,
    for_stdout,
    lines_of,
    read_file,
    require_chain,
    require_free_document,
    schema_of,
)
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.errors import InvalidRequest

if TYPE_CHECKING:
    import argparse

    from cosmos_formats.multisig import MultisigPublicKey
    from cosmos_formats.schema import Schema
    from cosmos_formats.tx import Transaction
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.node import Account
    from keyring_bridge.tx.documents import SignaturePart


def configure_multisign(parser: Parser) -> None:
    """Define ``hsm tx multisign``."""
    parser.usage = "hsm tx multisign FILE NAME SIGNATURES… [options]"
    parser.add_argument("file", metavar="FILE", help="the transaction that the members signed; - reads standard input")
    _add_common(parser, "a file that `hsm tx sign --multisig` wrote")


def configure_combine(parser: Parser) -> None:
    """Define ``hsm tx combine``."""
    parser.usage = "hsm tx combine FILE NAME SIGNATURES… [options]"
    parser.add_argument("file", metavar="FILE", help="transactions, one on every line; - reads standard input")
    _add_common(parser, "a file that a member's `hsm tx sign --multisig` wrote, with a line for every transaction")
    parser.add_argument(
        "--no-auto-increment", action="store_true", help="all transactions have the same sequence, not rising ones"
    )
    parser.set_defaults(handler=combine)


def _add_common(parser: Parser, signatures: str) -> None:
    parser.add_argument("name", metavar="NAME", help="the multisig account: name of its record, or its address")
    parser.add_argument("signatures", metavar="SIGNATURES", nargs="+", help=signatures)
    add_chain(parser)
    add_account(parser)
    parser.add_argument("--signature-only", action="store_true", help="answer the account's signature alone")
    parser.add_argument("--overwrite", action="store_true", help="drop other signatures that the transaction has")
    add_document(parser)
    parser.set_defaults(handler=multisign)


def multisign(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the transaction with the account's signature."""
    from keyring_bridge.tx.documents import read_signatures, read_transaction

    with _account(arguments, session) as (key, account, chain_id, schema):
        transaction = read_transaction(read_file(arguments.file), schema)
        parts = [part for path in arguments.signatures for part in read_signatures(read_file(path), schema)]
        text = _assembled(transaction, key, parts, account, account.sequence, chain_id, schema, arguments)
    return document_result(text, arguments, session)


def combine(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the transactions with the account's signatures, one on a line."""
    from keyring_bridge.errors import BridgeError
    from keyring_bridge.tx.documents import read_signatures, read_transaction

    if session.console.json and arguments.output_document is None:
        raise UsageError("many transactions are many documents: name an --output-document beside --output json")
    texts = []
    with _account(arguments, session) as (key, account, chain_id, schema):
        lines = lines_of(read_file(arguments.file))
        columns = [lines_of(read_file(path)) for path in arguments.signatures]
        for path, column in zip(arguments.signatures, columns, strict=True):
            if len(column) != len(lines):
                raise InvalidRequest(f"{path} has {len(column)} signatures, and there are {len(lines)} transactions")
        for place, line in enumerate(lines):
            sequence = account.sequence + (0 if arguments.no_auto_increment else place)
            try:
                transaction = read_transaction(line, schema)
                parts = [part for column in columns for part in read_signatures(column[place], schema)]
                texts.append(_assembled(transaction, key, parts, account, sequence, chain_id, schema, arguments))
            except BridgeError as error:
                error.message = f"line {place + 1} (sequence {sequence}): {error.message}"
                raise
    if arguments.output_document is None:
        return Result(None, lambda _style: "\n".join(map(for_stdout, texts)))
    return document_result("\n".join(texts), arguments, session)


@contextmanager
def _account(
    arguments: argparse.Namespace, session: Session
) -> Iterator[tuple[MultisigPublicKey, Account, str, Schema]]:
    """Yield the key of the multisig account, its number and sequence, its chain, and the chain's messages."""
    from cosmos_formats import address
    from keyring_bridge.cli.records import find
    from keyring_bridge.tx.signing import check_number, multisig_key

    chain_id = require_chain(arguments, session)
    require_free_document(arguments)
    with session.keyring() as keyring:
        record = find(keyring, arguments.name)
        key = multisig_key(record)
        own = address.encode(prefix_of(session, chain_id), record.address)
        account = account_of(arguments, session, chain_id, own)
        check_number(account.number, "account number")
        check_number(account.sequence, "sequence")
        yield key, account, chain_id, schema_of(session, chain_id)


def _assembled(
    transaction: Transaction,
    key: MultisigPublicKey,
    parts: list[SignaturePart],
    account: Account,
    sequence: int,
    chain_id: str,
    schema: Schema,
    arguments: argparse.Namespace,
) -> str:
    from cosmos_formats.signing.transaction import SignerData
    from keyring_bridge.tx.documents import format_errors, write_signatures
    from keyring_bridge.tx.multisig import assemble

    signer = SignerData("", chain_id, account.number, sequence)
    signed, place = assemble(transaction, key, parts, signer, schema, overwrite=arguments.overwrite)
    if arguments.signature_only:
        return write_signatures((signed.signers[place],), schema)
    with format_errors():
        return signed.to_json(schema)
