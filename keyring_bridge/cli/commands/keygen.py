"""``hsm keygen``: a new key in a token, proved before anything says that it exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmos_formats.pubkeys import ETH_TYPE_URLS, KeyType
from keyring_bridge.cli.chain_defaults import chain_of_keys, key_type_of
from keyring_bridge.cli.commands.keygen_recoverable import (
    add_recoverable_options,
    check_recoverable,
    hold,
    transcript_text,
)
from keyring_bridge.cli.console import Result
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.render import Style, details, readable
from keyring_bridge.cli.starter import add_policy_options, check_starter, write_starter
from keyring_bridge.model import Purpose

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session

_TYPE_OF_PURPOSE = {
    Purpose.ACCOUNT: KeyType.SECP256K1,
    Purpose.CONSENSUS: KeyType.ED25519,
    Purpose.ENCRYPTION: KeyType.X25519,
    Purpose.AUDIT: KeyType.ED25519,
}
_TYPES_OF_PURPOSE = {
    Purpose.ACCOUNT: (KeyType.SECP256K1, KeyType.ETH_SECP256K1, KeyType.SECP256R1, KeyType.ED25519),
    Purpose.CONSENSUS: (KeyType.ED25519, KeyType.SECP256K1),
    Purpose.ENCRYPTION: (KeyType.X25519,),
    Purpose.AUDIT: (KeyType.ED25519, KeyType.SECP256K1, KeyType.SECP256R1),
}


def configure_keygen(parser: Parser) -> None:
    """Define ``hsm keygen``."""
    parser.usage = "hsm keygen --label NAME [--key-type TYPE] [--purpose PURPOSE] [options]"
    parser.add_argument("--label", metavar="NAME", required=True, help="name of the key, and its label in the token")
    parser.add_argument(
        "--key-type",
        metavar="TYPE",
        choices=[*(str(key_type) for key_type in KeyType), *ETH_TYPE_URLS],
        help="secp256k1 (default, unless `hsm chain` knows another type of the chain's account keys), eth_secp256k1 or "
        "the type URL of a chain's eth_secp256k1 key, ed25519, secp256r1 or x25519. ed25519 needs --purpose, because "
        "such a key may be a validator's; `virtengine hsm keygen` takes ed25519 when nothing is said, this command "
        "does not",
    )
    parser.add_argument(
        "--purpose",
        metavar="PURPOSE",
        choices=[str(purpose) for purpose in Purpose],
        help="account (default: signs transactions), consensus (votes and proposals; ed25519 unless --key-type says "
        "otherwise), encryption (x25519) or audit; fixed for the key's life",
    )
    parser.add_argument(
        "--wrappable",
        action="store_true",
        help="let the token export the key wrapped with a trusted key; without it the key never leaves the token",
    )
    add_provider_options(parser)
    add_recoverable_options(parser)
    add_policy_options(parser)
    parser.set_defaults(handler=keygen)


def keygen(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the new key: address, public key, attributes read back from the token, proof, policy."""
    from keyring_bridge.cli.records import marked, record_json
    from keyring_bridge.cli.token_view import read_back
    from keyring_bridge.keyring import Keyring

    asked = arguments.key_type
    if asked is None and arguments.purpose in (None, Purpose.ACCOUNT):
        asked = key_type_of(chain_of_keys(session, arguments.chain_id))
    url = asked if asked in ETH_TYPE_URLS else ""
    key_type, purpose = key_kind(str(KeyType.ETH_SECP256K1) if url else asked, arguments.purpose)
    provider = chosen_provider(arguments, session.config)
    if purpose is Purpose.ACCOUNT:
        check_starter(session.config.policy_path, arguments.chain_id, arguments.message)
    elif arguments.chain_id is not None or arguments.message:
        raise UsageError(f"--chain-id and --message are for account keys; a key for {purpose} signs no transactions")
    check_recoverable(arguments)
    transcript: Mapping[str, object] | None = None
    if arguments.recoverable:
        held, attributes = hold(arguments, session, url or str(key_type), purpose, provider)
        record, transcript = held.record, held.transcript
    else:
        with session.bridge() as bridge:
            session.console.note(f"generating a key ({key_type}) in {provider}")
            record = Keyring(bridge, session.caller).generate(
                arguments.label, key_type, purpose, provider=provider, wrappable=arguments.wrappable, url=url
            )
            attributes = read_back(bridge, record)
        session.console.note(_only_there(provider, arguments.wrappable))
    policy = write_starter(session, record, arguments.chain_id, arguments.message)
    prefix = session.config.prefix
    data = record_json(record, prefix) | attributes | {"proof": "signed_challenge", "policy": policy}
    data |= {"recoverable": arguments.recoverable, **({} if transcript is None else {"ceremony": transcript})}

    def text(style: Style) -> str:
        fields = marked(data)
        fields["proof"] = "a random challenge was signed, and verified with the public key"
        if policy is not None:
            fields["policy"] = policy["path"]
            fields["chains"] = policy["chains"]
            fields["messages"] = policy["messages"]
        if transcript is not None:
            fields["ceremony"] = transcript_text(transcript)
        return details(readable(fields), style)

    return Result(data, text)


def _only_there(provider: str, wrappable: bool) -> str:
    if wrappable:
        return f"the key was born in {provider} and leaves it only wrapped with a trusted key"
    return (
        f"the key was born in {provider} and cannot leave it: nothing makes it again if {provider} is lost "
        "(--recoverable makes a key that words or shares make again)"
    )


def key_kind(key_type: str | None, purpose: str | None) -> tuple[KeyType, Purpose]:
    """Return curve and purpose for what was given of the two.

    Raises:
        UsageError: They do not go together, or ed25519 was asked for without saying what for.
    """
    if purpose is None:
        if key_type is None:
            return KeyType.SECP256K1, Purpose.ACCOUNT
        wanted = KeyType(key_type)
        if wanted is KeyType.ED25519:
            raise UsageError(
                "an ed25519 key needs a purpose",
                hint="--purpose consensus for a validator's key, else --purpose account",
            )
        return wanted, Purpose.ENCRYPTION if wanted is KeyType.X25519 else Purpose.ACCOUNT
    meant = Purpose(purpose)
    wanted = KeyType(key_type) if key_type is not None else _TYPE_OF_PURPOSE[meant]
    if wanted not in _TYPES_OF_PURPOSE[meant]:
        allowed = ", ".join(_TYPES_OF_PURPOSE[meant])
        raise UsageError(f"{wanted} keys are not for {meant} (possible: {allowed})")
    return wanted, meant
