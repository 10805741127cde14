"""A keyring whose signatures have a deadline, whatever the device does.

A call to a device that hangs cannot be interrupted, not even by Ctrl-C: Python handles signals between two steps of its
own, and only on the main thread. So signatures are made on another thread, which is left behind when their time is
over; the audit log has the outcome as unknown by then. The program ends without waiting for it
(:func:`keyring_plugin.main.run`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from keyring_bridge.errors import DeadlineExceeded

if TYPE_CHECKING:
    from keyring_bridge.keyring import Keyring
    from keyring_bridge.model import SignResult

PERSON_SECONDS: Final = 120.0
"""How long a signature may take where a person may be asked for a PIN."""

_GRACE_SECONDS: Final = 1.0
"""For the bridge to say itself that the deadline passed, and to write that down."""

_CLOSE_SECONDS: Final = 5.0
"""How long logging out may take."""

T = TypeVar("T")


class PatientKeyring:
    """A keyring, except that signing ends in time.

    Args:
        keyring: Makes the signatures.
        seconds: How long each may take.
    """

    def __init__(self, keyring: Keyring, seconds: float) -> None:
        self._keyring = keyring
        self._seconds = seconds

    def sign(self, *arguments: Any, **options: Any) -> SignResult:
        """See :meth:`keyring_bridge.keyring.Keyring.sign`.

        Raises:
            DeadlineExceeded: The device did not answer in time.
        """
        deadline = time.monotonic() + (max(self._seconds, PERSON_SECONDS) if _has_terminal() else self._seconds)
        options = {**options, "deadline": deadline}
        return _until(deadline + _GRACE_SECONDS, lambda: self._keyring.sign(*arguments, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keyring, name)


@contextmanager
def patient(opening: AbstractContextManager[Keyring], seconds: float) -> Iterator[Keyring]:
    """Yield a keyring that is opened and closed here; neither signing nor closing waits for a device that hangs."""
    keyring = opening.__enter__()
    try:
        yield cast("Keyring", PatientKeyring(keyring, seconds))
    finally:
        closing = threading.Thread(target=opening.__exit__, args=(None, None, None), daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _until(deadline: float, step: Callable[[], T]) -> T:
    """Return what a step returns or raise what it raises; give up at the deadline (of ``time.monotonic()``)."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(step())
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=run, name="shell-sign", daemon=True)
    with _terminal_as_it_is():
        worker.start()
        worker.join(max(0.0, deadline - time.monotonic()))
        if failures:
            raise failures[0]
        if not results:
            hint = "the audit log has what became of the signature, as far as that is known"
            raise DeadlineExceeded("the device did not answer before the deadline", hint=hint)
    return results[0]


def _has_terminal() -> bool:
    with suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        return True
    return False


@contextmanager
def _terminal_as_it_is() -> Iterator[None]:
    """Leave the terminal as it was if a question for a PIN is left behind."""
    import termios

    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        before = termios.tcgetattr(terminal)
        try:
            yield
        except BaseException:
            with suppress(termios.error):
                if termios.tcgetattr(terminal) != before:
                    termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
            raise
    finally:
        os.close(terminal)
