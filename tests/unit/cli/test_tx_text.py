"""What a transaction says, as people read it."""

from __future__ import annotations

import pytest

from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.contents import view_contents
from cosmos_formats.signing.transaction import TxParts
from keyring_bridge.cli.tx_text import tx_json, tx_text

SENDER = "ve1m6ecsdlcedft8ksvy0lcfdgysykn38y573fvy0"


def lines(denom: str, amount: str = "5", fee_amount: str = "5") -> list[str]:
    """Return what is shown of a payment of a denomination, for a fee of the same."""
    schema = default_schema()
    send = schema.message("cosmos.bank.v1beta1.MsgSend")(from_address=SENDER, to_address="x")
    send.amount.add(denom=denom, amount=amount)
    body = schema.message("cosmos.tx.v1beta1.TxBody")()
    body.messages.add(type_url="/cosmos.bank.v1beta1.MsgSend", value=send.SerializeToString())
    auth = schema.message("cosmos.tx.v1beta1.AuthInfo")()
    auth.fee.amount.add(denom=denom, amount=fee_amount)
    parts = TxParts(body.SerializeToString(), auth.SerializeToString())
    view = view_contents(SignMode.DIRECT, parts, "chain-1", 0, schema)
    assert tx_json(view, ())["fee"] == [str(view.fee[0])]
    return tx_text(view, ()).splitlines()


@pytest.mark.parametrize("denom", ["uve", "ibc/27394FB0", "factory/ve1abc/x.y-z_1:2"])
def test_coins_are_written_as_the_sdk_writes_them(denom: str) -> None:
    shown = lines(denom)
    assert f"fee:       5{denom}" in shown
    assert f"  amounts: 5{denom}" in shown
    assert f"  amount[0]: 5{denom}" in shown


@pytest.mark.parametrize("denom", ["000uve", "uve, 5uatom", "", "ve", " uve", "uve\u202e", "µve", "u" * 129])
def test_what_is_no_denomination_stands_apart_from_its_amount(denom: str) -> None:
    """Beside the number it would read as another amount, or as another coin."""
    shown = lines(denom)
    (fee,) = [line for line in shown if line.startswith("fee:")]
    assert fee.startswith("fee:       5 '")
    (amounts,) = [line for line in shown if line.startswith("  amounts:")]
    assert amounts.startswith("  amounts: 5 '")
    assert "    amount: 5" in shown
    assert not any(line.startswith("  amount[0]: ") for line in shown)


def test_what_is_no_amount_stands_apart_from_its_denomination() -> None:
    shown = lines("uve", amount="1uve, 5")
    assert "    denom: uve" in shown
    assert "    amount: 1uve, 5" in shown
    assert "  an amount in it is not a number" in shown
    assert "  amount[0]: -5uve" in lines("uve", amount="-5")
