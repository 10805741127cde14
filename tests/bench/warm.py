"""Signatures of processes that are running: how long one takes, and how many come out when eight are under way."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.contestants import Contestant, bridge, build_raw, raw
from tests.bench.figures import Line, Sample, micro, progress, show

if TYPE_CHECKING:
    from tests.bench.lab import Lab

IN_FLIGHT = 8


def take_turns(contestants: Sequence[Contestant], rounds: int, count: int, threads: int = 1) -> dict[str, list[Sample]]:
    """Let everybody sign ``count`` times per round, in an order that changes with every round."""
    samples: dict[str, list[Sample]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds):
        shift = number % len(contestants)
        for contestant in [*contestants[shift:], *contestants[:shift]]:
            samples[contestant.name].append(contestant.run(count, threads))
    return samples


def p50(samples: Sequence[Sample]) -> float:
    """Median over the signatures of all rounds."""
    return median(nanoseconds for sample in samples for nanoseconds in sample.each)


def rate(samples: Sequence[Sample]) -> float:
    """Median throughput of the rounds."""
    return median(sample.rate for sample in samples)


def latency(lab: Lab, rounds: int, count: int) -> None:
    """One signature after the other, the whole pipeline, beside raw C on the same token."""
    plan = [
        ("in process, audit in memory", "in-process", True, 1.35),
        ("in process, durable audit on disk", "in-process", False, 1.75),
        ("stdio, audit in memory", "stdio", True, 1.8),
        ("stdio, durable audit on disk", "stdio", False, 2.1),
        ("Python client, durable audit on disk", "client", False, None),
    ]
    with ExitStack() as stack:
        contestants = [stack.enter_context(raw(build_raw(lab.disk), lab.softhsm, lab.token, lab.env))]
        for name, kind, memory, _ in plan:
            config = lab.copy(name.replace(" ", "-").replace(",", ""), memory=memory)
            contestants.append(stack.enter_context(bridge(kind, name, config, lab.env)))
        progress(f"one in flight: {rounds} rounds of {count} signatures each")
        alone = take_turns(contestants, rounds, count)
        progress(f"{IN_FLIGHT} in flight")
        together = take_turns(contestants, max(rounds // 4, 3), max(count // 2, 10), IN_FLIGHT)
    base = p50(alone["raw C"])
    lines = [Line("raw C, C_SignInit + C_Sign", micro(base), 1.0)]
    for name, _, _, budget in plan:
        lines.append(Line(name, micro(p50(alone[name])), p50(alone[name]) / base, budget))
    show("One signature at a time (p50, secp256k1 in SoftHSM2)", lines)

    base = rate(alone["raw C"])
    raw_together = rate(together["raw C"])
    lines = [
        Line("raw C, one loop", f"{base:,.0f} /s", 1.0),
        Line(f"raw C, {IN_FLIGHT} threads", f"{raw_together:,.0f} /s", raw_together / base),
    ]
    for name, kind, _, _ in plan:
        per_second = rate(together[name])
        budget = 1.2 if kind == "in-process" else None
        lines.append(Line(name, f"{per_second:,.0f} /s", per_second / base, budget, at_least=True))
    show(f"Throughput with {IN_FLIGHT} in flight", lines)


def slow_token(lab: Lab, rounds: int, count: int) -> None:
    """A token that takes 20 ms for a signature, as one behind a network does."""
    shim = lab.shim()
    shim.control("delay C_Sign 20")
    env = {**lab.env, **shim.env}
    lines = []
    with ExitStack() as stack:
        contestants = []
        for kind in ("in-process", "stdio"):
            config = lab.copy(f"slow-{kind}", memory=False, library=shim.library)
            contestants.append(stack.enter_context(bridge(kind, kind, config, env)))
        progress("a token that takes 20 ms")
        alone = take_turns(contestants, rounds, count * IN_FLIGHT)
        together = take_turns(contestants, rounds, count, IN_FLIGHT)
    for contestant in contestants:
        one, eight = rate(alone[contestant.name]), rate(together[contestant.name])
        lines.append(Line(f"{contestant.name}, 1 in flight", f"{one:,.0f} /s", 1.0))
        lines.append(
            Line(f"{contestant.name}, {IN_FLIGHT} in flight", f"{eight:,.0f} /s", eight / one, 6, at_least=True)
        )
    show("A token that takes 20 ms", lines)
