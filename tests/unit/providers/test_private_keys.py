from __future__ import annotations

from hashlib import sha256

import pytest

from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.verify import verify, verify_digest
from keyring_bridge.errors import InvalidKey, InvalidRequest
from keyring_bridge.providers import private_keys
from keyring_bridge.secrets import SecretBytes

ORDERS = {
    KeyType.SECP256K1: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    KeyType.SECP256R1: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
}

# SEC 2 (the generator); RFC 6979, A.2.5; RFC 8032, 7.1, test 2; RFC 7748, 6.1 (Bob).
PAIRS = {
    KeyType.SECP256K1: (
        "0000000000000000000000000000000000000000000000000000000000000001",
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
    KeyType.SECP256R1: (
        "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
        "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
    ),
    KeyType.ED25519: (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    ),
    KeyType.X25519: (
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    ),
}


def secret(key_type: KeyType) -> SecretBytes:
    return SecretBytes(bytes.fromhex(PAIRS[key_type][0]))


@pytest.mark.parametrize("key_type", PAIRS)
def test_public_keys_are_those_of_the_standards(key_type: KeyType) -> None:
    assert private_keys.public_key_for(key_type, secret(key_type)).data.hex() == PAIRS[key_type][1]


@pytest.mark.parametrize(
    ("key_type", "payload", "signature"),
    [
        # The first is a vector that Bitcoin libraries share for RFC 6979 on secp256k1, with low s.
        (
            KeyType.SECP256K1,
            sha256(b"Satoshi Nakamoto").digest(),
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
            "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
        ),
        (
            KeyType.SECP256R1,
            sha256(b"sample").digest(),
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            KeyType.ED25519,
            b"\x72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ],
)
def test_signatures_are_those_of_the_standards(key_type: KeyType, payload: bytes, signature: str) -> None:
    assert private_keys.sign(key_type, secret(key_type), payload).hex() == signature


def test_the_shared_secret_is_the_standards() -> None:
    alice = PublicKey(KeyType.X25519, bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"))
    shared = private_keys.shared_secret(KeyType.X25519, secret(KeyType.X25519), alice)
    assert shared.reveal().hex() == "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"


@pytest.mark.parametrize("key_type", [KeyType.SECP256K1, KeyType.SECP256R1])
def test_the_shared_secret_of_a_curve_is_the_x_coordinate(key_type: KeyType) -> None:
    # 1 times the peer's point is the point.
    one = SecretBytes((1).to_bytes(32))
    peer = private_keys.public_key_for(key_type, private_keys.generate(key_type))
    assert private_keys.shared_secret(key_type, one, peer) == peer.data[1:]


@pytest.mark.parametrize("key_type", KeyType)
def test_generated_keys_work_and_differ(key_type: KeyType) -> None:
    with private_keys.generate(key_type) as one, private_keys.generate(key_type) as other:
        assert one != other
        public = private_keys.public_key_for(key_type, one)
        if key_type is KeyType.X25519:
            return
        signature = private_keys.sign(key_type, one, bytes(32))
        if key_type is KeyType.ED25519:
            assert verify(public, bytes(32), signature)
        elif key_type is KeyType.SECP256K1:
            assert verify_digest(public, bytes(32), signature)


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_other_lengths_are_no_keys(key_type: KeyType, length: int) -> None:
    with SecretBytes(b"\1" * length) as bad, pytest.raises(InvalidKey):
        private_keys.public_key_for(key_type, bad)


@pytest.mark.parametrize("key_type", ORDERS)
def test_scalars_have_a_range(key_type: KeyType) -> None:
    order = ORDERS[key_type]
    for good in (1, 2, order - 1):
        private_keys.check(key_type, SecretBytes(good.to_bytes(32)))
    for bad in (0, order, order + 1, 2**256 - 1):
        with pytest.raises(InvalidKey):
            private_keys.check(key_type, SecretBytes(bad.to_bytes(32)))


def test_a_seed_has_no_range() -> None:
    for key_type in (KeyType.ED25519, KeyType.X25519):
        private_keys.check(key_type, SecretBytes(bytes(32)))
        private_keys.check(key_type, SecretBytes(b"\xff" * 32))


@pytest.mark.parametrize("key_type", ORDERS)
def test_only_digests_are_signed(key_type: KeyType) -> None:
    for length in (0, 31, 33):
        with pytest.raises(InvalidRequest):
            private_keys.sign(key_type, secret(key_type), bytes(length))


def test_keys_do_what_their_type_does() -> None:
    with pytest.raises(InvalidRequest):
        private_keys.sign(KeyType.X25519, secret(KeyType.X25519), bytes(32))
    ed25519 = private_keys.public_key_for(KeyType.ED25519, secret(KeyType.ED25519))
    with pytest.raises(InvalidRequest):
        private_keys.shared_secret(KeyType.ED25519, secret(KeyType.ED25519), ed25519)
    with pytest.raises(InvalidRequest):
        private_keys.shared_secret(KeyType.X25519, secret(KeyType.X25519), ed25519)


@pytest.mark.parametrize(
    "peer",
    [
        # x = 5 is on no point of secp256k1; zero is a point of small order.
        PublicKey(KeyType.SECP256K1, b"\2" + (5).to_bytes(32)),
        PublicKey(KeyType.X25519, bytes(32)),
        PublicKey(KeyType.X25519, (1).to_bytes(32, "little")),
    ],
)
def test_unusable_peers_are_refused(peer: PublicKey) -> None:
    with pytest.raises(InvalidKey):
        private_keys.shared_secret(peer.key_type, secret(peer.key_type), peer)


def test_a_wiped_key_signs_nothing() -> None:
    for key_type in (KeyType.SECP256K1, KeyType.ED25519, KeyType.SECP256R1):
        wiped = secret(key_type)
        wiped.wipe()
        with pytest.raises(ValueError, match="wiped"):
            private_keys.sign(key_type, wiped, bytes(32))
