"""``hsm keys recover``: makes a key again from its words or shares."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.cli.chain_defaults import chain_of_keys, key_type_of
from keyring_bridge.cli.commands.keygen import key_kind
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import FileFailed, UsageError
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.recipes import add_path_options, recipe_of
from keyring_bridge.cli.render import Style, details, readable
from keyring_bridge.cli.secret_options import SOURCES, read_new_secret, read_secret
from keyring_bridge.cli.starter import add_policy_options, check_starter, write_starter
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.ceremony.shares import Given
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.secrets import SecretBytes
    from keyring_bridge.store.base import StoredRecord

_PURPOSES = [str(one) for one in (Purpose.ACCOUNT, Purpose.CONSENSUS, Purpose.AUDIT)]
_LARGEST_FILE = 1 << 16


def configure_recover(parser: Parser) -> None:
    """Define ``hsm keys recover``."""
    parser.usage = "hsm keys recover NAME [--mnemonic SOURCE | --share FILE … | --share-words SOURCE …] [options]"
    parser.add_argument("name", metavar="NAME", help="the record that lost its key, or the name of a new one")
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="the address that the key must have (bech32, 0x… or a consensus key's 40 digits); needed where there is "
        "no record to compare with",
    )
    words = parser.add_argument_group("words")
    words.add_argument(
        "--mnemonic", metavar="SOURCE", help=f"where the words come from: {SOURCES} (default: prompt, without shares)"
    )
    words.add_argument(
        "--bip39-passphrase",
        metavar="SOURCE",
        help="where a passphrase comes from that is part of the seed; none by default",
    )
    shares = parser.add_argument_group("shares")
    shares.add_argument(
        "--share", metavar="FILE", action="append", default=[], help="a share's sealed file; may be repeated"
    )
    shares.add_argument(
        "--share-words",
        metavar="SOURCE",
        action="append",
        default=[],
        help="where the words of a share come from, such as prompt; may be repeated",
    )
    shares.add_argument(
        "--identity",
        metavar="FILE",
        action="append",
        default=[],
        help="age identities that open files (0600); may be repeated",
    )
    shares.add_argument(
        "--slip39-passphrase", metavar="SOURCE", help="where the passphrase of SLIP-39 comes from, if there was one"
    )
    key = parser.add_argument_group("kind of key, of a new record")
    key.add_argument("--key-type", metavar="TYPE", help="as for `hsm keygen`")
    key.add_argument("--purpose", metavar="PURPOSE", choices=_PURPOSES, help="account, consensus or audit")
    add_path_options(parser.add_argument_group("path, as it was when the key was made"))
    add_provider_options(parser)
    add_policy_options(parser)
    parser.set_defaults(handler=recover)


def recover(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the record, whose key is in a token again."""
    from keyring_bridge.ceremony.recovery import RecoveredKeys, parse_address
    from keyring_bridge.cli.records import marked, record_json
    from keyring_bridge.cli.token_view import read_back

    from_shares = bool(arguments.share or arguments.share_words)
    _check_options(arguments, from_shares)
    check_starter(session.config.policy_path, arguments.chain_id, arguments.message)
    address = None if arguments.address is None else parse_address(arguments.address)
    named = arguments.provider is not None or arguments.backend is not None
    provider = chosen_provider(arguments, session.config) if named else None
    with session.bridge() as bridge:
        keys = RecoveredKeys(bridge, session.caller)
        known = keys.wanted(arguments.name, address)
        algorithm, purpose = _kind(arguments, session, known)
        recipe = recipe_of(arguments, algorithm, chain_of_keys(session, arguments.chain_id))
        with ExitStack() as stack:
            words = stack.enter_context(_from_shares(arguments) if from_shares else _from_words(arguments))
            passphrase = None
            if arguments.bip39_passphrase is not None:
                passphrase = stack.enter_context(read_new_secret(arguments.bip39_passphrase, "BIP-39 passphrase"))
            record = keys.recover(
                arguments.name,
                recipe,
                words,
                address=address,
                passphrase=passphrase,
                purpose=purpose,
                provider=provider,
                source={"source": "shares" if from_shares else "words"},
            )
        attributes = read_back(bridge, record)
    policy = write_starter(session, record, arguments.chain_id, arguments.message) if known is None else None
    data = record_json(record, session.config.prefix) | attributes | {"proof": "signed_challenge", "policy": policy}

    def text(style: Style) -> str:
        fields = marked(data)
        fields["proof"] = "a random challenge was signed, and verified with the public key"
        fields.pop("policy")
        return details(readable(fields), style)

    return Result(data, text)


