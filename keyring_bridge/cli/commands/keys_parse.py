"""``hsm keys parse``: an address from one form into the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats import address as bech32_address
from cosmos_formats import eth_address
from cosmos_formats.errors import FormatError
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.render import details
from keyring_bridge.errors import InvalidAddress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session


_KINDS = ("account", "account public key", "operator", "operator public key", "consensus", "consensus public key")


def configure_parse(parser: Parser) -> None:
    """Define ``hsm keys parse``."""
    parser.usage = "hsm keys parse ADDRESS [--prefix PREFIX] [options]"
    parser.add_argument("address", metavar="ADDRESS", help="in bech32, as hexadecimal digits, or with 0x")
    parser.add_argument("--prefix", metavar="PREFIX", help="prefix of accounts (default: the configured one)")
    parser.set_defaults(handler=parse)


def parse(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer what the SDK's command answers, and the form of Ethereum."""
    text = arguments.address.strip()
    try:
        human, raw = bech32_address.decode(text)
    except FormatError as error:
        raw = _raw(text, error)
        prefix = arguments.prefix if arguments.prefix is not None else session.config.prefix
        names = bech32_address.prefixes(prefix)
        kinds = (names.account, names.account_pub, names.valoper, names.valoper_pub, names.valcons, names.valcons_pub)
        answer: dict[str, object] = {"formats": [bech32_address.encode(kind, raw) for kind in kinds]}
    else:
        answer = {"human": human, "bytes": raw.hex().upper()}
    if len(raw) == 20:
        answer["ethereum"] = eth_address.encode(raw)
    return Result(answer, lambda style: details(_lines(answer), style))


def _raw(text: str, not_bech32: FormatError) -> bytes:
    """Return the bytes that an address in hexadecimal digits stands for."""
    try:
        if text.startswith("0x"):
            return eth_address.decode(text)
        raw = bytes.fromhex(text) if text.isalnum() else b""
    except FormatError as error:
        raise InvalidAddress(str(error)) from None
    except ValueError:
        raw = b""
    if len(raw) not in bech32_address.LENGTHS:
        hint = f"{not_bech32}; in hexadecimal it has 20 or 32 bytes"
        raise InvalidAddress("couldn't find valid bech32 nor hex data", hint=hint)
    return raw


def _lines(answer: Mapping[str, object]) -> dict[str, object]:
    lines = dict(answer)
    formats = lines.pop("formats", None)
    if isinstance(formats, list):
        return dict(zip(_KINDS, formats, strict=True)) | lines
    return lines
