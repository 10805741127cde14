"""Amino JSON: messages come back as they were, and what is accepted is what would be written."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.options import field_options, message_options
from cosmos_formats.schema import Schema, default_schema
from cosmos_formats.signing.amino_json import (
    canonical,
    decode_message,
    encode_message,
    parse_sign_doc,
    sign_bytes,
    unwrap_eip191,
)
from cosmos_formats.signing.messages import is_map, is_repeated
from cosmos_formats.signing.transaction import SignerData, TxParts
from tests.amino_types import every_kind, schema_of

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
wholes = {
    **dict.fromkeys((3, 16, 18), st.integers(-(2**63), 2**63 - 1)),
    **dict.fromkeys((4, 6), st.integers(0, 2**64 - 1)),
    **dict.fromkeys((5, 14, 15, 17), st.integers(-(2**31), 2**31 - 1)),
    **dict.fromkeys((7, 13), st.integers(0, 2**32 - 1)),
}
kept_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd"), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | kept_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(kept_texts, inner, max_size=3),
    max_leaves=6,
)
"""JSON that Go's decoder leaves as it is: larger numbers become floats, and U+FFFD may have been anything."""
keyed = st.dictionaries(
    st.sampled_from(["amount", "sender", "granter", "grantee", "msgs", "proposer", "value", "type", "params", "owner"]),
    json_values,
    max_size=3,
)
"""Objects with names that fields have."""
CHAIN = schema_of(every_kind())
SDK = default_schema()
SDK_TYPES = [name for name in SDK.names if message_options(SDK.message(name).DESCRIPTOR).amino_name]
PACKED = {
    id(CHAIN): ["chain.v1.All", "chain.v1.Kept"],
    id(SDK): ["cosmos.bank.v1beta1.MsgSend", "cosmos.gov.v1.MsgVote", "cosmos.crypto.ed25519.PubKey"],
}


def scalars(field: Any) -> st.SearchStrategy[Any]:
    """Return the values of a field that the encoder can tell from each other."""
    options = field_options(field)
    if options.amino_encoding == "inline_json":
        return json_values.map(canonical)
    if options.scalar == "cosmos.Int" or (options.scalar == "cosmos.Dec" and options.custom_type):
        numbers = st.integers(-(2**256) + 1, 2**256 - 1).map(str)
        return numbers if field.type == 9 else numbers.map(str.encode)
    if field.type in wholes:
        return wholes[field.type]
    if field.type == 8:
        return st.booleans()
    return st.binary(max_size=40) if field.type == 12 else texts


@st.composite
def messages(draw: st.DrawFn, schema: Schema, name: str, depth: int = 0) -> Any:
    """Draw a message, with those inside it, down to some depth."""
    message = schema.message(name)()
    match name:
        case "google.protobuf.Any":
            packed = draw(messages(schema, draw(st.sampled_from(PACKED[id(schema)])), depth + 1))
            message.type_url = f"/{packed.DESCRIPTOR.full_name}"
            message.value = packed.SerializeToString(deterministic=True)
        case "google.protobuf.Timestamp":
            message.seconds = draw(st.integers(-62135596800, 253402300799))
            message.nanos = draw(st.integers(0, 10**9 - 1))
        case "google.protobuf.Duration":
            nanos = draw(st.integers(-(10**18), 10**18))
            message.seconds, message.nanos = (abs(nanos) // 10**9, abs(nanos) % 10**9)
            if nanos < 0:
                message.seconds, message.nanos = -message.seconds, -message.nanos
        case _:
            for field in message.DESCRIPTOR.fields:
                fill(draw, schema, message, field, depth)
    return message


def fill(draw: st.DrawFn, schema: Schema, message: Any, field: Any, depth: int) -> None:
    around = field.containing_oneof
    if is_map(field) or field.type in (1, 2) or (around is not None and message.WhichOneof(around.name)):
        return
    options = field_options(field)
    # What Go has inside a message comes back even if it was absent.
    needed = not is_repeated(field) and around is None and (options.dont_omitempty or not options.nullable)
    if field.message_type is None:
        if is_repeated(field):
            getattr(message, field.name).extend(draw(st.lists(scalars(field), max_size=2)))
        elif needed or draw(st.booleans()):
            setattr(message, field.name, draw(scalars(field)))
    elif needed or (depth < 3 and draw(st.booleans())):
        assume(depth < 6)
        for _ in range(draw(st.integers(0, 2)) if is_repeated(field) else 1):
            target = getattr(message, field.name)
            target = target.add() if is_repeated(field) else target
            target.CopyFrom(draw(messages(schema, field.message_type.full_name, depth + 1)))
            target.SetInParent()


def comes_back(message: Any, schema: Schema) -> bool:
    """Tell whether a message was told from its JSON; if it was, it is the same."""
    try:
        encoded = encode_message(message, schema)
    except InvalidSignDoc:
        assume(False)
    parsed = json.loads(canonical(encoded))
    assert parsed == encoded
    found = decode_message(parsed["type"], parsed["value"], schema)
    if found is None:
        return False
    assert found[0] == f"/{message.DESCRIPTOR.full_name}"
    assert found[1] == message
    return True


@given(messages(CHAIN, "chain.v1.All") | messages(CHAIN, "chain.v1.Kept") | messages(CHAIN, "chain.v1.Lists"))
def test_messages_of_a_chain_come_back(message: Any) -> None:
    assert comes_back(message, CHAIN)


@given(st.sampled_from(SDK_TYPES).flatmap(lambda name: messages(SDK, name)))
def test_messages_of_the_sdk_come_back(message: Any) -> None:
    # An account is not told from its JSON, and what wasm and IBC leave out is not guessed.
    told = comes_back(message, SDK)
    assert (
        told
        or not message.DESCRIPTOR.full_name.startswith("cosmos.")
        or "ModuleAccount" in str(message.DESCRIPTOR.name)
    )


@given(json_values)
def test_canonical_text_is_json_with_sorted_keys(value: Any) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text.decode())
    assert canonical(json.loads(text)) == text