def _check_options(arguments: argparse.Namespace, from_shares: bool) -> None:
    if from_shares and arguments.mnemonic is not None:
        raise UsageError("a key is recovered from words or from shares, not from both")
    if not from_shares and (arguments.identity or arguments.slip39_passphrase is not None):
        raise UsageError("--identity and --slip39-passphrase go with shares")
    if arguments.identity and not arguments.share:
        raise UsageError("--identity opens files, which --share names")
    if from_shares and arguments.bip39_passphrase is not None:
        raise UsageError("a key whose shares were handed out has no passphrase of BIP-39")


def _kind(arguments: argparse.Namespace, session: Session, known: StoredRecord | None) -> tuple[str, Purpose]:
    """Return algorithm and purpose: the record's, or what was said of a new one."""
    if known is not None:
        public_key = known.record.public_key
        if arguments.key_type is not None or arguments.purpose is not None:
            raise UsageError(f"the record {known.name} says what kind of key it is")
        if not isinstance(public_key, PublicKey):
            raise UsageError(f"{known.name} has no single key")
        return public_key.url or str(public_key.key_type), known.purpose
    asked = arguments.key_type
    if asked is None and arguments.purpose in (None, Purpose.ACCOUNT):
        asked = key_type_of(chain_of_keys(session, arguments.chain_id))
    url = asked if asked is not None and asked.startswith("/") else ""
    key_type, purpose = key_kind(str(KeyType.ETH_SECP256K1) if url else asked, arguments.purpose)
    return url or str(key_type), purpose


def _from_words(arguments: argparse.Namespace) -> SecretBytes:
    return read_secret(arguments.mnemonic or "prompt", "mnemonic")


def _from_shares(arguments: argparse.Namespace) -> SecretBytes:
    """Return the words that the shares make."""
    from keyring_bridge.ceremony.recipe import words_of
    from keyring_bridge.ceremony.shares import Given, combine
    from keyring_bridge.secrets import SecretBytes

    with ExitStack() as stack:
        given: list[Given] = [_share_file(name, stack) for name in arguments.share]
        for place, source in enumerate(arguments.share_words, len(given) + 1):
            given.append(Given(stack.enter_context(read_secret(source, f"words of share {place}"))))
        identities = None
        if arguments.identity:
            files = [stack.enter_context(read_secret(_file_source(name), "identity")) for name in arguments.identity]
            identities = stack.enter_context(SecretBytes(bytearray().join([*_lines(files)])))
        passphrase = None
        if arguments.slip39_passphrase is not None:
            source = arguments.slip39_passphrase
            passphrase = stack.enter_context(read_secret(source, "passphrase of SLIP-39"))
        entropy = stack.enter_context(combine(given, passphrase, identities))
        return words_of(entropy)


def _lines(files: list[SecretBytes]) -> list[bytearray | bytes]:
    return [part for file in files for part in (file.reveal(), b"\n")]


def _file_source(name: str) -> str:
    return f"file:{Path(name).absolute()}"


def _share_file(name: str, stack: ExitStack) -> Given:
    from keyring_bridge.ceremony.shares import Given
    from keyring_bridge.sealing.header import Header
    from keyring_bridge.secrets import SecretBytes

    try:
        with open(name, "rb") as file:
            content = file.read(_LARGEST_FILE)
    except OSError as error:
        raise FileFailed.of(error) from None
    header = Header.parse(content[: content.find(b"\n") + 1])
    passphrase = None
    if header.argon2 is not None:
        passphrase = stack.enter_context(read_secret("prompt", f"passphrase of {Path(name).name}"))
    return Given(SecretBytes(content), sealed=True, passphrase=passphrase)
