"""``hsm tx encode`` and ``hsm tx decode``: between the two forms of a transaction, without any key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.commands.tx_options import (
    add_chain,
    add_document,
    chain_of,
    decode_bytes,
    document_result,
    read_file,
    schema_of,
)
from keyring_bridge.cli.console import Result

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session


def configure_encode(parser: Parser) -> None:
    """Define ``hsm tx encode``."""
    parser.usage = "hsm tx encode FILE [options]"
    parser.add_argument("file", metavar="FILE", help="a transaction in JSON; - reads standard input")
    add_chain(parser)
    parser.set_defaults(handler=encode)


def configure_decode(parser: Parser) -> None:
    """Define ``hsm tx decode``."""
    parser.usage = "hsm tx decode TEXT [options]"
    parser.add_argument("text", metavar="TEXT", help="a transaction (TxRaw) in base64; - reads it from standard input")
    parser.add_argument("-x", "--hex", action="store_true", help="TEXT is in hexadecimal digits")
    add_chain(parser)
    add_document(parser)
    parser.set_defaults(handler=decode)


def encode(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the bytes of a transaction in base64."""
    from base64 import b64encode

    from keyring_bridge.tx.documents import read_transaction

    schema = schema_of(session, chain_of(arguments, session))
    transaction = read_transaction(read_file(arguments.file), schema)
    text = b64encode(transaction.encode()).decode("ascii")
    return Result({"tx_bytes": text}, lambda _style: text)


def decode(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the JSON of a transaction."""
    from keyring_bridge.tx.documents import format_errors

    given = read_file("-") if arguments.text == "-" else arguments.text.encode("utf-8", "surrogateescape")
    transaction = decode_bytes(given, "hex" if arguments.hex else "base64")
    schema = schema_of(session, chain_of(arguments, session))
    with format_errors():
        text = transaction.to_json(schema)
    return document_result(text, arguments, session)
