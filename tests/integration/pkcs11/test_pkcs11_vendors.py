"""Modules that differ from SoftHSM2, as the shim plays them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.pubkeys import TOKEN_TYPES, KeyType
from keyring_bridge.errors import AttributeNotHonoured
from keyring_bridge.model import KeySpec, Purpose
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from tests.integration.pkcs11.conftest import MakeProvider
    from tests.shim.shim import Shim

pytestmark = pytest.mark.softhsm

ENCODINGS = [
    ("quirk raw_ec_point",),
    ("quirk point_on_private",),
    ("quirk point_on_private", "quirk raw_ec_point"),
    ("quirk printable_params",),
    ("quirk raw_ec_point", "quirk printable_params", "quirk point_on_private"),
]


@pytest.mark.parametrize("quirks", ENCODINGS)
@pytest.mark.parametrize("key_type", TOKEN_TYPES)
def test_the_public_key_is_read_in_every_encoding(
    shim: Shim, shimmed: MakeProvider, key_type: KeyType, quirks: tuple[str, ...]
) -> None:
    provider = shimmed()
    plain = provider.generate_key(KeySpec("plain", key_type))
    shim.control(*quirks)
    assert provider.get_key(plain.ref) == plain
    assert provider.list_keys() == [plain]
    assert provider.get_public_key(plain.uri) == plain.public_key
    quirky = provider.generate_key(KeySpec("quirky", key_type))
    if key_type is not KeyType.X25519:
        assert len(provider.sign(quirky.ref, bytes(32))) == 64
    shim.control()
    assert provider.get_key(quirky.ref) == quirky


@pytest.mark.parametrize("quirks", ENCODINGS)
def test_a_key_is_imported_in_every_encoding(shim: Shim, shimmed: MakeProvider, quirks: tuple[str, ...]) -> None:
    shim.control(*quirks)
    provider = shimmed()
    key = provider.import_key(KeySpec("k", KeyType.SECP256K1), SecretBytes(os.urandom(32)))
    shim.control()
    assert provider.get_key(key.ref) == key


def test_x25519_as_a_token_of_pkcs11_3_has_it(shim: Shim, shimmed: MakeProvider) -> None:
    shim.control("quirk montgomery")
    provider = shimmed()
    made = provider.generate_key(KeySpec("made", KeyType.X25519, Purpose.ENCRYPTION))
    moved = provider.import_key(KeySpec("moved", KeyType.X25519, Purpose.ENCRYPTION), SecretBytes(os.urandom(32)))
    assert provider.list_keys() == [made, moved]
    assert (made.extractable, made.sensitive, made.local) == (False, True, True)
    assert provider.derive(made.ref, moved.public_key) == provider.derive(moved.ref, made.public_key)
    # The other curves are as everywhere.
    assert provider.generate_key(KeySpec("signs", KeyType.ED25519)).key_type is KeyType.ED25519


def test_extractable_is_asked_for_where_it_is_the_default(shim: Shim, shimmed: MakeProvider) -> None:
    shim.control("quirk extractable_default")
    provider = shimmed()
    assert provider.generate_key(KeySpec("made", KeyType.SECP256K1)).extractable is False
    moved = provider.import_key(KeySpec("moved", KeyType.ED25519), SecretBytes(os.urandom(32)))
    assert moved.extractable is False


@pytest.mark.parametrize("key_type", TOKEN_TYPES)
def test_a_key_that_came_out_extractable_is_destroyed(shim: Shim, shimmed: MakeProvider, key_type: KeyType) -> None:
    shim.control("quirk ignore_extractable")
    provider = shimmed()
    with pytest.raises(AttributeNotHonoured) as generated:
        provider.generate_key(KeySpec("made", key_type))
    with pytest.raises(AttributeNotHonoured) as imported:
        provider.import_key(KeySpec("moved", key_type), SecretBytes(os.urandom(31) + b"\1"))
    for caught in (generated, imported):
        assert "EXTRACTABLE is True" in str(caught.value.detail)
    connection = provider.connector.current
    assert connection is not None
    with connection.reading() as session:
        assert list(session.get_objects()) == []


def test_a_key_that_cannot_be_removed_again_is_reported(shim: Shim, shimmed: MakeProvider) -> None:
    shim.control("quirk ignore_extractable", "fail C_DestroyObject * 5")
    provider = shimmed()
    with pytest.raises(AttributeNotHonoured, match="by hand"):
        provider.generate_key(KeySpec("made", KeyType.SECP256K1))


@pytest.mark.parametrize("call", ["C_GenerateKeyPair", "C_GetAttributeValue", "C_FindObjectsInit"])
@pytest.mark.parametrize("which", range(1, 8))
def test_a_failure_anywhere_in_a_generation_leaves_no_half_key(
    shim: Shim, shimmed: MakeProvider, call: str, which: int
) -> None:
    from keyring_bridge.errors import BridgeError

    provider = shimmed()
    provider.connect()
    shim.control(f"fail {call} {which} 5")
    try:
        key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    except BridgeError:
        key = None
    shim.control()
    assert [found.ref for found in provider.list_keys()] == ([] if key is None else [key.ref])
    connection = provider.connector.current
    assert connection is not None
    with connection.reading() as session:
        assert len(list(session.get_objects())) == (0 if key is None else 3)
