"""Signers, recipients and amounts of messages, by their descriptors alone."""

from typing import Any

import pytest

from cosmos_formats import address
from cosmos_formats.errors import InvalidSignDoc
from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.contents import view_contents
from cosmos_formats.signing.facts import Coin, facts, parse_amount, signers_of
from cosmos_formats.signing.messages import MessageReader, MessageView
from cosmos_formats.signing.signers import MOST_SIGNERS, RequiredSigners, is_address_of, required_signers
from cosmos_formats.signing.transaction import TxParts


def new(name: str, **fields: object) -> Any:
    return default_schema().message(name)(**fields)


def viewed(message: Any) -> MessageView:
    url = f"/{message.DESCRIPTOR.full_name}"
    return MessageReader(default_schema()).unpack(url, message.SerializeToString(deterministic=True))


def packed(message: Any) -> Any:
    url = f"/{message.DESCRIPTOR.full_name}"
    return new("google.protobuf.Any", type_url=url, value=message.SerializeToString(deterministic=True))


def send(amount: str = "10") -> Any:
    message = new("cosmos.bank.v1beta1.MsgSend", from_address="ve1giver", to_address="ve1taker")
    message.amount.add(denom="uve", amount=amount)
    return message


def test_a_bank_send() -> None:
    seen = facts(send())
    assert seen.signers == ("ve1giver",)
    assert seen.names_signers
    assert seen.recipients == ("ve1taker",)
    assert seen.amounts == (Coin("uve", 10),)
    assert not seen.unreadable_amounts


def test_many_givers_and_takers() -> None:
    message = new("cosmos.bank.v1beta1.MsgMultiSend")
    for name, amount in (("ve1a", "1"), ("ve1b", "2"), ("ve1a", "3")):
        message.inputs.add(address=name).coins.add(denom="uve", amount=amount)
    for name in ("ve1x", "ve1y", "ve1x"):
        message.outputs.add(address=name).coins.add(denom="uve", amount="2")
    seen = facts(message)
    assert seen.signers == ("ve1a", "ve1b")
    assert seen.recipients == ("ve1x", "ve1y")
    assert [coin.amount for coin in seen.amounts] == [1, 2, 3, 2, 2, 2]


def test_as_many_givers_and_takers_as_fit_into_a_request() -> None:
    """The work grows with the size alone: this ran for minutes when each giver moved all behind it."""
    crowd = new("cosmos.bank.v1beta1.MsgMultiSend").FromString(b"\x0a\x00" * (1 << 19))
    assert facts(crowd).signers == ("",)
    named = new("cosmos.bank.v1beta1.MsgMultiSend")
    for number in range(30_000):
        named.inputs.add(address=f"g{number}")
        named.outputs.add(address=f"t{number}")
    seen = facts(named)
    assert (len(seen.signers), len(seen.recipients)) == (30_000, 30_000)


def test_validators_are_recipients_and_one_coin_is_an_amount() -> None:
    message = new("cosmos.staking.v1beta1.MsgDelegate", delegator_address="ve1d", validator_address="vevaloper1v")
    message.amount.denom, message.amount.amount = "uve", "5"
    seen = facts(message)
    assert (seen.signers, seen.recipients) == (("ve1d",), ("vevaloper1v",))
    assert seen.amounts == (Coin("uve", 5),)


def test_a_receiver_on_another_chain_is_a_recipient() -> None:
    message = new("ibc.applications.transfer.v1.MsgTransfer", sender="ve1s", receiver="cosmos1r")
    message.token.denom, message.token.amount = "uve", "7"
    seen = facts(message)
    assert (seen.signers, seen.recipients, seen.amounts) == (("ve1s",), ("cosmos1r",), (Coin("uve", 7),))


def test_packed_messages_have_facts_of_their_own() -> None:
    message = new("cosmos.authz.v1beta1.MsgExec", grantee="ve1grantee")
    message.msgs.append(packed(send()))
    seen = viewed(message)
    assert seen.facts is not None
    assert (seen.facts.signers, seen.facts.recipients, seen.facts.amounts) == (("ve1grantee",), (), ())
    assert seen.nested[0].facts == facts(send())


def test_what_is_packed_twice_is_unpacked_twice() -> None:
    outer = viewed(packed(send()))
    assert [inner.type_url for inner in outer.walk()] == ["/google.protobuf.Any", "/cosmos.bank.v1beta1.MsgSend"]
    deep: Any = packed(send())
    for _ in range(20):
        deep = packed(deep)
    with pytest.raises(InvalidSignDoc, match="nested more than"):
        viewed(deep)


