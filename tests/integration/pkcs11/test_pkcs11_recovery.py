"""Sessions that end, tokens that go and come back."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.errors import (
    BridgeError,
    KeyMismatch,
    ObjectNotFound,
    ProviderError,
    SessionLost,
    TokenNotFound,
    TokenRemoved,
)
from keyring_bridge.model import KeyRef, KeySpec
from tests.integration.pkcs11.test_pkcs11_login import wait_for
from tests.integration.pkcs11.test_pkcs11_signing import DIGEST, in_threads, verify

if TYPE_CHECKING:
    from keyring_bridge.model import KeyInfo
    from keyring_bridge.providers.pkcs11 import Pkcs11Provider
    from tests.integration.pkcs11.conftest import MakeProvider
    from tests.shim.shim import Shim
    from tests.softhsm import SoftHsm, SoftToken

pytestmark = pytest.mark.softhsm


@pytest.fixture
def signer(shim: Shim, shimmed: MakeProvider) -> tuple[Pkcs11Provider, KeyInfo]:
    """A provider behind the shim and a key that was used already."""
    provider = shimmed()
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.sign(key.ref, DIGEST)
    shim.clear_trace()
    return provider, key


@pytest.mark.parametrize("rv", ["b3", "b0", "82", "60", "90", "30"])
def test_a_signature_that_was_not_begun_is_made_in_another_session(
    shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo], rv: str
) -> None:
    provider, key = signer
    shim.control(f"fail C_SignInit 1 {rv}")
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    calls = shim.calls()
    assert calls["C_Sign"] == 1
    assert calls["C_Login"] == 0


@pytest.mark.parametrize("rv", ["b3", "b0", "82", "60", "90", "30", "32", "5", "6"])
def test_a_signature_that_may_have_been_made_is_not_repeated(
    shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo], rv: str
) -> None:
    provider, key = signer
    shim.control(f"fail C_Sign 1 {rv}")
    with pytest.raises(ProviderError):
        provider.sign(key.ref, DIGEST)
    assert shim.calls()["C_Sign"] == 1
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))


def test_a_signature_that_was_made_and_lost_is_not_repeated(shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo]) -> None:
    provider, key = signer
    shim.control("signature lost")
    with pytest.raises(SessionLost) as caught:
        provider.sign(key.ref, DIGEST)
    assert caught.value.retryable
    assert shim.calls()["C_Sign"] == 1
    shim.control()
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))


def test_an_error_that_stays_ends_the_attempts(shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo]) -> None:
    provider, key = signer
    shim.control("fail C_SignInit * b3")
    with pytest.raises(SessionLost):
        provider.sign(key.ref, DIGEST)
    assert shim.calls()["C_SignInit"] == 2
    shim.control()
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))


FAILURES = [
    "fail C_SignInit * b3",
    "fail C_SignInit * 60",
    "fail C_SignInit * 5",
    "fail C_Sign * 5",
    "fail C_Sign * 30",
    "fail C_Sign * 32",
    "fail C_FindObjectsInit * 5",
    "fail C_FindObjects * 30",
    "fail C_GetAttributeValue * 30",
    "fail C_OpenSession * b1",
    "fail C_OpenSession * 5",
    "fail C_GenerateKeyPair * 31",
    "fail C_GenerateKeyPair * b3",
    "fail C_DestroyObject * 5",
    "fail C_CreateObject * 30",
    "fail C_Login * 32",
    "fail C_GetSlotList * 5",
    "signature half",
    "signature lost",
    "quirk ignore_extractable",
]


@pytest.mark.parametrize("kept", [False, True], ids=["a-session-per-operation", "pooled"])
def test_two_hundred_failures_leave_no_session_behind(shim: Shim, shimmed: MakeProvider, kept: bool) -> None:
    sessions = 2
    provider = shimmed(sessions=sessions, session_per_operation=not kept)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.close()
    shim.clear_trace()

    def open_now() -> int:
        succeeded = [name for name, rv in shim.outcomes() if rv == 0]
        return succeeded.count("C_OpenSession") - succeeded.count("C_CloseSession")

    failures = 0
    for rule in FAILURES * 4:
        shim.control(rule)
        for attempt in (
            lambda: provider.sign(key.ref, DIGEST),
            lambda: provider.generate_key(KeySpec("x", KeyType.SECP256K1)),
            lambda: provider.sign(KeyRef("pkcs11:id=%00", key.public_key), DIGEST),
            lambda: provider.delete_key(KeyRef("pkcs11:object=none", key.public_key)),
            lambda: provider.rename_key(key.ref, "\n"),
        ):
            try:
                attempt()
            except BridgeError:
                failures += 1
    assert failures >= 200
    # The one that holds the login, and those of the pool.
    assert open_now() <= 1 + sessions
    shim.control()
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    provider.close()
    assert open_now() == 0


def test_a_token_that_is_pulled_while_signing(shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo]) -> None:
    provider, key = signer
    shim.control("fail C_Sign 1 32")
    with pytest.raises(TokenRemoved) as caught:
        provider.sign(key.ref, DIGEST)
    assert caught.value.retryable
    shim.control("removed")
    for attempt in (provider.list_keys, lambda: provider.sign(key.ref, DIGEST), provider.connect):
        with pytest.raises(TokenRemoved):
            attempt()
    assert provider.status().state == "disconnected"


def test_a_token_that_comes_back_is_opened_anew(shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo]) -> None:
    provider, key = signer
    shim.control("removed")
    with pytest.raises(TokenRemoved):
        provider.sign(key.ref, DIGEST)
    shim.control()
    shim.clear_trace()
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    calls = shim.calls()
    assert calls["C_Login"] == 1
    # The key was looked up again, not used by its old handle.
    assert calls["C_FindObjectsInit"] >= 2
    assert provider.status().state == "ready"


def test_a_token_that_was_away_unnoticed(shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo]) -> None:
    provider, key = signer
    shim.control("removed")
    # Only somebody else looks at the token while it is away.
    assert [info.label for info in provider.discover()] == []
    shim.control()
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    assert shim.calls()["C_Login"] == 1


def test_every_thread_comes_back(shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo]) -> None:
    provider, key = signer
    assert in_threads(6, lambda number: provider.sign(key.ref, DIGEST)) == []
    shim.control("removed")
    failures = in_threads(6, lambda number: provider.sign(key.ref, DIGEST))
    assert len(failures) == 6
    assert all(isinstance(failure, TokenRemoved | SessionLost) for failure in failures)
    shim.control()
    assert in_threads(6, lambda number: provider.sign(key.ref, DIGEST)) == []


def test_another_token_in_the_slot_is_not_used(
    softhsm: SoftHsm, token: SoftToken, shim: Shim, make: MakeProvider
) -> None:
    from keyring_bridge.providers.pkcs11.module import load

    provider = make(library=str(shim.library), token_label=None, slot=0)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    # The token's folder goes, and another one takes its slot.
    (folder,) = softhsm.token_dir.iterdir()
    folder.rename(softhsm.directory / "away")
    softhsm._util("--init-token", "--free", "--label", "impostor", "--so-pin", "53771904", "--pin", token.pin)
    shim.control("removed")
    with pytest.raises(TokenRemoved):
        provider.sign(key.ref, DIGEST)
    shim.control()
    shim.clear_trace()
    with pytest.raises(TokenRemoved):
        provider.sign(key.ref, DIGEST)
    assert shim.calls()["C_Login"] == 0
    assert load(shim.library).reinitialize()
    (softhsm.directory / "away").rename(folder)
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))


def test_softhsm_whose_token_folder_goes_and_comes_back(
    softhsm: SoftHsm, token: SoftToken, provider: Pkcs11Provider
) -> None:
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.sign(key.ref, DIGEST)
    (folder,) = softhsm.token_dir.iterdir()
    folder.rename(softhsm.directory / "away")
    with pytest.raises(ProviderError):
        provider.sign(key.ref, DIGEST)
    with pytest.raises((TokenRemoved, TokenNotFound, ObjectNotFound)):
        provider.sign(key.ref, DIGEST)
    (softhsm.directory / "away").rename(folder)
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    assert provider.list_keys() == [key]


def test_a_key_that_was_replaced_while_the_token_was_away_is_not_used(
    softhsm: SoftHsm, shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo], make: MakeProvider
) -> None:
    provider, key = signer
    from pkcs11 import Attribute

    shim.control("removed")
    with pytest.raises(TokenRemoved):
        provider.sign(key.ref, DIGEST)
    shim.control()
    other = make(library=str(shim.library))
    impostor = other.generate_key(KeySpec("k", KeyType.SECP256K1))
    other.delete_key(key.ref)
    connection = other.connector.current
    assert connection is not None
    with connection.changing() as session:
        for found in session.get_objects({Attribute.ID: impostor.key_id}):
            found[Attribute.ID] = key.key_id
    other.close()
    with pytest.raises(KeyMismatch):
        provider.sign(key.ref, DIGEST)
    assert shim.calls()["C_Sign"] == 0
    assert verify(impostor.public_key, DIGEST, provider.sign(KeyRef(key.uri, impostor.public_key), DIGEST))


def test_a_login_that_the_token_forgot_is_made_again(shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo]) -> None:
    provider, key = signer
    connection = provider.connector.current
    assert connection is not None
    connection.module.cryptoki.logout(connection._anchor.handle)  # type: ignore[attr-defined]
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    assert shim.calls()["C_Login"] == 1


@pytest.mark.parametrize("what", ["list", "get", "sign"])
def test_a_forgotten_login_is_not_taken_for_an_empty_token(
    shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo], what: str
) -> None:
    provider, key = signer
    connection = provider.connector.current
    assert connection is not None
    connection.forget_keys()
    connection.module.cryptoki.logout(connection._anchor.handle)  # type: ignore[attr-defined]
    if what == "list":
        assert provider.list_keys() == [key]
    elif what == "get":
        assert provider.get_key(key.ref) == key
    else:
        assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    assert shim.calls()["C_Login"] == 1


def test_a_dead_connection_is_noticed_before_a_change(shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo]) -> None:
    provider, _ = signer
    shim.control("removed")
    provider.discover()
    shim.control()
    assert provider.generate_key(KeySpec("second", KeyType.ED25519)).label == "second"
    assert shim.calls()["C_GenerateKeyPair"] == 1


def test_a_change_that_failed_is_not_repeated(shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo]) -> None:
    provider, _ = signer
    shim.control("fail C_GenerateKeyPair 1 b3")
    with pytest.raises(SessionLost):
        provider.generate_key(KeySpec("second", KeyType.ED25519))
    assert shim.calls()["C_GenerateKeyPair"] == 1
    assert len(provider.list_keys()) == 1


def test_keepalive_finds_dead_sessions_first(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed(keepalive=0.05, sessions=2)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.sign(key.ref, DIGEST)
    shim.clear_trace()
    wait_for(lambda: shim.calls()["C_GetSessionInfo"] >= 4)
    assert shim.calls()["C_CloseSession"] == 0
    # Calls take turns: the login's own session, then the idle one.
    shim.control(*(f"fail C_GetSessionInfo {number} b3" for number in (2, 4, 6)))
    wait_for(lambda: shim.calls()["C_CloseSession"] == 1)
    assert provider.connector.current is not None
    shim.control("removed")
    wait_for(lambda: provider.connector.current is None)
    shim.control()
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))


def test_reading_is_tried_again_once(shim: Shim, signer: tuple[Pkcs11Provider, KeyInfo]) -> None:
    provider, key = signer
    shim.control("fail C_FindObjectsInit 1 b3")
    assert provider.get_key(key.ref) == key
    shim.control("fail C_FindObjectsInit * b3")
    with pytest.raises(SessionLost):
        provider.get_key(key.ref)


@pytest.mark.parametrize(
    "call", ["C_OpenSession", "C_GetSessionInfo", "C_FindObjectsInit", "C_GetAttributeValue", "C_SignInit", "C_Sign"]
)
@pytest.mark.parametrize("rv", ["5", "32", "b3", "101"])
def test_whatever_fails_the_next_request_works(shim: Shim, shimmed: MakeProvider, call: str, rv: str) -> None:
    provider = shimmed(sessions=1, session_per_operation=True)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    shim.control(f"fail {call} 1 {rv}")
    for attempt in (lambda: provider.sign(key.ref, DIGEST), lambda: provider.get_key(key.ref)):
        with contextlib.suppress(ProviderError):
            attempt()
    shim.control()
    begun = time.monotonic()
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    assert time.monotonic() - begun < 2
