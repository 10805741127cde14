"""eth_secp256k1: Ethereum's hash and addresses over a secp256k1 key, under a type URL that each chain chose."""

from __future__ import annotations

import hashlib

import coincurve
import pytest

from cosmos_formats import address as bech32_address
from cosmos_formats import eth_address
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.errors import InvalidAddress, InvalidKey
from cosmos_formats.hashes import keccak256
from cosmos_formats.multisig import MultisigPublicKey, pubkey_from_amino
from cosmos_formats.pubkeys import ETH_TYPE_URLS, KeyType, PublicKey
from cosmos_formats.record import Offline, Record
from cosmos_formats.signature import low_s
from cosmos_formats.verify import verify, verify_digest

# The account that the documentation of web3.js (eth-accounts) shows with its private key.
PRIVATE = coincurve.PrivateKey(bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"))
ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
POINT = PRIVATE.public_key.format()
KEY = PublicKey(KeyType.ETH_SECP256K1, POINT)

# The checksummed addresses that EIP-55 gives as examples.
EIP_55 = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


def signature(digest: bytes) -> bytes:
    recoverable = PRIVATE.sign_recoverable(digest, hasher=None)
    return low_s(recoverable[:64], KeyType.ETH_SECP256K1)


def test_keccak_is_not_sha3() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"") != hashlib.sha3_256(b"").digest()


def test_the_address_is_ethereums() -> None:
    assert eth_address.encode(KEY.address) == ADDRESS
    assert len(KEY.address) == 20
    assert bech32_address.decode(bech32_address.encode("evmos", KEY.address)) == ("evmos", KEY.address)
    assert KEY.plain == PublicKey(KeyType.SECP256K1, POINT)
    assert KEY.plain.address != KEY.address
    assert KEY.plain.plain == KEY.plain
    assert KEY.fingerprint == KEY.plain.fingerprint


@pytest.mark.parametrize("text", EIP_55)
def test_checksums(text: str) -> None:
    raw = eth_address.decode(text)
    assert eth_address.encode(raw) == text
    assert eth_address.decode(text.lower()) == raw
    wrong = text[:2] + text[2:].swapcase()
    if wrong[2:] not in (wrong[2:].lower(), wrong[2:].upper()):
        with pytest.raises(InvalidAddress, match="checksum"):
            eth_address.decode(wrong)


@pytest.mark.parametrize(
    "text", ["", "0x", ADDRESS[2:], ADDRESS + "0", ADDRESS[:-1], "0X" + ADDRESS[2:], ADDRESS + "\n"]
)
def test_what_is_no_ethereum_address(text: str) -> None:
    with pytest.raises(InvalidAddress):
        eth_address.decode(text)


@pytest.mark.parametrize("length", [0, 19, 21, 32])
def test_only_twenty_bytes_have_an_ethereum_address(length: int) -> None:
    with pytest.raises(InvalidAddress):
        eth_address.encode(bytes(length))


def test_messages_are_hashed_with_keccak() -> None:
    message = b"sign bytes"
    assert KEY.hash(message) == keccak256(message)
    assert KEY.plain.hash(message) == hashlib.sha256(message).digest()
    good = signature(keccak256(message))
    assert verify(KEY, message, good)
    assert verify_digest(KEY, keccak256(message), good)
    assert not verify(KEY.plain, message, good), "another hash"
    assert not verify(KEY, message + b".", good)
    assert not verify(KEY, message, signature(hashlib.sha256(message).digest()))
    with pytest.raises(InvalidKey):
        PublicKey(KeyType.ED25519, bytes(32)).hash(message)


@pytest.mark.parametrize("url", ETH_TYPE_URLS)
def test_the_type_url_of_a_chain_is_kept(url: str) -> None:
    key = PublicKey(KeyType.ETH_SECP256K1, POINT, url)
    assert key.type_url == url
    assert key.address == KEY.address
    assert PublicKey.from_any(key.to_any()) == key
    assert key.to_any() == AnyValue(url, b"\x0a\x21" + POINT)
    assert PublicKey.from_proto_json(key.to_proto_json()) == key
    assert PublicKey.from_amino(key.to_amino()) == key
    record = Record("eth", key, Offline())
    assert Record.decode(record.encode()) == record
    assert (key == KEY) == (url == KEY.type_url), "keys of two chains are two keys"


@pytest.mark.parametrize("url", ETH_TYPE_URLS)
def test_the_amino_prefix_is_made_of_the_name(url: str) -> None:
    key = PublicKey(KeyType.ETH_SECP256K1, POINT, url)
    name = key.amino_name
    assert name is not None
    # Amino's rule: skip zeros, three bytes, zeros again; the next four are the prefix.
    digest = hashlib.sha256(name.encode()).digest().lstrip(b"\0")[3:].lstrip(b"\0")
    assert key.to_amino() == digest[:4] + bytes((33,)) + POINT


def test_a_type_url_of_another_kind_of_key() -> None:
    with pytest.raises(InvalidKey):
        PublicKey(KeyType.SECP256K1, POINT, ETH_TYPE_URLS[0])
    with pytest.raises(InvalidKey):
        PublicKey(KeyType.ETH_SECP256K1, POINT, "/cosmos.crypto.secp256k1.PubKey")
    with pytest.raises(InvalidKey):
        PublicKey(KeyType.ETH_SECP256K1, POINT, "/other.crypto.v1.ethsecp256k1.PubKey")
    usual = PublicKey(KeyType.SECP256K1, POINT, "/cosmos.crypto.secp256k1.PubKey")
    assert usual == PublicKey(KeyType.SECP256K1, POINT)


def test_a_point_off_the_curve_has_no_address() -> None:
    off = PublicKey(KeyType.ETH_SECP256K1, b"\x02" + (5).to_bytes(32))
    for use in (off.require_on_curve, lambda: off.address):
        with pytest.raises(InvalidKey):
            use()


def test_members_of_a_multisig_key() -> None:
    group = MultisigPublicKey(1, (KEY, KEY.plain))
    assert pubkey_from_amino(group.to_amino()) == group
    assert MultisigPublicKey.from_any(group.to_any()) == group
    assert len(group.address) == 20
