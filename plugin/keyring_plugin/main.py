"""The program ``keyring-plugin``: serves the protocol on standard input and output until its client goes away.

Where an agent runs, it is a relay to the agent, which a chain's command should not have to wait for. So this module
imports next to nothing at its top.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import NoReturn

    from keyring_bridge.config import Config
    from keyring_bridge.errors import BridgeError

COMMANDS = {"agent": "keyring_plugin.agent.command", "shell": "keyring_plugin.shell.command"}
"""The modules of the commands; each has ``main(arguments) -> exit status``."""

DRAIN_SECONDS = 10.0
"""How long a termination signal waits for requests that are being served."""

GRACE_SECONDS = 2.0
"""How long telling the client about those that were not may take."""

CLOSE_SECONDS = 5.0
"""How long logging out of devices may take."""


def run() -> NoReturn:
    """Run ``keyring-plugin`` with the process's arguments and end the process."""
    status = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # it may be closed
            continue
    # Threads may sit in a device's library or wait for input. The interpreter would tear itself down under them.
    os._exit(status)


def main(argv: Sequence[str]) -> int:
    """Serve standard input and output.

    Args:
        argv: The arguments without the program's name.

    Returns:
        The exit code: 0 when the client went away or the process was asked to end.
    """
    if argv and argv[0] in COMMANDS:
        from importlib import import_module

        return int(import_module(COMMANDS[argv[0]]).main(argv[1:]))
    if not argv:
        from keyring_plugin.agent.relay import relay

        status = relay()
        if status is not None:
            return status
    return _serve(argv)


def _serve(argv: Sequence[str]) -> int:
    """Serve by ourselves."""
    import signal

    from keyring_bridge.errors import BridgeError, Exit

    config_path: Path | None = None
    # The parser costs 10 ms, and chain commands start the program without arguments.
    if argv:
        try:
            config_path = _parser().parse_args(argv).config
        except SystemExit as stop:
            sys.stdout.flush()
            return int(stop.code or 0)
    from keyring_bridge.secrets import harden_process
    from keyring_plugin.stdio import take_over

    harden_process()
    if os.isatty(0):
        sys.stderr.write("keyring-plugin: reading JSON-RPC from this terminal, a request per line (see --help)\n")
    try:
        connection = take_over()
    except OSError as error:
        sys.stderr.write(f"keyring-plugin: standard input or output is closed ({error.strerror})\n")
        return Exit.USAGE
    # A handler may do little more than write a byte: the locks it would need may be held by what it interrupted.
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    waking, wake = os.pipe()
    for number in signals:
        signal.signal(number, lambda received, _: _wake(wake, received))
    # The kernel may hand a signal to a thread that sits in a device's library, while the main thread, in which handlers
    # run, sleeps on. The interpreter writes the signal's number to this descriptor at once.
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    config = _configuration(config_path)

    from keyring_bridge.config.model import RpcConfig
    from keyring_bridge.secrets import tty_prompt
    from keyring_bridge.watchdog import Watchdog
    from keyring_plugin.dispatch import Dispatcher
    from keyring_plugin.server import Server
    from keyring_plugin.service import Service, Session
    from keyring_plugin.stdio import parent

    limits = RpcConfig() if isinstance(config, BridgeError) else config.rpc
    service = Service(config, tty_prompt)
    dispatcher = Dispatcher(Session(service, parent()))
    server = Server(connection, dispatcher, limits, Watchdog(), lambda: _wake(wake, 0))
    server.start()
    received = os.read(waking, 1)[0]
    signal.set_wakeup_fd(-1)
    for number in signals:
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
    # A client that reads no answers holds up whoever writes one, and a device that hangs whoever logs out of it.
    _within(DRAIN_SECONDS + GRACE_SECONDS if received else None, server.drain, DRAIN_SECONDS if received else None)
    _within(CLOSE_SECONDS, service.close)
    return Exit.OK


def _configuration(path: Path | None) -> Config | BridgeError:
    """Read the configuration; an error is kept for the requests that need one, so that a client can be told."""
    from keyring_bridge.config import load
    from keyring_bridge.errors import BridgeError

    try:
        config = load(path)
    except BridgeError as error:
        sys.stderr.write(f"keyring-plugin: {error.code}: {error}" + (f" ({error.hint})" if error.hint else "") + "\n")
        return error
    for warning in config.warnings:
        sys.stderr.write(f"keyring-plugin: warning: {warning}\n")
    return config


def _wake(descriptor: int, reason: int) -> None:
    try:
        os.write(descriptor, bytes([reason]))
    except BlockingIOError:  # it was woken often enough
        return


def _within(seconds: float | None, step: Callable[..., object], *arguments: object) -> None:
    """Run a step, but go on after some time whether it is done or not."""
    import threading

    thread = threading.Thread(target=step, args=arguments, daemon=True)
    thread.start()
    thread.join(seconds)


def _parser() -> argparse.ArgumentParser:
    import argparse
    from pathlib import Path

    from keyring_bridge import __version__

    parser = argparse.ArgumentParser(
        prog="keyring-plugin",
        description="Serve the keyring bridge's protocol (JSON-RPC 2.0) on standard input and output. A PIN comes from "
        "the source that the configuration names, else from the terminal.",
        epilog='Try: echo \'{"jsonrpc":"2.0","id":1,"method":"keyring.list"}\' | keyring-plugin',
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration (default: as for hsm)")
    parser.add_argument("--version", action="version", version=f"keyring-plugin {__version__}")
    return parser
