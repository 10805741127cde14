"""Every message survives its JSON, and no document does more than raise one kind of error."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats.protojson import InvalidTxJson, decode_text, dumps, encode_text, parse
from cosmos_formats.protojson.plan import Field, Kind, plan_of
from cosmos_formats.schema import default_schema
from cosmos_formats.tx import Transaction
from tests.interop.test_json_vectors import load

SCHEMA = default_schema()
# One for each kind of field, and those that real transactions are made of.
TYPES = (
    "cosmos.tx.v1beta1.AuthInfo",
    "cosmos.bank.v1beta1.MsgMultiSend",
    "cosmos.staking.v1beta1.MsgCreateValidator",
    "cosmos.slashing.v1beta1.Params",
    "cosmos.feegrant.v1beta1.PeriodicAllowance",
    "cosmos.gov.v1.MsgVoteWeighted",
    "cosmos.vesting.v1beta1.MsgCreatePeriodicVestingAccount",
    "ibc.applications.transfer.v1.MsgTransfer",
    "ibc.lightclients.tendermint.v1.ConsensusState",
    "tendermint.types.Header",
)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
SCALARS: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: TEXT,
    Kind.BOOL: st.booleans(),
    Kind.BYTES: st.binary(min_size=1, max_size=9),
    Kind.HEX: st.binary(max_size=9),
    Kind.FLOAT: st.floats(width=32),
}
ANYS = st.sampled_from(("cosmos.bank.v1beta1.MsgSend", "cosmos.crypto.secp256k1.PubKey"))


@st.composite
def messages(draw: st.DrawFn, name: str, depth: int = 0) -> Any:
    """A message as Go would have made it."""
    message = SCHEMA.message(name)()
    used: set[str] = set()
    for field in plan_of(message.DESCRIPTOR).fields:
        if field.oneof and (field.oneof in used or not draw(st.booleans())):
            continue
        used.add(field.oneof)
        if field.repeated:
            for _ in range(draw(st.integers(0, 2)) if depth < 3 else 0):
                target = getattr(message, field.name)
                if field.is_message:
                    draw(filled(target.add(), field, depth))
                else:
                    target.append(draw(scalars(field)))
        elif not field.is_message:
            setattr(message, field.name, draw(scalars(field)))
        elif not field.nullable or (depth < 3 and draw(st.booleans())):
            target = getattr(message, field.name)
            target.SetInParent()
            draw(filled(target, field, depth))
    return message


def scalars(field: Field) -> st.SearchStrategy[Any]:
    if field.kind in SCALARS:
        return SCALARS[field.kind]
    if field.kind in (Kind.BIG_INT, Kind.DEC):
        numbers = st.integers(-(2**256) + 1, 2**256 - 1).map(str)
        return numbers.map(str.encode) if field.is_bytes else numbers
    return st.integers(field.low, field.high)


@st.composite
def filled(draw: st.DrawFn, target: Any, field: Field, depth: int) -> None:
    if field.kind is Kind.TIMESTAMP:
        target.seconds = draw(st.integers(-62135596800, 253402300799))
        target.nanos = draw(st.integers(0, 10**9 - 1))
    elif field.kind is Kind.DURATION:
        target.seconds = draw(st.integers(-9 * 10**9, 9 * 10**9))
        if target.seconds:
            target.nanos = draw(st.integers(0, 10**9 - 1)) * (1 if target.seconds > 0 else -1)
    elif field.kind is Kind.ANY:
        name = draw(ANYS)
        target.type_url = f"/{name}"
        target.value = draw(messages(name, depth + 1)).SerializeToString(deterministic=True)
    else:
        target.CopyFrom(draw(messages(field.message_type.full_name, depth + 1)))


@given(st.sampled_from(TYPES).flatmap(messages), st.booleans())
def test_messages_survive_their_json(message: Any, ascii_only: bool) -> None:
    text = encode_text(message, SCHEMA, ascii_only=ascii_only)
    again = decode_text(text, SCHEMA.message(message.DESCRIPTOR.full_name), SCHEMA)
    assert again.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)
    assert text.isascii() or not ascii_only
    assert encode_text(again, SCHEMA, ascii_only=ascii_only) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_any_json_value_survives(value: object) -> None:
    assert json.loads(dumps(value)) == json.loads(dumps(value, ascii_only=True)) == value


@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    try:
        parse(text)
    except InvalidTxJson:
        return
    json.loads(text)


VECTORS = [vector["json"] for vector in load("tx_json")]


@given(st.sampled_from(VECTORS), st.data())
def test_damaged_documents_are_read_or_refused(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    pieces = ("", "null", "1", '"x"', "{", "[", ",", "\\ud800", text[start:end] * 2)
    damaged = text[:start] + data.draw(st.sampled_from(pieces)) + text[end:]
    try:
        transaction = Transaction.from_json(damaged, SCHEMA)
    except InvalidTxJson:
        return
    assert Transaction.from_json(transaction.to_json(SCHEMA), SCHEMA) == transaction


def swap(value: object, path: list[Any], new: object) -> None:
    for part in path[:-1]:
        value = value[part]  # type: ignore[index]  # the path leads through it
    value[path[-1]] = new  # type: ignore[index]  # as above


def paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            found += paths(item, (*path, place))
    return found


@given(st.sampled_from(VECTORS), st.data(), JSON)
def test_wrong_values_are_read_or_refused(text: str, data: st.DataObject, new: object) -> None:
    value = json.loads(text)
    swap(value, list(data.draw(st.sampled_from(paths(value)))), new)
    try:
        transaction = Transaction.from_json(json.dumps(value), SCHEMA)
    except InvalidTxJson:
        return
    assert Transaction.decode(transaction.encode()) == transaction
