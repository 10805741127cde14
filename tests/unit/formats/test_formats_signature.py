"""ECDSA signatures: DER, r‖s, low s, verification."""

import hashlib

import ecdsa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ecdsa.util import sigencode_der, sigencode_string

from cosmos_formats.curves import SECP256K1, SECP256R1
from cosmos_formats.errors import InvalidKey, InvalidSignature
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signature import der_to_rs, is_low_s, low_s, rs_to_der
from cosmos_formats.verify import verify, verify_digest

CURVES = {KeyType.SECP256K1: ecdsa.SECP256k1, KeyType.SECP256R1: ecdsa.NIST256p}
ORDERS = {KeyType.SECP256K1: SECP256K1.n, KeyType.SECP256R1: SECP256R1.n}


def pair(key_type: KeyType, secret: int) -> tuple[ecdsa.SigningKey, PublicKey]:
    private = ecdsa.SigningKey.from_secret_exponent(secret, CURVES[key_type])
    return private, PublicKey(key_type, private.verifying_key.to_string("compressed"))


@pytest.mark.parametrize("key_type", list(CURVES))
def test_an_independent_signer_agrees(key_type: KeyType) -> None:
    assert ORDERS[key_type] == CURVES[key_type].order
    highs = 0
    for secret in range(1, 30):
        private, public = pair(key_type, secret)
        message = bytes([secret]) * secret
        raw = private.sign_deterministic(message, hashfunc=hashlib.sha256, sigencode=sigencode_string)
        der = private.sign_deterministic(message, hashfunc=hashlib.sha256, sigencode=sigencode_der)
        assert der_to_rs(der, key_type) == raw
        assert rs_to_der(raw, key_type) == der
        low = low_s(raw, key_type)
        assert is_low_s(low, key_type)
        assert verify(public, message, low)
        assert verify_digest(public, hashlib.sha256(message).digest(), low)
        assert not verify(public, message + b"x", low)
        if low != raw:
            highs += 1
            assert not is_low_s(raw, key_type)
            assert not verify(public, message, raw)
    assert 0 < highs < 29


@pytest.mark.parametrize("key_type", list(CURVES))
def test_the_middle_of_the_order(key_type: KeyType) -> None:
    half = ORDERS[key_type] // 2
    low, high = ((1).to_bytes(32) + s.to_bytes(32) for s in (half, half + 1))
    assert is_low_s(low, key_type)
    assert not is_low_s(high, key_type)
    assert low_s(low, key_type) == low_s(high, key_type) == low


DER = "3006020101020101"


@pytest.mark.parametrize(
    "der",
    [
        "",
        "30",
        "3006",
        "3106020101020101",
        "3007020101020101",
        "300602010102010100",
        "3007020101020102 00",
        "308106020101020101",
        "30070202000102 0101",
        "3006020100020101",
        "3006020101020100",
        "3006020181020101",
        "30060201010201ff",
        "3006030101020101",
        "3006020101030101",
        "3005020002 0101",
        "3006020101020201",
        "3006020401020101",
        "30800201010201010000",
        "3026022100" + "ff" * 32 + "020101",
        "302602210000" + "ff" * 31 + "020101",
    ],
)
def test_only_der_is_accepted(der: str) -> None:
    assert der_to_rs(bytes.fromhex(DER), KeyType.SECP256K1) == (1).to_bytes(32) * 2
    with pytest.raises(InvalidSignature):
        der_to_rs(bytes.fromhex(der), KeyType.SECP256K1)


@pytest.mark.parametrize("key_type", list(CURVES))
def test_numbers_out_of_range_are_refused(key_type: KeyType) -> None:
    one, order = (1).to_bytes(32), ORDERS[key_type].to_bytes(32)
    _, public = pair(key_type, 7)
    for bad in (bytes(64), one + bytes(32), bytes(32) + one, order + one, one + order, b"\xff" * 64, one, one * 3, b""):
        for function in (rs_to_der, low_s, is_low_s):
            with pytest.raises(InvalidSignature):
                function(bad, key_type)
        assert not verify(public, b"message", bad)


def test_ed25519_has_no_ecdsa_signatures() -> None:
    for function in (der_to_rs, rs_to_der, low_s, is_low_s):
        with pytest.raises(InvalidSignature):
            function(bytes.fromhex(DER), KeyType.ED25519)


def test_ed25519() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = PublicKey(KeyType.ED25519, private.public_key().public_bytes_raw())
    signature = private.sign(b"message")
    assert verify(public, b"message", signature)
    assert not verify(public, b"massage", signature)
    assert not verify(public, b"message", signature[:-1])
    assert not verify(public, b"message", b"")
    with pytest.raises(InvalidKey):
        verify_digest(public, bytes(32), signature)


def test_keys_that_cannot_verify() -> None:
    with pytest.raises(InvalidKey):
        verify(PublicKey(KeyType.X25519, bytes(32)), b"", bytes(64))
    good = (1).to_bytes(32) * 2
    for key_type in CURVES:
        for x in range(20):
            key = PublicKey(key_type, b"\x02" + x.to_bytes(32))
            try:
                key.require_on_curve()
            except InvalidKey:
                with pytest.raises(InvalidKey):
                    verify(key, b"message", good)
            else:
                assert not verify(key, b"message", good)
    with pytest.raises(InvalidKey):
        verify(PublicKey(KeyType.ED25519, (2).to_bytes(32, "little")), b"message", good)


def test_a_digest_has_32_bytes() -> None:
    _, public = pair(KeyType.SECP256K1, 7)
    for size in (0, 31, 33):
        with pytest.raises(InvalidSignature):
            verify_digest(public, bytes(size), (1).to_bytes(32) * 2)
