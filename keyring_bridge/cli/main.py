"""Runs one command and turns what happens into output and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from keyring_bridge.cli.console import Console
from keyring_bridge.cli.errors import BROKEN_PIPE, INTERRUPTED, FileFailed, UsageError
from keyring_bridge.cli.parser import build_parser
from keyring_bridge.cli.session import Session
from keyring_bridge.errors import BridgeError, InvalidRequest


def run() -> NoReturn:
    """Run ``hsm`` with the process's arguments and end the process."""
    status = main(sys.argv[1:])
    patience = sys.modules.get("keyring_bridge.patience")
    if patience is not None and patience.left_behind():
        # The interpreter would tear itself, and the device's library, down under a thread that sits there.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments without the program's name; those of the process if None.

    Returns:
        The exit code (:data:`keyring_bridge.cli.errors.EXIT_MEANINGS`).
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    console = Console(json=wants_json(argv))
    try:
        return _run(argv, console)
    except BridgeError as error:
        return _report(console, error)
    except BrokenPipeError:
        return _abandon_output()
    except KeyboardInterrupt:
        console.note("interrupted")
        return INTERRUPTED
    except Exception as error:
        return _report(console, _translate(error))


def _run(argv: list[str], console: Console) -> int:
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:
        # --help and --version print and end; wrong arguments raise UsageError instead.
        console.flush()
        return int(stop.code or 0)
    console.json = getattr(arguments, "output", "text") == "json"
    console.verbosity = getattr(arguments, "verbose", 0)
    if console.verbosity:
        _log_to_stderr(console.verbosity)
    path = getattr(arguments, "config", None)
    if path == "":
        raise UsageError("--config names no file")
    session = Session(console, Path(path) if path is not None else None)
    result = arguments.handler(arguments, session)
    try:
        console.result(result)
    except BrokenPipeError:
        raise
    except OSError as error:
        _abandon_output()
        raise FileFailed(f"standard output: {error.strerror}") from error
    return int(result.exit_code)


def wants_json(argv: Sequence[str]) -> bool:
    """Tell whether the arguments ask for JSON, also when they do not parse otherwise."""
    for position, word in enumerate(argv):
        if word == "--":
            return False
        if word in ("--output=json", "-ojson", "-o=json"):
            return True
        if word in ("-o", "--output"):
            return argv[position + 1 : position + 2] == ["json"]
    return False


def _report(console: Console, error: BridgeError) -> int:
    if console.verbosity > 1:
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    try:
        console.error(error)
    except BrokenPipeError:
        return _abandon_output()
    return int(error.exit_code)


def _translate(error: Exception) -> BridgeError:
    """Return the error of the tree for an exception from outside it."""
    from cosmos_formats.errors import FormatError

    if isinstance(error, FormatError):
        translated: BridgeError = InvalidRequest(str(error))
    elif isinstance(error, OSError):
        translated = FileFailed.of(error)
    else:
        translated = BridgeError(
            f"unexpected {type(error).__name__}", hint="this is a fault of hsm; -vv shows where it happened"
        )
    translated.__cause__ = error
    return translated


def _abandon_output() -> int:
    # The interpreter flushes standard output once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _log_to_stderr(verbosity: int) -> None:
    import logging

    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbosity > 1 else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
    )
