"""The signing pipeline's rules, with a provider that signs for real and whose answers a test can bend."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import coincurve
import pytest
from ecdsa import SECP256k1

from cosmos_formats import address
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signature import is_low_s
from cosmos_formats.signing import SignMode
from cosmos_formats.verify import verify, verify_digest
from keyring_bridge import audit as audit_log
from keyring_bridge.bridge import CHALLENGE_PREFIX
from keyring_bridge.errors import (
    AuditFailed,
    BridgeError,
    CannotSign,
    DeadlineExceeded,
    InvalidRequest,
    InvalidSignDoc,
    KeyNotFound,
    NonceReuse,
    NoPolicy,
    PolicyDenied,
    PolicyInvalid,
    ProviderError,
    SignatureRejected,
)
from keyring_bridge.model import KeyRef, Operation, Purpose, SignRequest
from keyring_bridge.providers.base import ProviderBase
from keyring_bridge.secrets import SecretBytes
from tests.unit.bridge.pipeline import CALLER, CHAIN, Setup
from tests.unit.bridge.sign_docs import field, msg_send, send_doc, sign_doc


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.bridge.close()


def make_key(setup: Setup, name: str = "ops", key_type: KeyType = KeyType.SECP256K1, **more: Purpose) -> PublicKey:
    public_key = setup.keyring.generate(name, key_type, **more).record.public_key
    assert isinstance(public_key, PublicKey)
    return public_key


def request(payload: bytes, key: str = "ops", **changes: object) -> SignRequest:
    return replace(SignRequest(key, payload, SignMode.DIRECT), **changes)


@pytest.mark.parametrize("key_type", [KeyType.SECP256K1, KeyType.ED25519])
def test_signs_verifies_and_audits(setup: Setup, key_type: KeyType) -> None:
    public_key = make_key(setup, key_type=key_type)
    setup.allow("ops")
    doc = send_doc(public_key, CHAIN)
    result = setup.bridge.sign(request(doc, request_id="r-1"), CALLER)
    assert verify(public_key, doc, result.signature)
    assert result.public_key == public_key
    entries = setup.entries()
    intent, outcome = (entry for entry in entries if entry["id"] == result.correlation_id)
    assert (intent["kind"], outcome["kind"]) == ("sign.intent", "sign.outcome")
    assert outcome["of"] == intent["seq"]
    assert outcome["result"] == "signed"
    assert intent["sha256"] == sha256(doc).hexdigest()
    assert intent["caller"] == "uid:1000"
    assert intent["request"] == "r-1"
    assert intent["view"]["chain_id"] == CHAIN
    assert intent["policy"] == setup.bridge.policy.digest
    assert audit_log.verify(setup.config.audit_path).ok


def test_generate_proves_the_key_and_a_failed_proof_leaves_nothing(setup: Setup) -> None:
    make_key(setup, "good")
    setup.provider.bend = lambda signature: bytes(64)
    with pytest.raises(SignatureRejected):
        setup.keyring.generate("bad")
    assert [record.name for record in setup.keyring.list()] == ["good"]
    assert setup.provider.deleted == ["memory:1"]


def test_unknown_key(setup: Setup) -> None:
    with pytest.raises(KeyNotFound, match=r"^nobody\.info: key not found$") as caught:
        setup.bridge.sign(request(b"x", "nobody"), CALLER)
    refused = setup.entries()[-1]
    assert refused["kind"] == "sign.refused"
    assert refused["id"] == caught.value.correlation_id


def test_without_a_policy_nothing_is_signed(setup: Setup) -> None:
    public_key = make_key(setup)
    asked = setup.provider.calls
    with pytest.raises(NoPolicy):
        setup.bridge.sign(request(send_doc(public_key, CHAIN)), CALLER)
    assert setup.provider.calls == asked


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"payload": b""}, InvalidSignDoc),
        ({"payload": b"\x00"}, InvalidSignDoc),
        ({"mode": SignMode.UNSPECIFIED}, PolicyDenied),
        ({"mode": SignMode.LEGACY_AMINO_JSON}, InvalidSignDoc),
        ({"mode": SignMode.TEXTUAL}, PolicyDenied),
        ({"operation": Operation.DIGEST}, InvalidRequest),
        ({"operation": Operation.DIGEST, "payload": bytes(32), "mode": SignMode.UNSPECIFIED}, PolicyDenied),
    ],
)
def test_what_the_policy_does_not_name_never_reaches_the_device(
    setup: Setup, changes: dict[str, object], error: type[BridgeError]
) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    asked = setup.provider.calls
    with pytest.raises(error):
        setup.bridge.sign(request(**{"payload": send_doc(public_key, CHAIN), **changes}), CALLER)  # type: ignore[arg-type]  # the table's values are typed as object
    assert setup.provider.calls == asked
    assert setup.entries()[-1]["kind"] == "sign.refused"


def test_a_transaction_of_another_signer_is_refused(setup: Setup) -> None:
    make_key(setup)
    setup.allow("ops")
    other = PublicKey(KeyType.SECP256K1, coincurve.PrivateKey().public_key.format())
    with pytest.raises(InvalidSignDoc, match="not among the signers"):
        setup.bridge.sign(request(send_doc(other, CHAIN)), CALLER)


def test_another_chain_is_refused(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    with pytest.raises(PolicyDenied, match="other-1"):
        setup.bridge.sign(request(send_doc(public_key, "other-1")), CALLER)


def test_a_policy_change_counts_at_once_and_a_broken_policy_stops_signing(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    doc = send_doc(public_key, CHAIN)
    setup.bridge.sign(request(doc), CALLER)
    setup.config.policy_path.write_text("version = 1\n[keys.ops\n")
    for _ in range(2):
        with pytest.raises(PolicyInvalid):
            setup.bridge.sign(request(doc), CALLER)
    setup.config.policy_path.unlink()
    with pytest.raises(NoPolicy):
        setup.bridge.sign(request(doc), CALLER)


def high_s(signature: bytes) -> bytes:
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + (SECP256k1.order - s).to_bytes(32, "big")


def test_high_s_is_normalised(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    setup.provider.bend = high_s
    doc = send_doc(public_key, CHAIN)
    signature = setup.bridge.sign(request(doc), CALLER).signature
    assert is_low_s(signature, KeyType.SECP256K1)
    assert verify(public_key, doc, signature)


FOREIGN = coincurve.PrivateKey()


@pytest.mark.parametrize(
    "bend",
    [
        lambda signature: signature[:32],
        lambda signature: signature + b"\x00",
        lambda signature: b"",
        lambda signature: bytes(64),
        lambda signature: b"\xff" * 64,
        lambda signature: signature[:32] + bytes(32),
        lambda signature: signature[32:] + signature[:32],
        lambda signature: FOREIGN.sign_recoverable(b"x" * 32, hasher=None)[:64],
    ],
)
def test_what_is_not_a_signature_of_the_key_never_leaves(setup: Setup, bend: Callable[[bytes], bytes]) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    setup.provider.bend = bend
    with pytest.raises(SignatureRejected):
        setup.bridge.sign(request(send_doc(public_key, CHAIN)), CALLER)
    setup.provider.bend = lambda signature: signature
    assert setup.bridge.sign(request(send_doc(public_key, CHAIN)), CALLER)
    results = [entry["result"] for entry in setup.entries() if entry["kind"] == "sign.outcome"]
    assert results == ["rejected", "signed"]


def test_a_repeated_nonce_over_another_digest_is_never_released(setup: Setup) -> None:
    """The provider signs both documents with one nonce; either signature alone verifies."""
    public_key = make_key(setup)
    setup.allow("ops")
    info, secret = setup.provider.keys["memory:0"]
    nonce, order, d = 0x1234567890ABCDEF, SECP256k1.order, int.from_bytes(secret, "big")
    r = (SECP256k1.generator * nonce).x() % order

    def sign_with_the_nonce(document: bytes) -> Callable[[bytes], bytes]:
        z = int.from_bytes(sha256(document).digest(), "big")
        s = pow(nonce, -1, order) * (z + r * d) % order
        return lambda _: r.to_bytes(32, "big") + s.to_bytes(32, "big")

    first, second = send_doc(public_key, CHAIN), send_doc(public_key, CHAIN, memo="another")
    setup.provider.bend = sign_with_the_nonce(first)
    assert setup.bridge.sign(request(first), CALLER)
    assert setup.bridge.sign(request(first), CALLER), "the same signature over the same digest tells nothing new"
    setup.provider.bend = sign_with_the_nonce(second)
    with pytest.raises(NonceReuse):
        setup.bridge.sign(request(second), CALLER)
    assert setup.entries()[-1]["code"] == "nonce_reuse"
    assert info.fingerprint == public_key.fingerprint


def test_failures_of_the_device_are_audited_and_the_next_request_works(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    doc = send_doc(public_key, CHAIN)

    def broken(_: bytes) -> bytes:
        raise RuntimeError("CKR_DEVICE_ERROR in slot 7")

    setup.provider.bend = broken
    with pytest.raises(ProviderError) as caught:
        setup.bridge.sign(request(doc), CALLER)
    assert "slot 7" not in str(caught.value), "the device's own words stay inside"
    setup.provider.bend = lambda signature: signature
    setup.bridge.sign(request(doc), CALLER)
    outcomes = [entry for entry in setup.entries() if entry["kind"] == "sign.outcome"]
    assert [entry["result"] for entry in outcomes] == ["failed", "signed"]
    assert "slot 7" in outcomes[0]["detail"]


def test_a_deadline_that_passed_before_never_reaches_the_device(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    asked = setup.provider.calls
    with pytest.raises(DeadlineExceeded):
        setup.bridge.sign(request(send_doc(public_key, CHAIN), deadline=time.monotonic() - 1), CALLER)
    assert setup.provider.calls == asked


def test_a_device_that_answers_late_leaves_an_unknown_outcome_in_time(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    setup.provider.delay = 0.6
    seen: list[str] = []

    def look() -> None:
        time.sleep(0.35)
        seen.append(setup.config.audit_path.read_text())

    looker = threading.Thread(target=look)
    looker.start()
    with pytest.raises(DeadlineExceeded, match="discarded"):
        setup.bridge.sign(request(send_doc(public_key, CHAIN), deadline=time.monotonic() + 0.1), CALLER)
    looker.join()
    assert '"result":"unknown"' in seen[0], "the outcome is written while the device still hangs"
    outcomes = [entry for entry in setup.entries() if entry["kind"] == "sign.outcome"]
    assert [entry["result"] for entry in outcomes] == ["unknown"]


def test_nothing_is_signed_when_the_audit_log_cannot_be_written(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    asked = setup.provider.calls
    setup.bridge.audit.close()
    with pytest.raises(AuditFailed):
        setup.bridge.sign(request(send_doc(public_key, CHAIN)), CALLER)
    assert setup.provider.calls == asked


@pytest.mark.parametrize("purpose", [Purpose.CONSENSUS, Purpose.AUDIT])
def test_only_account_keys_sign_transactions(setup: Setup, purpose: Purpose) -> None:
    public_key = make_key(setup, key_type=KeyType.ED25519, purpose=purpose)
    setup.allow("ops")
    asked = setup.provider.calls
    with pytest.raises(CannotSign, match=str(purpose)):
        setup.bridge.sign(request(send_doc(public_key, CHAIN)), CALLER)
    assert setup.provider.calls == asked


def test_blind_signing_when_the_policy_names_it(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.allow("ops", f'chains = ["{CHAIN}"]\nsign_modes = ["direct"]\nmessages = []\nunsafe_blind_signing = true\n')
    digest = sha256(b"anything").digest()
    result = setup.keyring.sign_digest("ops", digest)
    assert verify_digest(public_key, digest, result.signature)
    with pytest.raises(InvalidRequest, match="31 bytes"):
        setup.keyring.sign_digest("ops", digest[:31])


def test_threads_sign_at_the_same_time(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    docs = [send_doc(public_key, CHAIN, memo=str(number)) for number in range(40)]
    signatures: dict[int, bytes] = {}

    def work(part: int) -> None:
        for number in range(part, 40, 4):
            signatures[number] = setup.bridge.sign(request(docs[number]), CALLER).signature

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(verify(public_key, docs[number], signatures[number]) for number in range(40))
    assert audit_log.verify(setup.config.audit_path).ok


def test_the_challenge_is_no_sign_document() -> None:
    """Its first byte is a field tag of a wire type that does not exist, no ``{``, and no CBOR map."""
    assert CHALLENGE_PREFIX[0] & 7 == 7
    assert CHALLENGE_PREFIX[0] not in (0x7B, 0xA1)
    length = (CHALLENGE_PREFIX[0] & 0x7F) | CHALLENGE_PREFIX[1] << 7
    assert length > len(CHALLENGE_PREFIX) + 32
    assert CHALLENGE_PREFIX[2] != 0x08


def test_no_object_that_programs_hold_leads_to_a_signature_outside_the_pipeline(setup: Setup) -> None:
    """Neither the bridge nor a device offers a provider or its ``sign``."""
    device = setup.bridge.device("memory")
    assert not hasattr(device, "sign")
    assert not hasattr(setup.bridge, "providers")
    public = [name for name in dir(setup.bridge) if not name.startswith("_")]
    assert not [name for name in public if isinstance(getattr(setup.bridge, name), ProviderBase)]


def test_faults_of_the_bridge_itself_are_audited_and_tell_nothing(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    public_key = make_key(setup)
    setup.allow("ops")

    def broken(*_: object) -> object:
        raise RuntimeError("a path: /etc/token")

    monkeypatch.setattr(setup.bridge._guard, "decide", broken)
    with pytest.raises(BridgeError) as caught:
        setup.bridge.sign(request(send_doc(public_key, CHAIN)), CALLER)
    assert caught.value.code == "internal_error"
    assert "/etc/token" not in str(caught.value)
    refused = setup.entries()[-1]
    assert refused["kind"] == "sign.refused"
    assert "/etc/token" in refused["detail"]


def test_a_policy_that_cannot_be_read_does_not_tell_the_client_where_it_is(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.config.policy_path.symlink_to(setup.config.policy_path)
    with pytest.raises(PolicyInvalid) as caught:
        setup.bridge.sign(request(send_doc(public_key, CHAIN)), CALLER)
    assert str(setup.config.policy_path) not in str(caught.value)
    assert str(setup.config.policy_path) in (caught.value.detail or "")


@pytest.mark.parametrize(
    "changes", [{"mode": 1}, {"payload": bytearray(b"x")}, {"payload": "x"}, {"request_id": "x" * 129}]
)
def test_a_request_checks_itself(changes: dict[str, object]) -> None:
    fine: dict[str, object] = {"key": "ops", "payload": b"x", "mode": SignMode.DIRECT}
    SignRequest(**fine)
    with pytest.raises(InvalidRequest):
        SignRequest(**{**fine, **changes})


def test_a_transaction_without_the_signers_key_says_so(setup: Setup) -> None:
    public_key = make_key(setup)
    setup.allow("ops")
    own = address.encode("ve", public_key.address)
    signer = field(2, field(1, field(1, 1)))
    info = field(1, signer) + field(2, field(2, 200_000))
    doc = sign_doc(field(1, msg_send(own, own)), info, CHAIN)
    with pytest.raises(InvalidSignDoc, match="leaves out"):
        setup.bridge.sign(request(doc), CALLER)


def test_a_replaced_key_signs_until_its_date_and_not_after(setup: Setup) -> None:
    key = make_key(setup)
    setup.allow("ops")
    record = setup.keyring.key("ops")
    for until, signs in ((timedelta(days=1), True), (timedelta(seconds=-1), False)):
        setup.bridge.store.update(replace(record, verify_only_from=datetime.now(UTC) + until))
        used = setup.provider.calls
        if signs:
            assert setup.bridge.sign(request(send_doc(key, CHAIN)), CALLER).signature
        else:
            with pytest.raises(CannotSign, match="ops was replaced by another key and only verifies since"):
                setup.bridge.sign(request(send_doc(key, CHAIN)), CALLER)
            assert setup.provider.calls == used


def test_a_key_vouches_for_a_statement(setup: Setup) -> None:
    key = setup.keyring.generate("ops")
    assert key.uri is not None
    ref = KeyRef(key.uri, key.record.public_key.plain)  # type: ignore[union-attr]  # a single key
    proof = setup.bridge.prove("memory", ref, Purpose.ACCOUNT, b"s" * 32)
    assert proof.message == CHALLENGE_PREFIX + b"s" * 32
    assert verify(ref.public_key, proof.message, proof.signature)
    with pytest.raises(InvalidRequest, match="statement of 31 bytes"):
        setup.bridge.prove("memory", ref, Purpose.ACCOUNT, bytes(31))


def test_consensus_keys_from_elsewhere_need_a_floor(setup: Setup) -> None:
    born = setup.keyring.generate("born", KeyType.ED25519, Purpose.CONSENSUS)
    with SecretBytes(bytearray(range(32))) as seed:
        came = setup.keyring.import_secret("came", seed, "ed25519", Purpose.CONSENSUS)
    with SecretBytes(bytearray(range(1, 33))) as seed:
        account = setup.keyring.import_secret("ops", seed, "secp256k1")
    assert [key.needs_floor for key in (born, came, account)] == [False, True, False]
