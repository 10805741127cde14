"""``keyring-plugin agent …``: starting, stopping, locking and unlocking the agent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from keyring_bridge.cli.console import Console, Result
from keyring_bridge.cli.errors import BROKEN_PIPE, INTERRUPTED, UsageError
from keyring_bridge.cli.main import wants_json
from keyring_bridge.cli.render import Style, details, table, visible
from keyring_bridge.errors import BridgeError, Exit

if TYPE_CHECKING:
    import argparse


def main(argv: Sequence[str]) -> int:
    """Run one command.

    Args:
        argv: The words after ``keyring-plugin agent``.

    Returns:
        The exit code, of the same meaning as those of ``hsm``.
    """
    console = Console(json=wants_json(argv))
    try:
        arguments = _parser().parse_args(argv)
        console.json = arguments.output == "json"
        result = arguments.handler(arguments, console)
        if result is not None:
            console.result(result)
            return int(result.exit_code)
        return int(Exit.OK)
    except SystemExit as stop:
        console.flush()
        return int(stop.code or 0)
    except BrokenPipeError:
        return BROKEN_PIPE
    except KeyboardInterrupt:
        console.note("interrupted")
        return INTERRUPTED
    except BridgeError as error:
        console.error(error)
        return int(error.exit_code)


# --- the commands ------------------------------------------------------------------------------------------------


def start(arguments: argparse.Namespace, console: Console) -> Result | None:
    """``start``: serve here, or in a process in the background."""
    from keyring_bridge.config import load
    from keyring_bridge.secrets import harden_process
    from keyring_plugin.agent import daemon
    from keyring_plugin.agent.control import path
    from keyring_plugin.agent.errors import AgentFailed
    from keyring_plugin.agent.seat import Seat

    harden_process()
    config = load(_config(arguments))
    for warning in config.warnings:
        console.warn(warning)
    if arguments.idle_lock is not None:
        config = _with_idle_lock(config, arguments.idle_lock)
    seat = Seat(path(), str(config.path))
    told = daemon.into_background(seat.path) if arguments.background else None
    if told == -2:
        raise AgentFailed("the agent ended at once", hint=f"{daemon.LOG_NAME} beside the socket may say why")
    if told == -1:
        data = {"socket": seat.path, "config": str(config.path)}
        return Result(data, lambda _: f"the agent listens on {visible(seat.path)}")
    daemon.serve(seat, config, lambda: None if told is None else _tell(told))
    return None


def stop(arguments: argparse.Namespace, console: Console) -> Result:
    """``stop``."""
    from keyring_plugin.agent.control import Control

    with Control() as agent:
        process = agent.stop()
    return Result({"stopped": process}, lambda _: "the agent has ended")


def status(arguments: argparse.Namespace, console: Console) -> Result:
    """``status``: also answers when there is no agent, with another exit code."""
    from keyring_plugin.agent.control import Control, path
    from keyring_plugin.agent.errors import AgentNotRunning

    try:
        with Control() as agent:
            told = {"running": True, **agent.status()}
    except AgentNotRunning as error:
        said = visible(str(error))
        return Result({"running": False, "socket": path()}, lambda _: said, error.exit_code)
    return Result(told, lambda style: _status_text(told, style))


def lock(arguments: argparse.Namespace, console: Console) -> Result:
    """``lock``."""
    from keyring_plugin.agent.control import Control

    with Control() as agent:
        agent.lock()
    return Result({"state": "locked"}, lambda _: "locked")


def unlock(arguments: argparse.Namespace, console: Console) -> Result:
    """``unlock``: starts the agent if there is none, and asks for a PIN only if one has to be typed."""
    from keyring_bridge.secrets import harden_process, tty_prompt
    from keyring_plugin.agent.control import connected

    harden_process()
    with connected(_config(arguments)) as agent:
        told = agent.unlock(arguments.provider, tty_prompt)
    data = {"provider": told["provider"], "state": told["state"]}
    return Result(data, lambda _: f"{visible(str(told['provider']))}: {visible(str(told['state']))}")


# --- what they share ---------------------------------------------------------------------------------------------


def _config(arguments: argparse.Namespace) -> Path | None:
    return None if arguments.config is None else Path(arguments.config).absolute()


def _with_idle_lock(config: Any, seconds: float) -> Any:
    from dataclasses import replace

    try:
        return replace(config, agent=replace(config.agent, idle_lock_seconds=seconds))
    except ValueError as error:
        raise UsageError(str(error)) from None


def _tell(descriptor: int) -> None:
    os.write(descriptor, b"\0")
    os.close(descriptor)


def _status_text(told: dict[str, Any], style: Style) -> str:
    fields = {
        "state": told["state"] if told["locked_by"] is None else f"{told['state']} (by {told['locked_by']})",
        "process": told["pid"],
        "socket": told["socket"],
        "configuration": told["config"],
        "since": told["since"],
        "idle lock": f"{told['idle_lock_seconds']:g} s" if told["idle_lock_seconds"] else "never",
        "idle": f"{told['idle_seconds']:g} s",
        "clients": told["clients"],
        "under way": told["under_way"],
        "served": told["served"],
    }
    text = details(fields, style)
    if told["providers"] is None:
        return f"{text}\n\n{style.bad('the providers do not answer:')} {visible(str(told['problem']))}"
    rows = [
        (each["name"], each["state"], each["pin"], (each["token"] or {}).get("label"), each["sessions"])
        for each in told["providers"]
    ]
    return f"{text}\n\n{table(('provider', 'state', 'PIN', 'token', 'sessions'), rows, style)}"


def _parser() -> argparse.ArgumentParser:
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise UsageError(message, hint=f"see `{self.prog} --help`")

    parser = Parser(
        prog="keyring-plugin agent",
        description="Keep devices unlocked behind a unix socket, as ssh-agent does for SSH.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for handler, summary in (
        (start, "serve, locked, until asked to end"),
        (stop, "let the agent end, after what it has begun"),
        (status, "tell how the agent and its devices are"),
        (lock, "log out of every device, until unlocked"),
        (unlock, "log in, once; a PIN that has to be typed is asked for on this terminal"),
    ):
        command = commands.add_parser(handler.__name__, help=summary, description=f"{summary.capitalize()}.")
        command.allow_abbrev = False
        command.add_argument(
            "-o", "--output", choices=("text", "json"), default="text", help="text, or one JSON document"
        )
        command.add_argument("--config", metavar="FILE", help="the configuration (default: as for hsm)")
        command.set_defaults(handler=handler)
        if handler is start:
            command.add_argument("--background", action="store_true", help="return when it serves")
            command.add_argument(
                "--idle-lock", type=float, metavar="SECONDS", help="lock after so many idle seconds; 0 for never"
            )
        if handler is unlock:
            command.add_argument("--provider", metavar="NAME", help="the provider (default: the default one)")
    return parser
