"""Numbers of a run and how they are shown."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Sample:
    """What one round measured.

    Attributes:
        wall: Nanoseconds from the first beginning to the last end.
        each: Nanoseconds of every single signature.
    """

    wall: int
    each: tuple[int, ...]

    @property
    def p50(self) -> float:
        """Median nanoseconds of a signature."""
        return median(self.each)

    @property
    def rate(self) -> float:
        """Signatures per second over the whole round."""
        return len(self.each) / self.wall * 1e9


@dataclass(frozen=True)
class Line:
    """One row of a table.

    Attributes:
        what: What was measured.
        value: The absolute figure, with its unit; differs between machines.
        ratio: The figure that is compared with the budget; None for rows that only inform.
        budget: The most (or, with ``at_least``, the least) that ``ratio`` should be.
        unit: Written behind ratio and budget, such as ``×`` or ``ms``.
    """

    what: str
    value: str
    ratio: float | None = None
    budget: float | None = None
    unit: str = "×"
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """``ok`` or ``MISSED``; empty where there is no budget."""
        if self.ratio is None or self.budget is None:
            return ""
        good = self.ratio >= self.budget if self.at_least else self.ratio <= self.budget
        return "ok" if good else "MISSED"

    def cells(self) -> tuple[str, str, str, str, str]:
        """The row as text."""
        digits = 2 if self.unit == "×" else 0
        ratio = "" if self.ratio is None else f"{self.ratio:.{digits}f} {self.unit}"
        sign = "≥" if self.at_least else "≤"
        budget = "" if self.budget is None else f"{sign} {self.budget:g} {self.unit}"
        return self.what, self.value, ratio, budget, self.verdict


REPORT: list[str] = []
"""What was shown so far."""


def tell(text: str) -> None:
    """Write to standard output, and keep it for the report."""
    REPORT.append(text)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show(title: str, lines: list[Line]) -> None:
    """Show a table, as Markdown that also reads well in a terminal."""
    rows = [("", "figure", "ratio", "budget", ""), *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    text = [f"\n### {title}\n"]
    for number, row in enumerate(rows):
        text.append("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            text.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    tell("\n".join(text))


def progress(text: str) -> None:
    """Tell on standard error what is being measured."""
    sys.stderr.write(f"  {text}\n")
    sys.stderr.flush()


def micro(nanoseconds: float) -> str:
    """Format nanoseconds as microseconds."""
    return f"{nanoseconds / 1000:,.0f} µs"


def milli(nanoseconds: float) -> str:
    """Format nanoseconds as milliseconds."""
    return f"{nanoseconds / 1e6:,.1f} ms"
