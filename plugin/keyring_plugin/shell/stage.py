"""How far a command is, for whoever interrupts it."""

from __future__ import annotations

NOTHING_SIGNED = "nothing was signed and nothing was sent"
MAY_BE_SIGNED = "the key may have been asked for a signature (the audit log tells); nothing was sent"


class Stage:
    """What has been done.

    Attributes:
        text: In words.
    """

    def __init__(self) -> None:
        self.text = NOTHING_SIGNED
