"""``hsm tx sign``: sign a transaction, or a file of many, that was made with ``--generate-only``."""

from __future__ import annotations

import json
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
    lines_of,
    metadata_of,
    read_file,
    require_chain,
    require_free_document,
    schema_of,
)
from keyring_bridge.cli.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from cosmos_formats.multisig import MultisigPublicKey
    from cosmos_formats.schema import Schema
    from cosmos_formats.signing import SignMode
    from cosmos_formats.tx import Transaction
    from keyring_bridge.cli.console import Result
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.node import Account
    from keyring_bridge.store.base import StoredRecord
    from keyring_bridge.tx.signing import TransactionSigner

MODES = ("direct", "direct-aux", "amino-json", "textual")


def configure_sign(parser: Parser) -> None:
    """Define ``hsm tx sign``."""
    parser.usage = "hsm tx sign FILE --from NAME_OR_ADDRESS [options]"
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a transaction in JSON, or one on every line, which are signed with rising sequences; - reads standard "
        "input",
    )
    parser.add_argument(
        "--from",
        dest="signer",
        required=True,
        metavar="NAME_OR_ADDRESS",
        help="the key: name of its record, or its address",
    )
    add_chain(parser)
    add_account(parser)
    parser.add_argument(
        "--sign-mode",
        choices=MODES,
        metavar="MODE",
        help=f"{', '.join(MODES)} (default: direct; amino-json for a member of a multisig account)",
    )
    parser.add_argument(
        "--multisig",
        metavar="NAME_OR_ADDRESS",
        help="the multisig account to sign for, as a member of it; implies --signature-only",
    )
    parser.add_argument(
        "--signature-only", action="store_true", help="answer the signatures alone, for `hsm tx multisign`"
    )
    parser.add_argument("--amend", action="store_true", help="replace the signature that the key has given already")
    parser.add_argument("--overwrite", action="store_true", help="drop all signatures that the transaction has")
    add_document(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on with many transactions where --output-document was interrupted"
    )
    parser.set_defaults(handler=sign)


def sign(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the signed transaction, or its signatures."""
    from keyring_bridge.tx.documents import read_transaction

    chain_id = require_chain(arguments, session)
    data = read_file(arguments.file)
    lines = _lines(data)
    schema = schema_of(session, chain_id)
    if lines is not None:
        from keyring_bridge.cli.commands.tx_batch import sign_lines

        return sign_lines(lines, arguments, session)
    if arguments.resume:
        raise UsageError("--resume is for a file with a transaction on every line")
    require_free_document(arguments)
    transaction = read_transaction(data, schema)
    with signer_for(arguments, session, chain_id, schema) as (signer, account):
        signed, place = signer.add_signature(transaction, account.sequence)
    session.console.note(f"signed by {signer.name} in the mode {signer.mode.name}, as signature {place}")
    return document_result(written(signed, place, arguments, schema), arguments, session)


@contextmanager
def signer_for(
    arguments: argparse.Namespace, session: Session, chain_id: str, schema: Schema
) -> Iterator[tuple[TransactionSigner, Account]]:
    """Open the keyring and yield who signs, with account number and sequence of the account."""
    from cosmos_formats.address import encode
    from keyring_bridge.cli.records import find
    from keyring_bridge.tx.signing import SignOptions, TransactionSigner

    with session.keyring() as keyring:
        record = find(keyring, arguments.signer)
        group = _group(arguments, keyring)
        address = encode(prefix_of(session, chain_id), (record if group is None else group[0]).address)
        account = account_of(arguments, session, chain_id, address)
        mode = None if arguments.sign_mode is None else _sign_mode(arguments.sign_mode)
        options = SignOptions(chain_id, account.number, mode, arguments.amend, arguments.overwrite)
        metadata = metadata_of(session, chain_id) if arguments.sign_mode == "textual" else None
        multisig = None if group is None else group[1]
        yield TransactionSigner(keyring, record, options, schema, multisig=multisig, metadata=metadata), account


def written(signed: Transaction, place: int, arguments: argparse.Namespace, schema: Schema) -> str:
    """Return what is answered for a signed transaction, one line of JSON."""
    from keyring_bridge.tx.documents import format_errors, write_signatures

    if arguments.multisig is not None:
        # What the member adds; the account's other signers have nothing to do with it.
        return write_signatures((signed.signers[place],), schema)
    if arguments.signature_only:
        return write_signatures(signed.signers, schema)
    with format_errors():
        return signed.to_json(schema)


def _lines(data: bytes) -> list[bytes] | None:
    """Return the lines of a file that has a transaction on each; None for one document."""
    lines = lines_of(data)
    if len(lines) < 2:
        return None
    # A document may be spread over lines; then its first line alone is none.
    try:
        json.loads(lines[0])
    except ValueError:
        return None
    return lines


def _group(arguments: argparse.Namespace, keyring: Keyring) -> tuple[StoredRecord, MultisigPublicKey] | None:
    from keyring_bridge.cli.records import find

    if arguments.multisig is None:
        return None
    record = find(keyring, arguments.multisig)
    from keyring_bridge.tx.signing import multisig_key

    return record, multisig_key(record)


def _sign_mode(name: str) -> SignMode:
    from keyring_bridge.cli.commands.sign import sign_mode

    return sign_mode(name)
