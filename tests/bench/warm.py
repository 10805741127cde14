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


def slower(samples: Sequence[Sample], base: Sequence[Sample]) -> float:
    """How many times longer a signature takes than in ``base``: the median of the rounds' own ratios.

    What disturbs a busy machine lasts longer than a round, so both sides of a round's ratio have it.
    """
    return median(sample.p50 / other.p50 for sample, other in zip(samples, base, strict=True))


def faster(samples: Sequence[Sample], base: Sequence[Sample]) -> float:
    """How many times more signatures come out than in ``base``, likewise."""
    return median(sample.rate / other.rate for sample, other in zip(samples, base, strict=True))


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
        before = {contestant.name: contestant.cpu() for contestant in contestants}
        alone = take_turns(contestants, rounds, count)
        cpu = {one.name: (one.cpu() - before[one.name]) / (rounds * count) for one in contestants}
        progress(f"{IN_FLIGHT} in flight")
        together, loop = [], []
        for _ in range(max(rounds // 3, 4)):
            loop += take_turns(contestants[:1], 1, count * IN_FLIGHT // 2)["raw C"]
            together.append(take_turns(contestants, 1, count // 2, IN_FLIGHT))
    lines = []
    for name, _, _, budget in [("raw C", "", True, None), *plan]:
        figure = f"{micro(p50(alone[name]))}, CPU {micro(cpu[name])}"
        lines.append(Line(name, figure, slower(alone[name], alone["raw C"]), budget))
    show("One signature at a time (p50, secp256k1 in SoftHSM2)", lines)

    lines = [Line("raw C, one loop", f"{rate(loop):,.0f} /s", 1.0)]
    for name, kind in (("raw C", "raw"), *((name, kind) for name, kind, _, _ in plan)):
        samples = [turn[name][0] for turn in together]
        budget = 1.2 if kind == "in-process" else None
        title = f"raw C, {IN_FLIGHT} threads" if kind == "raw" else name
        lines.append(Line(title, f"{rate(samples):,.0f} /s", faster(samples, loop), budget, at_least=True))
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
        one, eight = alone[contestant.name], together[contestant.name]
        gain = faster(eight, one)
        lines.append(Line(f"{contestant.name}, 1 in flight", f"{rate(one):,.0f} /s", 1.0))
        lines.append(
            Line(f"{contestant.name}, {IN_FLIGHT} in flight", f"{rate(eight):,.0f} /s", gain, 6, at_least=True)
        )
    show("A token that takes 20 ms", lines)
