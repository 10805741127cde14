"""Where a typed PIN waits, for as long as one login takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from keyring_plugin.agent.gate import locked_error

if TYPE_CHECKING:
    from keyring_bridge.secrets import SecretBytes


class PinDesk(threading.local):
    """Hands a PIN from the request that brought it to the login that asks for it, on the same thread.

    Attributes:
        asked: What the login asked for when no PIN was there; None if it did not ask.
    """

    def __init__(self) -> None:
        self._pin: SecretBytes | None = None
        self.asked: str | None = None

    @contextmanager
    def holding(self, pin: SecretBytes | None) -> Iterator[None]:
        """Keep a PIN during the body; it is wiped afterwards, used or not."""
        self._pin, self.asked = pin, None
        try:
            yield
        finally:
            self._pin = None
            if pin is not None:
                pin.wipe()

    def prompt(self, text: str) -> SecretBytes:
        """Give the PIN to the login that asks for it, once.

        Raises:
            PinRequired: There is none: nobody can be asked here.
        """
        pin, self._pin = self._pin, None
        if pin is None:
            self.asked = text
            raise locked_error()
        return pin
