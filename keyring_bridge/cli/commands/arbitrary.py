"""``hsm arbitrary``: data that is no transaction, signed and verified in the envelope of ADR-036."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.commands.sign import read_payload
from keyring_bridge.cli.console import Result
from keyring_bridge.errors import Exit, InvalidRequest

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session


def configure_sign(parser: Parser) -> None:
    """Define ``hsm arbitrary sign``."""
    parser.usage = "hsm arbitrary sign NAME_OR_ADDRESS [FILE] [--prefix PREFIX] [options]"
    parser.description = (
        "Sign data that is no transaction, as Keplr's signArbitrary does (ADR-036).\n\n"
        "The policy of the key must say arbitrary_data = true. Prints the signature with its key in JSON."
    )
    parser.add_argument("name", metavar="NAME_OR_ADDRESS", help="the key: name of its record, or its address")
    _add_data(parser)
    parser.add_argument(
        "--prefix", metavar="PREFIX", help="prefix of the signer's address (default: the configured one)"
    )
    parser.set_defaults(handler=sign)


def configure_verify(parser: Parser) -> None:
    """Define ``hsm arbitrary verify``."""
    parser.usage = "hsm arbitrary verify ADDRESS [FILE] --signature FILE [--eth] [options]"
    parser.description = (
        "Verify a signature over data that is no transaction, as Keplr's verifyADR36Amino does.\n\n"
        "No key, device or configuration is needed. A bad signature ends with exit code 9."
    )
    parser.add_argument("address", metavar="ADDRESS", help="bech32 address of who should have signed")
    _add_data(parser)
    parser.add_argument(
        "--signature", metavar="FILE", required=True, help="the signature in JSON, as `hsm arbitrary sign` prints it"
    )
    parser.add_argument("--eth", action="store_true", help="the chain has eth_secp256k1 keys")
    parser.set_defaults(handler=verify)


def _add_data(parser: Parser) -> None:
    parser.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="the data; - or nothing reads standard input"
    )


def sign(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the signature with its key, as wallets hand it around."""
    from cosmos_formats.signing.adr036 import StdSignature
    from keyring_bridge.cli.records import find
    from keyring_bridge.cli.render import to_json

    data = read_payload(arguments.file)
    with session.keyring() as keyring:
        name = find(keyring, arguments.name).name
        result = keyring.sign_arbitrary(name, data, prefix=arguments.prefix)
    signature = StdSignature(result.public_key, result.signature).to_json()
    session.console.note(f"signed by {name}; audit {result.correlation_id}")
    return Result(signature, lambda _style: to_json(signature))


def verify(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer whether the signature is good, and of the account that is named."""
    import json

    from cosmos_formats import address, verify
    from cosmos_formats.errors import FormatError
    from cosmos_formats.pubkeys import KeyType
    from cosmos_formats.signing import adr036

    data = read_payload(arguments.file)
    written = read_payload(arguments.signature)
    key_type = KeyType.ETH_SECP256K1 if arguments.eth else KeyType.SECP256K1
    try:
        prefix, raw = address.decode(arguments.address)
        signature = adr036.StdSignature.from_json(json.loads(written), key_type)
        document = adr036.sign_doc(arguments.address, data)
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError):
        raise InvalidRequest("the signature is not JSON") from None
    except FormatError as error:
        raise InvalidRequest(str(error)) from error
    own = signature.public_key.address == raw
    good = own and verify.verify(signature.public_key, document, signature.signature)
    answer = "good" if good else "bad: it is another account's key" if not own else "bad"
    return Result(
        {"address": arguments.address, "prefix": prefix, "valid": good},
        lambda style: style.good(answer) if good else style.bad(answer),
        Exit.OK if good else Exit.INTEGRITY,
    )
