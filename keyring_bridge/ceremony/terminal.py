"""Showing words to a person once, on a terminal, and asking for some of them again.

The words go to the controlling terminal alone, whatever standard output and error are used for. They are shown on the
terminal's second screen, which is cleared and left before anything else happens, so that neither the screen nor what
can be scrolled back keeps them. Programs that record terminals (``script``, tmux with logging) keep what they see.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from secrets import SystemRandom
from typing import TYPE_CHECKING, Final

from keyring_bridge.ceremony.errors import CeremonyNotConfirmed, TerminalRequired
from keyring_bridge.errors import PinRequired
from keyring_bridge.secrets import SecretBytes, tty_prompt

if TYPE_CHECKING:
    from collections.abc import Iterable

ASKED: Final = 4
"""How many of the words are asked for."""

TRIES: Final = 3

_ENTER_SCREEN: Final = b"\x1b[?1049h\x1b[H\x1b[2J"
# The screen, and on terminals without a second one what was scrolled out of it.
_LEAVE_SCREEN: Final = b"\x1b[H\x1b[2J\x1b[3J\x1b[?1049l\x1b[H\x1b[2J"
_COLUMNS: Final = 3
_WIDTH: Final = 18


def check_terminal() -> None:
    """Make sure that there is a terminal whose person can be asked (errors: TerminalRequired)."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise TerminalRequired("there is no terminal to show the words on") from None
    try:
        if os.tcgetpgrp(terminal) != os.getpgrp():
            raise TerminalRequired("this process runs in the background of its terminal")
    finally:
        os.close(terminal)


def show_and_confirm(head: Sequence[str], words: SecretBytes, what: str) -> tuple[int, ...]:
    """Show words until a person says that they are written down, then let some of them be typed.

    After a wrong word all are shown again.

    Args:
        head: Lines above the words; no secrets.
        words: The words, one space between them.
        what: What they are, such as ``words of ops``.

    Returns:
        The numbers of the words that were asked for, from 1.

    Raises:
        CeremonyNotConfirmed: Wrong words were typed :data:`TRIES` times, or the person interrupted.
        TerminalRequired: The terminal is gone.
    """
    try:
        for left in reversed(range(TRIES)):
            _show(head, words)
            asked = sorted(SystemRandom().sample(range(1, _count(words) + 1), ASKED))
            wrong = [number for number in asked if not _typed(words, number, what)]
            if not wrong:
                return tuple(asked)
            places = ", ".join(map(str, wrong))
            _tell(f"Not what was shown: {'word' if len(wrong) == 1 else 'words'} {places}.\n")
            if left:
                _tell("All words are shown once more; correct what you wrote.\n")
                _wait("Press Enter to see them: ")
    except KeyboardInterrupt:
        raise CeremonyNotConfirmed("interrupted before anybody confirmed that the words were written down") from None
    raise CeremonyNotConfirmed(f"the {what} were typed wrongly {TRIES} times (last: {places})")


def _show(head: Iterable[str], words: SecretBytes) -> None:
    with SecretBytes(_table(words)) as table:
        _put(_ENTER_SCREEN)
        try:
            _tell("\n".join(head) + "\n\n")
            _put(table.reveal())
            _wait("\nPress Enter when you have written them down and compared them: ")
        finally:
            _put(_LEAVE_SCREEN)


def _table(words: SecretBytes) -> bytearray:
    """Return the words as numbered lines, in a buffer of the right size from the start."""
    count = _count(words)
    rows = -(-count // _COLUMNS)
    table = bytearray(b" " * (_WIDTH * _COLUMNS + 1) * rows)
    for row in range(rows):
        table[(row + 1) * (_WIDTH * _COLUMNS + 1) - 1] = 0x0A
    for place, (start, end) in enumerate(_spans(words)):
        # Numbers run down the columns, as on a card.
        at = (place % rows) * (_WIDTH * _COLUMNS + 1) + place // rows * _WIDTH
        table[at : at + 4] = b"%2d. " % (place + 1)
        with memoryview(words.reveal()) as view:
            table[at + 4 : at + 4 + end - start] = view[start:end]
    return table


def _typed(words: SecretBytes, number: int, what: str) -> bool:
    """Whether the word with a number is typed, without echo."""
    start, end = _spans(words)[number - 1]
    try:
        with (
            tty_prompt(f"Word {number} of the {what}: ") as typed,
            memoryview(words.reveal()) as view,
            SecretBytes(typed.reveal().strip().lower()) as cleaned,
            SecretBytes(view[start:end]) as wanted,
        ):
            return cleaned == wanted
    except PinRequired:
        check_terminal()
        return False


def _spans(words: SecretBytes) -> list[tuple[int, int]]:
    """Return where each word begins and ends."""
    buffer = words.reveal()
    spans = []
    start = 0
    for place, byte in enumerate(buffer):
        if byte == 0x20:
            spans.append((start, place))
            start = place + 1
    return [*spans, (start, len(buffer))]


def _count(words: SecretBytes) -> int:
    return words.reveal().count(b" ") + 1


def _wait(text: str) -> None:
    """Wait for Enter; what else is typed is not shown and not kept."""
    try:
        tty_prompt(text).wipe()
    except PinRequired:
        check_terminal()


def _tell(text: str) -> None:
    _put(text.encode("utf-8", "replace"))


def _put(data: bytes | bytearray) -> None:
    try:
        terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise TerminalRequired("the terminal is gone") from None
    try:
        with memoryview(data) as view:
            sent = 0
            while sent < len(view):
                sent += os.write(terminal, view[sent:])
    finally:
        os.close(terminal)
