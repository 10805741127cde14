"""PINs of tokens that are being made: from a source, or generated into a file that only its owner can read."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.errors import ConfigError, PinRequired

if TYPE_CHECKING:
    from keyring_bridge.secrets import SecretBytes

GENERATED_BYTES = 12
"""Random bytes in a generated PIN; it is written in twice as many hexadecimal digits, which every token takes."""


def obtain(source: str | None, file: Path, what: str, undo: ExitStack) -> tuple[str, SecretBytes]:
    """Return a new PIN and the source that will give it again.

    Args:
        source: Where the PIN comes from; None generates one.
        file: Where a generated PIN goes.
        what: What the PIN is, for prompts and errors.
        undo: Gets the removal of a file that was made here, for the case that what follows fails.

    Raises:
        PinRequired: The source gives nothing, or the two answers at a prompt differ.
        ConfigError: The source is none, or ``file`` exists.
    """
    if source is None:
        pin = _generate(file, what)
        undo.callback(file.unlink, missing_ok=True)
        return f"file:{file}", pin
    from keyring_bridge.secrets import parse_source, tty_prompt

    parsed = parse_source(source)
    pin = parsed.read(tty_prompt, what)
    if parsed.interactive:
        with parsed.read(tty_prompt, f"{what} again") as again:
            if again != pin:
                pin.wipe()
                raise PinRequired("the two answers differ", hint="run the command again")
    return source, pin


def _generate(file: Path, what: str) -> SecretBytes:
    from keyring_bridge.config import write_atomic
    from keyring_bridge.secrets import SecretBytes

    if os.path.lexists(file):
        raise ConfigError(
            f"{file}: exists already, and a file that may hold the {what} of another token is never overwritten",
            hint=f"to use it, name it: --pin-source file:{file}",
        )
    digits = b"0123456789abcdef"
    pin = SecretBytes(bytearray(digits[half] for byte in os.urandom(GENERATED_BYTES) for half in divmod(byte, 16)))
    write_atomic(file, pin.reveal())
    return pin
