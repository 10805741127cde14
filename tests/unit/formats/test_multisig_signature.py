"""Signatures of multisig accounts: combining them, and checking them as the SDK does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import coincurve
import pytest

from cosmos_formats import wire
from cosmos_formats.errors import FormatError, InvalidSignature, InvalidSignDoc
from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey
from cosmos_formats.multisig_signature import (
    CompactBitArray,
    InvalidMultiSignature,
    MultiMode,
    MultiSignature,
    SingleMode,
    check_signature,
    combine,
    decode_mode_info,
)
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signing import SignMode

AMINO = SignMode.LEGACY_AMINO_JSON
PRIVATE = [coincurve.PrivateKey(hashlib.sha256(bytes([number])).digest()) for number in range(5)]
KEYS = [PublicKey(KeyType.SECP256K1, private.public_key.format()) for private in PRIVATE]
TWO_OF_THREE = MultisigPublicKey(2, tuple(KEYS[:3]))
BY_KEY = dict(zip(KEYS, PRIVATE, strict=True))


def sign_bytes(mode: SignMode) -> bytes:
    return b"signed as " + mode.name.encode()


def signed(number: int, mode: SignMode = AMINO) -> bytes:
    return PRIVATE[number].sign_recoverable(sign_bytes(mode))[:64]


def part(number: int, mode: SignMode = AMINO) -> tuple[bytes, SignMode]:
    return signed(number, mode), mode


def parts(*numbers: int) -> Mapping[AnyPublicKey, tuple[bytes, SignMode]]:
    return {KEYS[number]: part(number) for number in numbers}


def multi(bits: str, *infos: SingleMode | MultiMode) -> MultiMode:
    return MultiMode(CompactBitArray.of(bit == "x" for bit in bits), infos)


def signatures(*of: bytes) -> bytes:
    return MultiSignature(of).encode()


# --- bit arrays ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "encoded"),
    [
        ("x", "08011201" + "80"),
        ("_", "08011201" + "00"),
        ("xx_", "08031201" + "c0"),
        ("________", "1201" + "00"),
        ("_______x", "1201" + "01"),
        ("x_______x", "08011202" + "8080"),
    ],
)
def test_bit_arrays(bits: str, encoded: str) -> None:
    array = CompactBitArray.of(bit == "x" for bit in bits)
    assert str(array) == bits
    assert array.encode().hex() == encoded
    assert CompactBitArray.decode(bytes.fromhex(encoded)) == array
    assert (len(array), array.count) == (len(bits), bits.count("x"))


@pytest.mark.parametrize(
    "encoded", ["", "0801", "08031200", "0801120180ff", "08011201c0", "0808120100", "0803120200d0"]
)
def test_bit_arrays_that_contradict_themselves_are_refused(encoded: str) -> None:
    with pytest.raises(FormatError):
        CompactBitArray.decode(bytes.fromhex(encoded))


def test_a_bit_behind_the_end_does_not_exist() -> None:
    array = CompactBitArray.of([True])
    for index in (-1, 1):
        with pytest.raises(IndexError):
            array[index]


def test_proto_json_of_bit_arrays() -> None:
    array = CompactBitArray.of([True, True, False])
    assert array.to_proto_json() == {"extra_bits_stored": 3, "elems": "wA=="}
    assert CompactBitArray.from_proto_json(array.to_proto_json()) == array


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"extra_bits_stored": 3},
        {"extra_bits_stored": True, "elems": "wA=="},
        {"extra_bits_stored": 3, "elems": "wA="},
        {"extra_bits_stored": 3, "elems": "é"},
        {"extra_bits_stored": -1, "elems": "wA=="},
        {"extra_bits_stored": 8, "elems": "wA=="},
        {"extra_bits_stored": 0, "elems": ""},
        {"extra_bits_stored": 3, "elems": "wA==", "more": 1},
    ],
)
def test_other_json_is_refused(value: object) -> None:
    with pytest.raises(InvalidMultiSignature):
        CompactBitArray.from_proto_json(value)


# --- mode infos ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "encoded"),
    [
        (SingleMode(SignMode.DIRECT), "0a020801"),
        (SingleMode(SignMode.UNSPECIFIED), "0a00"),
        (SingleMode(SignMode.EIP_191), "0a0308bf01"),
        (multi("xx_", SingleMode(AMINO), SingleMode(AMINO)), "12130a0508031201c012040a02087f12040a02087f"),
        (multi("_"), "12070a050801120100"),
    ],
)
def test_mode_infos(info: SingleMode | MultiMode, encoded: str) -> None:
    assert info.encode().hex() == encoded
    assert decode_mode_info(bytes.fromhex(encoded)) == info


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "0a02080112070a050801120100",  # both
        "1200",  # nobody says who signed
        "0a020804",  # a mode that nobody knows
        "0a0b08ffffffffffffffffff01",  # -1
        "0a0208011800",  # a further field
        "120912020a000a050801",  # out of order
        "0a02",
    ],
)
def test_other_mode_infos_are_refused(encoded: str) -> None:
    with pytest.raises(FormatError):
        decode_mode_info(bytes.fromhex(encoded))


def test_mode_infos_nested_without_end_are_refused() -> None:
    data = SingleMode(AMINO).encode()
    for _ in range(5000):
        data = wire.message_field(
            2, wire.message_field(1, CompactBitArray.of([True]).encode()) + wire.message_field(2, data)
        )
    with pytest.raises(InvalidMultiSignature, match="deep"):
        decode_mode_info(data)


# --- combining -------------------------------------------------------------------------------------------------------


def test_signatures_stand_in_the_order_of_the_keys() -> None:
    info, signature = combine(TWO_OF_THREE, parts(2, 0), sign_bytes)
    assert info == multi("x_x", SingleMode(AMINO), SingleMode(AMINO))
    assert signature == signatures(signed(0), signed(2))
    check_signature(TWO_OF_THREE, info, signature, sign_bytes)


def test_more_than_the_threshold_is_kept() -> None:
    info, signature = combine(TWO_OF_THREE, parts(0, 1, 2), sign_bytes)
    assert str(info.bits) == "xxx"
    check_signature(TWO_OF_THREE, info, signature, sign_bytes)


def test_each_member_has_its_own_mode() -> None:
    info, signature = combine(
        TWO_OF_THREE, {KEYS[0]: part(0, SignMode.DIRECT_AUX), KEYS[1]: part(1, SignMode.TEXTUAL)}, sign_bytes
    )
    assert tuple(info.modes()) == (SignMode.DIRECT_AUX, SignMode.TEXTUAL)
    check_signature(TWO_OF_THREE, info, signature, sign_bytes)


def test_a_key_that_is_a_member_twice_counts_twice() -> None:
    key = MultisigPublicKey(3, (KEYS[0], KEYS[1], KEYS[0]))
    info, signature = combine(key, parts(0, 1), sign_bytes)
    assert str(info.bits) == "xxx"
    assert signature == signatures(signed(0), signed(1), signed(0))
    check_signature(key, info, signature, sign_bytes)


def test_members_that_did_not_sign_may_be_multisig_keys() -> None:
    key = MultisigPublicKey(2, (KEYS[3], TWO_OF_THREE, KEYS[4]))
    info, _ = combine(key, parts(3, 4), sign_bytes)
    assert str(info.bits) == "x_x"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (parts(0), "signatures of 1 members; the threshold is 2"),
        ({}, "signatures of 0 members"),
        (parts(0, 3), "part 1 is of a key that is no member"),
        ({KEYS[0]: part(0), KEYS[1]: part(2)}, "part 1: the signature is not"),
        ({KEYS[0]: part(0), KEYS[1]: (signed(1, SignMode.DIRECT), AMINO)}, "part 1: the signature is not"),
        ({KEYS[0]: part(0), KEYS[1]: (b"", AMINO)}, "part 1: the signature is not"),
        ({KEYS[0]: part(0, SignMode.EIP_191), KEYS[1]: part(1)}, "part 0: sign mode EIP_191"),
        ({KEYS[0]: part(0, SignMode.UNSPECIFIED), KEYS[1]: part(1)}, "part 0: sign mode UNSPECIFIED"),
    ],
)
def test_what_cannot_be_combined(given: Mapping[AnyPublicKey, tuple[bytes, SignMode]], why: str) -> None:
    with pytest.raises(InvalidMultiSignature, match=why):
        combine(TWO_OF_THREE, given, sign_bytes)


def test_nested_signatures_are_not_made() -> None:
    key = MultisigPublicKey(1, (KEYS[3], TWO_OF_THREE))
    inner = combine(TWO_OF_THREE, parts(0, 1), sign_bytes)[1]
    with pytest.raises(InvalidMultiSignature, match="nested"):
        combine(key, {TWO_OF_THREE: (inner, AMINO)}, sign_bytes)


def test_a_mode_that_the_transaction_refuses_is_told() -> None:
    def refuses(mode: SignMode) -> bytes:
        raise InvalidSignDoc(f"no {mode.name} for this")

    with pytest.raises(InvalidSignDoc, match="no LEGACY_AMINO_JSON"):
        combine(TWO_OF_THREE, parts(0, 1), refuses)


# --- checking --------------------------------------------------------------------------------------------------------

ONE = SingleMode(AMINO)


def test_nested_signatures_are_checked() -> None:
    key = MultisigPublicKey(2, (KEYS[3], TWO_OF_THREE, KEYS[4]))
    info = multi("xx_", ONE, multi("_xx", ONE, ONE))
    check_signature(key, info, signatures(signed(3), signatures(signed(1), signed(2))), sign_bytes)
    with pytest.raises(InvalidMultiSignature, match="member 1: member 2: the signature is not"):
        check_signature(key, info, signatures(signed(3), signatures(signed(1), signed(0))), sign_bytes)


@pytest.mark.parametrize(
    ("info", "signature", "why"),
    [
        (ONE, signed(0), "one signature for a multisig key"),
        (multi("xx", ONE, ONE), signatures(signed(0), signed(1)), "2 bits for 3 keys"),
        (multi("xx__", ONE, ONE), signatures(signed(0), signed(1)), "4 bits for 3 keys"),
        (multi("xx_", ONE), signatures(signed(0), signed(1)), "1 sign modes for 2 signatures"),
        (multi("xx_", ONE, ONE), signatures(signed(0)), "2 sign modes for 1 signatures"),
        (multi("x__", ONE), signatures(signed(0)), "threshold is 2"),
        (multi("x__", ONE, ONE), signatures(signed(0), signed(1)), "2 signatures of 1 members"),
        (multi("xxx", ONE, ONE), signatures(signed(0), signed(1)), "2 signatures of 3 members"),
        (multi("xx_", *[ONE] * 4), signatures(*map(signed, range(4))), "4 signatures for 3 keys"),
        (multi("x_x", ONE, ONE), signatures(signed(0), signed(1)), "member 2: the signature is not"),
        (multi("xx_", ONE, ONE), signatures(signed(1), signed(0)), "member 0: the signature is not"),
        (multi("xx_", ONE, ONE), signatures(signed(0), b""), "member 1: the signature is not"),
        (multi("xx_", ONE, SingleMode(SignMode.DIRECT)), signatures(signed(0), signed(1)), "member 1: the signature"),
        (multi("xx_", ONE, SingleMode(SignMode.EIP_191)), signatures(signed(0), signed(1)), "member 1: sign mode EIP"),
        (multi("xx_", ONE, multi("x", ONE)), signatures(signed(0), signatures(signed(1))), "member 1: a multisig sign"),
        (multi("xx_", ONE, ONE), signatures(signed(0), signed(1))[:-1], "cut off"),
        (multi("xx_", ONE, ONE), signatures(signed(0), signed(1)) + b"\x12\x01a", "unknown field 2"),
    ],
)
def test_multisig_signatures_that_are_not_good(info: SingleMode | MultiMode, signature: bytes, why: str) -> None:
    with pytest.raises(InvalidSignature, match=why):
        check_signature(TWO_OF_THREE, info, signature, sign_bytes)


def test_signatures_that_nobody_looks_at_are_tolerated_as_in_the_sdk() -> None:
    check_signature(TWO_OF_THREE, multi("xx_", ONE, ONE, ONE), signatures(signed(0), signed(1), b"no"), sign_bytes)


def test_a_single_key_has_a_single_signature() -> None:
    check_signature(KEYS[0], ONE, signed(0), sign_bytes)
    with pytest.raises(InvalidSignature, match="not by this key"):
        check_signature(KEYS[0], ONE, signed(1), sign_bytes)
    with pytest.raises(InvalidMultiSignature, match="for a single key"):
        check_signature(KEYS[0], multi("x", ONE), signatures(signed(0)), sign_bytes)
