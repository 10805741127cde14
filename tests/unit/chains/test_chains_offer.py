"""What is offered: how it is examined, what its digest covers, what would change."""

from __future__ import annotations

import pytest

from cosmos_formats.schema import default_schema_data
from keyring_bridge.chains import changes, examine
from keyring_bridge.chains.errors import SchemaContradicted, SchemaRefused
from keyring_bridge.chains.offer import read_coins
from keyring_bridge.errors import InvalidRequest
from tests.unit.chains.offers import ATOM, market, offer


def test_new_messages_name_their_signers() -> None:
    assert offer().new_messages() == {"market.v1.MsgCreateOrder": "owner"}
    assert examine(default_schema_data()).new_messages() == {}


def test_the_digest_covers_messages_and_coins() -> None:
    digests = {
        offer().digest,
        offer(field="buyer").digest,
        offer(coins=()).digest,
        offer(coins=[{**ATOM, "display": "uatom"}]).digest,
        offer(coins=[{**ATOM, "denom_units": [{"denom": "atom", "exponent": 5}]}]).digest,
    }
    assert len(digests) == 5
    assert offer().digest == offer(coins={"metadatas": [ATOM | {"unknown": 1}], "pagination": {}}).digest


def test_the_digest_does_not_depend_on_the_order_of_coins() -> None:
    other = {"base": "uve"}
    assert offer(coins=[ATOM, other]).digest == offer(coins=[other, ATOM]).digest
    assert offer(coins=[ATOM, other]).metadata == offer(coins=[other, ATOM]).metadata


def test_nothing_changes_where_nothing_changed() -> None:
    before = offer()
    assert not changes((before.merged.data, before.coins), offer())


def test_changes_are_told_message_by_message() -> None:
    before = offer()
    after = offer(field="buyer", messages=("MsgCreateOrder", "MsgCloseOrder"), coins=[{"base": "uve"}])
    found = changes((before.merged.data, before.coins), after)
    assert found
    assert found.added == ("market.v1.MsgCloseOrder",)
    assert found.removed == ()
    assert found.coins == ("uatom", "uve")
    told = {one.where: (one.before, one.after) for one in found.changed}
    assert told == {
        "market.v1.MsgCreateOrder signers": ("owner", "buyer"),
        "market.v1.MsgCreateOrder field 1": ("string owner", "string buyer"),
    }
    back = changes((after.merged.data, after.coins), before)
    assert back.removed == ("market.v1.MsgCloseOrder",)


def test_errors_keep_their_codes() -> None:
    with pytest.raises(SchemaRefused) as refused:
        examine(b"\xff")
    assert (refused.value.code, refused.value.exit_code) == ("schema_invalid", 9)
    lie = default_schema_data().replace(b"\x0a\x0cfrom_address\x18\x01", b"\x0a\x0cfrom_address\x18\x07")
    assert lie != default_schema_data()
    with pytest.raises(SchemaContradicted) as contradicted:
        examine(lie)
    assert contradicted.value.code == "schema_contradicts"
    assert "MsgSend number of from_address: 1 ships, 7 is given" in str(contradicted.value)
    assert examine(lie, prefer_shipped=True).merged.settled


@pytest.mark.parametrize(
    "coins",
    [
        None,
        1,
        "uatom",
        {"metadatas": {}},
        [1],
        [[]],
        [{}],
        [{"base": ""}],
        [{"base": 1}],
        [{"base": "u\ud800"}],
        [{"base": "uatom", "display": None}],
        [{"base": "uatom", "denom_units": {}}],
        [{"base": "uatom", "denom_units": [1]}],
        [{"base": "uatom", "denom_units": [{}]}],
        [{"base": "uatom", "denom_units": [{"denom": "atom", "exponent": -1}]}],
        [{"base": "uatom", "denom_units": [{"denom": "atom", "exponent": 1 << 32}]}],
        [{"base": "uatom", "denom_units": [{"denom": "atom", "exponent": True}]}],
        [{"base": "uatom", "denom_units": [{"denom": "atom", "exponent": "6"}]}],
        [{"base": "uatom", "denom_units": [{"denom": "atom", "aliases": "x"}]}],
        [{"base": "uatom", "denom_units": [{"denom": "atom", "aliases": [1]}]}],
        [{"base": "uatom"}, {"base": "uatom"}],
        [{"base": "uatom"}] * 20_001,
    ],
)
def test_coins_that_are_malformed(coins: object) -> None:
    with pytest.raises(InvalidRequest):
        read_coins(coins)


def test_a_chain_s_set_is_independent_of_the_shipped_one() -> None:
    """Sets that were merged earlier can be merged again: what a bridge stored can be given to another."""
    once = examine(market()).merged
    again = examine(once.data).merged
    assert again.data == once.data
