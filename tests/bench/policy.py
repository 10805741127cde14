"""What decisions cost, of a small policy and of one with 200 tables and 1,000 recipients; and what limits cost."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.figures import Line, micro, show
from tests.unit.policy.transactions import FRIEND, STRANGER, account, ask, rules, send, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keyring_bridge.config import Config
    from keyring_bridge.policy import Policy, Question
    from keyring_bridge.providers.base import ProviderBase
    from tests.bench.lab import Lab

BUDGET_MICROSECONDS = 200.0
RULES, RECIPIENTS = 200, 1000


def policy(lab: Lab, turns: int, count: int) -> None:
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
    limits(lab, turns * 40)


def limits(lab: Lab, rounds: int) -> None:
    """Take turns: a bare signature of the token, the intent on disk, and two limits that are reserved before it."""
    from keyring_bridge.audit import AuditLog
    from keyring_bridge.config import load
    from keyring_bridge.limits import Limits
    from keyring_bridge.model import Caller, KeyRef
    from keyring_bridge.policy.load import parse_policy
    from keyring_bridge.store.sqlite import SqliteStore
    from tests.bench.contestants import KEY

    config = load(lab.copy("limits", memory=False))
    store = SqliteStore(config.state_dir / "store.sqlite")
    record = store.get(KEY)
    assert record is not None
    assert record.uri is not None
    text = config.policy_path.read_text() + LIMITS
    key = parse_policy(text.encode(), config.policy_path).keys[KEY]
    guard, disk = Limits(store, config.audit_path), AuditLog(config.audit_path, "bench")
    memory = AuditLog(load(lab.copy("limits", memory=True)).audit_path, "bench")
    view = ask(transaction(send(100), fee=(500,))).view
    fields = {"key": KEY, "sha256": "00" * 32, "spend": {"uve": "600"}}

    def intend(audit: AuditLog, number: int) -> None:
        audit.conclude(audit.intend("sign.intent", f"{number:016x}", fields), {"result": "signed"})

    with token_of(lab, config) as provider:
        ref = KeyRef(record.uri, record.record.public_key)  # type: ignore[arg-type]  # no multisig
        steps: dict[str, Callable[[int], object]] = {
            "the token alone": lambda _: provider.sign(ref, b"\x07" * 32, deadline=time.monotonic() + 60),
            "intent and outcome, in memory": lambda number: intend(memory, number),
            "intent and outcome, on disk": lambda number: intend(disk, number),
            "two limits": lambda _: guard.reserve(key, view, Caller("uid:0")),  # type: ignore[arg-type]  # it was read
        }
        times: dict[str, list[int]] = {name: [] for name in steps}
        for number in range(rounds + 10):
            for name, step in steps.items():
                begin = time.perf_counter_ns()
                step(number)
                if number >= 10:
                    times[name].append(time.perf_counter_ns() - begin)
    for audit in (disk, memory):
        audit.close()
    store.close()
    bare, quick, durable, counted = (median(taken) for taken in times.values())
    show(
        "Limits and audit beside a bare signature (p50)",
        [
            Line("the token alone", micro(bare), 1.0),
            Line("two limits (signatures and amount)", micro(counted), counted / bare),
            Line("intent and outcome, in memory", micro(quick), quick / bare),
            Line("intent and outcome, on disk", micro(durable), durable / bare),
            Line("added by both, in memory", micro(quick + counted), (quick + counted) / bare, 1.2),
            Line("added by both, on disk", micro(durable + counted), (durable + counted) / bare, 1.2),
        ],
    )


LIMITS = """
limits = [{ signatures = 1000000, per = "minute" }, { amount = { uve = 1000000000000 }, per = "day" }]
"""


@contextmanager
def token_of(lab: Lab, config: Config) -> Iterator[ProviderBase]:
    """The bench's token, as the bridge would open it."""
    from unittest.mock import patch

    from keyring_bridge.login_guard import LoginGuard
    from keyring_bridge.manager import ProviderManager

    with patch.dict(os.environ, lab.env):
        manager = ProviderManager(config, LoginGuard(config.state_dir / "logins"), None)
        try:
            yield manager.get("token")
        finally:
            manager.close()


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
