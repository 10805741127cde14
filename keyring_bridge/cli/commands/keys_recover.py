"""``hsm keys recover``: makes a key again from its words or shares."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.cli.chain_defaults import chain_of_keys, key_type_of
from keyring_bridge.cli.commands.keygen import key_kind
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.recipes import add_path_options, recipe_of
from keyring_bridge.cli.recovery_options import (
    add_phrase_option,
    add_share_options,
    algorithm_of,
    from_shares,
    read_phrase,
    words_of_shares,
)
from keyring_bridge.cli.render import Style, details, readable
from keyring_bridge.cli.secret_options import SOURCES, read_secret
from keyring_bridge.cli.starter import add_policy_options, check_starter, write_starter
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.store.base import StoredRecord

_PURPOSES = [str(one) for one in (Purpose.ACCOUNT, Purpose.CONSENSUS, Purpose.AUDIT)]


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
    add_phrase_option(words)
    add_share_options(parser.add_argument_group("shares"))
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

    shared = from_shares(arguments)
    if shared and arguments.mnemonic is not None:
        raise UsageError("a key is recovered from words or from shares, not from both")
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
            read = words_of_shares(arguments) if shared else read_secret(arguments.mnemonic or "prompt", "mnemonic")
            words = stack.enter_context(read)
            passphrase = read_phrase(arguments, stack)
            record = keys.recover(
                arguments.name,
                recipe,
                words,
                address=address,
                passphrase=passphrase,
                purpose=purpose,
                provider=provider,
                source={"source": "shares" if shared else "words"},
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


def _kind(arguments: argparse.Namespace, session: Session, known: StoredRecord | None) -> tuple[str, Purpose]:
    """Return algorithm and purpose: the record's, or what was said of a new one."""
    if known is not None:
        if arguments.key_type is not None or arguments.purpose is not None:
            raise UsageError(f"the record {known.name} says what kind of key it is")
        return algorithm_of(known), known.purpose
    asked = arguments.key_type
    if asked is None and arguments.purpose in (None, Purpose.ACCOUNT):
        asked = key_type_of(chain_of_keys(session, arguments.chain_id))
    url = asked if asked is not None and asked.startswith("/") else ""
    key_type, purpose = key_kind(str(KeyType.ETH_SECP256K1) if url else asked, arguments.purpose)
    return url or str(key_type), purpose
