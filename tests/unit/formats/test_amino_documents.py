"""Amino JSON sign documents: making them from transactions, and reading them from bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.schema import default_schema
from cosmos_formats.signing.amino_json import (
    AminoMessage,
    StdFee,
    StdSignDoc,
    canonical,
    parse_sign_doc,
    sign_bytes,
    unwrap_eip191,
)
from cosmos_formats.signing.facts import Coin
from cosmos_formats.signing.transaction import SignerData, TxParts

SIGNER = SignerData("cosmos1signer", "chain-1", 7, 3)
SEND = "/cosmos.bank.v1beta1.MsgSend"


def new(name: str, **fields: Any) -> Any:
    return default_schema().message(f"cosmos.{name}")(**fields)


def transaction(*, fee: Any = None, messages: list[Any] | None = None, **body: Any) -> TxParts:
    send = new("bank.v1beta1.MsgSend", from_address="a", to_address="b").SerializeToString()
    messages = [{"type_url": SEND, "value": send}] if messages is None else messages
    auth = new("tx.v1beta1.AuthInfo", fee={"gas_limit": 9} if fee is None else fee)
    return TxParts(new("tx.v1beta1.TxBody", messages=messages, **body).SerializeToString(), auth.SerializeToString())


def made(parts: TxParts, signer: SignerData = SIGNER) -> str:
    return sign_bytes(parts, signer, default_schema()).decode()


def test_the_smallest_document() -> None:
    assert made(transaction()) == (
        '{"account_number":"7","chain_id":"chain-1","fee":{"amount":[],"gas":"9"},"memo":"","msgs":[{"type":'
        '"cosmos-sdk/MsgSend","value":{"amount":[],"from_address":"a","to_address":"b"}}],"sequence":"3"}'
    )


def test_what_stands_there_only_if_it_is_set() -> None:
    fee = {"amount": [{"denom": "uve", "amount": "5"}, {"amount": "0"}], "payer": "p", "granter": "g"}
    text = made(
        transaction(
            fee=fee, memo="<m>", timeout_height=2**64 - 1, timeout_timestamp={"nanos": 5 * 10**8}, unordered=True
        )
    )
    assert '"fee":{"amount":[{"amount":"5","denom":"uve"},{"amount":"0"}],"gas":"0","granter":"g","payer":"p"}' in text
    assert '"memo":"\\u003cm\\u003e"' in text
    assert text.endswith(
        ',"timeout_height":"18446744073709551615","timeout_timestamp":"1970-01-01T00:00:00.5Z","unordered":true}'
    )
    assert '"timeout_timestamp":"1970-01-01T00:00:00Z"' in made(transaction(timeout_timestamp={}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"address": ""}, "no address"),
        ({"chain_id": ""}, "no chain"),
        ({"chain_id": "\ud800"}, "UTF-8"),
        ({"account_number": -1}, "64 bits"),
        ({"account_number": 2**64}, "64 bits"),
        ({"sequence": 2**64}, "64 bits"),
    ],
)
def test_signers_that_no_chain_has_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidSignDoc, match=reason):
        made(transaction(), replace(SIGNER, **changes))


def test_transactions_that_this_mode_cannot_sign() -> None:
    option = [{"type_url": SEND}]
    parts = transaction()
    for bad, reason in [
        (transaction(extension_options=option), "extension options"),
        (transaction(non_critical_extension_options=option), "extension options"),
        (transaction(messages=[]), "no messages"),
        (transaction(messages=[{"type_url": "/other.Msg"}]), "not known"),
        (transaction(messages=[{"type_url": SEND, "value": b"\x0a"}]), "does not parse"),
        (replace(parts, auth_info_bytes=b""), "no fee"),
        (replace(parts, auth_info_bytes=b"\xff"), "does not parse"),
        (replace(parts, auth_info_bytes=parts.auth_info_bytes + b"\x32\x00"), "unknown"),
        (replace(parts, body_bytes=parts.body_bytes + b"\x32\x00"), "unknown"),
        # A field that a chain may ignore: this mode does not sign it, so the SDK refuses it too.
        (replace(parts, body_bytes=parts.body_bytes + b"\xfa\x41\x00"), "unknown"),
        (replace(parts, body_bytes=parts.body_bytes + b"\x12\x00"), "canonical"),
        (transaction(messages=[{"type_url": SEND, "value": b"\xfa\x41\x00"}]), "unknown"),
        (transaction(timeout_timestamp={"nanos": -1}), "nanoseconds"),
        (transaction(fee={"amount": [{"denom": "uve"}]}), "without an amount"),
    ]:
        with pytest.raises(InvalidSignDoc, match=reason):
            made(bad)


def document(**changes: Any) -> dict[str, Any]:
    """Return the value of a document; a change to None takes a field out."""
    message = {"type": "cosmos-sdk/MsgSend", "value": {"amount": []}}
    fee = {"amount": [{"amount": "5", "denom": "uve"}], "gas": "9"}
    doc: dict[str, Any] = {"account_number": "7", "chain_id": "c", "fee": fee, "memo": "m", "msgs": [message]}
    doc |= {"sequence": "3", **changes}
    return {name: value for name, value in doc.items() if value is not None}


def test_a_document_is_read() -> None:
    assert parse_sign_doc(canonical(document())) == StdSignDoc(
        chain_id="c",
        account_number=7,
        sequence=3,
        fee=StdFee((Coin("uve", 5),), 9, "", ""),
        memo="m",
        timeout_height=0,
        timeout_timestamp=None,
        unordered=False,
        messages=(AminoMessage("cosmos-sdk/MsgSend", {"amount": []}),),
    )
    fee = {"amount": [{"amount": "0"}], "gas": "0", "granter": "g", "payer": "p"}
    time = "2024-02-29T23:59:59.000000001Z"
    full = document(fee=fee, timeout_height="1", timeout_timestamp=time, unordered=True)
    doc = parse_sign_doc(canonical(full))
    assert doc.fee == StdFee((Coin("", 0),), 0, "p", "g")
    assert (doc.timeout_height, doc.timeout_timestamp, doc.unordered) == (1, time, True)


def test_zero_is_an_address_or_denomination_like_any_other() -> None:
    fee = {"amount": [{"amount": "0", "denom": "0"}], "gas": "0", "granter": "0", "payer": "0"}
    assert parse_sign_doc(canonical(document(fee=fee))).fee == StdFee((Coin("0", 0),), 0, "0", "0")


def test_a_document_may_be_for_no_chain() -> None:
    assert (
        parse_sign_doc(canonical(document(chain_id="", msgs=[{"type": "sign/MsgSignData", "value": {}}]))).chain_id
        == ""
    )


def plain(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


CANONICAL = plain(document())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"account', b' {"account'),
        (b"}", b"}\n"),
        (b",", b", "),
        (b":", b": "),
        (b'"memo":"m"', b'"memo":"m","memo":"m"'),
        (b'"memo":"m"', b'"memo":"x","memo":"m"'),
        (b'{"amount":"5","denom":"uve"}', b'{"denom":"uve","amount":"5"}'),
        (b'"memo":"m"', b'"memo":"\\u006d"'),
        (b'"memo":"m"', b'"memo":"\\/"'),
        (b'"memo":"m"', b'"memo":"\\u0008"'),
        (b'"memo":"m"', b'"memo":"\\u00e9"'),
        (b'"memo":"m"', b'"memo":"\\u003C"'),
        (b'"memo":"m"', b'"memo":"<"'),
        (b'"memo":"m"', b'"memo":"\xe2\x80\xa8"'),
        (b'"memo":"m"', b'"memo":"\\ud83d\\ude00"'),
        (b'"memo":"m"', b'"memo":"\\ud800"'),
        (b'"memo":"m"', b'"memo":"\xed\xa0\x80"'),
        (b'"memo":"m"', b'"memo":"\xff"'),
        (b'"memo":"m"', b'"memo":"\xc0\xaf"'),
        (b'"memo":"m"', b'"memo":"\x07"'),
        (b'{"amount":[]}', b'{"amount":1.0}'),
        (b'{"amount":[]}', b'{"amount":1.5}'),
        (b'{"amount":[]}', b'{"amount":1e3}'),
        (b'{"amount":[]}', b'{"amount":-0}'),
        (b'{"amount":[]}', b'{"amount":01}'),
        (b'{"amount":[]}', b'{"amount":NaN}'),
        (b'{"amount":[]}', b'{"amount":Infinity}'),
        (b'{"amount":[]}', b'{"amount":' + b"9" * 5000 + b"}"),
        (b'{"amount":[]}', b'{"amount":' + b"[" * 70 + b"]" * 70 + b"}"),
        (b'{"amount":[]}', b'{"amount":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        (b'{"amount":[]}', b""),
        (b"}", b""),
        (CANONICAL, b"\xef\xbb\xbf" + CANONICAL),
        (CANONICAL, CANONICAL + b"{}"),
        (CANONICAL, b""),
        (CANONICAL, CANONICAL.decode().encode("utf-16")),
    ],
)
def test_bytes_that_the_sdk_would_not_write_are_refused(old: bytes, new: bytes) -> None:
    parse_sign_doc(CANONICAL)
    changed = CANONICAL.replace(old, new, 1)
    assert changed != CANONICAL
    with pytest.raises(InvalidSignDoc):
        parse_sign_doc(changed)


@pytest.mark.parametrize("value", [None, True, 1, "x", [], {}, [document()]])
def test_json_that_is_no_document_is_refused(value: Any) -> None:
    with pytest.raises(InvalidSignDoc):
        parse_sign_doc(canonical(value))


@pytest.mark.parametrize("name", document())
def test_every_field_must_be_there(name: str) -> None:
    with pytest.raises(InvalidSignDoc, match=f"has no {name}"):
        parse_sign_doc(canonical(document(**{name: None})))


@pytest.mark.parametrize(
    "value", [1, True, [], {}, "01", "-1", "+1", " 1", "", "1.0", "x", "٣", str(2**64), "9" * 5000]
)
@pytest.mark.parametrize("name", ["account_number", "sequence", "timeout_height"])
def test_numbers_are_64_bits_in_decimal_text(name: str, value: Any) -> None:
    with pytest.raises(InvalidSignDoc):
        parse_sign_doc(canonical(document(**{name: value})))


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": 1},
        {"memo": []},
        {"msgs": []},
        {"msgs": {}},
        {"msgs": ["x"]},
        {"msgs": [{"type": "x"}]},
        {"msgs": [{"type": 1, "value": 1}]},
        {"msgs": [{"type": "x", "value": 1, "other": 1}]},
        {"unheard_of": "x"},
        {"timeout_height": "0"},
        {"unordered": False},
        {"unordered": 1},
        {"unordered": "true"},
        {"timeout_timestamp": ""},
        {"timeout_timestamp": 5},
        {"timeout_timestamp": "2024-02-30T00:00:00Z"},
        {"timeout_timestamp": "2024-01-01T00:00:00.50Z"},
        {"timeout_timestamp": "2024-01-01T00:00:00+00:00"},
        {"timeout_timestamp": "2024-01-01T24:00:00Z"},
        {"timeout_timestamp": "2024-01-01t00:00:00Z"},
        {"fee": []},
        {"fee": {"amount": [], "gas": 9}},
        {"fee": {"gas": "9"}},
        {"fee": {"amount": None, "gas": "9"}},
        {"fee": {"amount": [], "gas": "9", "payer": ""}},
        {"fee": {"amount": [], "gas": "9", "granter": 5}},
        {"fee": {"amount": [], "gas": "9", "tip": "x"}},
        {"fee": {"amount": [{"denom": "x"}], "gas": "9"}},
        {"fee": {"amount": [{"amount": "1", "denom": ""}], "gas": "9"}},
        {"fee": {"amount": [{"amount": "01", "denom": "x"}], "gas": "9"}},
        {"fee": {"amount": [{"amount": "-1", "denom": "x"}], "gas": "9"}},
        {"fee": {"amount": [{"amount": 1, "denom": "x"}], "gas": "9"}},
        {"fee": {"amount": ["1x"], "gas": "9"}},
    ],
)
def test_documents_of_another_form_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSignDoc):
        parse_sign_doc(canonical(document(**changes)))


def test_a_long_document_with_many_messages_is_read() -> None:
    message = {
        "type": "cosmos-sdk/MsgSend",
        "value": {"amount": [{"amount": "1", "denom": "uve"}], "from_address": "x"},
    }
    doc = parse_sign_doc(canonical(document(msgs=[message] * 500, memo="é<" * 250_000)))
    assert len(doc.messages) == 500
    assert len(doc.memo) == 500_000


def wrapped(document: bytes, size: object = None) -> bytes:
    return b"\x19Ethereum Signed Message:\n" + str(len(document) if size is None else size).encode() + document


@pytest.mark.parametrize("inner", [CANONICAL, b"{}", b""])
def test_ethereum_signed_messages_are_unwrapped(inner: bytes) -> None:
    assert unwrap_eip191(wrapped(inner)) == inner


@pytest.mark.parametrize(
    "data",
    [
        b"",
        CANONICAL,
        wrapped(CANONICAL)[1:],
        wrapped(CANONICAL, len(CANONICAL) + 1),
        wrapped(CANONICAL, f"0{len(CANONICAL)}"),
        wrapped(CANONICAL, f" {len(CANONICAL)}"),
        wrapped(CANONICAL, f"+{len(CANONICAL)}"),
        wrapped(CANONICAL, ""),
        wrapped(CANONICAL, "9" * 5000),
        wrapped(CANONICAL).replace(b"\n", b"\n\n", 1),
        b"\x19Ethereum Signed Message:\n",
    ],
)
def test_other_bytes_are_no_ethereum_signed_messages(data: bytes) -> None:
    with pytest.raises(InvalidSignDoc, match="Ethereum"):
        unwrap_eip191(data)


def test_a_fee_coin_without_an_amount_is_refused() -> None:
    """The SDK would sign the text `<nil>` for it."""
    with pytest.raises(InvalidSignDoc, match="without an amount"):
        made(transaction(fee={"amount": [{"denom": "uve"}]}))
