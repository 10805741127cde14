from __future__ import annotations

import base64

import pytest

from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import PublicKey
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import InvalidKey, InvalidName, InvalidRequest
from keyring_bridge.secrets import SecretBytes
from keyring_plugin import samples
from keyring_plugin.fields import (
    Base64,
    FieldType,
    Identifier,
    Integer,
    ListOf,
    PublicKeyField,
    Secret,
    SignModeField,
    Structure,
    Text,
)
from keyring_plugin.method import Method, Param
from keyring_plugin.protocol import METHODS


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (Text(3), "äöü", "äöü"),
        (Text(3), "", ""),
        (Base64(4), "", b""),
        (Base64(4), "AAECAw==", bytes(range(4))),
        (Base64(9, exactly=3), "/+8A", b"\xff\xef\x00"),
        (Integer(-1, 1), -1, -1),
        (Identifier(), "a", "a"),
        (Identifier(), 7, 7),
        (SignModeField(), "SIGN_MODE_DIRECT", SignMode.DIRECT),
        (SignModeField(), 127, SignMode.LEGACY_AMINO_JSON),
        (Structure({"a": Integer(0, 9)}), {}, {}),
        (Structure({"a": Integer(0, 9)}, ("a",)), {"a": 3}, {"a": 3}),
        (ListOf(Text(2), 2), ["a", "bc"], ["a", "bc"]),
    ],
)
def test_good_values(kind: FieldType, value: object, read: object) -> None:
    assert kind.read(value) == read


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Text(3), "abcd"),
        (Text(3), 5),
        (Text(3), None),
        (Text(3), ["a"]),
        (Base64(4), 5),
        (Base64(4), "AAECAwQ="),
        (Base64(4), "AAECAw"),
        (Base64(4), "AAECAw="),
        (Base64(4), "AAECAw== "),
        (Base64(4), " AAECAw=="),
        (Base64(4), "AAEC\nAw=="),
        (Base64(4), "AAECAx=="),
        (Base64(4), "AAF="),
        (Base64(4), "__8="),
        (Base64(4), "ÄÄÄÄ"),
        (Base64(4), "===="),
        (Base64(9, exactly=3), "AAEC" * 2),
        (Integer(0, 9), 10),
        (Integer(0, 9), -1),
        (Integer(0, 9), 1.0),
        (Integer(0, 9), True),
        (Integer(0, 9), "1"),
        (Identifier(), None),
        (Identifier(), True),
        (SignModeField(), "DIRECT"),
        (SignModeField(), "SIGN_MODE_UNSPECIFIED"),
        (SignModeField(), "SIGN_MODE_"),
        (SignModeField(), 0),
        (SignModeField(), 4),
        (SignModeField(), True),
        (SignModeField(), None),
        (SignModeField(), ["SIGN_MODE_DIRECT"]),
        (Structure({"a": Integer(0, 9)}), []),
        (Structure({"a": Integer(0, 9)}), {"b": 1}),
        (Structure({"a": Integer(0, 9)}, ("a",)), {}),
        (ListOf(Text(2), 2), ["a", "b", "c"]),
        (ListOf(Text(2), 2), "ab"),
        (PublicKeyField(), "key"),
        (PublicKeyField(), {}),
        (PublicKeyField(), {**samples.KEY, "key": "AAAA"}),
        (PublicKeyField(), {**samples.KEY, "more": 1}),
        (PublicKeyField(), {"@type": "/unknown.PubKey", "key": "AAAA"}),
        (Secret(3), "abcd"),
        (Secret(3), 5),
    ],
)
def test_bad_values(kind: FieldType, value: object) -> None:
    with pytest.raises(InvalidRequest):
        kind.read(value)


@pytest.mark.parametrize("data", [bytes(size) + b"\xff" for size in range(5)])
def test_base64_has_one_form(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert Base64(9).read(text) == data
    last = text.rstrip("=")[-1]
    others = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" if c != last]
    position = len(text.rstrip("=")) - 1
    for other in others:
        changed = text[:position] + other + text[position + 1 :]
        try:
            assert Base64(9).read(changed) != data
        except InvalidRequest:
            continue


def test_public_keys() -> None:
    assert isinstance(PublicKeyField().read(samples.KEY), PublicKey)
    assert isinstance(PublicKeyField().read(samples.MULTISIG_KEY), MultisigPublicKey)
    with pytest.raises(InvalidKey):
        PublicKeyField().read({"@type": "/cosmos.crypto.secp256k1.PubKey", "key": base64.b64encode(bytes(33)).decode()})


def test_secrets_arrive_in_a_buffer_that_can_be_wiped() -> None:
    secret = Secret().read("pässword")
    assert isinstance(secret, SecretBytes)
    assert secret == "pässword".encode()


METHOD = Method("m", "…", (Param("a", Text(5), "…"), Param("b", Integer(0, 9), "…", required=False)))


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"a": "x"}, {"a": "x"}),
        ({"a": "x", "b": 1}, {"a": "x", "b": 1}),
        (["x"], {"a": "x"}),
        (["x", 1], {"a": "x", "b": 1}),
        ({"a": "x", "deadline_ms": 50}, {"a": "x"}),
    ],
)
def test_parameters_by_name_and_position(given: dict[str, object] | list[object], read: object) -> None:
    assert METHOD.read_params(given) == read


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "a is missing"),
        ([], "a is missing"),
        (["x", 1, 2], "3 parameters, at most 2"),
        ({"a": "x", "c": 1}, "'c' is unknown"),
        ({"a": 5}, "a: expected a text"),
        ({"a": "x", "b": "1"}, "b: expected an integer"),
        ({"a": "x", "deadline_ms": 0}, "deadline_ms: expected an integer"),
        ({"a": "x", "deadline_ms": 3_600_001}, "deadline_ms"),
        ({"a": "x", "deadline_ms": True}, "deadline_ms"),
        ({"a": "x", "deadline_ms": 1.5}, "deadline_ms"),
        ({"a": "x", "z" * 5000: 1}, "z' is unknown"),
    ],
)
def test_parameters_that_are_refused(given: dict[str, object] | list[object], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as caught:
        METHOD.read_params(given)
    assert len(caught.value.message) < 200


def test_a_name_that_is_too_long_has_the_code_of_names() -> None:
    with pytest.raises(InvalidName, match="uid: 10000 characters"):
        METHODS["keyring.key"].read_params({"uid": "n" * 10_000})


def test_a_refused_value_is_not_repeated() -> None:
    with pytest.raises(InvalidRequest) as caught:
        METHODS["keyring.importPrivKeyHex"].read_params({"uid": "a", "hex": ["deadbeef"], "algo": "secp256k1"})
    assert "deadbeef" not in str(caught.value) + str(caught.value.hint)
