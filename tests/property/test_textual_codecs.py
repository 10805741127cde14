"""TEXTUAL: screens and bytes determine each other, and bad input only ever is a FormatError."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cosmos_formats.errors import FormatError, InvalidSignDoc
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.schema import default_schema
from cosmos_formats.signing.textual import (
    CoinMetadata,
    DenomUnit,
    Screen,
    chain_of,
    decode_screens,
    encode_screens,
    matches,
    screens,
    sign_bytes,
    values,
)
from cosmos_formats.signing.textual.coins import format_coins
from cosmos_formats.signing.transaction import SignerData, TxParts

KEY = PublicKey(KeyType.SECP256K1, bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"))
METADATA = {"uve": CoinMetadata("uve", "ve", (DenomUnit("uve", 0), DenomUnit("ve", 6)))}
ANY = "google.protobuf.Any"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
uint64 = st.integers(0, 2**64 - 1)
some_screens = st.lists(st.builds(Screen, texts, texts, st.integers(0, 0xFFFF), st.booleans()), max_size=5)


def new(name: str, **fields: object) -> Any:
    return default_schema().message(name)(**fields)


def packed(message: Any) -> Any:
    return new(ANY, type_url=f"/{message.DESCRIPTOR.full_name}", value=message.SerializeToString(deterministic=True))


@given(some_screens)
def test_screens_round_trip(shown: list[Screen]) -> None:
    assert decode_screens(encode_screens(shown)) == tuple(shown)


@given(some_screens, st.data())
def test_mutated_screens(shown: list[Screen], data: st.DataObject) -> None:
    """Whatever is read is written back the same: there is one way to write screens."""
    good = encode_screens(shown)
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(changed[: data.draw(st.integers(0, len(good)))])
    for candidate in (bytes(changed), cut, good + b"\x00"):
        try:
            read = decode_screens(candidate)
        except InvalidSignDoc:
            continue
        assert encode_screens(read) == candidate


@given(st.binary(max_size=60))
def test_any_bytes_as_screens(data: bytes) -> None:
    for candidate in (data, b"\xa1\x01\x81" + data):
        with suppress(InvalidSignDoc):
            assert encode_screens(decode_screens(candidate)) == candidate


@given(st.integers())
def test_integers(number: int) -> None:
    shown = values.integer(str(number))
    assert int(shown.replace("'", "")) == number
    assert shown == f"{number:,}".replace(",", "'")


@given(st.integers(-(10**60), 10**60))
def test_decimals(number: int) -> None:
    shown = values.decimal_field(str(number)).replace("'", "")
    assert Fraction(shown) * 10**18 == number
    assert values.decimal(shown).replace("'", "") == shown


@given(texts)
def test_texts_as_numbers(text: str) -> None:
    for render in (values.integer, values.decimal, values.decimal_field):
        try:
            render(text)
        except InvalidSignDoc:
            continue
        assert set(text) <= set("+-.0123456789")


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_times_of_any_size(seconds: int, nanos: int) -> None:
    assert values.timestamp(seconds, nanos).endswith("Z")
    with suppress(InvalidSignDoc):
        values.duration(seconds, nanos)


@given(st.datetimes())
def test_times_in_the_calendar(moment: datetime) -> None:
    since = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    seconds, micros = divmod(since // timedelta(microseconds=1), 10**6)
    expected = f"{moment:%m-%dT%H:%M:%S}" + (f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else "")
    assert values.timestamp(seconds, micros * 1000) == f"{moment.year:04}-{expected}Z"


@given(st.integers(-315_576_000_000, 315_576_000_000))
def test_durations_add_up(seconds: int) -> None:
    shown = values.duration(seconds, 0)
    sizes = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}
    total = 0
    for part in shown.removeprefix("-").split(", "):
        number, unit = part.split(" ")
        assert unit.endswith("s") == (number != "1")
        total += int(number) * sizes[unit.removesuffix("s")]
    assert total == abs(seconds)
    assert shown.startswith("-") == (seconds < 0)


@given(st.integers(0, 2**256 - 1), st.integers(0, 30), st.integers(0, 30))
def test_coins_keep_their_value(amount: int, have: int, want: int) -> None:
    known = CoinMetadata("base", "shown", (DenomUnit("base", have), DenomUnit("shown", want)))
    try:
        shown, denom = format_coins([("base", str(amount))], {"base": known}).split(" ")
    except InvalidSignDoc:
        assert amount * 10 ** max(have - want, 0) >= 2**256
        return
    assert denom == "shown"
    exact = amount * Fraction(10) ** (have - want)
    assert abs(Fraction(shown.replace("'", "")) - exact) <= Fraction(1, 2 * 10**18)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["denom", "exponent", "x"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["base", "display", "denom_units", "denom", "exponent", "aliases"]), inner),
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_as_metadata(value: object) -> None:
    try:
        read = CoinMetadata.from_json(value)
    except FormatError:
        return
    assert all(0 <= unit.exponent < 2**32 for unit in read.units)


coins = st.builds(
    lambda denom, amount: new("cosmos.base.v1beta1.Coin", denom=denom, amount=amount),
    st.one_of(st.just("uve"), texts),
    st.one_of(st.integers(0, 2**256).map(str), texts),
)
sends = st.builds(
    lambda to, amount: new("cosmos.bank.v1beta1.MsgSend", to_address=to, amount=amount),
    texts,
    st.lists(coins, max_size=2),
)
votes = st.builds(
    lambda number, option: new("cosmos.gov.v1.MsgVote", proposal_id=number, option=option), uint64, st.integers(0, 5)
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
def transactions(draw: st.DrawFn) -> TxParts:
    body = new(
        "cosmos.tx.v1beta1.TxBody",
        messages=[packed(message) for message in draw(st.lists(messages, max_size=3))],
        memo=draw(texts),
        timeout_height=draw(uint64),
        unordered=draw(st.booleans()),
    )
    fee = new("cosmos.tx.v1beta1.Fee", gas_limit=draw(uint64), payer=draw(texts), granter=draw(texts))
    auth = new("cosmos.tx.v1beta1.AuthInfo", fee=fee)
    info = auth.signer_infos.add(sequence=draw(uint64))
    info.public_key.CopyFrom(new(ANY, type_url=KEY.type_url, value=KEY.to_any().value))
    return TxParts(body.SerializeToString(deterministic=True), auth.SerializeToString(deterministic=True))


signers = st.builds(SignerData, texts, texts.filter(bool), uint64, uint64, st.just(KEY))


@given(transactions(), signers)
def test_sign_bytes_lead_back_to_the_signer(transaction: TxParts, signer: SignerData) -> None:
    try:
        data = sign_bytes(transaction, signer, default_schema(), metadata=METADATA)
    except InvalidSignDoc:
        return
    assert chain_of(data) == signer.chain_id
    assert matches(data, transaction, KEY, default_schema(), METADATA) == signer
    shown = screens(transaction, signer, default_schema(), metadata=METADATA)
    assert decode_screens(data) == shown
    assert all(one.indent <= 64 for one in shown)


@given(transactions(), signers, st.data())
def test_mutated_transactions(transaction: TxParts, signer: SignerData, data: st.DataObject) -> None:
    """Other bytes of the transaction have other screens, or none."""
    try:
        good = sign_bytes(transaction, signer, default_schema(), metadata=METADATA)
    except InvalidSignDoc:
        return
    body, auth = bytearray(transaction.body_bytes), bytearray(transaction.auth_info_bytes)
    part = data.draw(st.sampled_from([one for one in (body, auth) if one]))
    part[data.draw(st.integers(0, len(part) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(InvalidSignDoc):
        assert matches(good, TxParts(bytes(body), bytes(auth)), KEY, default_schema(), METADATA) is None


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_as_a_transaction(body: bytes, auth: bytes) -> None:
    transaction, signer = TxParts(body, auth), SignerData("a", "chain", 1, 1, KEY)
    with suppress(InvalidSignDoc):
        data = sign_bytes(transaction, signer, default_schema(), metadata=METADATA)
        assert matches(data, transaction, KEY, default_schema(), METADATA) == signer
