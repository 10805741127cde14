"""Asking a person."""

from __future__ import annotations

import os

from keyring_bridge.errors import PinRequired
from keyring_bridge.secrets.secret_bytes import SecretBytes, wipe

_LINE_LIMIT = 4096  # what a terminal in canonical mode gives at most


def tty_prompt(text: str) -> SecretBytes:
    """Ask on the controlling terminal, without echo, whatever standard input and output are used for.

    Args:
        text: Shown as it is, such as ``"PIN for token demo: "``.

    Returns:
        The line that was typed, without its end.

    Raises:
        PinRequired: There is no terminal, this process is in its background, or nothing was typed.
    """
    import termios

    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise PinRequired(
            "there is no terminal to ask on",
            hint="run from a terminal, or say where it comes from, such as file:/PATH (a PIN's source is the "
            "configuration's pin_source)",
        ) from None
    buffer = bytearray(_LINE_LIMIT)
    try:
        # Changing a terminal from the background would stop this process instead.
        if os.tcgetpgrp(terminal) != os.getpgrp():
            raise PinRequired("this process runs in the background of its terminal, so nobody can be asked")
        before = termios.tcgetattr(terminal)
        silent = [*before[:3], before[3] & ~termios.ECHO | termios.ICANON, *before[4:]]
        try:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
            os.write(terminal, text.encode("utf-8", "replace"))
            size = os.readv(terminal, [buffer])
        finally:
            # TCSAFLUSH drops what was typed beyond the limit: it must not become the shell's next command.
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
            os.write(terminal, b"\n")
        typed = bytearray(memoryview(buffer)[: size - 1 if buffer[size - 1 : size] == b"\n" else size])
    except (OSError, termios.error) as error:
        raise PinRequired("the terminal could not be read", detail=str(error)) from None
    finally:
        wipe(buffer)
        os.close(terminal)
    if not typed:
        raise PinRequired("nothing was typed")
    return SecretBytes(typed)
