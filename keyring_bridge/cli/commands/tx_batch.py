"""``hsm tx sign`` for a file with a transaction on every line.

With ``--output-document`` the lines go to ``FILE.part`` as they are signed, and that becomes FILE in the end. What an
interruption leaves there is complete lines, which ``--resume`` does not sign again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.commands.tx_options import for_stdout, require_chain, schema_of
from keyring_bridge.cli.commands.tx_sign import signer_for, written
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from cosmos_formats.schema import Schema
    from keyring_bridge.cli.session import Session
    from keyring_bridge.tx.batch import BatchStopped


def sign_lines(lines: list[bytes], arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the signed transactions, one on a line, in the order of the file."""
    from keyring_bridge.tx.batch import BatchStopped, sign_all
    from keyring_bridge.tx.documents import read_transaction

    if session.console.json and arguments.output_document is None:
        raise UsageError("many transactions are many documents: name an --output-document beside --output json")
    chain_id = require_chain(arguments, session)
    schema = schema_of(session, chain_id)
    with (
        _output(lines, arguments, session, schema) as (done, put),
        signer_for(arguments, session, chain_id, schema) as (signer, account),
    ):

        def sign_line(place: int, line: bytes) -> str:
            transaction = read_transaction(line, schema)
            signed, at = signer.add_signature(transaction, account.sequence + done + place)
            return written(signed, at, arguments, schema)

        count = done
        try:
            for text in sign_all(lines[done:], sign_line):
                put(text)
                count += 1
                session.console.progress(f"signed {count} of {len(lines)}")
        except BatchStopped as stopped:
            _explain(stopped, count, account.sequence, arguments)
            raise stopped.cause from None
        finally:
            session.console.progress("", ended=True)
    session.console.note(f"signed {count - done} transactions by {signer.name} in the mode {signer.mode.name}")
    return Result({"signed": count - done, "document": arguments.output_document}, lambda _style: "")


def _explain(stopped: BatchStopped, count: int, sequence: int, arguments: argparse.Namespace) -> None:
    """Let the failure of one transaction say which it was and how to go on."""
    cause = stopped.cause
    cause.message = f"line {count + 1} (sequence {sequence + count}): {cause.message}"
    if arguments.output_document is not None:
        kept = f"{count} signed ones are in {arguments.output_document}.part, and --resume goes on from there"
    else:
        kept = f"the {count} before it are signed; go on with the other lines and --sequence {sequence + count}"
    cause.hint = kept if cause.hint is None else f"{cause.hint}; {kept}"


@contextmanager
def _output(
    lines: list[bytes], arguments: argparse.Namespace, session: Session, schema: Schema
) -> Iterator[tuple[int, Callable[[str], None]]]:
    """Yield how many transactions are signed already, and what takes the next."""
    if arguments.output_document is None:
        if arguments.resume:
            raise UsageError("--resume needs the --output-document that was interrupted")
        yield 0, lambda text: session.console.line(for_stdout(text))
        return
    from keyring_bridge.tx.files import PartFile

    path = Path(arguments.output_document)
    part = PartFile(path, resume=arguments.resume, replace=arguments.force)
    try:
        _require_same(part.lines, lines, arguments, schema)
        yield len(part.lines), lambda text: part.put(text.encode("utf-8"))
        part.finish()
    finally:
        part.close()
    session.console.note(f"written to {path}")


def _require_same(done: list[bytes], lines: list[bytes], arguments: argparse.Namespace, schema: Schema) -> None:
    """Check that what is signed already are the first transactions of this file."""
    from keyring_bridge.tx.documents import read_transaction
    from keyring_bridge.tx.errors import TxConflict

    same = len(done) <= len(lines)
    if same and not (arguments.signature_only or arguments.multisig):
        same = all(
            read_transaction(signed, schema).parts.body_bytes == read_transaction(line, schema).parts.body_bytes
            for signed, line in zip(done, lines, strict=False)
        )
    if not same:
        raise TxConflict(
            f"{arguments.output_document}.part does not have the first transactions of this file",
            hint="--force without --resume drops it",
        )
