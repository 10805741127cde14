"""Logging in: when, how often, and what happens with a wrong PIN."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.errors import AuthError, ConfigError, InsecureFile, PinBlocked, PinIncorrect, PinLocked, PinRequired
from keyring_bridge.login_guard import LoginGuard
from keyring_bridge.model import KeySpec
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from pathlib import Path

    from keyring_bridge.providers.base import ProviderContext
    from keyring_bridge.providers.pkcs11 import Pkcs11Provider
    from tests.integration.pkcs11.conftest import MakeProvider
    from tests.shim.shim import Shim
    from tests.softhsm import SoftHsm, SoftToken

pytestmark = pytest.mark.softhsm


class Person:
    """Types a PIN whenever asked."""

    def __init__(self, pin: str) -> None:
        self.pin = pin
        self.asked: list[str] = []

    def __call__(self, text: str) -> SecretBytes:
        self.asked.append(text)
        return SecretBytes(self.pin.encode())


def wait_for(condition: object, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_one_login_serves_every_session(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed(session_per_operation=True)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    for _ in range(3):
        provider.sign(key.ref, bytes(32))
    provider.list_keys()
    calls = shim.calls()
    assert calls["C_Login"] == 1
    assert calls["C_OpenSession"] >= 5
    provider.close()
    assert shim.calls()["C_Logout"] == 1
    assert shim.calls()["C_OpenSession"] == shim.calls()["C_CloseSession"]


def test_two_providers_share_the_login_and_the_last_one_logs_out(shim: Shim, shimmed: MakeProvider) -> None:
    first, second = shimmed(), shimmed()
    key = first.generate_key(KeySpec("k", KeyType.SECP256K1))
    second.sign(key.ref, bytes(32))
    assert shim.calls()["C_Login"] == 1
    first.close()
    assert shim.calls()["C_Logout"] == 0
    second.sign(key.ref, bytes(32))
    second.close()
    assert shim.calls()["C_Logout"] == 1


def test_a_wrong_pin_is_sent_once_and_remembered(
    softhsm: SoftHsm, shim: Shim, shimmed: MakeProvider, tmp_path: Path, context: ProviderContext
) -> None:
    wrong = softhsm.write_pin("000000", "wrong.pin")
    provider = shimmed(pin_source=f"file:{wrong}")
    with pytest.raises(PinIncorrect, match=r"not the last try.*nothing was signed"):
        provider.connect()
    for attempt in (provider.connect, provider.list_keys):
        with pytest.raises(PinBlocked):
            attempt()
    # A program that is started again neither.
    restarted = replace(context, login_guard=LoginGuard(tmp_path / "logins"))
    with pytest.raises(PinBlocked):
        shimmed(context=restarted).connect()
    assert shim.calls()["C_Login"] == 1
    assert shim.calls()["C_OpenSession"] == shim.calls()["C_CloseSession"]


def test_after_the_source_is_corrected_and_unlocked_it_works(
    softhsm: SoftHsm, token: SoftToken, make: MakeProvider, context: ProviderContext
) -> None:
    wrong = softhsm.write_pin("000000", "some.pin")
    provider = make(pin_source=f"file:{wrong}")
    with pytest.raises(PinIncorrect):
        provider.connect()
    status = provider.status()
    assert (status.state, status.pin) == ("locked", "count_low")
    assert "no PIN was sent" in status.message
    softhsm.write_pin(token.pin, "some.pin")
    assert provider.login_id() == context.login_guard.all()[0].token_id
    context.login_guard.clear(provider.login_id())
    provider.connect()
    assert provider.status().state == "ready"
    assert provider.status().pin == "ok"


@pytest.mark.parametrize(
    ("flags", "error", "text"),
    [
        ("10000", PinIncorrect, "not the last try"),
        ("20000", PinIncorrect, "one try is left"),
        ("30000", PinIncorrect, "one try is left"),
    ],
)
def test_the_counter_is_told(
    softhsm: SoftHsm, shim: Shim, shimmed: MakeProvider, flags: str, error: type[AuthError], text: str
) -> None:
    wrong = softhsm.write_pin("000000", "wrong.pin")
    shim.control(f"token_flags {flags}")
    with pytest.raises(error, match=text):
        shimmed(pin_source=f"file:{wrong}").connect()


def test_a_locked_token_is_not_asked(shim: Shim, shimmed: MakeProvider) -> None:
    shim.control("token_flags 40000")
    provider = shimmed()
    with pytest.raises(PinLocked):
        provider.connect()
    assert provider.status().pin == "locked"
    assert shim.calls()["C_Login"] == 0


def test_a_pin_that_locks_while_it_is_sent(shim: Shim, shimmed: MakeProvider) -> None:
    shim.control("fail C_Login * a4")
    provider = shimmed()
    # The token did not look at the PIN, so nothing is said about that.
    with pytest.raises(PinLocked, match=r"^the token's PIN is locked"):
        provider.connect()
    with pytest.raises(PinBlocked):
        provider.connect()
    assert shim.calls()["C_Login"] == 1


@pytest.mark.parametrize(("rv", "blocked"), [("5", True), ("30", True), ("6", True), ("32", False), ("b3", False)])
def test_a_login_that_fails_for_another_reason(shim: Shim, shimmed: MakeProvider, rv: str, blocked: bool) -> None:
    provider = shimmed()
    shim.control(f"fail C_Login 1 {rv}")
    from keyring_bridge.errors import BridgeError

    with pytest.raises(BridgeError) as caught:
        provider.connect()
    assert caught.value.code not in ("pin_incorrect", "pin_locked")
    if blocked:
        with pytest.raises(PinBlocked):
            provider.connect()
    else:
        provider.connect()


def test_the_pin_is_wiped_after_the_login(make: MakeProvider, token: SoftToken, context: ProviderContext) -> None:
    given: list[SecretBytes] = []

    def prompt(text: str) -> SecretBytes:
        given.append(SecretBytes(token.pin.encode()))
        return given[-1]

    provider = make(context=replace(context, prompt=prompt), pin_source="prompt")
    provider.connect()
    assert [pin.wiped for pin in given] == [True]


def test_nobody_to_ask(make: MakeProvider) -> None:
    with pytest.raises(PinRequired):
        make(pin_source="prompt").connect()


def test_the_question_names_the_token(make: MakeProvider, token: SoftToken, context: ProviderContext) -> None:
    person = Person(token.pin)
    provider = make(context=replace(context, prompt=person), pin_source="prompt")
    provider.connect()
    provider.list_keys()
    assert len(person.asked) == 1
    assert token.label in person.asked[0]


def test_an_idle_session_logs_out_and_reads_the_file_again(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed(idle_timeout=0.15)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    wait_for(lambda: shim.calls()["C_Logout"] == 1)
    assert provider.status().state == "locked"
    assert len(provider.sign(key.ref, bytes(32))) == 64
    assert shim.calls()["C_Login"] == 2


def test_a_busy_session_does_not_log_out(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed(idle_timeout=1.0)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        provider.sign(key.ref, bytes(32))
        time.sleep(0.05)
    assert shim.calls()["C_Login"] == 1


def test_a_typed_pin_is_not_kept(make: MakeProvider, token: SoftToken, context: ProviderContext) -> None:
    person = Person(token.pin)
    provider = make(context=replace(context, prompt=person), pin_source="prompt", idle_timeout=0.15)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    wait_for(lambda: provider.status().state == "locked")
    for attempt in (provider.list_keys, provider.connect, lambda: provider.sign(key.ref, bytes(32))):
        with pytest.raises(PinRequired, match="idle"):
            attempt()
    assert len(person.asked) == 1
    assert "idle" in provider.status().message
    # This is what unlocking does.
    provider.close()
    provider.connect()
    assert len(person.asked) == 2
    assert len(provider.sign(key.ref, bytes(32))) == 64


def test_a_pin_file_that_others_can_read(softhsm: SoftHsm, shim: Shim, shimmed: MakeProvider) -> None:
    leaky = softhsm.write_pin("648219", "leaky.pin")
    leaky.chmod(0o644)
    with pytest.raises(InsecureFile):
        shimmed(pin_source=f"file:{leaky}").connect()
    assert shim.calls()["C_Login"] == 0


def test_a_pin_in_the_configuration_is_refused(make: MakeProvider) -> None:
    with pytest.raises(ConfigError) as caught:
        make(pin_source="648219")
    assert "648219" not in f"{caught.value} {caught.value.detail} {caught.value.hint}"


@pytest.mark.parametrize(
    ("preset", "pin"),
    [
        ("cloudhsm", "nocolon"),
        ("cloudhsm", ":password"),
        ("cloudhsm", "user:"),
        ("yubihsm", "password"),
        ("yubihsm", "0001short"),
        ("yubihsm", "xyz1password"),
    ],
)
def test_a_pin_of_the_wrong_form_is_not_sent(
    softhsm: SoftHsm, shim: Shim, shimmed: MakeProvider, preset: str, pin: str
) -> None:
    source = softhsm.write_pin(pin, "form.pin")
    provider = shimmed(preset=preset, pin_source=f"file:{source}")
    with pytest.raises(AuthError, match="not sent"):
        provider.connect()
    assert shim.calls()["C_Login"] == 0
    # Nothing was sent, so nothing needs to be unlocked.
    with pytest.raises(AuthError, match="not sent"):
        provider.connect()


def test_closing_twice_and_connecting_again(provider: Pkcs11Provider) -> None:
    provider.close()
    provider.connect()
    provider.connect()
    provider.close()
    provider.close()
    assert provider.status().state == "locked"
    assert provider.list_keys() == []
