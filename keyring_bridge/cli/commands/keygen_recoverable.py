"""The part of ``hsm keygen`` that makes a key which words or shares make again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.cli.chain_defaults import chain_of_keys
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.recipes import add_path_options, recipe_of
from keyring_bridge.cli.secret_options import read_new_secret

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.ceremony.hand_out import HandOut
    from keyring_bridge.ceremony.keys import Held
    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.model import Purpose


def add_recoverable_options(parser: Parser) -> None:
    """Define ``--recoverable`` and what goes with it."""
    group = parser.add_argument_group("recoverable key")
    group.add_argument(
        "--recoverable",
        action="store_true",
        help="make the key from words that are shown once on this terminal, and import it; docs/ceremony.md",
    )
    group.add_argument(
        "--shares",
        metavar="SCHEME",
        help="hand out SLIP-39 shares instead of words: 2of3, or groups such as '2: ops=2of3 board=1of1' (two groups "
        "are needed)",
    )
    group.add_argument(
        "--custodian",
        metavar="SHARE=WAY",
        action="append",
        default=[],
        help="who keeps a share (share-1, or ops-1 in a group): age1… (a file for this recipient), passphrase (a file) "
        "or screen; one for each share",
    )
    group.add_argument(
        "--share-dir", metavar="DIR", help="folder of the files, made as 0700 if it is missing; needed if there are any"
    )
    group.add_argument(
        "--slip39-passphrase",
        metavar="SOURCE",
        help="where a passphrase comes from without which the shares give another key; none by default",
    )
    add_path_options(group)


def check_recoverable(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together (errors: UsageError)."""
    if arguments.recoverable:
        if arguments.wrappable:
            raise UsageError("a recoverable key is not wrappable: its words or shares are its way out")
        if arguments.shares is None and _about_shares(arguments):
            raise UsageError("--custodian, --share-dir and --slip39-passphrase go with --shares")
        return
    if arguments.shares is not None or _about_shares(arguments):
        raise UsageError("shares are of a recoverable key", hint="add --recoverable")
    path = (arguments.hd_path, arguments.coin_type)
    if any(one is not None for one in path) or arguments.account or arguments.index:
        raise UsageError("a key that is born in the token has no path", hint="paths go with --recoverable")


def _about_shares(arguments: argparse.Namespace) -> bool:
    others = (arguments.share_dir, arguments.slip39_passphrase)
    return bool(arguments.custodian) or any(one is not None for one in others)


def hold(
    arguments: argparse.Namespace, session: Session, algorithm: str, purpose: Purpose, provider: str
) -> tuple[Held, dict[str, object]]:
    """Hold the ceremony; return what it came to, and the key's attributes as the token tells them."""
    from keyring_bridge.ceremony.keys import CeremonyKeys
    from keyring_bridge.cli.token_view import attributes

    recipe = recipe_of(arguments, algorithm, chain_of_keys(session, arguments.chain_id))
    with session.bridge() as bridge, _hand_out(arguments) as hand_out:
        session.console.note(f"making a recoverable key ({recipe.kind.key_type}) and importing it into {provider}")
        held = CeremonyKeys(bridge, session.caller).hold(arguments.label, recipe, purpose, hand_out, provider=provider)
        # As they were read back at the import: by now the token may be logged out, after hours of writing words down.
        return held, attributes(held.info)


@contextmanager
def _hand_out(arguments: argparse.Namespace) -> Iterator[HandOut]:
    from keyring_bridge.ceremony.custody import Custodian, Shares, Way, assigned
    from keyring_bridge.ceremony.hand_out import Words
    from keyring_bridge.ceremony.scheme import Scheme

    if arguments.shares is None:
        yield Words()
        return
    scheme = Scheme.parse(arguments.shares)
    custodians = [Custodian.parse(text) for text in arguments.custodian]
    if arguments.share_dir is None and any(one.way is not Way.SCREEN for one in assigned(scheme, custodians)):
        raise UsageError("say where the files of the shares go", hint="--share-dir DIR")
    source = arguments.slip39_passphrase
    passphrase = None if source is None else read_new_secret(source, "passphrase of SLIP-39")
    folder = Path(arguments.share_dir or ".")
    shares = Shares(scheme, custodians, folder, passphrase, lambda what: read_new_secret("prompt", what))
    try:
        yield shares
    finally:
        shares.close()
        if passphrase is not None:
            passphrase.wipe()


def transcript_text(transcript: Mapping[str, object]) -> str:
    """Return in one line what a ceremony came to."""
    entropy = transcript["entropy"]
    sources = " and ".join(entropy) if isinstance(entropy, list) else ""
    confirmed = transcript.get("confirmed_words")
    if isinstance(confirmed, list):
        what = f"words handed out, confirmed by the words {', '.join(map(str, confirmed))}"
    else:
        what = f"shares handed out ({transcript.get('scheme')})"
    return f"{what}; entropy of {sources}"
