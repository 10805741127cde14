"""``hsm backends``: the capability matrix, printed from the code itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result
from keyring_bridge.cli.render import Style, table
from keyring_bridge.errors import ConfigMissing

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session
    from keyring_bridge.providers import BackendInfo


def configure_backends(parser: Parser) -> None:
    """Define ``hsm backends``."""
    parser.usage = "hsm backends [options]"
    parser.set_defaults(handler=backends)


def backends(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer every backend and what it can do; backends that cannot be used say why."""
    from keyring_bridge.providers import capability_matrix
    from keyring_bridge.providers.base import CAPABILITIES

    matrix = capability_matrix(_outside(session))
    data = [_to_json(backend) for backend in matrix]

    def text(style: Style) -> str:
        headings = ["BACKEND", "ALIASES", "AVAILABLE", "HARDWARE", *(name.upper() for name in CAPABILITIES), "NOTE"]
        rows = [
            (
                backend.name,
                backend.aliases,
                backend.available,
                backend.hardware,
                *((name in backend.capabilities if backend.available else None) for name in CAPABILITIES),
                backend.summary if backend.available else backend.problem,
            )
            for backend in matrix
        ]
        return table(headings, rows, style)

    return Result(data, text)


def _outside(session: Session) -> tuple[str, ...]:
    """Return the outside backends that the configuration names, if there is one."""
    try:
        return session.config.outside_providers
    except ConfigMissing:
        if session.config_path is not None:
            raise
        return ()


def _to_json(backend: BackendInfo) -> dict[str, object]:
    return {
        "name": backend.name,
        "summary": backend.summary,
        "aliases": backend.aliases,
        "extra": backend.extra,
        "available": backend.available,
        "problem": backend.problem,
        "hardware": backend.hardware,
        "capabilities": backend.capabilities,
    }
