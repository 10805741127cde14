"""The part of ``hsm keygen`` that makes a key which words or shares make again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from keyring_bridge.cli.chain_defaults import chain_of_keys
from keyring_bridge.cli.errors import UsageError
from keyring_bridge.cli.recipes import add_path_options, recipe_of

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
    add_path_options(group)


def check_recoverable(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together (errors: UsageError)."""
    if arguments.recoverable:
        if arguments.wrappable:
            raise UsageError("a recoverable key is not wrappable: its words or shares are its way out")
        return
    path = (arguments.hd_path, arguments.coin_type)
    if any(one is not None for one in path) or arguments.account or arguments.index:
        raise UsageError("a key that is born in the token has no path", hint="paths go with --recoverable")


def hold(
    arguments: argparse.Namespace, session: Session, algorithm: str, purpose: Purpose, provider: str
) -> tuple[Held, dict[str, object]]:
    """Hold the ceremony; return what it came to, and the key's attributes as the token tells them."""
    from keyring_bridge.ceremony.keys import CeremonyKeys
    from keyring_bridge.cli.token_view import read_back

    recipe = recipe_of(arguments, algorithm, chain_of_keys(session, arguments.chain_id))
    with session.bridge() as bridge:
        hand_out = _hand_out(arguments)
        session.console.note(f"making a recoverable key ({recipe.kind.key_type}) and importing it into {provider}")
        held = CeremonyKeys(bridge, session.caller).hold(arguments.label, recipe, purpose, hand_out, provider=provider)
        return held, read_back(bridge, held.record)


def _hand_out(arguments: argparse.Namespace) -> HandOut:
    from keyring_bridge.ceremony.hand_out import Words

    return Words()


def transcript_text(transcript: Mapping[str, object]) -> str:
    """Return in one line what a ceremony came to."""
    entropy = transcript["entropy"]
    sources = " and ".join(entropy) if isinstance(entropy, list) else ""
    confirmed = transcript.get("confirmed_words")
    asked = f", confirmed by the words {', '.join(map(str, confirmed))}" if isinstance(confirmed, list) else ""
    return f"{transcript['form']} handed out{asked}; entropy of {sources}"
