"""Which configured provider a command means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.errors import UsageError
from keyring_bridge.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.config import Config


def add_provider_options(parser: Parser) -> None:
    """Define ``--provider`` and ``--backend``, which name one configured provider."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--provider", metavar="NAME", help="name of a configured provider (default: the default one)")
    group.add_argument(
        "--backend", metavar="BACKEND", help="the configured provider of this backend, if it is the only one"
    )


def chosen_provider(arguments: argparse.Namespace, config: Config) -> str:
    """Return the name of the provider that ``--provider`` or ``--backend`` picks, else the default one.

    Raises:
        ConfigError: No such provider is configured.
        UsageError: Several providers are of that backend.
    """
    if arguments.provider is not None:
        if arguments.provider not in config.providers:
            known = ", ".join(sorted(config.providers)) or "none"
            raise ConfigError(f"no provider named {arguments.provider!r} is configured (configured: {known})")
        return str(arguments.provider)
    if arguments.backend is None:
        return config.default_provider
    from keyring_bridge.providers import resolve

    wanted = resolve(arguments.backend)[0]
    matching = sorted(name for name, one in config.providers.items() if resolve(one.backend)[0] == wanted)
    if not matching:
        raise ConfigError(f"no provider of backend {wanted} is configured", hint="`hsm config show` lists them")
    if len(matching) > 1:
        raise UsageError(f"several providers are of backend {wanted}: {', '.join(matching)}", hint="use --provider")
    return matching[0]
