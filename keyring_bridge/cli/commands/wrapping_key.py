"""``hsm backup wrapping-key``: a trusted key that other keys leave their token under, the same in several tokens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.render import Style, table, visible
from keyring_bridge.cli.sealing_options import (
    add_recipient_options,
    opened_file,
    opening_key,
    sealing_key,
)
from keyring_bridge.cli.secret_options import read_secret
from keyring_bridge.errors import BridgeError

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.model import WrappingKey
    from keyring_bridge.secrets import SecretBytes

KIND = "wrapping-key"
_KEY_BYTES = 32


def configure_wrapping_key(parser: Parser) -> None:
    """Define ``hsm backup wrapping-key``."""
    parser.usage = (
        "hsm backup wrapping-key --new NAME --file FILE (--recipient AGE1 | --passphrase SECRET) [options]\n"
        "       hsm backup wrapping-key --file FILE (--identity SECRET | --passphrase SECRET) [options]\n"
        "       hsm backup wrapping-key [--provider NAME]"
    )
    parser.add_argument(
        "--new", metavar="NAME", help="make a new key of this name, in the token and in the sealed file"
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        help="the sealed file: where a new key is written, or where one comes from that goes into a further token",
    )
    parser.add_argument(
        "--so-pin",
        metavar="SECRET",
        default="prompt",
        help="where the PIN of the token's security officer comes from, who alone can trust a key: prompt, file:/PATH "
        "or fd:N",
    )
    parser.add_argument(
        "--retry-so-pin", action="store_true", help="send it although the token refused one before; it was corrected"
    )
    parser.add_argument("--identity", metavar="SECRET", help="where age identities come from that open the file")
    add_recipient_options(parser, what="the file")
    add_provider_options(parser)
    parser.set_defaults(handler=wrapping_key)


def wrapping_key(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the trusted wrapping keys of the token, after one was made or brought."""
    provider = chosen_provider(arguments, session.config)
    if arguments.so_pin != "prompt" and not arguments.so_pin.startswith(("file:", "fd:")):
        # Not the environment, which children inherit, nor a program: an officer is a person.
        raise UsageError("the officer's PIN comes from prompt, file:/PATH or fd:N")
    if arguments.file is None:
        if arguments.new is not None:
            raise UsageError("--new needs --file: without the file no other token gets the key, and nothing comes back")
        with session.bridge() as bridge:
            return _result(provider, bridge.device(provider).wrapping_keys(), None)
    if arguments.new is not None:
        return _make(arguments, session, provider)
    if arguments.recipient or arguments.recipients_file:
        raise UsageError("--recipient is for a new key", hint="name it with --new")
    with ExitStack() as secrets:
        key = opening_key(arguments, secrets, "the file")
        from keyring_bridge.sealing import unseal_bytes

        with opened_file(arguments.file) as read:
            content = secrets.enter_context(unseal_bytes(KIND, _whole(read), key, limit=4096))
        name, secret = _parts(content)
        secrets.enter_context(secret)
        return _result(provider, *_add(arguments, session, provider, name, secret))


def _make(arguments: argparse.Namespace, session: Session, provider: str) -> Result:
    from keyring_bridge.names import check_name
    from keyring_bridge.sealing import new_file, seal_bytes
    from keyring_bridge.secrets import SecretBytes

    if arguments.identity is not None:
        raise UsageError("a new key is sealed with --recipient or --passphrase")
    name, path = check_name(arguments.new), Path(arguments.file)
    with ExitStack() as secrets:
        key = sealing_key(arguments, secrets, "the file")
        secret = secrets.enter_context(SecretBytes.random(_KEY_BYTES))
        with SecretBytes(bytearray(name.encode() + b"\n") + secret.reveal()) as content:
            sealed = seal_bytes(KIND, content.reveal(), key)
        # The file first: a key that is in a token alone could bring nothing back.
        with new_file(path) as out:
            out.write(sealed)
        try:
            return _result(provider, *_add(arguments, session, provider, name, secret))
        except BridgeError:
            path.unlink(missing_ok=True)
            raise


def _add(
    arguments: argparse.Namespace, session: Session, provider: str, name: str, secret: SecretBytes
) -> tuple[list[WrappingKey], WrappingKey]:
    """Add the key, and return it; if this raises a BridgeError, the token does not have it."""
    with session.bridge() as bridge, read_secret(arguments.so_pin, "PIN of the security officer") as so_pin:
        device = bridge.device(provider)
        fields = {"provider": provider, "wrapping_key": name}
        with bridge.administer("backup.wrapping-key", session.caller, fields) as outcome:
            added = device.add_wrapping_key(name, secret, so_pin, retry=arguments.retry_so_pin)
            outcome["check"] = added.check.hex()
    return [added], added


def _parts(content: SecretBytes) -> tuple[str, SecretBytes]:
    from keyring_bridge.backup.errors import BundleInvalid
    from keyring_bridge.secrets import SecretBytes

    raw = content.reveal()
    end = raw.find(b"\n")
    if end < 1 or len(raw) != end + 1 + _KEY_BYTES:
        raise BundleInvalid("the file has no wrapping key in it")
    return bytes(raw[:end]).decode("utf-8", "replace"), SecretBytes(raw[end + 1 :])


def _whole(read: Callable[[int], bytes]) -> bytes:
    """Read a small file; of a large one only so much that it is found to be cut off."""
    data = bytearray()
    while len(data) <= 1 << 20 and (chunk := read(65536)):
        data += chunk
    return bytes(data)


def _result(provider: str, keys: list[WrappingKey], added: WrappingKey | None) -> Result:
    data = {
        "provider": provider,
        "added": None if added is None else added.name,
        "wrapping_keys": [{"name": one.name, "check": one.check.hex() or None} for one in keys],
    }

    def text(style: Style) -> str:
        lines = []
        if keys:
            lines.append(table(("WRAPPING KEY", "CHECK"), [(one.name, one.check.hex() or None) for one in keys], style))
        else:
            lines.append(f"{visible(provider)} has no trusted wrapping key")
        if added is not None:
            lines.append(style.good(f"{visible(added.name)} is in {visible(provider)}: trusted, and cannot leave it"))
        return "\n".join(lines)

    return Result(data, text)
