"""DIRECT sign documents: what is viewed determines the bytes, and bad input only ever is a FormatError."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.direct import SignDoc, decode_sign_doc
from cosmos_formats.signing.tx_view import TxView
from cosmos_formats.signing.views import view

KEY = PublicKey(KeyType.SECP256K1, bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
uint64 = st.integers(0, 2**64 - 1)


def new(name: str, **fields: object) -> Any:
    return default_schema().message(name)(**fields)


def packed(message: Any) -> Any:
    return new("google.protobuf.Any", type_url=f"/{message.DESCRIPTOR.full_name}", value=message.SerializeToString())


coins = st.builds(
    lambda denom, amount: new("cosmos.base.v1beta1.Coin", denom=denom, amount=str(amount)),
    texts,
    st.integers(0, 2**256 - 1),
)
sends = st.builds(
    lambda sender, to, amount: new("cosmos.bank.v1beta1.MsgSend", from_address=sender, to_address=to, amount=amount),
    texts,
    texts,
    st.lists(coins, max_size=2),
)
votes = st.builds(
    lambda number, option: new("cosmos.gov.v1.MsgVote", proposal_id=number, option=option), uint64, st.integers(0, 9)
)
messages = st.recursive(
    st.one_of(sends, votes),
    lambda inner: st.builds(
        lambda inside: new("cosmos.authz.v1beta1.MsgExec", msgs=[packed(one) for one in inside]),
        st.lists(inner, max_size=2),
    ),
    max_leaves=4,
)


@st.composite
def documents(draw: st.DrawFn) -> SignDoc:
    body = new(
        "cosmos.tx.v1beta1.TxBody",
        messages=[packed(message) for message in draw(st.lists(messages, min_size=1, max_size=3))],
        memo=draw(texts),
        timeout_height=draw(uint64),
        unordered=draw(st.booleans()),
    )
    auth = new("cosmos.tx.v1beta1.AuthInfo")
    info = auth.signer_infos.add(sequence=draw(uint64))
    info.public_key.CopyFrom(new("google.protobuf.Any", type_url=KEY.type_url, value=KEY.to_any().value))
    info.mode_info.single.mode = 1
    auth.fee.CopyFrom(
        new(
            "cosmos.tx.v1beta1.Fee", amount=draw(st.lists(coins, max_size=2)), gas_limit=draw(uint64), payer=draw(texts)
        )
    )
    chain_id = draw(texts.filter(bool))
    return SignDoc(body.SerializeToString(), auth.SerializeToString(), chain_id, draw(uint64))


def rebuild(seen: TxView) -> bytes:
    """Write a sign document from nothing but what the view says."""
    body = new(
        "cosmos.tx.v1beta1.TxBody",
        messages=[new("google.protobuf.Any", type_url=one.type_url, value=one.value) for one in seen.messages],
        memo=seen.memo,
        timeout_height=seen.timeout_height,
        unordered=seen.unordered,
    )
    auth = new("cosmos.tx.v1beta1.AuthInfo")
    for signer in seen.signers:
        info = auth.signer_infos.add(sequence=signer.sequence)
        assert signer.public_key is not None
        assert signer.mode is not None
        key = signer.public_key.to_any()
        info.public_key.CopyFrom(new("google.protobuf.Any", type_url=key.type_url, value=key.value))
        info.mode_info.single.mode = signer.mode
    auth.fee.gas_limit = seen.gas_limit
    auth.fee.payer = seen.payer
    for coin in seen.fee:
        auth.fee.amount.add(denom=coin.denom, amount=str(coin.amount))
    return SignDoc(body.SerializeToString(), auth.SerializeToString(), seen.chain_id, seen.account_number).encode()


@given(documents())
def test_a_view_says_everything(document: SignDoc) -> None:
    data = document.encode()
    assert decode_sign_doc(data) == document
    seen = view(SignMode.DIRECT, data)
    assert isinstance(seen, TxView)
    assert rebuild(seen) == data
    assert seen.has_signer(KEY)
    assert len(str(seen.summary())) < 20_000
    for message in seen.walk():
        assert message.known
        message.fields()


@given(documents(), st.data())
def test_mutated_documents(document: SignDoc, data: st.DataObject) -> None:
    """One byte or bit elsewhere is another view or an error, never the same view and never another exception."""
    good = document.encode()
    changed = bytearray(good)
    at = data.draw(st.integers(0, len(good) - 1))
    changed[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    bad = bytes(changed)
    try:
        seen = view(SignMode.DIRECT, bad)
    except InvalidSignDoc:
        return
    assert isinstance(seen, TxView)
    assert (seen == view(SignMode.DIRECT, good)) == (bad == good)
    for message in seen.walk():
        message.fields()


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    try:
        view(SignMode.DIRECT, data)
    except InvalidSignDoc:
        return
    raise AssertionError("random bytes were taken for a transaction")


@given(st.text(max_size=60), st.binary(max_size=60))
def test_any_type_url_and_value(type_url: str, value: bytes) -> None:
    try:
        url = type_url.encode("utf-8", "ignore").decode()
        body = new("cosmos.tx.v1beta1.TxBody", messages=[new("google.protobuf.Any", type_url=url, value=value)])
        seen = view(SignMode.DIRECT, SignDoc(body.SerializeToString(), b"", "chain", 1).encode())
    except InvalidSignDoc:
        return
    assert isinstance(seen, TxView)
    assert not seen.messages[0].known
