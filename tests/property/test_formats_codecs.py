"""Codecs of keys, addresses, records, signatures: round trips, and bad input that only ever is a FormatError."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import coincurve
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats import address, wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.curves import SECP256K1, SECP256R1
from cosmos_formats.errors import FormatError
from cosmos_formats.hd import Bip44Path
from cosmos_formats.multisig import (
    AnyPublicKey,
    MultisigPublicKey,
    pubkey_from_amino,
    pubkey_from_any,
    pubkey_from_proto_json,
)
from cosmos_formats.pubkeys import ETH_TYPE_URLS, KeyType, PublicKey
from cosmos_formats.record import Ledger, Local, Multi, Offline, Record
from cosmos_formats.signature import der_to_rs, is_low_s, low_s, rs_to_der
from cosmos_formats.verify import verify

ECDSA_TYPES = {
    KeyType.SECP256K1: SECP256K1.n,
    KeyType.SECP256R1: SECP256R1.n,
    KeyType.ETH_SECP256K1: SECP256K1.n,
}


def make_key(key_type: KeyType, number: int) -> PublicKey:
    """Return the public key of a small private one; libraries make the point."""
    seed = hashlib.sha256(number.to_bytes(8)).digest()
    if key_type is KeyType.SECP256K1:
        return PublicKey(key_type, coincurve.PrivateKey.from_int(number).public_key.format())
    if key_type is KeyType.ETH_SECP256K1:
        point = coincurve.PrivateKey.from_int(number).public_key.format()
        return PublicKey(key_type, point, ETH_TYPE_URLS[number % len(ETH_TYPE_URLS)])
    if key_type is KeyType.SECP256R1:
        public = ec.derive_private_key(number, ec.SECP256R1()).public_key()
        return PublicKey(key_type, public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
    if key_type is KeyType.ED25519:
        return PublicKey(key_type, Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())
    return PublicKey(key_type, X25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


numbers = st.integers(1, 2**60)
keys = st.builds(make_key, st.sampled_from(list(KeyType)), numbers)
amino_types = [KeyType.SECP256K1, KeyType.ED25519, KeyType.ETH_SECP256K1]
amino_keys = st.builds(make_key, st.sampled_from(amino_types), numbers)


def group(members: list[AnyPublicKey], threshold: int) -> MultisigPublicKey:
    return MultisigPublicKey(1 + threshold % len(members), tuple(members))


groups = st.recursive(
    amino_keys, lambda inner: st.builds(group, st.lists(inner, min_size=1, max_size=3), st.integers(0, 9)), max_leaves=6
)
public_keys: st.SearchStrategy[AnyPublicKey] = st.one_of(keys, groups)
uint32 = st.integers(0, 2**32 - 1)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
packed_values = st.builds(AnyValue, names, st.binary(max_size=40))
items = st.one_of(
    st.builds(Local, st.none() | packed_values),
    st.builds(Ledger, st.builds(Bip44Path, uint32, uint32, uint32, st.booleans(), uint32)),
    st.just(Multi()),
    st.just(Offline()),
)
records = st.builds(Record, names, public_keys, items)


def exactly(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


@st.composite
def mutated(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """Good bytes with a few of them changed, left out or added."""
    data = bytearray(draw(good))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(data)


def only_format_errors(read: Callable[[Any], object], data: object) -> object | None:
    """Return what a reader makes of the input, None if it refuses it; anything but a FormatError fails the test."""
    try:
        return read(data)
    except FormatError:
        return None


@given(st.dictionaries(st.integers(1, 4), st.integers(1, 2**64 - 1) | st.binary(min_size=1, max_size=20)))
def test_wire_round_trip(values: dict[int, int | bytes]) -> None:
    layout = {n: wire.Kind.VARINT if isinstance(v, int) else wire.Kind.BYTES for n, v in values.items()}
    data = b"".join(
        wire.varint_field(n, v) if isinstance(v, int) else wire.bytes_field(n, v) for n, v in sorted(values.items())
    )
    fields = wire.read(data, layout)
    for number, value in values.items():
        assert (fields.varint(number) if isinstance(value, int) else fields.binary(number)) == value


@given(st.binary(max_size=60))
def test_wire_reads_only_what_a_canonical_writer_writes(data: bytes) -> None:
    layout = {1: wire.Kind.VARINT, 2: wire.Kind.BYTES, 3: wire.Kind.MESSAGE, 4: wire.Kind.REPEATED}
    try:
        fields = wire.read(data, layout)
    except FormatError:
        return
    message = fields.message(3)
    again = (
        wire.varint_field(1, fields.varint(1))
        + wire.bytes_field(2, fields.binary(2))
        + (b"" if message is None else wire.message_field(3, message))
        + b"".join(wire.message_field(4, item) for item in fields.repeated(4))
    )
    assert again == data


@given(public_keys)
def test_public_key_round_trips(key: AnyPublicKey) -> None:
    assert pubkey_from_any(AnyValue.decode(key.to_any().encode())) == key
    assert pubkey_from_proto_json(key.to_proto_json()) == key
    if isinstance(key, MultisigPublicKey) or key.key_type in amino_types:
        assert pubkey_from_amino(key.to_amino()) == key
        assert len(key.address) == 20


@given(mutated(st.builds(lambda key: key.to_any().encode(), public_keys)))
def test_mutated_packed_keys(data: bytes) -> None:
    key = only_format_errors(lambda raw: pubkey_from_any(AnyValue.decode(raw)), data)
    if isinstance(key, PublicKey | MultisigPublicKey):
        assert key.to_any().encode() == data


@given(mutated(st.builds(lambda key: key.to_amino(), groups)))
def test_mutated_amino_keys(data: bytes) -> None:
    key = only_format_errors(pubkey_from_amino, data)
    if isinstance(key, PublicKey | MultisigPublicKey):
        assert key.to_amino() == data


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(public_keys, st.sampled_from(["@type", "key", "threshold", "public_keys", "more"]), json_values)
def test_mutated_json_keys(key: AnyPublicKey, member: str, value: object) -> None:
    changed = {**key.to_proto_json(), member: value}
    read = only_format_errors(pubkey_from_proto_json, changed)
    if isinstance(read, PublicKey | MultisigPublicKey):
        assert read.to_proto_json() == changed


@given(json_values)
def test_any_json_as_a_key(value: object) -> None:
    assert only_format_errors(pubkey_from_proto_json, value) is None


@given(st.sampled_from(list(ECDSA_TYPES)), exactly(64))
def test_uncompressed_points(key_type: KeyType, point: bytes) -> None:
    assert only_format_errors(lambda raw: PublicKey.from_uncompressed(key_type, raw), b"\x04" + point) is None


@given(exactly(32), st.sampled_from([2, 3]))
def test_points_are_those_of_the_libraries(x: bytes, sign: int) -> None:
    data = bytes([sign]) + x
    for key_type, parse in (
        (KeyType.SECP256K1, coincurve.PublicKey),
        (KeyType.SECP256R1, lambda raw: ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)),
    ):
        try:
            parse(data)
            theirs = True
        except ValueError:
            theirs = False
        ours = only_format_errors(lambda raw, t=key_type: PublicKey(t, raw).require_on_curve(), data) is not None  # type: ignore[misc]  # a lambda's default has no type
        assert ours == theirs


@given(st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True), st.sampled_from([20, 32]).flatmap(exactly))
def test_address_round_trip(prefix: str, raw: bytes) -> None:
    assert address.decode(address.encode(prefix, raw)) == (prefix, raw)


@given(exactly(20), st.data())
def test_mutated_addresses(raw: bytes, data: st.DataObject) -> None:
    text = address.encode("ve", raw)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.text(max_size=2)) + text[at + 1 :]
    read = only_format_errors(address.decode, changed)
    if read is not None:
        assert address.encode(*read) == changed  # type: ignore[misc]  # what decode returns


@given(st.text(max_size=100))
def test_any_text_as_an_address(text: str) -> None:
    only_format_errors(address.decode, text)
    only_format_errors(address.prefixes, text)
    only_format_errors(lambda prefix: address.encode(prefix, bytes(20)), text)


@given(records)
def test_record_round_trip(record: Record) -> None:
    assert Record.decode(record.encode()) == record
    assert Record.decode(record.encode(), check_point=False) == record
    assert record.to_proto_json()["name"] == record.name


@given(mutated(st.builds(Record.encode, records)))
def test_mutated_records(data: bytes) -> None:
    record = only_format_errors(Record.decode, data)
    if isinstance(record, Record):
        assert record.encode() == data


@given(st.sampled_from(list(ECDSA_TYPES)), st.data())
def test_signature_round_trip(key_type: KeyType, data: st.DataObject) -> None:
    scalars = st.integers(1, ECDSA_TYPES[key_type] - 1)
    rs = data.draw(scalars).to_bytes(32) + data.draw(scalars).to_bytes(32)
    assert der_to_rs(rs_to_der(rs, key_type), key_type) == rs
    low = low_s(rs, key_type)
    assert is_low_s(low, key_type)
    assert low_s(low, key_type) == low
    assert (low == rs) == is_low_s(rs, key_type)


scalars = st.integers(1, 2**252).map(lambda number: number.to_bytes(32))
signatures = st.builds(lambda r, s: rs_to_der(r + s, KeyType.SECP256K1), scalars, scalars)


@given(st.sampled_from(list(ECDSA_TYPES)), mutated(signatures))
def test_mutated_der(key_type: KeyType, der: bytes) -> None:
    rs = only_format_errors(lambda raw: der_to_rs(raw, key_type), der)
    if isinstance(rs, bytes):
        assert rs_to_der(rs, key_type) == der


@given(keys.filter(lambda key: key.key_type is not KeyType.X25519), st.binary(max_size=80), st.binary(max_size=70))
def test_nothing_random_verifies(key: PublicKey, message: bytes, signature: bytes) -> None:
    assert not verify(key, message, signature)
