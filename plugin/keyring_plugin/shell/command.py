"""``keyring-plugin shell``: which command goes where.

A command that has nothing to do with the bridge goes on to the chain's program before much is imported.
"""

from __future__ import annotations

import os
import signal
import sys

from keyring_plugin.shell import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keyring_bridge.errors import BridgeError
    from keyring_plugin.shell.access import Access
    from keyring_plugin.shell.app import App
    from keyring_plugin.shell.command_line import CommandLine
    from keyring_plugin.shell.private_keyring import PrivateKeyring
    from keyring_plugin.shell.stage import Stage

USAGE = """\
usage: keyring-plugin shell [--env-prefix=PREFIX] PROGRAM [ARGUMENTS…]
       keyring-plugin shell --install PROGRAM [--dir DIR] [--env-prefix PREFIX]
       keyring-plugin shell --uninstall PROGRAM [--dir DIR]

Runs a chain's own program. With --keyring-backend hsm its keys are those of the bridge; without, nothing is different.
--install puts a script of the program's name in DIR (default: ~/.local/bin), which has to be earlier on PATH.
PREFIX is that of the program's variables, as in PREFIX_KEYRING_BACKEND (default: its name in capitals).
"""

_CANNOT_RUN = 126
_NOT_FOUND = 127
_NO_TRANSACTION = frozenset({"broadcast", "encode", "decode", "simulate", "validate-signatures"})
_LEFT_TO_PROGRAM = frozenset({"mnemonic", "parse"})


