"""Which token is opened, and making one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.errors import InvalidName, PinIncorrect, ProviderError, TokenAmbiguous, TokenFull, TokenNotFound
from keyring_bridge.model import KeySpec
from keyring_bridge.providers.pkcs11 import Pkcs11Provider
from keyring_bridge.providers.pkcs11.tokens import create_token, list_tokens
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from keyring_bridge.providers.base import ProviderContext
    from tests.integration.pkcs11.conftest import MakeProvider
    from tests.shim.shim import Shim
    from tests.softhsm import SoftHsm, SoftToken

pytestmark = pytest.mark.softhsm


def connected_serial(softhsm: SoftHsm, token: SoftToken, context: ProviderContext, **options: object) -> str:
    """Serial of the token that a provider with these options opens."""
    provider = Pkcs11Provider(softhsm.options(token, **{"token_label": None, **options}), context)
    provider.connect()
    try:
        found = provider.status().token
        assert found is not None
        return found.serial
    finally:
        provider.close()


def test_a_token_by_label_serial_slot_and_slot_id(softhsm: SoftHsm, token: SoftToken, context: ProviderContext) -> None:
    other = softhsm.create_token("other")
    tokens = {info.serial: info for info in list_tokens(softhsm.library)}
    for wanted in (token, other):
        info = tokens[wanted.serial]
        for options in (
            {"token_label": wanted.label},
            {"token_serial": wanted.serial},
            {"slot": info.slot_index},
            {"slot_id": info.slot_id},
            {"slot": info.slot_index, "token_label": wanted.label, "token_serial": wanted.serial},
        ):
            assert connected_serial(softhsm, wanted, context, **options) == wanted.serial


def test_two_tokens_of_one_label_are_ambiguous(softhsm: SoftHsm, token: SoftToken, context: ProviderContext) -> None:
    twin = softhsm.create_token(token.label)
    with pytest.raises(TokenAmbiguous):
        connected_serial(softhsm, token, context, token_label=token.label)
    assert connected_serial(softhsm, twin, context, token_label=token.label, token_serial=twin.serial) == twin.serial


def test_without_any_choice_the_only_token_is_taken(
    softhsm: SoftHsm, token: SoftToken, context: ProviderContext
) -> None:
    assert connected_serial(softhsm, token, context) == token.serial
    softhsm.create_token("second")
    with pytest.raises(TokenAmbiguous):
        connected_serial(softhsm, token, context)


@pytest.mark.parametrize(
    "options", [{"token_label": "none"}, {"token_serial": "0"}, {"slot": 40}, {"slot_id": 1}, {"slot": 1}]
)
def test_no_token(softhsm: SoftHsm, token: SoftToken, context: ProviderContext, options: dict[str, object]) -> None:
    # Slot 1 holds SoftHSM's empty token, which cannot be used.
    with pytest.raises(TokenNotFound):
        connected_serial(softhsm, token, context, **options)


def test_tokens_are_listed_without_a_login(softhsm: SoftHsm, token: SoftToken) -> None:
    info, empty = list_tokens(softhsm.library)
    assert (info.label, info.serial, info.slot_index) == (token.label, token.serial, 0)
    assert info.slot_id == token.slot_id
    assert "token_initialized" in info.flags
    assert "token_initialized" not in empty.flags


def test_a_new_token_is_usable_at_once_and_later(softhsm: SoftHsm, context: ProviderContext) -> None:
    with SecretBytes(b"87654321") as so_pin, SecretBytes(b"135790") as pin:
        made = create_token(softhsm.library, "fresh", so_pin, pin)
    assert (made.label, len(made.serial)) == ("fresh", 16)
    assert {"token_initialized", "user_pin_initialized"} <= made.flags
    pin_file = softhsm.write_pin("135790")
    options = {"library": str(softhsm.library), "token_serial": made.serial, "pin_source": f"file:{pin_file}"}
    provider = Pkcs11Provider(options, context)
    key = provider.generate_key(KeySpec("first", KeyType.SECP256K1))
    provider.close()
    # A process that starts later finds it, too.
    from tests.softhsm import finalize_modules

    finalize_modules()
    again = Pkcs11Provider(options, context)
    assert again.list_keys() == [key]
    again.close()


def test_a_label_that_is_taken_is_refused(softhsm: SoftHsm, token: SoftToken) -> None:
    with pytest.raises(TokenAmbiguous):
        create_token(softhsm.library, token.label, SecretBytes(b"87654321"), SecretBytes(b"135790"))
    assert len(list_tokens(softhsm.library)) == 2


@pytest.mark.parametrize("label", ["", "x" * 33, "ü" * 17, "a\nb", " a", "a "])
def test_a_label_that_does_not_fit_is_refused(softhsm: SoftHsm, label: str) -> None:
    with pytest.raises(InvalidName):
        create_token(softhsm.library, label, SecretBytes(b"87654321"), SecretBytes(b"135790"))


@pytest.mark.parametrize(("so_pin", "pin"), [(b"87654321", b"1"), (b"1", b"135790"), (b"87654321", b"1" * 300)])
def test_a_pin_that_does_not_fit_is_refused_before_a_token_is_made(softhsm: SoftHsm, so_pin: bytes, pin: bytes) -> None:
    before = list_tokens(softhsm.library)
    with pytest.raises(PinIncorrect, match="4 to 255"):
        create_token(softhsm.library, "fresh", SecretBytes(so_pin), SecretBytes(pin))
    assert list_tokens(softhsm.library) == before


def test_a_token_that_is_half_made_keeps_its_officer(shim: Shim) -> None:
    shim.control("fail C_Login * 5")
    kept = []
    with pytest.raises(ProviderError, match=r"initialised, but .* user PIN"):
        create_token(
            shim.library,
            "fresh",
            SecretBytes(b"87654321"),
            SecretBytes(b"135790"),
            initialized=lambda: kept.append("the officer's PIN"),
        )
    assert kept
    assert shim.calls()["C_InitToken"] == 1
    assert shim.calls()["C_OpenSession"] == shim.calls()["C_CloseSession"]


def test_a_token_that_is_full(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed()
    provider.connect()
    shim.control("fail C_GenerateKeyPair * 31")
    with pytest.raises(TokenFull):
        provider.generate_key(KeySpec("one too many", KeyType.SECP256K1))
    shim.control("fail C_CreateObject * 31")
    with pytest.raises(TokenFull):
        provider.import_key(KeySpec("one too many", KeyType.SECP256K1), SecretBytes(b"\1" * 32))
    shim.control()
    assert provider.list_keys() == []
    assert provider.generate_key(KeySpec("room again", KeyType.SECP256K1)).label == "room again"


def test_a_key_whose_note_finds_no_room_is_made_without_it(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed()
    provider.connect()
    shim.control("fail C_CreateObject * 31")
    key = provider.generate_key(KeySpec("bare", KeyType.SECP256K1))
    shim.control()
    assert key.purpose is not None
    assert provider.list_keys() == [replace(key, purpose=None, created_at=None)]
