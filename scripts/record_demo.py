"""Draw docs/demo.svg from what ``scripts/demo.sh`` really prints.

    python scripts/record_demo.py            run the demonstration and draw it
    python scripts/record_demo.py < session  draw a session that was kept

Nothing is invented: the only change to the output is that the private directory of the run is shown as ``$DEMO``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "demo.svg"

COLUMNS = 118
CHARACTER = 7.8
LINE = 18
MARGIN = 20
BAR = 34

STYLES = (
    (re.compile(r"^\$ "), "command"),
    (re.compile(r"^# "), "remark"),
    (re.compile(r"^! "), "warning"),
)
MARKED = re.compile(
    r"(CKA_EXTRACTABLE +false|refused by the token|verified by the package ecdsa|policy_denied|the log is whole)"
)
"""What the picture is there to show."""


def wrap(line: str) -> list[str]:
    """Break a line where a terminal would."""
    return [line[start : start + COLUMNS] for start in range(0, len(line), COLUMNS)] or [""]


def style_of(line: str) -> str:
    """Return the class of a whole line."""
    return next((name for pattern, name in STYLES if pattern.match(line)), "")


def spans(line: str) -> str:
    """Return the line as SVG text, with the marked words in a colour of their own."""
    parts = MARKED.split(line)
    return "".join(
        f'<tspan class="mark">{escape(part)}</tspan>' if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def draw(session: str) -> str:
    """Return the picture of a terminal session."""
    rows = [(style_of(line), piece) for line in session.splitlines() for piece in wrap(line.rstrip())]
    width = round(COLUMNS * CHARACTER + 2 * MARGIN)
    height = BAR + MARGIN + len(rows) * LINE + MARGIN // 2
    text = []
    for number, (style, line) in enumerate(rows):
        if not line:
            continue
        y = BAR + MARGIN + number * LINE
        attributes = f' class="{style}"' if style else ""
        content = escape(line) if style else spans(line)
        text.append(f'<text x="{MARGIN}" y="{y}"{attributes} xml:space="preserve">{content}</text>')
    dots = "".join(
        f'<circle cx="{MARGIN + 18 * number}" cy="17" r="6" fill="{colour}"/>'
        for number, colour in enumerate(("#e0645c", "#dfb04a", "#6dbb63"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
            '<title id="title">A terminal session: a cosmpy bank send signed by a key in a PKCS#11 token</title>',
            "<style>",
            "text { font: 13px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #d6dae0 }",
            ".command { fill: #8fc7ff; font-weight: 600 } .remark { fill: #8b94a1 } .warning { fill: #e8b45c }",
            ".mark { fill: #86d48a; font-weight: 600 }",
            "</style>",
            f'<rect width="{width}" height="{height}" rx="9" fill="#171b22"/>',
            f'<path d="M0 {BAR}V9a9 9 0 0 1 9-9H{width - 9}a9 9 0 0 1 9 9V{BAR}z" fill="#262c36"/>',
            dots,
            *text,
            "</svg>",
            "",
        ]
    )


def perform() -> str:
    """Run the demonstration and return what it printed."""
    command = [str(ROOT / "scripts" / "demo.sh")]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def main() -> None:
    """Draw the session on standard input, or a new one."""
    session = perform() if sys.stdin.isatty() or not (given := sys.stdin.read()) else given
    TARGET.write_text(draw(session))
    print(f"wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
