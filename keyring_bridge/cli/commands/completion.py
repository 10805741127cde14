"""``hsm completion``: scripts that complete commands and options in a shell.

Names of keys are not completed on purpose: bash expands the words it completes from, so a label such as ``$(…)`` that
somebody gave to a key would run as a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.cli.console import Result

if TYPE_CHECKING:
    import argparse

    from keyring_bridge.cli.parser import Parser
    from keyring_bridge.cli.session import Session

_FILE_METAVARS = frozenset({"FILE", "LIBRARY"})


def configure_completion(parser: Parser) -> None:
    """Define ``hsm completion``."""
    parser.usage = "hsm completion bash|zsh"
    parser.add_argument("shell", choices=("bash", "zsh"), metavar="SHELL", help="bash or zsh")
    parser.set_defaults(handler=completion)


def completion(arguments: argparse.Namespace, session: Session) -> Result:
    """Answer the script for one shell."""
    import shtab

    from keyring_bridge.cli.parser import build_parser, define_all

    parser = build_parser()
    define_all(parser)
    _mark_files(parser, shtab.FILE)
    script = shtab.complete(parser, arguments.shell)
    return Result({"shell": arguments.shell, "script": script}, lambda _style: script)


def _mark_files(parser: Parser, files: object) -> None:
    """Let the shell offer files where an option names one."""
    for action in parser._actions:
        if action.metavar in _FILE_METAVARS:
            action.complete = files  # type: ignore[attr-defined]  # the attribute that shtab reads
    for child in parser.children.values():
        _mark_files(child, files)
