"""Text that somebody else wrote, made fit to be shown.

A memo may move the cursor, hide what follows, turn the reading direction or run to a megabyte. Here it becomes one line
of bounded length in which every such character is written out, as :func:`keyring_bridge.cli.render.visible` does: C0
and C1 controls and ESC, bidirectional marks and overrides, zero-width characters, U+2028 and U+2029, lone surrogates,
U+FEFF, tag characters, unassigned and private ones. A backslash is doubled if there is anything to tell it apart from.
"""

from __future__ import annotations

from typing import Final

from keyring_bridge.cli.render import visible

LONGEST: Final = 4000
"""Characters of one text that are shown."""

_MARKS_IN_A_ROW: Final = 3


def safe(text: object, longest: int = LONGEST) -> str:
    r"""Return untrusted text as one visible line; what is cut off is counted.

    Args:
        text: The text; other values are turned into text first.
        longest: Characters of it to show.
    """
    whole = str(text)
    cut = whole[:longest]
    shown = visible(cut)
    if shown != cut and "\\" in cut:
        # Otherwise `\u202e`, typed as six characters, would look like the character itself made visible.
        shown = visible(cut.replace("\\", "\\\\"))
    shown = _without_towers(shown)
    if len(whole) > longest:
        shown += f" … ({len(whole) - longest} more characters)"
    return shown


def _without_towers(text: str) -> str:
    """Write out combining marks behind the third on one character, which would cover the lines around it."""
    if text.isascii():
        return text
    import unicodedata

    out: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        out.append(f"\\u{ord(character):04x}" if marks > _MARKS_IN_A_ROW else character)
    return "".join(out)
