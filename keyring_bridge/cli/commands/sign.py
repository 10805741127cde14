"""``hsm sign``: one signature over sign bytes from a file or standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.errors import InvalidRequest

if TYPE_CHECKING:
    import argparse

    from cosmos_formats.signing import SignMode
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.model import SignResult

MODES = ("direct", "direct-aux", "amino-json", "textual", "eip-191")
MAX_PAYLOAD_BYTES = 1 << 20
_ENCODINGS = ("raw", "hex", "base64")


def configure_sign(parser: Parser) -> None:
    """Define ``hsm sign``."""
    parser.usage = "hsm sign NAME_OR_ADDRESS [FILE] [--sign-mode MODE | --digest] [options]"
    parser.add_argument("name", metavar="NAME_OR_ADDRESS", help="the key: name of its record, or its address")
    parser.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="what to sign; - or nothing reads standard input"
    )
    parser.add_argument(
        "--sign-mode",
        choices=MODES,
        metavar="MODE",
        default="direct",
        help=f"how the sign bytes are to be read: {', '.join(MODES)} (default: direct)",
    )
    parser.add_argument(
        "--digest",
        action="store_true",
        help="the input is a SHA-256 digest of 32 bytes: blind signing, refused unless the policy allows it by name",
    )
    parser.add_argument(
        "--encoding",
        choices=_ENCODINGS,
        metavar="ENCODING",
        default="raw",
        help="how the input is written: raw (default), hex or base64",
    )
    parser.set_defaults(handler=sign)


def sign(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the signature, 64 bytes in base64."""
    from base64 import b64encode

    from keyring_bridge.cli.records import find

    payload = decode_payload(read_payload(arguments.file), arguments.encoding)
    mode = sign_mode(arguments.sign_mode)
    with session.keyring() as keyring:
        name = find(keyring, arguments.name).name
        result: SignResult = (
            keyring.sign_digest(name, payload) if arguments.digest else keyring.sign(name, payload, mode)
        )
    signature = b64encode(result.signature).decode("ascii")
    data = {
        "name": name,
        "signature": signature,
        "public_key": result.public_key.to_proto_json(),
        "sign_mode": "digest" if arguments.digest else f"SIGN_MODE_{mode.name}",
        "correlation_id": result.correlation_id,
    }
    session.console.note(f"signed by {name}; audit {result.correlation_id}")
    return Result(data, lambda _style: signature)


def sign_mode(name: str) -> SignMode:
    """Return the sign mode for its name on the command line."""
    from cosmos_formats.signing import SignMode

    return SignMode["LEGACY_AMINO_JSON" if name == "amino-json" else name.upper().replace("-", "_")]


def decode_payload(data: bytes, encoding: str) -> bytes:
    """Return the bytes to sign from how they were written.

    Raises:
        InvalidRequest: They are not in the encoding.
    """
    if encoding == "raw":
        return data
    import binascii
    from base64 import b64decode

    try:
        if encoding == "hex":
            return bytes.fromhex(data.decode("ascii"))
        return b64decode(b"".join(data.split()), validate=True)
    except (ValueError, binascii.Error):
        raise InvalidRequest(f"the input is not {encoding}") from None


def read_payload(path: str) -> bytes:
    """Return what a file or, for ``-``, standard input holds.

    Raises:
        UsageError: It cannot be read, or standard input is a terminal.
        InvalidRequest: More than :data:`MAX_PAYLOAD_BYTES`.
    """
    if path == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("nothing to sign: name a file, or pipe the sign bytes in")
        data = sys.stdin.buffer.read(MAX_PAYLOAD_BYTES + 1)
    else:
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_PAYLOAD_BYTES + 1)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
    if len(data) > MAX_PAYLOAD_BYTES:
        raise InvalidRequest(f"the input is longer than {MAX_PAYLOAD_BYTES} bytes")
    return data