transactions = st.builds(
    lambda sends, memo, height, gas, coins: TxParts(
        SDK.message("cosmos.tx.v1beta1.TxBody")(
            messages=[
                {"type_url": f"/{send.DESCRIPTOR.full_name}", "value": send.SerializeToString(deterministic=True)}
                for send in sends
            ],
            memo=memo,
            timeout_height=height,
        ).SerializeToString(),
        SDK.message("cosmos.tx.v1beta1.AuthInfo")(
            fee={"gas_limit": gas, "amount": [{"denom": denom, "amount": str(amount)} for denom, amount in coins]}
        ).SerializeToString(),
    ),
    st.lists(messages(SDK, "cosmos.bank.v1beta1.MsgSend"), min_size=1, max_size=3),
    texts,
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.lists(st.tuples(texts, st.integers(0, 2**255)), max_size=3),
)
signers = st.builds(
    SignerData,
    st.just("cosmos1signer"),
    texts.filter(bool),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)


@given(transactions, signers)
def test_a_document_says_what_the_transaction_says(transaction: TxParts, signer: SignerData) -> None:
    body = SDK.message("cosmos.tx.v1beta1.TxBody").FromString(transaction.body_bytes)
    fee = SDK.message("cosmos.tx.v1beta1.AuthInfo").FromString(transaction.auth_info_bytes).fee
    doc = parse_sign_doc(sign_bytes(transaction, signer, SDK))
    assert (doc.chain_id, doc.account_number, doc.sequence) == (signer.chain_id, signer.account_number, signer.sequence)
    assert (doc.memo, doc.timeout_height, doc.fee.gas) == (body.memo, body.timeout_height, fee.gas_limit)
    assert [(coin.denom, str(coin.amount)) for coin in doc.fee.coins] == [
        (coin.denom, coin.amount) for coin in fee.amount
    ]
    for packed, amino in zip(body.messages, doc.messages, strict=True):
        found = decode_message(amino.name, amino.value, SDK)
        assert found is not None
        assert (found[0], found[1].SerializeToString(deterministic=True)) == (packed.type_url, packed.value)


def rewritten(data: bytes) -> bytes:
    """Write a document again, by other means than ours."""
    text = json.dumps(json.loads(data), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


PIECES = [
    b" ",
    b"\n",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"0",
    b"1",
    b"-",
    b".",
    b"e",
    b"null",
    b"\xff",
    b"<",
]


@given(transactions, signers, st.data())
def test_a_changed_document_is_refused_or_canonical(
    transaction: TxParts, signer: SignerData, data: st.DataObject
) -> None:
    document = sign_bytes(transaction, signer, SDK)
    start = data.draw(st.integers(0, len(document)))
    end = data.draw(st.integers(start, min(len(document), start + 3)))
    changed = document[:start] + data.draw(st.sampled_from(PIECES) | st.binary(max_size=3)) + document[end:]
    try:
        parse_sign_doc(changed)
    except InvalidSignDoc:
        assert changed != document
    else:
        assert rewritten(changed) == changed


@given(st.binary(max_size=200) | json_values.map(canonical) | texts.map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (parse_sign_doc, unwrap_eip191):
        try:
            read(data)
        except InvalidSignDoc:
            continue


AMINO_NAMES = [message_options(SDK.message(name).DESCRIPTOR).amino_name for name in SDK_TYPES]


@given(st.sampled_from([*AMINO_NAMES, *(f"/{name}" for name in SDK.names), "", "/"]), json_values | keyed)
def test_any_value_is_decoded_or_not(name: str, value: Any) -> None:
    found = decode_message(name, value, SDK)
    assert found is None or encode_message(found[1], SDK)["value"] == value


@given(st.binary(max_size=300))
def test_ethereum_signed_messages_hold_any_bytes(data: bytes) -> None:
    wrapped = b"\x19Ethereum Signed Message:\n%d" % len(data) + data
    if data[:1].isdigit():  # no document starts with a digit
        return
    assert unwrap_eip191(wrapped) == data
