"""``hsm keys import|import-hex|export``: keys in armor, and private keys in hexadecimal digits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.chain_defaults import chain_of_keys, key_type_of
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.render import Style, details
from keyring_bridge.cli.secret_options import SOURCES, read_secret
from keyring_bridge.cli.starter import add_policy_options, check_starter, write_starter
from keyring_bridge.key_kinds import SIGNING_TYPES

if TYPE_CHECKING:
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.store.base import StoredRecord

_PUBLIC = "-----BEGIN TENDERMINT PUBLIC KEY-----"


def configure_import(parser: Parser) -> None:
    """Define ``hsm keys import``."""
    parser.usage = "hsm keys import NAME ARMORFILE [--passphrase SOURCE] [options]"
    parser.add_argument("name", metavar="NAME", help="name of the new record")
    parser.add_argument(
        "file", metavar="ARMORFILE", help="what a chain's `keys export` wrote, or the armor of a public key"
    )
    parser.add_argument(
        "--passphrase", metavar="SOURCE", default="prompt", help=f"where its passphrase comes from: {SOURCES}"
    )
    add_provider_options(parser)
    add_policy_options(parser)
    parser.set_defaults(handler=import_armor)


def import_armor(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the new record: of a private key that is in a token now, or of a public key."""
    armor = _read_armor(Path(arguments.file))
    if _PUBLIC in armor:
        with session.keyring(ask=False) as keyring:
            return _result(session, keyring.import_pub_key(arguments.name, armor), None)
    provider = chosen_provider(arguments, session.config)
    check_starter(session.config.policy_path, arguments.chain_id, arguments.message)
    with session.keyring() as keyring, read_secret(arguments.passphrase, "passphrase of the armor") as passphrase:
        record = keyring.import_priv_key(arguments.name, armor, passphrase, provider=provider)
    return _result(session, record, write_starter(session, record, arguments.chain_id, arguments.message))


def configure_import_hex(parser: Parser) -> None:
    """Define ``hsm keys import-hex``."""
    parser.usage = "hsm keys import-hex NAME [--source SOURCE] [--key-type TYPE] [options]"
    parser.add_argument("name", metavar="NAME", help="name of the new record")
    parser.add_argument("digits", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument(
        "--source", metavar="SOURCE", default="prompt", help=f"where the 64 digits come from: {SOURCES}"
    )
    parser.add_argument(
        "--key-type",
        "--algo",
        metavar="TYPE",
        help=f"{', '.join(SIGNING_TYPES)}, or the type URL of a chain's eth_secp256k1 key (default: what `hsm chain` "
        "knows of the chain, else secp256k1)",
    )
    add_provider_options(parser)
    add_policy_options(parser)
    parser.set_defaults(handler=import_hex)


def import_hex(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the new record."""
    if arguments.digits is not None:
        # The SDK takes it there.
        raise UsageError(
            "a private key does not belong on the command line: other users can see it there",
            hint=f"it is asked for, or named by --source: {SOURCES}",
        )
    provider = chosen_provider(arguments, session.config)
    check_starter(session.config.policy_path, arguments.chain_id, arguments.message)
    key_type = arguments.key_type or key_type_of(chain_of_keys(session, arguments.chain_id))
    with session.keyring() as keyring, read_secret(arguments.source, "private key in hexadecimal digits") as digits:
        record = keyring.import_priv_key_hex(arguments.name, digits, key_type, provider=provider)
    return _result(session, record, write_starter(session, record, arguments.chain_id, arguments.message))


def configure_export(parser: Parser) -> None:
    """Define ``hsm keys export``."""
    parser.usage = "hsm keys export NAME_OR_ADDRESS --public [options]"
    parser.add_argument("name", metavar="NAME_OR_ADDRESS", help="name of the record, or its address")
    parser.add_argument("--public", action="store_true", help="write the public key; without it the export is refused")
    parser.add_argument("--unarmored-hex", action="store_true", help="refused, as every export of a private key is")
    parser.add_argument("--unsafe", action="store_true", help="refused likewise")
    parser.add_argument("-y", "--yes", action="store_true", help="taken for compatibility; nothing is asked")
    parser.set_defaults(handler=export)


def export(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the armor of a public key; private keys are not exported."""
    from keyring_bridge.cli.records import find

    with session.keyring(ask=False) as keyring:
        name = find(keyring, arguments.name).name
        if not arguments.public or arguments.unarmored_hex or arguments.unsafe:
            keyring.export_priv_key_armor(name)
        armor = keyring.export_pub_key_armor(name)
    return Result({"name": name, "armor": armor}, lambda _style: armor.rstrip("\n"))


def _read_armor(path: Path) -> str:
    from cosmos_formats.armor import LARGEST
    from keyring_bridge.errors import InvalidArmor

    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise InvalidArmor(f"{path} has more than {LARGEST} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidArmor(f"{path} is not text") from None


def _result(session: Session, record: StoredRecord, policy: dict[str, object] | None) -> Result:
    from keyring_bridge.cli.records import record_json, record_text

    prefix = session.config.prefix

    def text(style: Style) -> str:
        lines = [record_text(record, prefix, style)]
        if policy is not None:
            lines.append(details({"policy": policy["path"], "chains": policy["chains"]}, style))
        return "\n".join(lines)

    return Result(record_json(record, prefix) | {"policy": policy}, text)
