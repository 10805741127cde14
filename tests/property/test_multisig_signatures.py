"""Multisig signatures: what is written is read back, other bytes only ever are a FormatError."""

from __future__ import annotations

import hashlib

import coincurve
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats import wire
from cosmos_formats.errors import FormatError
from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey
from cosmos_formats.multisig_signature import (
    CompactBitArray,
    InvalidMultiSignature,
    ModeInfo,
    MultiMode,
    MultiSignature,
    SingleMode,
    check_signature,
    combine,
    decode_mode_info,
)
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.schema import Message, default_schema
from cosmos_formats.signing import SignMode

PRIVATE = [coincurve.PrivateKey(hashlib.sha256(bytes([number])).digest()) for number in range(6)]
KEYS = [PublicKey(KeyType.SECP256K1, private.public_key.format()) for private in PRIVATE]
SIGNED = [private.sign_recoverable(b"the sign bytes")[:64] for private in PRIVATE]

bit_arrays = st.lists(st.booleans(), min_size=1, max_size=70).map(CompactBitArray.of)
singles = st.sampled_from(SignMode).map(SingleMode)
mode_infos: st.SearchStrategy[ModeInfo] = st.recursive(
    singles,
    lambda inner: st.builds(MultiMode, bit_arrays, st.lists(inner, max_size=4).map(tuple)),
    max_leaves=6,
).filter(lambda info: depth(info) <= 8)


def depth(info: ModeInfo) -> int:
    return 0 if isinstance(info, SingleMode) else 1 + max(map(depth, info.infos), default=0)


def sign_bytes(mode: SignMode) -> bytes:
    return b"the sign bytes"


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_bit_arrays(bits: list[bool]) -> None:
    array = CompactBitArray.of(bits)
    assert list(array) == bits
    assert array.count == sum(bits)
    assert CompactBitArray.decode(array.encode()) == array
    assert CompactBitArray.from_proto_json(array.to_proto_json()) == array
    assert [char == "x" for char in str(array)] == bits


@given(st.binary(max_size=12))
def test_any_bytes_as_a_bit_array(data: bytes) -> None:
    try:
        array = CompactBitArray.decode(data)
    except FormatError:
        return
    assert array.encode() == data


@given(mode_infos)
def test_mode_infos_are_what_protobuf_makes_of_them(info: ModeInfo) -> None:
    data = info.encode()
    assert decode_mode_info(data) == info
    parsed = default_schema().message("cosmos.tx.v1beta1.ModeInfo").FromString(data)
    assert parsed.SerializeToString(deterministic=True) == data
    assert list(info.modes()) == modes_of(parsed)


def modes_of(parsed: Message) -> list[int]:
    if parsed.WhichOneof("sum") == "single":
        return [parsed.single.mode]
    return [mode for info in parsed.multi.mode_infos for mode in modes_of(info)]


@given(mode_infos, st.data())
def test_changed_mode_infos_are_refused_or_others(info: ModeInfo, data: st.DataObject) -> None:
    encoded = info.encode()
    cut = data.draw(st.integers(0, len(encoded) - 1))
    changed = data.draw(
        st.sampled_from(
            [
                encoded[:cut],
                encoded[cut:] + encoded[:cut],
                encoded + encoded,
                encoded + wire.varint_field(3, 1),
                encoded[:cut] + wire.varint_field(9, 1) + encoded[cut:],
            ]
        )
    )
    if changed == encoded:
        return
    try:
        assert decode_mode_info(changed).encode() == changed
    except FormatError:
        return


@given(st.binary(max_size=40))
def test_any_bytes_as_a_mode_info(data: bytes) -> None:
    try:
        info = decode_mode_info(data)
    except FormatError:
        return
    assert info.encode() == data


@given(st.lists(st.binary(max_size=70), max_size=5).map(tuple))
def test_multi_signatures(signatures: tuple[bytes, ...]) -> None:
    made = MultiSignature(signatures)
    assert MultiSignature.decode(made.encode()) == made
    message = default_schema().message("cosmos.crypto.multisig.v1beta1.MultiSignature")
    assert tuple(message.FromString(made.encode()).signatures) == signatures


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
    st.integers(1, 8),
    st.sets(st.integers(0, 5)),
)
def test_what_is_combined_is_good(members: list[int], threshold: int, signing: set[int]) -> None:
    key = MultisigPublicKey(min(threshold, len(members)), tuple([KEYS[number] for number in members]))
    parts: dict[AnyPublicKey, tuple[bytes, SignMode]] = {
        KEYS[number]: (SIGNED[number], SignMode.LEGACY_AMINO_JSON) for number in sorted(signing, reverse=True)
    }
    enough = sum(number in signing for number in members) >= key.threshold
    if not signing <= set(members) or not enough:
        with pytest.raises(InvalidMultiSignature):
            combine(key, parts, sign_bytes)
        return
    info, signature = combine(key, parts, sign_bytes)
    assert list(info.bits) == [number in signing for number in members]
    assert MultiSignature.decode(signature).signatures == tuple(
        SIGNED[number] for number in members if number in signing
    )
    check_signature(key, info, signature, sign_bytes)


@given(mode_infos, st.lists(st.binary(max_size=8), max_size=3).map(tuple))
def test_no_signature_makes_the_check_fail_otherwise(info: ModeInfo, signatures: tuple[bytes, ...]) -> None:
    key = MultisigPublicKey(1, (KEYS[0], MultisigPublicKey(1, (KEYS[1],))))
    with pytest.raises(FormatError):
        check_signature(key, info, MultiSignature(signatures).encode(), sign_bytes)
