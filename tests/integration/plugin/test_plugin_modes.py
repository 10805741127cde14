"""Every sign mode over the wire, from the protocol and from the Python client."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode, adr036, textual
from cosmos_formats.verify import verify
from keyring_bridge.errors import InvalidRequest, PolicyDenied
from keyring_plugin.client import KeyringClient
from tests.integration.plugin.conftest import Start, with_keys, with_software
from tests.integration.plugin.harness import CHAIN, Plugin, b64, change_policy, code_of, public_key
from tests.unit.bridge.transactions import send, sign_bytes, signer_data, text_of, transaction

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

MODES = ["direct", "direct-aux", "amino-json", "textual", "eip-191"]
COINS = [
    {
        "base": "uve",
        "display": "ve",
        "denom_units": [{"denom": "uve", "exponent": 0}, {"denom": "ve", "exponent": 6}],
    }
]


@pytest.fixture
def user(tmp_path: Path) -> Cli:
    """A user whose key may sign in every mode."""
    made = with_keys(with_software(tmp_path))
    change_policy(made, "ops", sign_modes=MODES, arbitrary_data=True)
    return made


@pytest.fixture
def own(start: Start, user: Cli) -> Plugin:
    """A plugin for that user."""
    return start(user)


@pytest.mark.parametrize("mode", [SignMode.DIRECT, SignMode.LEGACY_AMINO_JSON, SignMode.EIP_191])
def test_documents_that_carry_what_they_sign(own: Plugin, mode: SignMode) -> None:
    key = public_key(own, "ops")
    payload = sign_bytes(mode, transaction([send(key)], [(key, mode, 5)]), signer_data(key, CHAIN))
    answer = own.result("keyring.sign", uid="ops", msg=b64(payload), mode=f"SIGN_MODE_{mode.name}")
    assert answer["pub_key"] == key.to_proto_json()
    own.result("keyring.signByAddress", address=text_of(key), msg=b64(payload), mode=int(mode))


def test_textual_needs_its_transaction_and_the_coins_it_was_shown_with(own: Plugin) -> None:
    key = public_key(own, "ops")
    parts = transaction([send(key, "1500000")], [(key, SignMode.TEXTUAL, 5)])
    sent = {"body_bytes": b64(parts.body_bytes), "auth_info_bytes": b64(parts.auth_info_bytes)}
    metadata = {"uve": textual.CoinMetadata.from_json(COINS[0])}
    signer = signer_data(key, CHAIN)
    payload = textual.sign_bytes(parts, signer, default_schema(), metadata=metadata)
    assert b"1.5 ve" in payload
    ask = {"uid": "ops", "msg": b64(payload), "mode": "SIGN_MODE_TEXTUAL"}
    assert code_of(own.ask("keyring.sign", **ask)) == "policy_denied"
    assert code_of(own.ask("keyring.sign", **ask, transaction=sent)) == "policy_denied"
    own.result("keyring.sign", **ask, transaction=sent, coin_metadata=COINS)
    for wrong in ({"body_bytes": ""}, {**sent, "more": ""}, "text", {**sent, "body_bytes": "*"}):
        assert code_of(own.ask("keyring.sign", **ask, transaction=wrong)) == "invalid_request"
    for coins in ({}, [1], [{"base": 1}], [COINS[0]] * 257):
        assert code_of(own.ask("keyring.sign", **ask, transaction=sent, coin_metadata=coins)) == "invalid_request"


def test_arbitrary_data(own: Plugin) -> None:
    key = public_key(own, "ops")
    answer = own.result("keyring.signArbitrary", uid="ops", data=b64(b"Log in"))
    assert answer["pub_key"] == key.to_proto_json()
    assert code_of(own.ask("keyring.signArbitrary", uid="ops", data="")) == "invalid_request"
    assert code_of(own.ask("keyring.signArbitrary", uid="val", data=b64(b"x"))) == "cannot_sign"
    envelope = adr036.sign_doc(text_of(key), b"Log in")
    assert code_of(own.ask("keyring.sign", uid="ops", msg=b64(envelope), mode=127)) == "sign_doc_invalid"


def test_the_client_knows_the_modes(user: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in user.env.items():
        monkeypatch.setenv(name, value)
    with KeyringClient.spawn([sys.executable, "-m", "keyring_plugin"]) as client:
        key = client.key("ops").public_key
        parts = transaction([send(key)], [(key, SignMode.TEXTUAL, 5)])
        payload = sign_bytes(SignMode.TEXTUAL, parts, signer_data(key, CHAIN))
        signed = client.sign("ops", payload, SignMode.TEXTUAL, transaction=parts, coin_metadata=[])
        assert verify(signed.public_key, payload, signed.signature)
        with pytest.raises(PolicyDenied):
            client.sign("ops", payload, SignMode.TEXTUAL)
        data = os.urandom(40)
        signed = client.sign_arbitrary("ops", data)
        assert adr036.verify(signed.public_key, "ve", data, signed.signature)
        assert not adr036.verify(signed.public_key, "cosmos", data, signed.signature)
        with pytest.raises(InvalidRequest):
            client.sign_arbitrary("ops", b"")
