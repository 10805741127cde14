"""Public keys: forms, addresses, and everything that is refused."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cosmos_formats import curves, hashes, ripemd, wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import InvalidKey
from cosmos_formats.pubkeys import KeyType, PublicKey

GENERATOR = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
# No point of either curve has this x.
OFF_CURVE = {KeyType.SECP256K1: bytes([2]) + (5).to_bytes(32), KeyType.SECP256R1: bytes([2]) + (1).to_bytes(32)}
WEIERSTRASS = {KeyType.SECP256K1: ec.SECP256K1(), KeyType.SECP256R1: ec.SECP256R1()}


def test_address_of_the_generator() -> None:
    # The hash160 that BIP-173 uses in its examples.
    key = PublicKey(KeyType.SECP256K1, GENERATOR)
    assert key.address.hex() == "751e76e8199196d454941c45d1b3a323f1433bd6"


def test_an_x25519_key_has_no_address_and_no_amino_form() -> None:
    key = PublicKey(KeyType.X25519, bytes(32))
    with pytest.raises(InvalidKey):
        _ = key.address
    with pytest.raises(InvalidKey):
        key.to_amino()
    assert PublicKey.from_any(key.to_any()) == key


@pytest.mark.parametrize("key_type", list(WEIERSTRASS))
def test_uncompressed_points_are_compressed(key_type: KeyType) -> None:
    for _ in range(8):
        point = ec.generate_private_key(WEIERSTRASS[key_type]).public_key()
        full = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        key = PublicKey.from_uncompressed(key_type, full)
        assert key.data == point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        assert key.require_on_curve() is key
        moved = full[:-1] + bytes([full[-1] ^ 1])
        for bad in (moved, full[:-1], full + b"\0", b"\x06" + full[1:], key.data):
            with pytest.raises(InvalidKey):
                PublicKey.from_uncompressed(key_type, bad)


def test_only_weierstrass_points_have_an_uncompressed_form() -> None:
    with pytest.raises(InvalidKey):
        PublicKey.from_uncompressed(KeyType.ED25519, b"\x04" + bytes(64))


@pytest.mark.parametrize("key_type", list(OFF_CURVE))
def test_points_off_the_curve_are_refused(key_type: KeyType) -> None:
    key = PublicKey(key_type, OFF_CURVE[key_type])
    with pytest.raises(InvalidKey, match="not a point"):
        key.require_on_curve()
    with pytest.raises(InvalidKey, match="not a point"):
        PublicKey.from_any(key.to_any())
    with pytest.raises(InvalidKey, match="not a point"):
        PublicKey.from_proto_json(key.to_proto_json())
    assert PublicKey.from_any(key.to_any(), check_point=False) == key
    too_large = PublicKey(key_type, b"\x02" + b"\xff" * 32)
    with pytest.raises(InvalidKey, match="not a point"):
        too_large.require_on_curve()


def test_amino_points_off_the_curve_are_refused() -> None:
    amino = PublicKey(KeyType.SECP256K1, OFF_CURVE[KeyType.SECP256K1]).to_amino()
    with pytest.raises(InvalidKey, match="not a point"):
        PublicKey.from_amino(amino)


def test_ed25519_points() -> None:
    for _ in range(20):
        encoded = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        PublicKey(KeyType.ED25519, encoded).require_on_curve()
    p = 2**255 - 19
    one, minus_zero = (1).to_bytes(32, "little"), (1 | 1 << 255).to_bytes(32, "little")
    assert curves.is_edwards25519_point(one)
    # x = 0 has no negative, y = 2 has no x, and y + p is y written another way.
    for bad in (minus_zero, (2).to_bytes(32, "little"), (p + 1).to_bytes(32, "little"), b"\xff" * 32):
        with pytest.raises(InvalidKey):
            PublicKey(KeyType.ED25519, bad).require_on_curve()


def test_about_half_of_all_numbers_are_points() -> None:
    """Jacobi's symbol against Euler's criterion, the definition."""
    for p in (curves.SECP256K1.p, curves.SECP256R1.p, 2**255 - 19):
        for i in range(40):
            a = int.from_bytes(hashlib.sha256(bytes([i])).digest()) % p
            assert curves.jacobi(a, p) % p == pow(a, (p - 1) // 2, p)
        assert curves.jacobi(0, p) == curves.jacobi(p, p) == 0


@pytest.mark.parametrize(
    ("key_type", "data"),
    [
        (KeyType.SECP256K1, GENERATOR[:-1]),
        (KeyType.SECP256K1, GENERATOR + b"\0"),
        (KeyType.SECP256K1, b"\x04" + GENERATOR[1:]),
        (KeyType.SECP256R1, b"\x00" + GENERATOR[1:]),
        (KeyType.ED25519, bytes(33)),
        (KeyType.X25519, b""),
    ],
)
def test_wrong_lengths_and_forms_are_refused(key_type: KeyType, data: bytes) -> None:
    with pytest.raises(InvalidKey):
        PublicKey(key_type, data)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "key",
        {},
        {"@type": "/cosmos.crypto.secp256k1.PubKey"},
        {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": "AA=="},
        {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": 5},
        {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY", "more": 1},
        {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": "Anm+Zn753LusVaBilc6HCwcCm_zbLc4o2VnygVsW-BeY"},
        {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY\n"},
        {"@type": "/cosmos.crypto.secp256k1.PrivKey", "key": "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY"},
        {"@type": ["x"], "key": "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY"},
        {"@type": "cosmos.crypto.secp256k1.PubKey", "key": "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY"},
        {"@type": "/cosmos.crypto.ed25519.PubKey", "key": "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY"},
    ],
)
def test_other_json_is_refused(value: object) -> None:
    with pytest.raises(InvalidKey):
        PublicKey.from_proto_json(value)


def test_base64_with_stray_bits_is_refused() -> None:
    key = PublicKey(KeyType.ED25519, bytes([1]) + bytes(31))
    good = key.to_proto_json()
    assert PublicKey.from_proto_json(good) == key
    assert str(good["key"]).endswith("AA=")
    with pytest.raises(InvalidKey, match="canonical"):
        PublicKey.from_proto_json({**good, "key": str(good["key"])[:-2] + "B="})


@pytest.mark.parametrize(
    "packed",
    [
        AnyValue("/cosmos.crypto.bls12_381.PubKey", wire.bytes_field(1, GENERATOR)),
        AnyValue("/cosmos.crypto.secp256k1.PubKey", b""),
        AnyValue("/cosmos.crypto.secp256k1.PubKey", GENERATOR),
        AnyValue("/cosmos.crypto.secp256k1.PubKey", wire.bytes_field(1, GENERATOR) * 2),
        AnyValue("/cosmos.crypto.secp256k1.PubKey", wire.bytes_field(2, GENERATOR)),
    ],
)
def test_other_packed_keys_are_refused(packed: AnyValue) -> None:
    with pytest.raises(InvalidKey):
        PublicKey.from_any(packed)


def test_other_amino_bytes_are_refused() -> None:
    good = PublicKey(KeyType.SECP256K1, GENERATOR).to_amino()
    assert PublicKey.from_amino(good).data == GENERATOR
    for bad in (b"", good[:4], good[:-1], good + b"\0", good[:4] + b"\x20" + good[5:], b"\0" + good[1:]):
        with pytest.raises(InvalidKey):
            PublicKey.from_amino(bad)


def test_ripemd_without_openssl() -> None:
    """The published test values, and equality with OpenSSL's over all block boundaries."""
    assert ripemd.ripemd160(b"").hex() == "9c1185a5c5e9fc54612808977ee8f548b2258d31"
    assert ripemd.ripemd160(b"abc").hex() == "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"
    assert ripemd.ripemd160(b"1234567890" * 8).hex() == "9b752e45573d4b39f4dbd3323cab82bf63326bfb"
    for size in range(130):
        data = hashlib.sha512(bytes([size])).digest() * 3
        assert ripemd.ripemd160(data[:size]) == hashes.ripemd160(data[:size])


def test_ripemd_is_used_where_openssl_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(name: str, *_: object, **__: object) -> object:
        raise ValueError(f"unsupported hash type {name}")

    expected = hashes.ripemd160(b"data")
    monkeypatch.setattr(hashlib, "new", unsupported)
    assert hashes.ripemd160(b"data") == expected
