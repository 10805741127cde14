"""Signatures of real keys, and what a token may answer instead."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256

from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import (
    BridgeError,
    DeadlineExceeded,
    InvalidRequest,
    InvalidUri,
    ObjectNotFound,
    SignatureRejected,
)
from keyring_bridge.model import KeyInfo, KeyRef, KeySpec
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from keyring_bridge.providers.pkcs11 import Pkcs11Provider
    from tests.integration.pkcs11.conftest import MakeProvider
    from tests.shim.shim import Shim

pytestmark = pytest.mark.softhsm

DIGEST = bytes(range(32))


def verify(public_key: PublicKey, payload: bytes, signature: bytes) -> bool:
    """Ask OpenSSL."""
    try:
        if public_key.key_type is KeyType.ED25519:
            ed25519.Ed25519PublicKey.from_public_bytes(public_key.data).verify(signature, payload)
        else:
            curve = ec.SECP256K1() if public_key.key_type is KeyType.SECP256K1 else ec.SECP256R1()
            point = ec.EllipticCurvePublicKey.from_encoded_point(curve, public_key.data)
            der = utils.encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
            point.verify(der, payload, ec.ECDSA(utils.Prehashed(SHA256())))
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("key_type", [KeyType.SECP256K1, KeyType.SECP256R1])
def test_ecdsa(provider: Pkcs11Provider, key_type: KeyType) -> None:
    key = provider.generate_key(KeySpec("k", key_type))
    for _ in range(8):
        digest = os.urandom(32)
        assert verify(key.public_key, digest, provider.sign(key.ref, digest))


@pytest.mark.parametrize("length", [0, 1, 32, 200, 100_000])
def test_ed25519(provider: Pkcs11Provider, length: int) -> None:
    key = provider.generate_key(KeySpec("k", KeyType.ED25519))
    message = os.urandom(length)
    assert verify(key.public_key, message, provider.sign(key.ref, message))


def test_an_ed25519_signature_is_the_one_of_rfc_8032(provider: Pkcs11Provider) -> None:
    # RFC 8032, 7.1, test 2: any context or prehash parameter would give another signature.
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = provider.import_key(KeySpec("rfc", KeyType.ED25519), SecretBytes(seed))
    assert key.public_key.data.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert provider.sign(key.ref, b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


@pytest.mark.parametrize("key_type", [KeyType.SECP256K1, KeyType.SECP256R1])
@pytest.mark.parametrize("length", [0, 20, 31, 33, 64])
def test_a_digest_of_another_length_never_reaches_the_token(
    shim: Shim, shimmed: MakeProvider, key_type: KeyType, length: int
) -> None:
    provider = shimmed()
    key = provider.generate_key(KeySpec("k", key_type))
    with pytest.raises(InvalidRequest, match="32 bytes"):
        provider.sign(key.ref, bytes(length))
    assert shim.calls()["C_SignInit"] == 0
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))


@pytest.mark.parametrize("payload", [bytearray(32), memoryview(bytes(32)), "x" * 32, [bytes(32)], None, 32])
def test_anything_but_bytes_is_refused_and_spoils_nothing(shim: Shim, shimmed: MakeProvider, payload: object) -> None:
    provider = shimmed(sessions=1)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    with pytest.raises(InvalidRequest):
        provider.sign(key.ref, payload)  # type: ignore[arg-type]  # what this test is about
    assert shim.calls()["C_SignInit"] == 0
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))


def test_the_token_is_asked_twice_per_signature(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed()
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.sign(key.ref, DIGEST)
    shim.clear_trace()
    for _ in range(3):
        provider.sign(key.ref, DIGEST)
    assert shim.trace() == ["C_SignInit", "C_Sign"] * 3


@pytest.mark.parametrize("answer", ["half", "long"])
@pytest.mark.parametrize("key_type", [KeyType.SECP256K1, KeyType.ED25519])
def test_a_signature_of_another_length_is_not_released(
    shim: Shim, shimmed: MakeProvider, answer: str, key_type: KeyType
) -> None:
    provider = shimmed(sessions=1)
    key = provider.generate_key(KeySpec("k", key_type))
    shim.control(f"signature {answer}")
    with pytest.raises(SignatureRejected):
        provider.sign(key.ref, DIGEST)
    shim.control()
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))


@pytest.mark.parametrize("answer", ["garbage", "wrong_key"])
def test_the_shim_makes_signatures_that_only_verification_finds(shim: Shim, shimmed: MakeProvider, answer: str) -> None:
    provider = shimmed()
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    other = provider.generate_key(KeySpec("other", KeyType.SECP256K1))
    shim.control(f"signature {answer}")
    signature = provider.sign(key.ref, DIGEST)
    assert not verify(key.public_key, DIGEST, signature)
    assert verify(other.public_key, DIGEST, signature) is (answer == "wrong_key")


def test_the_shim_repeats_a_nonce_in_valid_signatures(shim: Shim, shimmed: MakeProvider) -> None:
    scalar = os.urandom(32)
    provider = shimmed()
    key = provider.import_key(KeySpec("k", KeyType.SECP256K1), SecretBytes(scalar))
    shim.control(f"signature nonce_one {scalar.hex()}")
    digests = [os.urandom(32), b"\xff" * 32, bytes(32)]
    signatures = [provider.sign(key.ref, digest) for digest in digests]
    assert all(verify(key.public_key, *pair) for pair in zip(digests, signatures, strict=True))
    assert len({signature[:32] for signature in signatures}) == 1
    assert len(set(signatures)) == 3


def test_a_spoilt_session_is_replaced(provider: Pkcs11Provider, shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed(sessions=1)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.sign(key.ref, DIGEST)
    connection = provider.connector.current
    assert connection is not None
    # Leave an operation active, as a caller that misuses the module does.
    session = connection.pool.borrow(None)
    bound = session.keys[key.uri]
    assert session._sign_init(session.handle, bound.mechanism, bound.handle) == 0
    connection.pool.give_back(session)
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    assert shim.calls()["C_Login"] == 1


@pytest.mark.parametrize("uri", ["pkcs11:", "pkcs11:type=private", "pkcs11:object=none", "pkcs11:type=cert;object=k"])
def test_a_uri_that_leads_nowhere(provider: Pkcs11Provider, uri: str) -> None:
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    with pytest.raises(ObjectNotFound):
        provider.sign(KeyRef(uri, key.public_key), DIGEST)


@pytest.mark.parametrize("uri", ["", "software:x", "pkcs11:id=%zz", "pkcs11:foo=1", "pkcs11:object=k?pin-value=1"])
def test_a_uri_that_is_none(provider: Pkcs11Provider, uri: str) -> None:
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    with pytest.raises(InvalidUri):
        provider.sign(KeyRef(uri, key.public_key), DIGEST)


def test_an_x25519_key_does_not_sign(provider: Pkcs11Provider) -> None:
    key = provider.generate_key(KeySpec("k", KeyType.X25519))
    with pytest.raises(InvalidRequest):
        provider.sign(key.ref, DIGEST)


# --- many at once --------------------------------------------------------------------------------------------------


def in_threads(count: int, work: object) -> list[BaseException]:
    """Run ``work(number)`` in threads at the same time and return what they raised."""
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


@pytest.mark.parametrize("options", [{}, {"sessions": 2}, {"session_per_operation": True}])
def test_eight_threads_with_eight_keys(make: MakeProvider, options: dict[str, object]) -> None:
    provider = make(**options)
    kinds = [KeyType.SECP256K1, KeyType.ED25519, KeyType.SECP256R1]
    keys: list[KeyInfo] = [provider.generate_key(KeySpec(f"k{n}", kinds[n % 3])) for n in range(8)]

    def sign(number: int) -> None:
        for turn in range(12):
            key = keys[(number + turn) % 8]
            digest = os.urandom(32)
            assert verify(key.public_key, digest, provider.sign(key.ref, digest))

    assert in_threads(8, sign) == []
    status = provider.status()
    assert status.sessions <= int(str(options.get("sessions", 8))) + 1


def test_eight_in_flight_overlap_on_a_slow_token(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed()
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    in_threads(8, lambda number: provider.sign(key.ref, DIGEST))
    shim.control("delay C_Sign 400")
    begun = time.monotonic()
    assert in_threads(8, lambda number: provider.sign(key.ref, DIGEST)) == []
    # One after the other they take 3.2 s.
    assert time.monotonic() - begun < 2.0


def test_changes_and_signatures_at_the_same_time(make: MakeProvider) -> None:
    provider = make()
    steady = provider.generate_key(KeySpec("steady", KeyType.SECP256K1))

    def work(number: int) -> None:
        for turn in range(4):
            if number % 2:
                key = provider.generate_key(KeySpec(f"k{number}-{turn}", KeyType.ED25519))
                assert verify(key.public_key, b"x", provider.sign(key.ref, b"x"))
                provider.rename_key(key.ref, f"r{number}-{turn}")
                provider.delete_key(key.ref)
            else:
                assert steady in provider.list_keys()
                assert verify(steady.public_key, DIGEST, provider.sign(steady.ref, DIGEST))

    assert in_threads(6, work) == []
    assert provider.list_keys() == [steady]


def test_a_key_is_searched_once_for_all_sessions(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed(session_per_operation=True)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.sign(key.ref, DIGEST)
    shim.clear_trace()
    for _ in range(3):
        assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    calls = shim.calls()
    assert calls["C_FindObjectsInit"] == 0
    assert calls["C_OpenSession"] == 3
    # But not trusted blindly: a handle that means another object here is not signed with.
    connection = provider.connector.current
    assert connection is not None
    other = provider.generate_key(KeySpec("other", KeyType.SECP256K1))
    provider.sign(other.ref, DIGEST)
    connection.known[key.uri] = replace(connection.known[key.uri], handle=connection.known[other.uri].handle)
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))


def test_waiting_for_a_session_ends_at_the_deadline(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed(sessions=1, operation_timeout=0.3)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.sign(key.ref, DIGEST)
    shim.control("hang C_Sign")
    stuck = threading.Thread(target=provider.sign, args=(key.ref, DIGEST))
    stuck.start()
    while shim.calls()["C_SignInit"] < 2:
        time.sleep(0.005)
    for deadline, expected in ((time.monotonic() + 0.1, 0.1), (None, 0.3), (time.monotonic() - 1, 0)):
        begun = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            provider.sign(key.ref, DIGEST, deadline=deadline)
        assert expected <= time.monotonic() - begun < expected + 2
    shim.control()
    stuck.join()
    assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))


def test_a_hanging_signature_leaves_the_other_sessions_alone(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed(sessions=2)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.sign(key.ref, DIGEST)
    shim.clear_trace()
    shim.control("hang C_Sign 1")
    stuck = threading.Thread(target=provider.sign, args=(key.ref, DIGEST))
    stuck.start()
    while shim.calls()["C_SignInit"] < 1:
        time.sleep(0.005)
    time.sleep(0.05)
    for _ in range(3):
        assert verify(key.public_key, DIGEST, provider.sign(key.ref, DIGEST))
    shim.control()
    stuck.join()


def test_a_token_with_few_sessions_is_used_with_those(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed(sessions=4)
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.sign(key.ref, DIGEST)
    shim.control("fail C_OpenSession * b1", "delay C_Sign 30")
    assert in_threads(4, lambda number: provider.sign(key.ref, DIGEST)) == []
    assert provider.status().sessions == 2


def test_closing_while_signatures_are_under_way(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed()
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    shim.control("delay C_Sign 100")
    results: list[object] = []

    def sign(number: int) -> None:
        try:
            results.append(provider.sign(key.ref, DIGEST))
        except BridgeError as error:
            results.append(error)

    threads = [threading.Thread(target=sign, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while shim.calls()["C_SignInit"] < 4:
        time.sleep(0.005)
    provider.close()
    for thread in threads:
        thread.join()
    assert all(isinstance(result, bytes) for result in results)
    calls = shim.calls()
    assert calls["C_Logout"] == calls["C_Login"] == 1
    assert calls["C_OpenSession"] == calls["C_CloseSession"]


def test_closing_while_a_key_is_made(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed(idle_timeout=0.3)
    shim.control("delay C_GenerateKeyPair 900")
    made: list[KeyInfo] = []
    maker = threading.Thread(target=lambda: made.append(provider.generate_key(KeySpec("k", KeyType.SECP256K1))))
    maker.start()
    # A call is counted when it ends; this one is preceded by two searches.
    while shim.calls()["C_FindObjectsFinal"] < 2:
        time.sleep(0.005)
    time.sleep(0.6)
    assert shim.calls()["C_Logout"] == 0
    provider.close()
    maker.join()
    assert [key.label for key in made] == ["k"]
    calls = shim.calls()
    assert calls["C_Logout"] == calls["C_Login"] == 1
    assert calls["C_OpenSession"] == calls["C_CloseSession"]
    assert provider.list_keys() == made
