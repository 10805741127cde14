"""Keyring records."""

import pytest

from cosmos_formats import wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import InvalidRecord
from cosmos_formats.hd import Bip44Path, InvalidPath
from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.record import Ledger, Local, Multi, Offline, Record

KEY = PublicKey(KeyType.SECP256K1, bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"))
PRIVATE = AnyValue("/cosmos.crypto.secp256k1.PrivKey", wire.bytes_field(1, bytes(range(32))))
HEAD = wire.text_field(1, "name") + wire.message_field(2, KEY.to_any().encode())


@pytest.mark.parametrize(
    "record",
    [
        Record("name", KEY, Local()),
        Record("name", KEY, Local(PRIVATE)),
        Record("", KEY, Offline()),
        Record("a/b %2F 鍵", KEY, Ledger(Bip44Path(account=3, change=True, address_index=2**32 - 1))),
        Record("group", MultisigPublicKey(1, (KEY, KEY)), Multi()),
        Record("encryption", PublicKey(KeyType.X25519, bytes(32)), Local()),
    ],
)
def test_round_trip(record: Record) -> None:
    assert Record.decode(record.encode()) == record
    assert record.kind in record.to_proto_json()


def test_the_private_key_shows_nowhere_unless_asked() -> None:
    record = Record("name", KEY, Local(PRIVATE))
    assert record.to_proto_json()["local"] == {"priv_key": None}
    assert bytes(range(32)).hex() not in repr(record)
    assert repr(bytes(range(32)))[2:-1] not in repr(record)
    assert repr(PRIVATE) == "AnyValue(type_url='/cosmos.crypto.secp256k1.PrivKey')"
    shown = record.to_proto_json(reveal_private_key=True)["local"]
    assert shown == {"priv_key": {"@type": PRIVATE.type_url, "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (HEAD, "unrecognized record type"),
        (HEAD + wire.message_field(7, b""), "unknown field 7"),
        (HEAD + wire.message_field(5, b"") + wire.message_field(6, b""), "several items"),
        (HEAD + wire.message_field(6, b"") * 2, "repeated"),
        (HEAD + wire.message_field(6, b"\x08\x01"), "unknown field 1"),
        (HEAD + wire.message_field(4, b""), "without a path"),
        (HEAD + wire.message_field(4, wire.message_field(1, wire.varint_field(4, 2))), "not a bool"),
        (HEAD + wire.message_field(4, wire.message_field(1, wire.varint_field(2, 2**32))), "32 bits"),
        (HEAD + wire.message_field(3, wire.message_field(1, b"\x0a")), "cut off"),
        (wire.text_field(1, "name") + wire.message_field(6, b""), "without a public key"),
        (wire.message_field(2, b"") + wire.message_field(6, b""), "not a known type"),
        (b"\x0a\x01\xff" + HEAD[6:] + wire.message_field(6, b""), "UTF-8"),
        (b"", "without a public key"),
        (b"\xff", "cut off"),
    ],
)
def test_other_bytes_are_refused_with_the_reason(data: bytes, says: str) -> None:
    with pytest.raises(InvalidRecord, match=says):
        Record.decode(data)


def test_a_point_off_the_curve_is_refused_unless_it_was_checked_before() -> None:
    key = PublicKey(KeyType.SECP256K1, b"\x02" + (5).to_bytes(32))
    data = Record("name", key, Offline()).encode()
    with pytest.raises(InvalidRecord, match="not a point"):
        Record.decode(data)
    assert Record.decode(data, check_point=False).public_key == key


def test_a_name_that_utf8_cannot_write_is_refused() -> None:
    with pytest.raises(InvalidRecord):
        Record("\udcff", KEY, Offline()).encode()


def test_paths() -> None:
    assert str(Bip44Path()) == "m/44'/118'/0'/0/0"
    assert str(Bip44Path(44, 60, 1, True, 9)) == "m/44'/60'/1'/1/9"
    for bad in (-1, 2**32):
        with pytest.raises(InvalidPath):
            Bip44Path(account=bad)
