"""``python -m tests.bench [--quick] [SECTION …]``: print how the bridge compares with a raw C loop in the same run."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from pathlib import Path

from tests.bench.agent import agent
from tests.bench.chain import chain
from tests.bench.cold import cold
from tests.bench.figures import REPORT, tell
from tests.bench.lab import Lab, open_lab
from tests.bench.migrate import migrate
from tests.bench.modes import modes
from tests.bench.policy import policy
from tests.bench.scale import scale
from tests.bench.steps import steps
from tests.bench.warm import latency, slow_token

SECTIONS: dict[str, Callable[[Lab, bool], None]] = {
    "latency": lambda lab, quick: latency(lab, rounds=12 if quick else 60, count=20 if quick else 40),
    "slow-token": lambda lab, quick: slow_token(lab, rounds=2 if quick else 5, count=5 if quick else 15),
    "cold": lambda lab, quick: cold(lab, rounds=5 if quick else 25),
    "steps": lambda lab, quick: steps(lab, rounds=200 if quick else 2000),
    "scale": lambda lab, quick: scale(lab),
    "agent": lambda lab, quick: agent(lab, rounds=5 if quick else 25, count=20 if quick else 40),
    "chain": lambda lab, quick: chain(lab, rounds=3 if quick else 15),
    "policy": lambda lab, quick: policy(lab, turns=5 if quick else 25, count=100 if quick else 400),
    "migrate": lambda lab, quick: migrate(lab, count=60 if quick else 1000, few=20 if quick else 100),
    "modes": lambda lab, quick: modes(lab, turns=3 if quick else 11, batch=200 if quick else 1000),
}

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- begin: scripts/bench.sh --write {} -->\n", "<!-- end -->"


def main() -> None:
    """Run the sections that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: a minute instead of several")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    with open_lab() as lab:
        for name in arguments.sections or SECTIONS:
            REPORT.clear()
            load = os.getloadavg()[0]
            tell(f"Python {platform.python_version()}, {os.cpu_count()} processors, load {load:.1f} at the start.")
            SECTIONS[name](lab, arguments.quick)
            if arguments.write:
                before, begin, rest = DOCUMENT.read_text().partition(BEGIN.format(name))
                DOCUMENT.write_text("\n".join((before + begin, *REPORT, END + rest.partition(END)[2])))


if __name__ == "__main__":
    main()
