"""How a command of the shell ends when it does not end well."""

from __future__ import annotations

from typing import Final

from keyring_bridge.errors import BridgeError, Exit

FAILED: Final = 1
"""Exit code of the SDK's commands for every error."""

CANNOT_RUN: Final = 126
NOT_FOUND: Final = 127
"""Exit codes of shells for a program that cannot be run, or is not there."""

SIGNALLED: Final = 128
"""Exit code of shells after a signal, with its number added."""


class ShellFailed(BridgeError):
    """A command that cannot be done, with a text as the chain's own program would have it."""

    code = "shell_failed"
    exit_code = Exit.INTERNAL


class ProgramMissing(ShellFailed):
    """The chain's program is not there, or cannot be run."""

    code = "program_missing"

    def __init__(self, message: str, *, status: int = NOT_FOUND) -> None:
        super().__init__(message)
        self.status = status


class Ended(Exception):
    """A program that the shell ran failed and has told why; the command ends as it did.

    Attributes:
        status: Its exit code.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Interrupted(KeyboardInterrupt):
    """A signal asks the command to end.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
