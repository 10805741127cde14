"""Multisig public keys."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cosmos_formats import wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import InvalidKey
from cosmos_formats.multisig import (
    MAX_DEPTH,
    TYPE_URL,
    MultisigPublicKey,
    pubkey_from_amino,
    pubkey_from_any,
    pubkey_from_proto_json,
)
from cosmos_formats.pubkeys import KeyType, PublicKey


def key(number: int) -> PublicKey:
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(bytes([number])).digest())
    return PublicKey(KeyType.ED25519, private.public_key().public_bytes_raw())


def nested(depth: int) -> MultisigPublicKey:
    result = MultisigPublicKey(1, (key(0),))
    for _ in range(depth - 1):
        result = MultisigPublicKey(1, (result,))
    return result


@pytest.mark.parametrize(("threshold", "count"), [(0, 1), (2, 1), (-1, 2), (1, 0)])
def test_thresholds_out_of_range_are_refused(threshold: int, count: int) -> None:
    with pytest.raises(InvalidKey, match="threshold"):
        MultisigPublicKey(threshold, tuple(key(n) for n in range(count)))


def test_members_must_have_an_amino_form() -> None:
    """The SDK panics when it computes such a key's address."""
    member = PublicKey(KeyType.X25519, bytes(32))
    with pytest.raises(InvalidKey, match="amino"):
        MultisigPublicKey(1, (key(0), member))


def test_order_and_repetition_matter() -> None:
    pair = MultisigPublicKey(1, (key(0), key(1)))
    assert pair.address != MultisigPublicKey(1, (key(1), key(0))).address
    assert pair.address != MultisigPublicKey(1, (key(0), key(1), key(1))).address
    assert len(pair.address) == 20


def test_nesting_has_a_limit_everywhere() -> None:
    deepest = nested(MAX_DEPTH)
    assert deepest.depth == MAX_DEPTH
    assert pubkey_from_any(deepest.to_any()) == deepest
    assert pubkey_from_amino(deepest.to_amino()) == deepest
    assert pubkey_from_proto_json(deepest.to_proto_json()) == deepest
    with pytest.raises(InvalidKey, match="deep"):
        MultisigPublicKey(1, (deepest,))
    packed = deepest.to_any()
    amino = deepest.to_amino()
    json: object = deepest.to_proto_json()
    for _ in range(500):
        packed = AnyValue(TYPE_URL, wire.varint_field(1, 1) + wire.message_field(2, packed.encode()))
        amino = amino[:4] + wire.varint_field(1, 1) + wire.message_field(2, amino)
        json = {"@type": TYPE_URL, "threshold": 1, "public_keys": [json]}
    for read, data in ((pubkey_from_any, packed), (pubkey_from_amino, amino), (pubkey_from_proto_json, json)):
        with pytest.raises(InvalidKey, match="deep"):
            read(data)  # type: ignore[operator]  # three readers, each with its own kind of input


def test_dispatch_refuses_a_key_of_the_other_kind() -> None:
    with pytest.raises(InvalidKey):
        MultisigPublicKey.from_any(key(0).to_any())
    with pytest.raises(InvalidKey):
        MultisigPublicKey.from_proto_json(key(0).to_proto_json())
    with pytest.raises(InvalidKey):
        MultisigPublicKey.from_amino(key(0).to_amino())
    assert pubkey_from_any(key(0).to_any()) == key(0)
    assert pubkey_from_amino(key(0).to_amino()) == key(0)
    assert pubkey_from_proto_json(key(0).to_proto_json()) == key(0)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": True},
        {"threshold": "1"},
        {"threshold": 1.0},
        {"public_keys": None},
        {"public_keys": [None]},
        {"public_keys": []},
        {"more": 1},
    ],
)
def test_other_json_members_are_refused(change: dict[str, object]) -> None:
    good = MultisigPublicKey(1, (key(0), key(1))).to_proto_json()
    with pytest.raises(InvalidKey):
        pubkey_from_proto_json({**good, **change})


def test_a_broken_member_is_refused() -> None:
    good = MultisigPublicKey(1, (key(0),)).to_any()
    for value in (good.value[:-1], good.value + b"\x18\x01", wire.varint_field(1, 1) + wire.message_field(2, b"\x08")):
        with pytest.raises(InvalidKey):
            pubkey_from_any(AnyValue(TYPE_URL, value))
