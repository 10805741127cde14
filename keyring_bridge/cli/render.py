"""Text for people and JSON for programs.

Labels, names, memos and error texts come from outside: from a token, a chain, another person. Everything printed for
people passes :func:`visible`, so that none of it can move the cursor, hide itself or turn the reading direction.
JSON is printed in ASCII, which has the same effect.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks by category, yet nothing is drawn for them.
_HIDDEN_CHARACTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def visible(text: str) -> str:
    r"""Return ``text`` with every control, escape, bidirectional or otherwise invisible character written out.

    Such a character becomes ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``. A line break does too: the answer is one line.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(character) if _is_hidden(character) else character for character in text)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN_CATEGORIES or character in _HIDDEN_CHARACTERS


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def width(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes: wide East Asian characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@dataclass(frozen=True, slots=True)
class Style:
    """Colours, or none.

    Attributes:
        colour: Whether the output is a terminal that wants them.
    """

    colour: bool = False

    def strong(self, text: str) -> str:
        """Return ``text`` as a heading."""
        return self._paint("1", text)

    def good(self, text: str) -> str:
        """Return ``text`` as good news."""
        return self._paint("32", text)

    def warning(self, text: str) -> str:
        """Return ``text`` as something to look at."""
        return self._paint("33", text)

    def bad(self, text: str) -> str:
        """Return ``text`` as bad news."""
        return self._paint("31", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text


PLAIN = Style()


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], style: Style = PLAIN) -> str:
    """Return rows under headings, in columns two spaces apart, without a trailing line break.

    Cells are made visible; None is shown as ``-``. The last column is not padded.
    """
    texts = [[cell(value) for value in row] for row in rows]
    widths = [max(width(line[column]) for line in [list(headings), *texts]) for column in range(len(headings))]
    lines = [style.strong(_line(headings, widths))]
    lines += [_line(row, widths) for row in texts]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text + " " * (columns - width(text)) for text, columns in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()


def details(fields: Mapping[str, object] | Iterable[tuple[str, object]], style: Style = PLAIN, indent: int = 0) -> str:
    """Return ``name: value`` lines with the values aligned; fields whose value is None are left out."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    shown = [(name, cell(value)) for name, value in pairs if value is not None]
    longest = max((len(name) for name, _ in shown), default=0)
    margin = " " * indent
    return "\n".join(f"{margin}{style.strong(name + ':')}{' ' * (longest - len(name))} {text}" for name, text in shown)


def readable(fields: Mapping[str, object]) -> dict[str, object]:
    """Return JSON members under names for people: spaces instead of underscores."""
    return {name.replace("_", " "): value for name, value in fields.items()}


def cell(value: object) -> str:
    """Return one value as visible text: yes and no for booleans, ``-`` for None, commas between list items."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple, frozenset, set)):
        items = sorted(value, key=str) if isinstance(value, (frozenset, set)) else value
        return ", ".join(cell(item) for item in items) or "-"
    return visible(str(value))


def to_json(value: object) -> str:
    """Return ``value`` as one line of ASCII JSON; paths, times and enumerations become text.

    Raises:
        TypeError: ``value`` holds something that has no place in JSON.
    """
    return json.dumps(value, default=_plain, ensure_ascii=True, allow_nan=False)


def _plain(value: object) -> object:
    from datetime import datetime
    from pathlib import Path

    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, (frozenset, set)):
        return sorted(value, key=str)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def timestamp(moment: object) -> str:
    """Return a ``datetime`` as RFC 3339 text in UTC, to the second."""
    from datetime import UTC, datetime

    if not isinstance(moment, datetime):
        raise TypeError(f"{type(moment).__name__} is not a datetime")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
