"""Limits in the pipeline: what is refused, what is given back, and what a restart remembers."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.signing import SignMode
from keyring_bridge.bridge import Bridge
from keyring_bridge.errors import (
    AuditFailed,
    BridgeError,
    DeadlineExceeded,
    LimitReached,
    PolicyDenied,
    ProviderError,
    SignatureRejected,
)
from keyring_bridge.model import Caller, Operation, SignRequest
from keyring_bridge.store.sqlite import SqliteStore
from tests.unit.bridge.pipeline import CALLER, CHAIN, OneProvider, Setup
from tests.unit.bridge.sign_docs import auth_info, field, msg_send, send_doc, sign_doc

RULES = f'chains = ["{CHAIN}"]\nsign_modes = ["direct"]\nmessages = ["/cosmos.bank.v1beta1.MsgSend"]\n'
OTHER = Caller("uid:7")
FEE = 500


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.bridge.close()


def key_with(setup: Setup, limits: str, more: str = "") -> PublicKey:
    """Make the key ``ops`` with these limits, a list of inline tables."""
    public_key = setup.keyring.generate("ops").record.public_key
    assert isinstance(public_key, PublicKey)
    setup.allow("ops", f"{RULES}{more}limits = [{limits}]\n")
    return public_key


def doc(public_key: PublicKey, amount: int = 1, denom: str = "uve") -> bytes:
    from cosmos_formats import address

    own = address.encode("ve", public_key.address)
    return sign_doc(field(1, msg_send(own, own, str(amount), denom)), auth_info(public_key), CHAIN)


def sign(setup: Setup, payload: bytes, caller: Caller = CALLER) -> bytes:
    return setup.bridge.sign(SignRequest("ops", payload, SignMode.DIRECT), caller).signature


def counters(setup: Setup) -> list[Path]:
    return sorted(setup.config.state_dir.glob("store-limits-*.sqlite*"))


def test_a_bucket_of_signatures(setup: Setup) -> None:
    public_key = key_with(setup, '{ signatures = 2, per = "day" }')
    sign(setup, doc(public_key))
    sign(setup, doc(public_key))
    calls = setup.provider.calls
    with pytest.raises(LimitReached, match=r"the limit limits\[0\] of 2 signatures in 1 d is reached") as caught:
        sign(setup, doc(public_key))
    assert setup.provider.calls == calls
    assert caught.value.retryable
    told = re.search(r"possible at (\S+Z), in ", str(caught.value))
    assert told is not None
    wait = (datetime.fromisoformat(told[1]) - datetime.now(UTC)).total_seconds()
    assert 43_000 < wait < 43_202  # a token comes back every twelve hours
    refusal = setup.entries()[-1]
    assert (refusal["kind"], refusal["code"]) == ("sign.refused", "limit_reached")


def test_a_burst_may_be_smaller(setup: Setup) -> None:
    public_key = key_with(setup, '{ signatures = 1000, burst = 1, per = "31d" }')
    sign(setup, doc(public_key))
    with pytest.raises(LimitReached):
        sign(setup, doc(public_key))


def test_amounts_in_a_window_with_the_fees(setup: Setup) -> None:
    public_key = key_with(setup, f'{{ name = "daily", amount = {{ uve = {2 * FEE + 100} }}, per = "24h" }}')
    sign(setup, doc(public_key, 60))
    with pytest.raises(LimitReached, match="the limit daily of 1100uve in 1 d is reached"):
        sign(setup, doc(public_key, 41))
    sign(setup, doc(public_key, 40))
    intents = [entry for entry in setup.entries() if entry["kind"] == "sign.intent"]
    assert [intent["spend"] for intent in intents] == [{"uve": "560"}, {"uve": "540"}]


def test_more_than_the_limit_itself_is_denied_for_good(setup: Setup) -> None:
    public_key = key_with(setup, '{ amount = { uve = 1000 }, per = "day" }')
    with pytest.raises(PolicyDenied, match=r"limits.* of 1000uve in 1 d is less than the 1001uve of this transaction"):
        sign(setup, doc(public_key, 501))


def test_other_denominations_are_not_counted(setup: Setup) -> None:
    public_key = key_with(setup, '{ amount = { uatom = 5 }, per = "day" }')
    sign(setup, doc(public_key, 10**9))
    sign(setup, doc(public_key, 5, "uatom"))
    with pytest.raises(LimitReached):
        sign(setup, doc(public_key, 1, "uatom"))


def test_all_limits_or_none(setup: Setup) -> None:
    public_key = key_with(setup, '{ signatures = 5, per = "day" }, { amount = { uatom = 5 }, per = "day" }')
    sign(setup, doc(public_key, 5, "uatom"))
    for _ in range(9):
        with pytest.raises(LimitReached):
            sign(setup, doc(public_key, 1, "uatom"))
    for _ in range(4):
        sign(setup, doc(public_key))


def test_callers_alone_and_together(setup: Setup) -> None:
    public_key = key_with(
        setup,
        '{ name = "each", signatures = 2, per = "day", each_caller = true }, '
        '{ name = "seven", signatures = 1, per = "day", callers = ["uid:7"] }',
    )
    sign(setup, doc(public_key))
    sign(setup, doc(public_key), OTHER)
    with pytest.raises(LimitReached, match="seven"):
        sign(setup, doc(public_key), OTHER)
    sign(setup, doc(public_key))
    with pytest.raises(LimitReached, match="each"):
        sign(setup, doc(public_key))
    sign(setup, doc(public_key), Caller("uid:8"))


def test_a_limit_of_the_file_is_for_all_keys_together(setup: Setup) -> None:
    keys = {}
    text = '[[limits]]\nname = "all"\nsignatures = 2\nper = "day"\n'
    for name in ("one", "two"):
        record = setup.keyring.generate(name)
        keys[name] = record.record.public_key
        text += f'[keys.{name}]\nfingerprint = "{record.fingerprint}"\n{RULES}'
    setup.config.policy_path.write_text(f"version = 1\n{text}")
    setup.config.policy_path.chmod(0o600)
    for name in ("one", "two"):
        setup.bridge.sign(SignRequest(name, doc(keys[name]), SignMode.DIRECT), CALLER)  # type: ignore[arg-type]  # no multisig
    with pytest.raises(LimitReached, match="all"):
        setup.bridge.sign(SignRequest("one", doc(keys["one"]), SignMode.DIRECT), CALLER)  # type: ignore[arg-type]  # as above


def test_what_is_refused_takes_nothing(setup: Setup) -> None:
    public_key = key_with(setup, '{ signatures = 1, per = "day" }')
    for _ in range(3):
        with pytest.raises(PolicyDenied):
            setup.bridge.sign(SignRequest("ops", bytes(32), SignMode.DIRECT, Operation.DIGEST), CALLER)
    sign(setup, doc(public_key))


def fail(error: BridgeError) -> Callable[[bytes], bytes]:
    def bend(signature: bytes) -> bytes:
        raise error

    return bend


@pytest.mark.parametrize("kind", ["device", "bad signature", "late", "audit"])
def test_what_certainly_was_not_signed_is_given_back(setup: Setup, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    public_key = key_with(setup, '{ signatures = 1, per = "day" }, { amount = { uve = 501 }, per = "day" }')
    payload = doc(public_key)
    if kind == "device":
        setup.provider.bend = fail(ProviderError("no"))
        with pytest.raises(ProviderError):
            sign(setup, payload)
    elif kind == "bad signature":
        setup.provider.bend = lambda signature: bytes(64)
        with pytest.raises(SignatureRejected):
            sign(setup, payload)
    elif kind == "late":
        with pytest.raises(DeadlineExceeded):
            setup.bridge.sign(SignRequest("ops", payload, SignMode.DIRECT, deadline=0.0), CALLER)
    else:
        with monkeypatch.context() as patch:

            def broken(*_: object) -> object:
                raise AuditFailed("the disk is full")

            patch.setattr(setup.bridge.audit, "intend", broken)
            with pytest.raises(AuditFailed):
                sign(setup, payload)
    setup.provider.bend = lambda signature: signature
    sign(setup, payload)
    with pytest.raises(LimitReached):
        sign(setup, payload)


def test_what_may_have_been_signed_is_not_given_back(setup: Setup) -> None:
    public_key = key_with(setup, '{ signatures = 1, per = "day" }')
    setup.provider.bend = fail(DeadlineExceeded("it hangs"))
    with pytest.raises(DeadlineExceeded):
        sign(setup, doc(public_key))
    setup.provider.bend = lambda signature: signature
    with pytest.raises(LimitReached):
        sign(setup, doc(public_key))


@pytest.mark.parametrize("lost", [False, True])
def test_a_restart_changes_nothing(setup: Setup, lost: bool) -> None:
    public_key = key_with(
        setup, '{ signatures = 3, per = "day" }, { amount = { uatom = 10 }, per = "day", each_caller = true }'
    )
    sign(setup, doc(public_key, 4, "uatom"))
    setup.provider.bend = fail(ProviderError("no"))
    with pytest.raises(ProviderError):
        sign(setup, doc(public_key, 5, "uatom"))
    setup.provider.bend = lambda signature: signature
    sign(setup, doc(public_key, 1, "uatom"), OTHER)
    reopen(setup, lost=lost)
    with pytest.raises(LimitReached, match=r"limits\[1\]"):
        sign(setup, doc(public_key, 7, "uatom"))
    sign(setup, doc(public_key, 6, "uatom"))
    with pytest.raises(LimitReached, match=r"limits\[0\]"):
        sign(setup, doc(public_key))


def reopen(setup: Setup, *, lost: bool) -> None:
    """Open the installation in a new bridge; if ``lost``, as after a power cut: without the files of limits."""
    setup.bridge.close()
    assert counters(setup)
    for path in counters(setup) if lost else ():
        path.unlink()
    manager = setup.bridge._providers
    assert isinstance(manager, OneProvider)
    opened = Bridge.open(setup.config)
    setup.bridge = Bridge(setup.config, opened.store, opened.audit, manager)
    setup.provider._closed = False


def test_files_that_vanish_under_a_running_bridge(setup: Setup) -> None:
    public_key = key_with(setup, '{ signatures = 2, per = "day" }')
    sign(setup, doc(public_key))
    for path in counters(setup):
        path.unlink()
    sign(setup, doc(public_key))
    with pytest.raises(LimitReached):
        sign(setup, doc(public_key))


def test_a_new_limit_counts_what_was_signed_before(setup: Setup) -> None:
    public_key = key_with(setup, '{ signatures = 100, per = "day" }')
    sign(setup, doc(public_key))
    sign(setup, doc(public_key), OTHER)
    setup.allow("ops", f'{RULES}limits = [{{ signatures = 3, per = "hour" }}]\n')
    sign(setup, doc(public_key))
    with pytest.raises(LimitReached):
        sign(setup, doc(public_key))


def test_files_of_earlier_boots_are_removed(setup: Setup) -> None:
    public_key = key_with(setup, '{ signatures = 2, per = "day" }')
    old = setup.config.state_dir / "store-limits-0000.sqlite"
    old.write_bytes(b"")
    sign(setup, doc(public_key))
    assert not old.exists()
    assert len({path.name.partition(".")[0] for path in counters(setup)}) == 1


def test_one_durable_write_for_each_signature(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """The intent's. The file of limits is never synced."""
    public_key = key_with(setup, '{ signatures = 1000, per = "day" }, { amount = { uve = 1000000 }, per = "day" }')
    sign(setup, doc(public_key))
    here = threading.current_thread()
    synced: list[str] = []

    def spy(name: str, sync: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            # What the flusher's thread syncs are outcomes that nobody waits for.
            if threading.current_thread() is here:
                synced.append(name)
            return sync(*arguments)

        return call

    group = setup.bridge.audit._group
    monkeypatch.setattr(group, "_sync", spy("audit", group._sync))
    for name in ("fsync", "fdatasync", "sync"):
        monkeypatch.setattr(os, name, spy(name, getattr(os, name)))
    for _ in range(20):
        sign(setup, doc(public_key))
    assert synced.count("audit") == 20
    assert set(synced) <= {"audit", "fdatasync"}
    store = setup.bridge.store
    assert isinstance(store, SqliteStore)
    with store._limits._opened().reading() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (0,)


def test_keys_without_limits_have_no_file(setup: Setup) -> None:
    public_key = key_with(setup, "")
    sign(setup, send_doc(public_key, CHAIN))
    assert not counters(setup)
    assert "spend" not in next(entry for entry in setup.entries() if entry["kind"] == "sign.intent")
