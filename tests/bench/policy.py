"""What a decision costs: a small policy, and one of 200 tables and 1,000 recipients."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.figures import Line, micro, show
from tests.unit.policy.transactions import FRIEND, STRANGER, account, ask, rules, send, transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyring_bridge.policy import Policy, Question

BUDGET_MICROSECONDS = 200.0
RULES, RECIPIENTS = 200, 1000


def policy(turns: int, count: int) -> None:
    """Decide about a bank send, each time as if it were new."""
    send_to = transaction(send(100, to=FRIEND), fee=(500,))
    question = ask(send_to)
    stranger = ask(transaction(send(100, to=STRANGER), fee=(500,)))
    small = rules(messages=("/cosmos.bank.v1beta1.MsgSend",))
    last, first = large(last=True), large(last=False)
    cases: tuple[tuple[str, Policy, Question], ...] = (
        ("one table, no amounts", small, question),
        (f"{RULES} tables, {RECIPIENTS:,} recipients, the first allows", first, question),
        (f"{RULES} tables, {RECIPIENTS:,} recipients, the last allows", last, question),
        (f"{RULES} tables, {RECIPIENTS:,} recipients, none allows", last, stranger),
    )
    for _, rule, asked in cases:
        assert rule.decide(asked).verdict == ("deny" if asked is stranger else "allow")
    figures: dict[str, list[float]] = {name: [] for name, _, _ in cases}
    for _ in range(turns):
        for name, rule, asked in cases:
            figures[name].append(_each(lambda rule=rule, asked=asked: rule.decide(asked), count))  # type: ignore[misc]  # defaults bind
    lines = [
        Line(name, micro(median(each)), median(each) / 1000, BUDGET_MICROSECONDS, "µs")
        for name, each in figures.items()
    ]
    show("A decision about a bank send (processor time)", lines)


def large(*, last: bool) -> Policy:
    """A policy of many tables, of which the first or the last has the transaction's recipient."""
    addresses = [account_of(number) for number in range(RECIPIENTS - 1)]
    share = RECIPIENTS // RULES
    text = [f'max_fee = {{ uve = "1000" }}\nmax_gas = 1000000\ngranters = []\ndenied_recipients = ["{account(200)}"]']
    for number in range(RULES):
        mine = addresses[number * share : (number + 1) * share]
        if number == (RULES - 1 if last else 0):
            mine = [*mine[: share - 1], FRIEND]
        text.append(f'[[keys.ops.any_of]]\nname = "r{number}"\nrecipients = {mine}\nmax_amount = {{ uve = "1000" }}')
    return rules("\n".join(text), messages=("/cosmos.bank.v1beta1.MsgSend",))


def account_of(number: int) -> str:
    from cosmos_formats import address

    return address.encode("ve", b"bench" + number.to_bytes(15, "big"))


def _each(call: Callable[[], object], count: int) -> float:
    """Nanoseconds of the processor: others who use the machine do not count."""
    started = time.thread_time_ns()
    for _ in range(count):
        call()
    return (time.thread_time_ns() - started) / count
