"""Records and amino records: what comes out, the private key apart, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import coincurve
import nacl.signing
import pytest

from cosmos_formats import keyring_entry, wire
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import FormatError, InvalidKey, InvalidRecord
from cosmos_formats.hd import Bip44Path
from cosmos_formats.keyring_entry import KeyringEntry
from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import ETH_TYPE_URLS, KeyType, PublicKey
from cosmos_formats.record import Item, Ledger, Local, Multi, Offline, Record

VECTORS = Path(__file__).resolve().parents[3] / "fixtures" / "vectors" / "records.json"

SECRET = bytes(range(1, 33))
PUBLIC = PublicKey(KeyType.SECP256K1, coincurve.PrivateKey(SECRET).public_key.format())
OTHER = PublicKey(KeyType.SECP256K1, coincurve.PrivateKey(SECRET[::-1]).public_key.format())
ED = PublicKey(KeyType.ED25519, bytes(nacl.signing.SigningKey(SECRET).verify_key))
GROUP = MultisigPublicKey(2, (PUBLIC, OTHER, ED))


def packed(secret: bytes, url: str = "/cosmos.crypto.secp256k1.PrivKey") -> AnyValue:
    return AnyValue(url, wire.bytes_field(1, secret))


def encoded(item: Item, key: PublicKey | MultisigPublicKey = PUBLIC, name: str = "alice") -> bytearray:
    return bytearray(Record(name, key, item).encode())


def amino(prefix: str, *fields: bytes) -> bytearray:
    body = bytes.fromhex(prefix) + b"".join(fields)
    return bytearray(wire.varint(len(body)) + body)


NAME = wire.text_field(1, "alice")
KEY = wire.bytes_field(2, PUBLIC.to_amino())
PRIVATE = wire.bytes_field(3, bytes.fromhex("e1b0f79b20") + SECRET)
ALGORITHM = wire.text_field(4, "secp256k1")
PATH = wire.message_field(3, Bip44Path(44, 118, 1, False, 5).encode())


# --- protobuf --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text())["vectors"], ids=lambda vector: str(vector["name"]))
def test_records_of_the_sdk(vector: dict[str, object]) -> None:
    data = bytearray.fromhex(str(vector["bytes"]))
    entry = keyring_entry.decode(data)
    reference = Record.decode(bytes(data))
    assert (entry.name, entry.kind, entry.public_key) == (vector["name"], vector["type"], reference.public_key)
    assert not entry.legacy
    if isinstance(reference.item, Local):
        assert entry.record.item == Local()
        kept = reference.item.private_key
        stored = None if kept is None else wire.read(kept.value, {1: wire.Kind.BYTES}).binary(1)
        assert entry.private_key == (None if stored is None else stored[:32])
    else:
        assert entry.record == reference
        assert entry.private_key is None
    assert entry.path == (reference.item.path if isinstance(reference.item, Ledger) else None)


def test_the_private_key_is_apart() -> None:
    data = encoded(Local(packed(SECRET)))
    entry = keyring_entry.decode(data)
    assert entry.private_key == SECRET
    assert SECRET not in entry.record.encode()
    assert (entry.key_type, entry.address) == ("secp256k1", PUBLIC.address)
    assert SECRET.hex() not in repr(entry)
    assert repr(SECRET)[2:20] not in repr(entry)
    entry.wipe()
    assert entry.private_key == bytes(32)
    assert data == encoded(Local(packed(SECRET))), "the data is the caller's to wipe"


def test_an_ed25519_seed() -> None:
    entry = keyring_entry.decode(encoded(Local(packed(SECRET + ED.data, "/cosmos.crypto.ed25519.PrivKey")), ED))
    assert (entry.private_key, entry.key_type) == (SECRET, "ed25519")


@pytest.mark.parametrize("url", ETH_TYPE_URLS)
def test_keys_of_ethereum_chains(url: str) -> None:
    key = PublicKey(KeyType.ETH_SECP256K1, PUBLIC.data, url)
    entry = keyring_entry.decode(encoded(Local(packed(SECRET, url.removesuffix("PubKey") + "PrivKey")), key))
    assert (entry.private_key, entry.public_key, entry.key_type) == (SECRET, key, "eth_secp256k1")


def test_a_multisig_key() -> None:
    entry = keyring_entry.decode(encoded(Multi(), GROUP))
    assert (entry.kind, entry.key_type, entry.address, entry.private_key) == ("multi", "multisig", GROUP.address, None)
    entry.wipe()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (encoded(Local(packed(SECRET)), OTHER), "does not belong to its public key"),
        (encoded(Local(packed(SECRET)), ED), "does not belong to its public key"),
        (encoded(Local(packed(SECRET)), PublicKey(KeyType.ETH_SECP256K1, PUBLIC.data)), "does not belong"),
        (encoded(Local(packed(SECRET)), GROUP), "does not belong"),
        (encoded(Local(packed(SECRET + OTHER.data[:32], "/cosmos.crypto.ed25519.PrivKey")), ED), "does not belong"),
        (encoded(Local(packed(SECRET, "/cosmos.crypto.ed25519.PrivKey")), ED), "64 bytes"),
        (encoded(Local(packed(SECRET[:31]))), "32 bytes"),
        (encoded(Local(packed(SECRET + b"x"))), "32 bytes"),
        (encoded(Local(packed(bytes(32)))), "out of range"),
        (encoded(Local(packed(b"\xff" * 32))), "out of range"),
        (encoded(Local(packed(SECRET, "/cosmos.crypto.secp256k1.PubKey"))), "unknown type"),
        (encoded(Local(packed(SECRET, "/x.PrivKey"))), "unknown type"),
        (encoded(Local(AnyValue("/cosmos.crypto.secp256k1.PrivKey", b""))), "without a private key"),
        (encoded(Local(AnyValue("/cosmos.crypto.secp256k1.PrivKey", b"\x12\x00"))), "malformed private key"),
        (encoded(Offline(), PublicKey(KeyType.X25519, SECRET)), "no address"),
    ],
)
def test_records_that_are_refused(data: bytearray, says: str) -> None:
    with pytest.raises((InvalidRecord, InvalidKey), match=says) as caught:
        keyring_entry.decode(data)
    assert SECRET.hex() not in repr(caught.value)


def test_records_of_no_or_two_kinds() -> None:
    public = encoded(Offline())[:-2]
    for end in (b"", b"\x22\x00\x32\x00", b"\x1a\x00\x32\x00", b"\x3a\x00", b"\x1a\x02\x12\x00", b"\x32\x00\x32\x00"):
        with pytest.raises(InvalidRecord):
            keyring_entry.decode(public + end)


# --- amino -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (amino("0dad153d", NAME, KEY, PRIVATE, ALGORITHM), Local()),
        (amino("a08cb0fb", NAME, KEY, PATH, ALGORITHM), Ledger(Bip44Path(44, 118, 1, False, 5))),
        (amino("a08cb0fb", NAME, KEY, ALGORITHM), Ledger(Bip44Path(0, 0, 0, False, 0))),
        (amino("1f4d3ed6", NAME, KEY, wire.text_field(3, "secp256k1")), Offline()),
        (amino("1f4d3ed6", NAME, KEY), Offline()),
        (amino("34878fb8", NAME, wire.bytes_field(2, GROUP.to_amino())), Multi()),
    ],
)
def test_amino_records(data: bytearray, expected: Item) -> None:
    key = GROUP if isinstance(expected, Multi) else PUBLIC
    private = bytearray(SECRET) if isinstance(expected, Local) else None
    assert keyring_entry.decode(data) == KeyringEntry(Record("alice", key, expected), private, legacy=True)


def test_an_amino_record_of_an_ed25519_key() -> None:
    private = wire.bytes_field(3, bytes.fromhex("a328891040") + SECRET + ED.data)
    key = wire.bytes_field(2, ED.to_amino())
    entry = keyring_entry.decode(amino("0dad153d", NAME, key, private, wire.text_field(4, "ed25519")))
    assert (entry.private_key, entry.public_key) == (SECRET, ED)


GOOD = amino("0dad153d", NAME, KEY, PRIVATE, ALGORITHM)


@pytest.mark.parametrize(
    "data",
    [
        bytearray(),
        bytearray(b"\x00"),
        bytearray(b"alice.info"),
        GOOD[:-1],
        GOOD + b"\0",
        GOOD[1:],
        amino("0dad153d"),
        amino("0dad153e", NAME, KEY, PRIVATE, ALGORITHM),
        amino("0dad153d", NAME, PRIVATE, ALGORITHM),
        amino("0dad153d", NAME, KEY, ALGORITHM),
        amino("0dad153d", KEY, NAME, PRIVATE, ALGORITHM),
        amino("0dad153d", NAME, KEY, PRIVATE, ALGORITHM, wire.text_field(5, "x")),
        amino("0dad153d", NAME, KEY, PRIVATE, b"\x20\x01"),
        amino("0dad153d", NAME, wire.bytes_field(2, OTHER.to_amino()), PRIVATE, ALGORITHM),
        amino("0dad153d", NAME, wire.bytes_field(2, GROUP.to_amino()), PRIVATE, ALGORITHM),
        amino("0dad153d", NAME, KEY, wire.bytes_field(3, b"\x01\x02\x03\x04\x20" + SECRET), ALGORITHM),
        amino("0dad153d", NAME, KEY, wire.bytes_field(3, bytes.fromhex("e1b0f79b20") + SECRET[1:]), ALGORITHM),
        amino("0dad153d", wire.bytes_field(1, b"\xff"), KEY, PRIVATE, ALGORITHM),
        amino("34878fb8", NAME, KEY),
        amino("a08cb0fb", NAME, KEY, wire.message_field(3, b"\xff"), ALGORITHM),
    ],
)
def test_amino_records_that_are_refused(data: bytearray) -> None:
    with pytest.raises((InvalidRecord, InvalidKey)) as caught:
        keyring_entry.decode(data)
    assert SECRET.hex() not in repr(caught.value)


def test_every_change_of_a_private_key_is_found() -> None:
    for whole in (encoded(Local(packed(SECRET))), GOOD):
        at = whole.index(SECRET)
        for position in range(at, at + 32):
            data = bytearray(whole)
            data[position] ^= 1
            with pytest.raises(FormatError):
                keyring_entry.decode(data)


# --- address items ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "a/b", "鍵", "", "x.info"])
def test_address_items(name: str) -> None:
    assert keyring_entry.decode_address_item(bytearray(f"{name}.info".encode())) == f"{name}.info"


@pytest.mark.parametrize("data", [b"", b"alice", b"\xff.info", b"a" * 5000 + b".info", b"alice.info\n"])
def test_what_is_no_address_item(data: bytes) -> None:
    with pytest.raises(InvalidRecord):
        keyring_entry.decode_address_item(data)
