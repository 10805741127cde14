"""A keyring for commands, whose work with devices has a deadline, whatever the device does.

A call to a device that hangs cannot be interrupted, not even by Ctrl-C: Python handles signals between two steps of its
own, and only on the main thread. So the work is done on another thread, which is left behind when its time is over; the
audit log has the outcome as unknown, or the intent alone, which counts as carried out. A program that left somebody
behind (:func:`left_behind`) ends without waiting for it.
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

PERSON_SECONDS: Final = 120.0
"""How long a signature may take where a person may be asked for a PIN."""

_GRACE_SECONDS: Final = 1.0
"""For the bridge to say itself that the deadline passed, and to write that down."""

_CLOSE_SECONDS: Final = 5.0
"""How long logging out may take."""

T = TypeVar("T")


_WITH_DEVICES: Final = frozenset(
    {
        "adopt",
        "destroy",
        "generate",
        "import_priv_key",
        "import_priv_key_hex",
        "new_account",
        "new_mnemonic",
        "rename",
        "unlock",
    }
)
"""Methods of a keyring that make, change or open one thing in a device. Those that sign take a deadline besides."""

_SIGNING: Final = frozenset({"sign", "sign_arbitrary", "sign_by_address", "sign_digest"})

_left: list[threading.Thread] = []


def left_behind() -> bool:
    """Tell whether a thread of this process still sits in a device that did not answer in time."""
    return any(thread.is_alive() for thread in _left)


class PatientKeyring:
    """A keyring, except that what it does with devices ends in time.

    Its methods raise DeadlineExceeded if the device did not answer.

    Args:
        keyring: Does the work.
        seconds: How long each piece may take.
    """

    def __init__(self, keyring: Keyring, seconds: float) -> None:
        self._keyring = keyring
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._keyring, name)
        if name not in _SIGNING | _WITH_DEVICES:
            return method

        def in_time(*arguments: Any, **options: Any) -> Any:
            deadline = time.monotonic() + (max(self._seconds, PERSON_SECONDS) if _has_terminal() else self._seconds)
            if name in _SIGNING:
                options = {**options, "deadline": deadline}
            return _until(deadline + _GRACE_SECONDS, lambda: method(*arguments, **options))

        return in_time


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
        _left.append(closing)


def _until(deadline: float, step: Callable[[], T]) -> T:
    """Return what a step returns or raise what it raises; give up at the deadline (of ``time.monotonic()``)."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(step())
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=run, name="device", daemon=True)
    with _terminal_as_it_is():
        worker.start()
        try:
            worker.join(max(0.0, deadline - time.monotonic()))
        except BaseException:  # Ctrl-C
            _left.append(worker)
            raise
        if failures:
            raise failures[0]
        if not results:
            _left.append(worker)
            hint = "the audit log has what became of it, as far as that is known"
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
