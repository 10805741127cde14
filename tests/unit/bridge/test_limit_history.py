"""What limits read off the audit log, also off a long one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyring_bridge.audit.entry import EMPTY, encode_fields, seal
from keyring_bridge.limit_history import signed_since
from keyring_bridge.store.counters import Charge

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=30)
COUNT = 4000
KEYS = ("aa" * 32, "bb" * 32)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four thousand intents, half a minute apart: two keys, three callers, every seventh failed, some torn bytes."""
    path = tmp_path_factory.mktemp("log") / "audit.jsonl"
    head, data = EMPTY, bytearray()
    for number in range(COUNT):
        time = f"{(BEGIN + number * STEP).isoformat(timespec='microseconds')[:26]}Z"
        fields = {
            "fingerprint": KEYS[number % 2],
            "caller": f"uid:{number % 3}",
            "view": {"memo": "x" * 200},
            "spend": {"uve": str(number), "uatom": "1"},
        }
        line, head = seal(head, time, "sign.intent", f"{number:04}", "b", encode_fields(fields))
        data += line
        intent = head.seq
        if number % 5 == 0:
            line, head = seal(head, time, "sign.refused", "", "b", encode_fields({"code": "policy_denied"}))
            data += line
        if number % 7 == 0:
            result = ("failed", "rejected", "unknown", "signed")[number % 4]
            line, head = seal(head, time, "sign.outcome", "", "b", encode_fields({"result": result}), intent)
            data += line
    path.write_bytes(data + b'{"v":1,"seq":')
    return path


def charge(**said: object) -> Charge:
    return Charge("c", "l", "window", 1, 0, 1, 1, **said)  # type: ignore[arg-type]  # keyword arguments of its own


def expected(first: int, charge: Charge) -> list[tuple[datetime, int]]:
    found = []
    for number in range(first, COUNT):
        if number % 7 == 0 and number % 4 in (0, 1):
            continue
        if charge.fingerprint not in (None, KEYS[number % 2]):
            continue
        if charge.callers is not None and f"uid:{number % 3}" not in charge.callers:
            continue
        amount = {None: 1, "uve": number, "uatom": 1}.get(charge.denom, 0)
        if amount:
            found.append((BEGIN + number * STEP, amount))
    return found


@pytest.mark.parametrize("first", [0, 1, 1999, 3000, COUNT - 1, COUNT])
@pytest.mark.parametrize(
    "one",
    [
        charge(),
        charge(fingerprint=KEYS[1], denom="uve"),
        charge(callers=frozenset({"uid:1", "uid:2"})),
        charge(fingerprint=KEYS[0], callers=frozenset({"uid:0"}), denom="uatom"),
        charge(denom="uosmo"),
    ],
    ids=["all", "key and coin", "callers", "everything", "unheard coin"],
)
def test_what_was_signed_since(log: Path, first: int, one: Charge) -> None:
    assert signed_since(log, BEGIN + first * STEP, one) == expected(first, one)


def test_a_log_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert signed_since(tmp_path / "none", BEGIN, charge()) == []
