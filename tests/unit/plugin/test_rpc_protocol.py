"""The protocol's description against itself: document, examples, handlers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import ecdsa
import jsonschema
import pytest

from keyring_bridge.errors import BridgeError
from keyring_plugin import openrpc, samples
from keyring_plugin.errors import RemoteError, classes
from keyring_plugin.methods import HANDLERS
from keyring_plugin.protocol import METHODS

DOCUMENT = openrpc.document()
ANSWERED = [method for method in METHODS.values() if not method.notification]


def schema_of(part: Mapping[str, object]) -> dict[str, object]:
    """A schema of the document, with the components it refers to beside it."""
    return {**part, "components": DOCUMENT["components"]}


def test_the_document_in_the_repository_is_the_one_that_is_served(project_root: Path) -> None:
    kept = (project_root / "plugin" / "openrpc.json").read_text(encoding="utf-8")
    assert kept == openrpc.as_json(), "run plugin/generate.py"


def test_the_reference_in_the_documentation_is_current(project_root: Path) -> None:
    text = (project_root / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert openrpc.reference() in text, "run plugin/generate.py"


def test_every_method_that_is_answered_has_a_handler() -> None:
    assert set(HANDLERS) == {method.name for method in ANSWERED}


def test_every_method_of_the_sdk_is_there() -> None:
    interface = """
        Backend List SupportedAlgorithms Key KeyByAddress Delete DeleteByAddress Rename NewMnemonic NewAccount
        SaveLedgerKey SaveOfflineKey SaveMultisig Sign SignByAddress ImportPrivKey ImportPrivKeyHex ImportPubKey
        ExportPubKeyArmor ExportPubKeyArmorByAddress ExportPrivKeyArmor ExportPrivKeyArmorByAddress MigrateAll
    """
    assert {f"keyring.{name[0].lower()}{name[1:]}" for name in interface.split()} <= set(METHODS)


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_examples_follow_the_protocol(method) -> None:  # type: ignore[no-untyped-def]  # a parameter of the table
    given = dict(method.example.params)
    method.read_params(given)
    by_position = [given[param.name] for param in method.params if param.name in given]
    if list(given) == [param.name for param in method.params][: len(given)]:
        method.read_params(by_position)
    for param in method.params:
        if param.name in given:
            jsonschema.validate(given[param.name], schema_of(param.type.schema))
    if not method.notification:
        jsonschema.validate(method.example.result, schema_of(method.result.schema))


def test_the_document_is_well_formed() -> None:
    methods = DOCUMENT["methods"]
    assert isinstance(methods, list)
    assert [method["name"] for method in methods] == list(METHODS)
    text = json.dumps(DOCUMENT)
    components = DOCUMENT["components"]
    assert isinstance(components, dict)
    for kind, name in re.findall(r'"#/components/(\w+)/(\w+)"', text):
        assert name in components[kind]
    for schema in components["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema_of(schema))


def test_error_codes_are_unique_and_documented() -> None:
    kinds = list(classes().values())
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert BridgeError in kinds
    assert RemoteError not in kinds
    for kind in kinds:
        assert kind.__doc__, kind
        assert -32768 <= kind.rpc_code <= -32000


def test_the_example_of_a_signature_verifies() -> None:
    key = ecdsa.VerifyingKey.from_string(base64.b64decode(samples.KEY["key"]), curve=ecdsa.SECP256k1)
    message = base64.b64decode(samples.SIGN_BYTES)
    signature = base64.b64decode(str(samples.SIGNATURE["signature"]))
    assert key.verify(signature, message, hashfunc=hashlib.sha256)
    assert base64.b64decode(samples.DIGEST) == hashlib.sha256(message).digest()


def test_the_example_of_a_sign_doc_says_what_it_should() -> None:
    from cosmos_formats.signing import SignMode
    from cosmos_formats.signing.tx_view import TxView
    from cosmos_formats.signing.views import view

    seen = view(SignMode.DIRECT, base64.b64decode(samples.SIGN_BYTES))
    assert isinstance(seen, TxView)
    assert seen.message_types == ("/cosmos.bank.v1beta1.MsgSend",)
    assert seen.chain_id == samples.HANDSHAKE["chain_id"]
