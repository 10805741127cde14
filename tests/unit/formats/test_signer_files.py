"""Key and state files of validators: of CometBFT, tmkms, Cosmos-KMS and horcrux."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import coincurve
import nacl.signing
import pytest

from cosmos_formats import sign_state
from cosmos_formats.errors import InvalidKey
from cosmos_formats.privval.model import BlockId
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.sign_state import InvalidStateFile, SignState
from cosmos_formats.signer_files import (
    TmkmsState,
    block_id_of,
    read_cosmos_kms_key,
    read_tmkms_key,
    read_tmkms_state,
    write_tmkms_state,
)
from cosmos_formats.validator_files import LARGEST, InvalidKeyFile, read_node_key, read_validator_key

VALIDATORS = Path(__file__).resolve().parents[3] / "fixtures" / "validators"

SEED = bytes(range(1, 33))
ED = bytes(nacl.signing.SigningKey(SEED).verify_key)
K1 = coincurve.PrivateKey(SEED).public_key.format()
ED_KEY = PublicKey(KeyType.ED25519, ED)
K1_KEY = PublicKey(KeyType.SECP256K1, K1)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def key_file(**changes: Any) -> bytes:
    members = {
        "address": ED_KEY.address.hex().upper(),
        "pub_key": {"type": "tendermint/PubKeyEd25519", "value": b64(ED)},
        "priv_key": {"type": "tendermint/PrivKeyEd25519", "value": b64(SEED + ED)},
    } | changes
    return json.dumps({name: value for name, value in members.items() if value is not None}, indent=2).encode()


# --- CometBFT's keys -------------------------------------------------------------------------------------------------


def test_a_validators_key() -> None:
    content = bytearray(key_file())
    key = read_validator_key(content)
    assert (key.public_key, key.secret) == (ED_KEY, SEED)
    assert content == key_file(), "the content is the caller's to wipe"
    assert b64(SEED)[:20] not in repr(key)
    key.wipe()
    assert key.secret == bytes(32)
    assert read_validator_key(key_file(address=ED_KEY.address.hex())).secret == SEED


OTHER = bytes(nacl.signing.SigningKey(SEED[::-1]).verify_key)


@pytest.mark.parametrize(
    "changes",
    [
        {"address": None},
        {"address": ""},
        {"address": 7},
        {"address": "00" * 20},
        {"pub_key": None},
        {"pub_key": {"type": "tendermint/PubKeyEd25519", "value": b64(OTHER)}},
        {"pub_key": {"type": "tendermint/PubKeySecp256k1", "value": b64(ED)}},
        {"pub_key": {"type": "tendermint/PubKeyEd25519", "value": "!"}},
        {"pub_key": b64(ED)},
        {"priv_key": None},
        {"priv_key": {"type": "tendermint/PrivKeyEd25519"}},
        {"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": None}},
        {"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": "#7"}},
        {"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": "#"}},
        {"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": "#-1"}},
        {"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": "#0"}},
        {"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": b64(SEED + ED)[:-1]}},
        {"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": b64(SEED + OTHER)}},
        {"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": b64(SEED)}},
        {"priv_key": {"type": "tendermint/PrivKeySecp256k1", "value": b64(SEED)}},
        {"priv_key": {"type": "tendermint/PrivKeySecp256k1", "value": b64(bytes(32))}},
        {"priv_key": {"type": "cometbft/PrivKeyBls12_381", "value": b64(SEED)}},
        {"priv_key": {"type": 1, "value": b64(SEED)}},
        {"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": b64(SEED + ED), "more": 1}},
    ],
)
def test_validators_keys_that_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((InvalidKeyFile, InvalidKey)) as caught:
        read_validator_key(key_file(**changes))
    shown = repr(caught.value)
    assert b64(SEED)[:20] not in shown
    assert SEED.hex() not in shown


def test_a_node_key_and_what_is_none() -> None:
    node = json.dumps({"priv_key": {"type": "tendermint/PrivKeySecp256k1", "value": b64(SEED)}}).encode()
    assert read_node_key(node).public_key == K1_KEY
    for content in (key_file(), b"{}", b"[]", b"", b"\xff", b"[" * 10**4, node[:-1], node * 2):
        with pytest.raises(InvalidKeyFile):
            read_node_key(content)


def test_members_that_are_there_twice_and_files_that_are_too_large() -> None:
    twice = key_file().replace(b'"address"', b'"address": "", "address"')
    for content in (twice, key_file() + b" " * LARGEST):
        with pytest.raises(InvalidKeyFile):
            read_validator_key(content)
        with pytest.raises(InvalidKeyFile):
            read_tmkms_key(content)


# --- tmkms' and Cosmos-KMS' keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "\n", " \r\n"])
def test_softsign_keys(end: str) -> None:
    content = bytearray((b64(SEED) + end).encode())
    assert read_tmkms_key(content).public_key == ED_KEY
    assert read_tmkms_key(content, KeyType.SECP256K1).public_key == K1_KEY
    assert content == (b64(SEED) + end).encode()
    assert read_tmkms_key(key_file()).secret == SEED


@pytest.mark.parametrize("more", [ED, hashlib.sha512(SEED).digest()[32:], bytes(64)])
def test_expanded_keys_have_no_seed(more: bytes) -> None:
    with pytest.raises(InvalidKeyFile, match="without its seed"):
        read_tmkms_key(b64(SEED + more).encode())


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"AA==", b64(SEED[1:]).encode(), b"x" * 44, SEED, b64(SEED).encode()[:-1]]
)
def test_what_is_no_softsign_key(content: bytes) -> None:
    for key_type in (KeyType.ED25519, KeyType.SECP256K1):
        with pytest.raises(InvalidKeyFile):
            read_tmkms_key(content, key_type)


def test_the_kind_of_a_key_must_be_the_wanted_one() -> None:
    with pytest.raises(InvalidKeyFile, match="holds a ed25519 key, not secp256k1"):
        read_tmkms_key(key_file(), KeyType.SECP256K1)
    with pytest.raises(InvalidKey, match="out of range"):
        read_tmkms_key(b64(b"\xff" * 32).encode(), KeyType.SECP256K1)


def test_keys_of_cosmos_kms() -> None:
    bare = json.dumps({"priv_key": b64(SEED + ED)}).encode()
    typed = json.dumps({"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": b64(SEED + ED)}}).encode()
    for content in (key_file(), bare, typed, b64(SEED + ED).encode() + b"\n"):
        assert read_cosmos_kms_key(content).public_key == ED_KEY
    for text in (SEED.hex(), "0x" + SEED.hex().upper(), SEED.hex() + "\n"):
        assert read_cosmos_kms_key(text.encode(), KeyType.SECP256K1).public_key == K1_KEY
        assert read_cosmos_kms_key(bytearray(text.encode()), KeyType.ETH_SECP256K1).key_type is KeyType.ETH_SECP256K1


def test_what_is_no_key_of_cosmos_kms() -> None:
    for content in (b64(SEED).encode(), b64(SEED + OTHER).encode(), SEED.hex().encode(), b"", b'{"priv_key":"AAAA"}'):
        with pytest.raises((InvalidKeyFile, InvalidKey)):
            read_cosmos_kms_key(content)
    for content in (b"", b"0x", SEED.hex().encode()[1:], b"zz" * 32, b"0x0x" + SEED.hex().encode(), b"00" * 32):
        with pytest.raises((InvalidKeyFile, InvalidKey)):
            read_cosmos_kms_key(content, KeyType.SECP256K1)


# --- states ----------------------------------------------------------------------------------------------------------


def state_file(**changes: Any) -> bytes:
    members = {"height": "12", "round": 3, "step": 2, "signature": b64(b"s" * 64), "signbytes": "0AFF"} | changes
    return json.dumps({name: value for name, value in members.items() if value is not None}).encode()


def test_a_state_of_horcrux() -> None:
    content = state_file(round="3", nonce_public="", vote_ext_signature=None)
    assert sign_state.read(content) == SignState(12, 3, 2, b"s" * 64, b"\x0a\xff")


def test_the_highest_numbers() -> None:
    state = SignState(2**63 - 1, 2**31 - 1, 3, b"s", b"m")
    assert sign_state.read(sign_state.write(state)) == state


@pytest.mark.parametrize(
    "changes",
    [
        {"height": None},
        {"height": "-1"},
        {"height": "9223372036854775808"},
        {"height": "1e3"},
        {"height": "٣"},
        {"height": ""},
        {"height": 1.0},
        {"height": True},
        {"round": -1},
        {"round": 2**31},
        {"step": 4},
        {"step": None},
        {"signature": None},
        {"signbytes": None},
        {"signature": "!"},
        {"signature": 7},
        {"signbytes": "0A F"},
        {"signbytes": "0A FF"},
        {"signbytes": 1},
        {"more": 1},
        {"block_id": None, "hight": 1},
    ],
)
def test_states_that_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidStateFile):
        sign_state.read(state_file(**changes))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"{", b'{"height":NaN}', b" " * 70000])
def test_what_is_no_state(content: bytes) -> None:
    with pytest.raises(InvalidStateFile):
        sign_state.read(content)
    with pytest.raises(InvalidStateFile):
        read_tmkms_state(content)


def test_a_height_that_is_there_twice() -> None:
    with pytest.raises(InvalidStateFile):
        sign_state.read(b'{"height":"12","height":"1","round":0,"step":1}')


HASH, PARTS = "AB" * 32, "CD" * 32
BLOCK = BlockId(bytes.fromhex(HASH), 1, bytes.fromhex(PARTS))
TMKMS = f'{{"height":"12","round":"0","step":1,"block_id":{{"hash":"{HASH}","parts":{{"total":1,"hash":"{PARTS}"}}}}}}'


def test_states_of_tmkms() -> None:
    state = read_tmkms_state(TMKMS.encode())
    assert state == TmkmsState(12, 0, 1, BLOCK)
    assert write_tmkms_state(state) == TMKMS.encode()
    assert state.to_sign_state() == SignState(12, 0, 2)
    other = TMKMS.replace('"parts"', '"part_set_header"').replace('"0"', "0")
    assert read_tmkms_state(other.encode()) == state


def test_tmkms_without_a_block() -> None:
    fresh = TMKMS.replace(HASH, "").replace(PARTS, "").replace('"total":1', '"total":0').replace("12", "0")
    assert read_tmkms_state(fresh.replace('"step":1', '"step":0').encode()).to_sign_state() == SignState(0, 0, 0)
    for text in (write_tmkms_state(TmkmsState(5, 1, 2)), b'{"height":"5","round":"1","step":2}'):
        assert read_tmkms_state(text) == TmkmsState(5, 1, 2, None)
    assert TmkmsState(5, 1, 2).to_sign_state().step == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (HASH, HASH[:-1]),
        (HASH, "zz" * 32),
        (HASH, "A " * 32),
        (PARTS, "00"),
        ('"total":1', '"total":-1'),
        ('"total":1', '"total":"x"'),
        ('"total":1', '"totals":1'),
        ('"parts"', '"part"'),
        ('"step":1', '"step":3'),
        ('"step":1', '"step":1,"signature":"AA=="'),
        ('"round":"0"', '"round":"2147483648"'),
        ('{"hash":"' + HASH, '{"a":1,"hash":"' + HASH),
    ],
)
def test_states_of_tmkms_that_are_refused(old: str, new: str) -> None:
    assert old in TMKMS
    with pytest.raises(InvalidStateFile):
        read_tmkms_state(TMKMS.replace(old, new).encode())


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x02\x08\x03", b"\x02\x08\x01\x00", b"\x05\x08", b"\xff" * 12, b"\x04\x08\x01\x22\x05"]
)
def test_sign_bytes_that_are_no_vote(data: bytes) -> None:
    with pytest.raises(InvalidStateFile):
        block_id_of(data)


def test_every_cut_of_sign_bytes_is_an_error() -> None:
    state = sign_state.read((VALIDATORS / "ed25519" / "state_precommit.json").read_bytes())
    assert state.sign_bytes is not None
    for end in range(len(state.sign_bytes)):
        with pytest.raises(InvalidStateFile):
            block_id_of(state.sign_bytes[:end])
