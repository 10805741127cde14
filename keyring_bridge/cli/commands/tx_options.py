"""What the commands about transactions have in common: their options, files and output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.chain_defaults import chain_book
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.errors import ConfigMissing, InvalidRequest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from cosmos_formats.schema import Schema
    from cosmos_formats.signing.textual import CoinMetadata
    from cosmos_formats.tx import Transaction
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.node import Account, Node

MAX_FILE_BYTES = 256 << 20


# --- options ---------------------------------------------------------------------------------------------------------


def add_chain(parser: Parser) -> None:
    """Define ``--chain-id``."""
    parser.add_argument(
        "--chain-id",
        metavar="ID",
        help="the chain (default: that of the configuration); its message types come from `hsm chain`",
    )


def add_account(parser: Parser) -> None:
    """Define where account number and sequence come from."""
    parser.add_argument(
        "--offline", action="store_true", help="ask no node: --account-number and --sequence say what it would"
    )
    parser.add_argument("-a", "--account-number", type=int, metavar="N", help="number of the account that signs")
    parser.add_argument("-s", "--sequence", type=int, metavar="N", help="sequence of the account that signs")
    parser.add_argument(
        "--grpc", metavar="HOST:PORT", help="node that knows the account (default: that of `hsm chain`)"
    )
    parser.add_argument("--tls", action="store_true", help="ask that node over TLS, as any that is not on this machine")


def add_document(parser: Parser) -> None:
    """Define where the result goes."""
    parser.add_argument("--output-document", metavar="FILE", help="write the result to this file; it must be new")
    parser.add_argument("--force", action="store_true", help="let --output-document replace a file")


# --- input -----------------------------------------------------------------------------------------------------------


def read_file(path: str) -> bytes:
    """Return a file's contents; ``-`` is standard input.

    Raises:
        UsageError: It cannot be read, or nothing is piped in.
        InvalidRequest: It is too long.
    """
    if path == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("nothing to read: name a file, or pipe it in")
        data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    else:
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise InvalidRequest(f"the input is longer than {MAX_FILE_BYTES} bytes")
    return data


def lines_of(data: bytes) -> list[bytes]:
    """Return the lines of a file, without empty ones."""
    # Not splitlines(): JSON may hold the other characters that it takes for line breaks.
    return [line for line in data.split(b"\n") if line.strip()]


def decode_bytes(text: bytes, encoding: str) -> Transaction:
    """Read a transaction from ``TxRaw`` in base64 or hexadecimal digits.

    Raises:
        InvalidRequest: It is not in the encoding.
        InvalidTx: It is not a transaction.
    """
    from base64 import b64decode

    from cosmos_formats.tx import Transaction
    from keyring_bridge.tx.documents import format_errors

    packed = b"".join(text.split())
    try:
        data = bytes.fromhex(packed.decode("ascii")) if encoding == "hex" else b64decode(packed, validate=True)
    except ValueError:
        raise InvalidRequest(f"the input is not {encoding}") from None
    with format_errors():
        return Transaction.decode(data)


# --- the chain -------------------------------------------------------------------------------------------------------


def chain_of(arguments: argparse.Namespace, session: Session) -> str:
    """Return the chain's id; empty if neither the command nor a configuration names one."""
    if arguments.chain_id is not None:
        return str(arguments.chain_id)
    try:
        return session.config.chain_id or ""
    except ConfigMissing:
        return ""


def require_chain(arguments: argparse.Namespace, session: Session) -> str:
    """As :func:`chain_of`, where a chain is needed.

    Raises:
        UsageError: None is named.
    """
    chain_id = chain_of(arguments, session)
    if not chain_id:
        raise UsageError("chain ID required but not specified", hint="add --chain-id")
    return chain_id


def schema_of(session: Session, chain_id: str) -> Schema:
    """Return the message types of a chain; the shipped ones if nothing is known about it."""
    from cosmos_formats.schema import default_schema

    book = chain_book(session) if chain_id else None
    return default_schema() if book is None else book.schema(chain_id)


def metadata_of(session: Session, chain_id: str) -> Mapping[str, CoinMetadata]:
    """Return the metadata of a chain's coins, in whose units TEXTUAL shows amounts."""
    from cosmos_formats.signing.textual import CoinMetadata

    book = chain_book(session)
    coins = {} if book is None else book.coin_metadata(chain_id)
    return {denom: CoinMetadata.from_json(coin) for denom, coin in coins.items()}


def account_of(arguments: argparse.Namespace, session: Session, chain_id: str, address: str) -> Account:
    """Return account number and sequence, from the arguments or from a node.

    Raises:
        UsageError: Neither says them.
        NodeFailed: The node does not.
    """
    from keyring_bridge.node import Account

    if arguments.offline:
        if arguments.account_number is None or arguments.sequence is None:
            raise UsageError("--offline needs --account-number and --sequence")
        return Account(arguments.account_number, arguments.sequence)
    with open_node(arguments, session, chain_id) as node:
        return node.account(address, schema=schema_of(session, chain_id))


def open_node(arguments: argparse.Namespace, session: Session, chain_id: str) -> Node:
    """Return a connection to the node that the arguments or the chain's entry name.

    Raises:
        UsageError: Neither names one.
    """
    from keyring_bridge.node import Node

    if arguments.grpc is None:
        book = chain_book(session)
        chain = None if book is None else book.get(chain_id)
        if chain is not None and chain.grpc:
            return Node(chain.grpc, tls=chain.settings.tls)
        raise UsageError(
            "account number and sequence are not known",
            hint="--offline with --account-number and --sequence says them; --grpc names a node that knows them",
        )
    return Node(arguments.grpc, tls=arguments.tls)


# --- output ----------------------------------------------------------------------------------------------------------


def require_free_document(arguments: argparse.Namespace) -> None:
    """Check, before anything is signed, that the result can be written.

    Raises:
        TxConflict: ``--output-document`` is there already.
    """
    from keyring_bridge.tx.files import require_free

    if arguments.output_document is not None:
        require_free(Path(arguments.output_document), replace=arguments.force)


def ascii_needed() -> bool:
    """Whether standard output should get JSON in ASCII: a terminal, or one that cannot take UTF-8.

    Text in a transaction may hold what a terminal acts upon; escaped, the document says the same.
    """
    stream = sys.stdout
    return stream is None or stream.isatty() or (stream.encoding or "").lower().replace("-", "") != "utf8"


def document_result(text: str, arguments: argparse.Namespace, session: Session) -> Result:
    """Answer one JSON document: print it, or write it to ``--output-document``.

    Args:
        text: The document, one line.
        arguments: Of the command.
        session: Of the command.
    """
    import json

    if arguments.output_document is None:
        return Result(json.loads(text), lambda _style: for_stdout(text))
    path = Path(arguments.output_document)
    from keyring_bridge.tx.files import write_new

    write_new(path, text.encode("utf-8") + b"\n", replace=arguments.force)
    session.console.note(f"written to {path}")
    return Result({"document": str(path)}, lambda _style: "")


def for_stdout(text: str) -> str:
    """Return a JSON document as standard output should get it; see :func:`ascii_needed`."""
    if not ascii_needed():
        return text
    from cosmos_formats.protojson import dumps, parse

    return dumps(parse(text), ascii_only=True)
