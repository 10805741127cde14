"""Public keys in every encoding that tokens use, and in none."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats.pubkeys import TOKEN_TYPES, KeyType, PublicKey
from keyring_bridge.errors import InvalidKey
from keyring_bridge.model import Purpose
from keyring_bridge.providers.pkcs11.metadata import Metadata
from keyring_bridge.providers.pkcs11.points import curve_of, decode_point, encode_point, params_for, uncompressed

if TYPE_CHECKING:
    from collections.abc import Callable

CURVES = {KeyType.SECP256K1: ec.SECP256K1(), KeyType.SECP256R1: ec.SECP256R1()}

scalars = st.integers(min_value=1, max_value=2**255)
short_keys = st.builds(
    PublicKey, st.sampled_from([KeyType.ED25519, KeyType.X25519]), st.binary(min_size=32, max_size=32)
)


@st.composite
def long_keys(draw: Callable[[st.SearchStrategy[object]], object]) -> PublicKey:
    """A secp256k1 or secp256r1 public key, made by OpenSSL."""
    key_type = draw(st.sampled_from(list(CURVES)))
    scalar = draw(scalars)
    assert isinstance(key_type, KeyType)
    assert isinstance(scalar, int)
    public = ec.derive_private_key(scalar, CURVES[key_type]).public_key()
    return PublicKey(key_type, public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


keys = st.one_of(short_keys, long_keys())


def octets(value: bytes) -> bytes:
    return bytes([4, len(value)]) + value


def long_octets(value: bytes) -> bytes:
    return bytes([4, 0x81, len(value)]) + value


def bits(value: bytes) -> bytes:
    return bytes([3, len(value) + 1, 0]) + value


def raw(value: bytes) -> bytes:
    return value


@given(keys, st.sampled_from([raw, octets, long_octets, bits]))
def test_a_point_is_read_in_each_encoding(key: PublicKey, encoding: Callable[[bytes], bytes]) -> None:
    assert decode_point(key.key_type, encoding(uncompressed(key))) == key


@given(keys, st.sampled_from([raw, octets, bits]))
def test_a_compressed_point_is_read(key: PublicKey, encoding: Callable[[bytes], bytes]) -> None:
    assert decode_point(key.key_type, encoding(key.data)) == key


@given(short_keys)
def test_a_native_point_of_openpgp_is_read(key: PublicKey) -> None:
    assert decode_point(key.key_type, octets(b"\x40" + key.data)) == key


@given(keys)
def test_our_own_encoding_is_the_standard_one(key: PublicKey) -> None:
    point = uncompressed(key)
    assert encode_point(key) == octets(point)
    assert len(point) == (65 if key.key_type in CURVES else 32)


@given(st.sampled_from(TOKEN_TYPES), st.binary(max_size=80))
def test_anything_else_is_refused(key_type: KeyType, value: bytes) -> None:
    try:
        key = decode_point(key_type, value)
    except InvalidKey:
        return
    assert key.data in (value, *(value[-len(key.data) :],)) or key_type in CURVES


@given(long_keys(), st.integers(min_value=1, max_value=64), st.integers(min_value=1, max_value=255))
def test_a_point_beside_its_curve_is_refused(key: PublicKey, place: int, flip: int) -> None:
    point = bytearray(uncompressed(key))
    point[place] ^= flip
    try:
        other = decode_point(key.key_type, octets(bytes(point)))
    except InvalidKey:
        return
    # A changed x or y that is on the curve is as good as impossible, unless y became -y.
    assert other.data[1:] == key.data[1:]


@given(st.binary(max_size=40))
def test_unknown_parameters_are_no_curve(params: bytes) -> None:
    known = {encoded for key_type in TOKEN_TYPES for encoded in params_for(key_type)}
    found = curve_of(params)
    assert (found is not None) == (params in known) or params[:1] in (b"\x13", b"\x0c", b"\x06")


@pytest.mark.parametrize("key_type", TOKEN_TYPES)
def test_what_is_asked_for_is_recognised(key_type: KeyType) -> None:
    assert params_for(key_type)
    assert {curve_of(params) for params in params_for(key_type)} == {key_type}


@pytest.mark.parametrize(
    ("params", "key_type"),
    [
        (b"\x13\x0cedwards25519", KeyType.ED25519),
        (b"\x0c\x0cedwards25519", KeyType.ED25519),
        (b"\x13\x0acurve25519", KeyType.X25519),
        (b"\x13\x09secp256k1", KeyType.SECP256K1),
        (b"\x13\x0aprime256v1", KeyType.SECP256R1),
        (bytes.fromhex("06092b06010401da470f01"), KeyType.ED25519),
        (bytes.fromhex("060a2b060104019755010501"), KeyType.X25519),
        (b"\x13\x0dedwards25519", None),
        (b"\x13\x07ed448!!", None),
        (bytes.fromhex("06052b81040022"), None),
        (b"", None),
    ],
)
def test_parameters_in_the_field(params: bytes, key_type: KeyType | None) -> None:
    assert curve_of(params) is key_type


notes = st.builds(
    Metadata,
    fingerprint=st.text(max_size=64),
    public_key=st.none() | short_keys,
    purpose=st.none() | st.sampled_from(list(Purpose)),
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(notes)
def test_a_note_is_read_as_it_was_written(note: Metadata) -> None:
    assert Metadata.decode(note.encode()) == note


@given(st.binary(max_size=200))
def test_any_other_data_object_is_no_note(value: bytes) -> None:
    assert Metadata.decode(value) is None


@pytest.mark.parametrize(
    "value",
    [
        b"{}",
        b'{"v":2,"fingerprint":"a"}',
        b'{"v":1}',
        b'{"v":1,"fingerprint":"a","purpose":"all"}',
        b'{"v":1,"fingerprint":"a","created_at":7}',
        b'{"v":1,"fingerprint":"a","public_key":"00"}',
        b'{"v":1,"fingerprint":"a","public_key":"zz","key_type":"ed25519"}',
        b'{"v":1,"fingerprint":"a","public_key":"00","key_type":"ed25519"}',
        b"[" * 4000,
        b" " * 5000 + b'{"v":1,"fingerprint":"a"}',
    ],
)
def test_a_damaged_note_is_no_note(value: bytes) -> None:
    assert Metadata.decode(value) is None