def main(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        (sys.stdout if arguments else sys.stderr).write(USAGE)
        return 0 if arguments else 2
    try:
        if arguments[0] in ("--install", "--uninstall"):
            return _guarded(lambda: _change_shim(arguments))
        prefix = ""
        if arguments[0].startswith("--env-prefix="):
            prefix, arguments = arguments[0].partition("=")[2], arguments[1:]
        if not arguments or arguments[0].startswith("-"):
            sys.stderr.write(USAGE)
            return 2
        program, arguments = programs.find_program(arguments[0]), arguments[1:]
    except programs.ProgramNotFound as error:
        sys.stderr.write(f"Error: {error}\n")
        return _NOT_FOUND
    if programs.is_plain(arguments, prefix):
        return _become(program, arguments)
    return _guarded(lambda: _run(program, arguments, prefix))


def _become(program: str, arguments: Sequence[str]) -> int:
    """Become the program; returns only if it cannot be run."""
    # Python ignores it for itself, and a program that is started inherits that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execv(program, [program, *arguments])  # noqa: S606  # this is what the shell is for
    except OSError as error:
        sys.stderr.write(f"Error: {program} cannot be run: {error.strerror}\n")
        return _CANNOT_RUN


def _guarded(step: Callable[[], int]) -> int:
    """Do something that may fail; return the exit code."""
    from cosmos_formats.errors import FormatError
    from keyring_bridge.errors import BridgeError
    from keyring_plugin.shell.errors import FAILED, Ended, ProgramMissing

    try:
        return step()
    except Ended as ended:
        return ended.status
    except ProgramMissing as error:
        _report(error)
        return error.status
    except BridgeError as error:
        _report(error)
    except FormatError as error:
        _report(BridgeError(str(error)))
    except OSError as error:
        _report(BridgeError(f"{error.filename}: {error.strerror}" if error.filename else str(error)))
    except programs.ProgramNotFound:
        raise
    except Exception as error:
        hint = "this is a fault of keyring-plugin; KEYRING_BRIDGE_DEBUG=1 shows where it happened"
        _report(BridgeError(f"unexpected {type(error).__name__}", hint=hint))
        if os.environ.get("KEYRING_BRIDGE_DEBUG"):
            raise
    return FAILED


def _run(program: str, arguments: Sequence[str], prefix: str) -> int:
    from keyring_plugin.shell import children
    from keyring_plugin.shell.app import App
    from keyring_plugin.shell.command_line import ROOT, CommandLine
    from keyring_plugin.shell.errors import SIGNALLED, Interrupted
    from keyring_plugin.shell.stage import Stage

    if not prefix:
        from keyring_plugin.shell.access import env_prefix_for

        prefix = env_prefix_for(os.path.basename(program))
    app = App(program, CommandLine.parse(arguments, ROOT), prefix)
    if app.line.words[:1] == ("hsm",):
        return _hsm(app.line)
    if app.backend != programs.BACKEND or _only_explains(app.line):
        return _become(program, arguments)
    children.catch_signals()
    stage = Stage()
    try:
        return _with_bridge(app, arguments, stage)
    except Interrupted as interrupted:
        sys.stderr.write(f"\ninterrupted: {stage.text}\n")
        return SIGNALLED + interrupted.number


def _with_bridge(app: App, arguments: Sequence[str], stage: Stage) -> int:
    """Do a command that is for the bridge's keys."""
    from dataclasses import replace

    from keyring_bridge.secrets import harden_process
    from keyring_plugin.shell.access import Access
    from keyring_plugin.shell.command_line import KEYS, KEYS_SHOW, TX, CommandLine

    harden_process()
    group, command = (*app.line.words, "", "")[:2]
    access = Access()
    try:
        if group == "keys" and command not in _LEFT_TO_PROGRAM:
            from keyring_plugin.shell import keys

            flags = KEYS_SHOW if command == "show" else KEYS
            return keys.run(replace(app, line=CommandLine.parse(arguments, flags)), access)
        app = replace(app, line=CommandLine.parse(arguments, TX))
        group, command = (*app.line.words, "", "")[:2]
        if group == "tx":
            from keyring_plugin.shell import tx_files

            if command in tx_files.COMMANDS:
                return tx_files.run(app, access)
        from keyring_plugin.shell.private_keyring import PrivateKeyring

        keyring = PrivateKeyring(access.config.state_dir / "shell")
        if group != "tx" or _signs_nothing(app):
            return _pass(app, access, keyring)
        from keyring_plugin.shell.send import Sending

        return Sending(app, access, keyring, stage).run()
    finally:
        access.close()


def _signs_nothing(app: App) -> bool:
    """Whether a command below ``tx`` signs nothing."""
    words = app.line.words[1:]
    return (
        not words
        or words[0] in _NO_TRANSACTION
        or words[:2] in app.preset.interactive
        or app.switched("generate-only")
        or app.switched("dry-run")
    )


def _pass(app: App, access: Access, keyring: PrivateKeyring) -> int:
    """Leave a command to the program, with the public halves of the bridge's keys as its keyring."""
    from cosmos_formats import address
    from keyring_plugin.shell.access import find

    line = app.line
    records = access.records()
    keyring.hold(records)
    access.enter_chain(access.chain_id(app))
    if app.switched("dry-run"):
        # There the program knows no keyring, and so no names.
        for given in (line.value("from"), *line.words):
            record = None if given is None else find(records, given)
            if given is not None and record is not None:
                text = address.encode(access.config.prefix, record.address)
                line = line.adding(**{"from": text}) if given == line.value("from") else line.renaming(given, text)
                break
    if line.has("keyring-backend") or line.words[:1] in (("tx",), ("genesis",)):
        line = line.adding(**dict(flag.removeprefix("--").split("=", 1) for flag in keyring.flags))
    access.close()
    app.become(line.without("hsm-max-fee").argv())


def _only_explains(line: CommandLine) -> bool:
    """Whether a command asks for help or completion."""
    return line.switch("help") or line.words[:1] in (("help",), ("completion",))


def _hsm(line: CommandLine) -> int:
    """Answer ``PROGRAM hsm …``; the flags that all commands of the program take are none of its."""
    from keyring_bridge.cli.main import main as hsm

    foreign = ("home", "keyring-backend", "keyring-dir", "log_level", "log_format", "log_no_color", "trace")
    left = line.without(*foreign).argv()
    return hsm(left[left.index("hsm") + 1 :])


def _change_shim(arguments: Sequence[str]) -> int:
    from pathlib import Path

    from keyring_plugin.shell import shim

    words, options = list(arguments[1:]), {"--dir": "", "--env-prefix": ""}
    for option in options:
        if option in words:
            place = words.index(option)
            options[option] = "".join(words[place + 1 : place + 2])
            del words[place : place + 2]
    if len(words) != 1 or words[0].startswith("-"):
        sys.stderr.write(USAGE)
        return 2
    folder = Path(options["--dir"]) if options["--dir"] else None
    if arguments[0] == "--uninstall":
        sys.stdout.write(f"removed {shim.uninstall(words[0], folder)}\n")
        return 0
    written, warning = shim.install(words[0], folder, options["--env-prefix"])
    sys.stdout.write(f"installed {written}\n")
    if warning:
        sys.stderr.write(f"warning: {warning}\n")
    return 0


def _report(error: BridgeError) -> None:
    """Tell of an error as the chain's program does, and what else there is to say."""
    from keyring_bridge.cli.render import visible

    lines = [f"Error: {visible(error.message)}"]
    if error.hint:
        lines.append(f"hint: {visible(error.hint)}")
    if error.detail:
        lines.append(f"detail: {visible(error.detail)}")
    if error.correlation_id:
        lines.append(f"audit: {error.correlation_id}")
    sys.stdout.flush()
    sys.stderr.write("\n".join(lines) + "\n")
