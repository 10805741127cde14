"""``hsm keys list`` and ``hsm keys show``: records as the store has them, without touching a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.render import details, readable, visible

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session


def configure_list(parser: Parser) -> None:
    """Define ``hsm keys list``."""
    parser.usage = "hsm keys list [--list-names] [options]"
    parser.add_argument("-n", "--list-names", action="store_true", help="names only, one on a line")
    parser.set_defaults(handler=list_keys)


def list_keys(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer all records, in the SDK's order."""
    from keyring_bridge.cli.records import record_json, records_table

    with session.store() as store:
        records = store.list()
    prefix = session.config.prefix
    if arguments.list_names:
        names = [record.name for record in records]
        return Result(names, lambda _style: "\n".join(visible(name) for name in names))
    return Result(
        [record_json(record, prefix) for record in records],
        lambda style: records_table(records, prefix, style),
    )


def configure_show(parser: Parser) -> None:
    """Define ``hsm keys show``."""
    parser.usage = "hsm keys show NAME_OR_ADDRESS [-a | -p] [--bech acc|val|cons] [options]"
    parser.add_argument("name", metavar="NAME_OR_ADDRESS", help="name of the record, or its address")
    parser.add_argument("-a", "--address", action="store_true", help="print the address only")
    parser.add_argument("-p", "--pubkey", action="store_true", help="print the public key only, in proto-JSON")
    parser.add_argument(
        "--bech",
        choices=("acc", "val", "cons"),
        metavar="KIND",
        help="kind of address: acc (account), val (operator) or cons (consensus); "
        "the default follows the key's purpose",
    )
    parser.set_defaults(handler=show)


def show(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer one record, or one of its fields."""
    from keyring_bridge.cli.records import bech32, find, marked, public_key_json, record_json
    from keyring_bridge.rotation import links

    if arguments.address and arguments.pubkey:
        raise UsageError("cannot use both --address and --pubkey at once")
    with session.keyring(ask=False) as keyring:
        record = find(keyring, arguments.name)
        linked = links(record, keyring.list())
    prefix, bech = session.config.prefix, arguments.bech
    data = {**record_json(record, prefix, bech), **linked}
    if arguments.address:
        address = bech32(record, prefix, bech)
        if address is None:
            raise UsageError("encryption keys have no address")
        return Result({"address": address}, lambda _style: address)
    if arguments.pubkey:
        public_key = public_key_json(record)
        return Result(record.record.public_key.to_proto_json(), lambda _style: public_key)
    return Result(data, lambda style: details(readable(marked(data)), style))
