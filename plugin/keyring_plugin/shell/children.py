"""Running the chain's program, in our place or as a child.

Signals: a terminal sends Ctrl-C to the child as well as to us, another process to us alone. So we pass on what we get,
wait for the child, and raise :class:`Interrupted`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

from keyring_plugin.shell.errors import CANNOT_RUN, NOT_FOUND, SIGNALLED, Interrupted, ProgramMissing

if TYPE_CHECKING:
    import subprocess

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LAST_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Done:
    """A child that has ended.

    Attributes:
        status: Its exit code, as a shell has it.
        output: What it wrote to standard output; empty if that was ours.
    """

    status: int
    output: bytes


def catch_signals() -> None:
    """Let signals that ask us to end raise :class:`Interrupted`; those that are ignored stay so (nohup)."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)


def replace_us(program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Become the program.

    Raises:
        ProgramMissing: It cannot be run.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    for number in (*_SIGNALS, signal.SIGPIPE):
        # What Python catches or ignores for itself the program must find as it would without us.
        if signal.getsignal(number) is not signal.SIG_IGN or number is signal.SIGPIPE:
            signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(program, [program, *arguments], environment)  # noqa: S606  # this is what the shell is for
    except OSError as error:
        raise missing(program, error) from None


def run(
    program: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: bytes | None = None,
    capture: bool = True,
) -> Done:
    """Run the program to its end; its standard error is ours.

    Args:
        program: Its path.
        arguments: Without its name.
        environment: All of its variables.
        stdin: What it reads; ours if None.
        capture: Whether to keep its output; otherwise its output is ours.

    Raises:
        ProgramMissing: It cannot be run.
        Interrupted: We were asked to end; so was the program, and it has.
    """
    import subprocess

    try:
        child = subprocess.Popen(  # noqa: S603  # the chain's own program
            [program, *arguments],
            env=dict(environment),
            stdin=None if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE if capture else None,
        )
    except OSError as error:
        raise missing(program, error) from None
    try:
        output, _ = child.communicate(stdin)
    except Interrupted as interrupted:
        _end(child, interrupted.number)
        raise
    return Done(child.returncode if child.returncode >= 0 else SIGNALLED - child.returncode, output or b"")


def told(program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what the program writes, wherever to; empty if it cannot be run or takes too long."""
    import subprocess

    command = [program, *arguments]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603  # the chain's own program
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LAST_SECONDS,
            check=False,
        )
        return done.stdout.decode("utf-8", "replace")
    return ""


def missing(program: str, error: OSError) -> ProgramMissing:
    """Return the error for a program that could not be run."""
    if isinstance(error, FileNotFoundError):
        return ProgramMissing(f"{program}: there is no such program", status=NOT_FOUND)
    return ProgramMissing(f"{program} cannot be run: {error.strerror}", status=CANNOT_RUN)


def _raise(number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupted(number)


def _end(child: subprocess.Popen[bytes], number: int) -> None:
    """Pass a signal on and wait for the end."""
    import subprocess

    for sent in (number, signal.SIGKILL):
        with suppress(ProcessLookupError):
            child.send_signal(sent)
        try:
            child.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        except Interrupted:
            child.kill()
            child.wait()
        return
