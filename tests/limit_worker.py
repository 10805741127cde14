"""A process that takes from limits' counters when it is told to, for tests of many.

One JSON object a line: ``{"open": PATH}``, ``{"take": [[kind, size, units, seconds, amount], …], "id": N}`` or
``{"give_back": N}``; the last two with ``"now": NANOSECONDS`` and ``"log": PATH``. The log has a line for everything
that was taken, as an audit log has intents.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from keyring_bridge.store.counters import SECOND, Charge, Full, Taken
from keyring_bridge.store.limits import LimitCounters


def charge(kind: str, size: int, units: int, seconds: int, amount: int) -> Charge:
    """One charge on the counter that these numbers make."""
    return Charge(f"{kind} {size} {units} {seconds}", kind, kind, size, units, seconds, amount)  # type: ignore[arg-type]  # one of two words


class Worker:
    """What the process does.

    Attributes:
        now: Time of the command that is carried out.
    """

    def __init__(self) -> None:
        self.now = 0
        self.log = Path()
        self.counters: LimitCounters | None = None
        self.taken: dict[int, tuple[Taken, ...]] = {}

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out a command and return the answer."""
        if "open" in command:
            if self.counters is not None:
                self.counters.close()
            self.counters = LimitCounters(Path(command["open"]), lambda: self.now)
            self.taken = {}
            return {}
        self.now, self.log = command["now"], Path(command["log"])
        assert self.counters is not None
        if "give_back" in command:
            self.counters.give_back(self.taken.pop(command["give_back"]))
            self.note({"back": command["give_back"]})
            return {}
        charges = [charge(*one) for one in command["take"]]
        taken = self.counters.take(charges, self.history)
        if isinstance(taken, Full):
            return {"taken": False, "wait": taken.wait}
        self.taken[command["id"]] = taken
        self.note({"id": command["id"], "now": self.now, "take": command["take"]})
        return {"taken": True}

    def note(self, line: dict[str, Any]) -> None:
        """Write a line to the log in one call."""
        fd = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, json.dumps(line).encode() + b"\n")
        os.close(fd)

    def history(self, wanted: Charge) -> list[tuple[float, int]]:
        """What the log says of a counter."""
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_bytes().splitlines()]
        back = {line["back"] for line in lines if "back" in line}
        return [
            ((self.now - line["now"]) / SECOND, one[4])
            for line in lines
            if "take" in line and line["id"] not in back
            for one in line["take"]
            if charge(*one).counter == wanted.counter
        ]


def main() -> None:
    """Obey until the input ends."""
    worker = Worker()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(worker.obey(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
