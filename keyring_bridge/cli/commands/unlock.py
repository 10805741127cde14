"""``hsm unlock``: one more login after a refused one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.providers import add_provider_options, chosen_provider
from keyring_bridge.cli.render import visible

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session


def configure_unlock(parser: Parser) -> None:
    """Define ``hsm unlock``."""
    parser.usage = "hsm unlock [--provider NAME | --backend BACKEND] [options]"
    parser.description = (
        "Allow one new login after a refused PIN, and try it.\n\n"
        "A PIN that a token refused is never sent again by itself, not even after a restart: tokens lock themselves\n"
        "after a few wrong PINs. Correct the PIN source first; this command sends the PIN once."
    )
    add_provider_options(parser)
    parser.set_defaults(handler=unlock)


def unlock(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer that the login works; a refused one is an error, and blocks again."""
    provider = chosen_provider(arguments, session.config)
    with session.keyring() as keyring:
        keyring.unlock(provider, forget_failure=True)
    return Result({"provider": provider, "login": "ok"}, lambda _style: f"{visible(provider)}: the login works")
