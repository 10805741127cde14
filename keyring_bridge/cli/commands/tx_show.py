"""``hsm tx show``: what a transaction says, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.commands.tx_options import add_chain, chain_of, decode_bytes, read_file, schema_of
from keyring_bridge.cli.console import Result

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session

_ENCODINGS = ("json", "base64", "hex")


def configure_show(parser: Parser) -> None:
    """Define ``hsm tx show``."""
    parser.usage = "hsm tx show FILE [options]"
    parser.add_argument("file", metavar="FILE", help="a transaction; - reads standard input")
    parser.add_argument(
        "--encoding",
        choices=_ENCODINGS,
        metavar="ENCODING",
        default="json",
        help="how it is written: json (default), or its bytes in base64 or hex; bytes may have messages of types that "
        "are not known",
    )
    add_chain(parser)
    parser.add_argument(
        "-a", "--account-number", type=int, metavar="N", help="shown with the rest; the transaction does not say it"
    )
    parser.set_defaults(handler=show)


def show(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer what a transaction says."""
    from cosmos_formats.signing import SignMode
    from keyring_bridge.cli.tx_text import tx_json, tx_text
    from keyring_bridge.tx.documents import format_errors, read_transaction
    from keyring_bridge.tx.signing import view_of

    chain_id = chain_of(arguments, session)
    schema = schema_of(session, chain_id)
    data = read_file(arguments.file)
    if arguments.encoding == "json":
        transaction = read_transaction(data, schema)
    else:
        transaction = decode_bytes(data, arguments.encoding)
    with format_errors():
        view = view_of(transaction.parts, SignMode.DIRECT, schema, chain_id=chain_id)
    number = arguments.account_number
    signatures = transaction.signatures
    return Result(tx_json(view, signatures, number), lambda style: tx_text(view, signatures, number, style))