def test_a_signer_is_no_recipient() -> None:
    message = new("cosmos.bank.v1beta1.MsgSend", from_address="ve1self", to_address="ve1self")
    assert facts(message).recipients == ()


def test_types_that_name_no_signer() -> None:
    message = new("cosmos.bank.v1beta1.SendAuthorization", allow_list=["ve1x", "ve1y"])
    message.spend_limit.add(denom="uve", amount="1")
    seen = facts(message)
    assert (seen.signers, seen.names_signers) == ((), False)
    assert seen.recipients == ("ve1x", "ve1y")
    assert seen.amounts == (Coin("uve", 1),)
    assert signers_of(message) is None


def test_what_is_unknown_has_no_facts() -> None:
    unknown = MessageReader(default_schema()).unpack("/nobody.knows.MsgThis", b"\x0a\x01x")
    assert unknown.facts is None
    assert unknown.signers is None


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1 ", "1_0", "1.0", "1e3", "٣", "1" * 79, "0x1", "010", "00"])
def test_what_is_no_amount(text: str) -> None:
    assert parse_amount(text) is None
    assert facts(send(text)).unreadable_amounts
    assert facts(send(text)).amounts == ()


def test_the_largest_amount() -> None:
    assert parse_amount("9" * 78) == 10**78 - 1


def test_every_message_of_the_shipped_schema_has_facts() -> None:
    schema = default_schema()
    named = 0
    for name in schema.names:
        named += facts(schema.message(name)()).names_signers
    assert named > 120


def signers_of_tx(*messages: Any, payer: str = "") -> RequiredSigners:
    body = new("cosmos.tx.v1beta1.TxBody")
    for message in messages:
        body.messages.append(message if message.DESCRIPTOR.name == "Any" else packed(message))
    auth = new("cosmos.tx.v1beta1.AuthInfo")
    auth.fee.payer = payer
    parts = TxParts(body.SerializeToString(deterministic=True), auth.SerializeToString(deterministic=True))
    return required_signers(view_contents(SignMode.DIRECT, parts, "ve-1", 1, default_schema()))


def test_required_signers_are_the_accounts_of_all_messages_and_of_the_fee() -> None:
    one, two, three = (bytes((n,)) * 20 for n in (1, 2, 3))
    ve = [address.encode("ve", raw) for raw in (one, two, three)]
    operator = address.encode("vevaloper", one)
    sends = [new("cosmos.bank.v1beta1.MsgSend", from_address=text) for text in (ve[1], ve[0], ve[1])]
    validator = new("cosmos.staking.v1beta1.MsgEditValidator", validator_address=operator)
    found = signers_of_tx(*sends, validator, payer=ve[2])
    assert found.addresses == (ve[1], ve[0], ve[2])
    assert found.complete
    assert signers_of_tx(validator, sends[1], payer=ve[0]).addresses == (operator,)
    assert signers_of_tx(sends[0], payer=ve[1]).addresses == (ve[1],)
    unknown = new("google.protobuf.Any", type_url="/nobody.knows.MsgThis")
    assert signers_of_tx(unknown, sends[0]) == RequiredSigners((ve[1],), False)


def test_an_operator_address_is_its_accounts_address() -> None:
    raw = bytes(range(20))
    assert is_address_of(address.encode("vevaloper", raw), raw)
    assert not is_address_of(address.encode("vevaloper", raw), raw[::-1])
    for text in ("", "1", "ve1", "ve", address.encode("ve", raw)[:-1], address.encode("ve", raw).upper()):
        assert not is_address_of(text, raw)


def test_more_signers_than_any_chain_takes_are_refused() -> None:
    """Looking for a key among them takes an encoding or decoding for each."""
    for count in (MOST_SIGNERS, MOST_SIGNERS + 1):
        message = new("cosmos.bank.v1beta1.MsgMultiSend")
        for number in range(count):
            message.inputs.add(address=address.encode("ve", number.to_bytes(20)))
        body = new("cosmos.tx.v1beta1.TxBody", messages=[packed(message)])
        seen = view_contents(SignMode.DIRECT, TxParts(body.SerializeToString(), b""), "c", 1, default_schema())
        if count > MOST_SIGNERS:
            with pytest.raises(InvalidSignDoc, match="accounts would have to sign"):
                required_signers(seen)
        else:
            assert len(required_signers(seen).addresses) == count
