"""ADR-036: the exact envelope, and nothing else."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import coincurve
import pytest

from cosmos_formats import address
from cosmos_formats.errors import InvalidAddress, InvalidKey, InvalidSignature, InvalidSignDoc
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signing.adr036 import StdSignature, parse, sign_doc, verify
from cosmos_formats.signing.tx_view import ArbitraryData

PRIVATE = coincurve.PrivateKey(hashlib.sha256(b"adr-036").digest())
KEY = PublicKey(KeyType.SECP256K1, PRIVATE.public_key.format())
ETH = PublicKey(KeyType.ETH_SECP256K1, PRIVATE.public_key.format())
SIGNER = address.encode("ve", KEY.address)
DATA = b'{"login": "<&>"}'
DOC = (
    '{"account_number":"0","chain_id":"","fee":{"amount":[],"gas":"0"},"memo":"","msgs":[{"type":"sign/MsgSignData",'
    f'"value":{{"data":"{b64encode(DATA).decode()}","signer":"{SIGNER}"}}}}],"sequence":"0"}}'
)


def test_the_document() -> None:
    assert sign_doc(SIGNER, DATA) == DOC.encode()
    assert parse(DOC.encode()) == ArbitraryData(SIGNER, DATA)


def test_no_data_and_no_signer_are_refused() -> None:
    with pytest.raises(InvalidSignDoc, match="no data"):
        sign_doc(SIGNER, b"")
    with pytest.raises(InvalidAddress):
        sign_doc("ve", DATA)
    with pytest.raises(InvalidAddress, match="escapes"):
        sign_doc(address.encode("v&e", KEY.address), DATA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"chain_id":""', '"chain_id":"chain-1"'),
        ('"account_number":"0"', '"account_number":"1"'),
        ('"account_number":"0"', '"account_number":0'),
        ('"sequence":"0"', '"sequence":"1"'),
        ('"gas":"0"', '"gas":"1"'),
        ('"amount":[]', '"amount":[{"amount":"1","denom":"uve"}]'),
        ('"memo":""', '"memo":"x"'),
        ('"memo":"",', ""),
        ("sign/MsgSignData", "cosmos-sdk/MsgSend"),
        ("{", " {"),
        (":", ": "),
        (b64encode(DATA).decode(), ""),
        (b64encode(DATA).decode(), "YQ"),
        (b64encode(DATA).decode(), "YR=="),
        (b64encode(DATA).decode(), "YQ==\n"),
        (b64encode(DATA).decode(), "Y-Q="),
        (b64encode(DATA).decode(), "YQ==YQ=="),
        (SIGNER, ""),
        (SIGNER, SIGNER.upper()),
        (SIGNER, SIGNER[:-1] + ("q" if SIGNER[-1] != "q" else "p")),
        (SIGNER, SIGNER + "é"),
        (SIGNER, SIGNER.replace("ve1", "\\u0076e1")),
        ('"signer"', '"signed"'),
        ('","signer":"', '","more":"","signer":"'),
        ('"}}],', '"}},{"type":"x","value":{}}],'),
        ('"sequence":"0"}', '"sequence":"0","timeout_height":"1"}'),
        ('"sequence":"0"}', '"sequence":"0"} '),
    ],
)
def test_any_other_document_is_refused(old: str, new: str) -> None:
    assert old in DOC
    with pytest.raises(InvalidSignDoc):
        parse(DOC.replace(old, new).encode())


@pytest.mark.parametrize("key", [KEY, ETH], ids=lambda key: str(key.key_type))
def test_signatures(key: PublicKey) -> None:
    message = sign_doc(address.encode("ve", key.address), DATA)
    signature = PRIVATE.sign_recoverable(key.hash(message), hasher=None)[:64]
    assert verify(key, "ve", DATA, signature)
    assert not verify(key, "cosmos", DATA, signature)
    assert not verify(key, "ve", DATA + b" ", signature)
    assert not verify(key, "ve", DATA, signature[:-1])
    assert not verify(ETH if key is KEY else KEY, "ve", DATA, signature)


def test_the_json_of_wallets() -> None:
    signature = StdSignature(KEY, bytes(64))
    value = {
        "pub_key": {"type": "tendermint/PubKeySecp256k1", "value": b64encode(KEY.data).decode()},
        "signature": b64encode(bytes(64)).decode(),
    }
    assert signature.to_json() == value
    assert StdSignature.from_json(value) == signature
    assert StdSignature(ETH, bytes(64)).to_json() == value
    assert StdSignature.from_json(value, KeyType.ETH_SECP256K1) == StdSignature(ETH, bytes(64))


@pytest.mark.parametrize(
    "change",
    [
        {"signature": None},
        {"signature": "AAAA"},
        {"signature": "é"},
        {"more": 1},
        {"pub_key": None},
        {"pub_key": {"type": "tendermint/PubKeySecp256k1"}},
        {"pub_key": {"type": "tendermint/PubKeyEd25519", "value": b64encode(KEY.data).decode()}},
    ],
)
def test_other_json_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidSignature):
        StdSignature.from_json({**StdSignature(KEY, bytes(64)).to_json(), **change})


def test_no_json_and_no_key() -> None:
    with pytest.raises(InvalidSignature):
        StdSignature.from_json([])
    off = {"type": "tendermint/PubKeySecp256k1", "value": b64encode(b"\x02" + b"\xff" * 32).decode()}
    with pytest.raises(InvalidKey):
        StdSignature.from_json({**StdSignature(KEY, bytes(64)).to_json(), "pub_key": off})
    with pytest.raises(InvalidSignature):
        StdSignature(PublicKey(KeyType.SECP256R1, KEY.data), bytes(64))
