"""Keys that leave a token wrapped, and come into another one, through the real SoftHSM2."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.pubkeys import KeyType
from cosmos_formats.verify import verify_digest
from keyring_bridge.errors import AttributeNotHonoured, PinBlocked, PinIncorrect, ProviderError
from keyring_bridge.login_guard import LoginGuard
from keyring_bridge.model import KeySpec, WrappedKey
from keyring_bridge.providers.base import ProviderContext
from keyring_bridge.providers.pkcs11 import Pkcs11Provider
from keyring_bridge.providers.wrapping_errors import KeyNotWrappable, WrappingKeyExists, WrappingKeyMissing
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from tests.shim.shim import Shim
    from tests.softhsm import SoftHsm, SoftToken

pytestmark = pytest.mark.softhsm

SECRET = b"0123456789abcdef-wrapping-canary"
SPEC = KeySpec("spare", KeyType.SECP256K1, wrappable=True)

Open = Callable[..., Pkcs11Provider]


@pytest.fixture
def opened(softhsm: SoftHsm, tmp_path: Path) -> Iterator[Open]:
    providers = []

    def make(token: SoftToken, **options: object) -> Pkcs11Provider:
        context = ProviderContext("hsm", tmp_path, LoginGuard(tmp_path / "logins"))
        provider = Pkcs11Provider(softhsm.options(token, **options), context)
        providers.append(provider)
        return provider

    yield make
    for provider in providers:
        provider.close()


def trust(provider: Pkcs11Provider, token: SoftToken, name: str = "wrap", secret: bytes = SECRET) -> None:
    provider.add_wrapping_key(name, SecretBytes(secret), SecretBytes(token.so_pin.encode()), retry=False)


@contextmanager
def objects(provider: Pkcs11Provider) -> Iterator[list[object]]:
    """Everything in the token and its sessions."""
    connection = provider.connector.connect()
    with connection.reading() as session:
        yield list(session.get_objects())


def test_a_key_goes_into_another_token(softhsm: SoftHsm, opened: Open) -> None:
    one, two = softhsm.create_token("one"), softhsm.create_token("two")
    source, target = opened(one), opened(two)
    trust(source, one)
    trust(target, two)
    key = source.generate_key(SPEC)
    assert key.extractable is True
    wrapped = source.wrap_key(key.ref)
    assert (wrapped.by, wrapped.form) == ("wrap", "aes-key-wrap-pad")
    assert len(wrapped.check) == 3
    there = target.unwrap_key(KeySpec("spare", KeyType.SECP256K1), key.public_key, wrapped)
    assert there.public_key == key.public_key
    assert (there.extractable, there.sensitive, there.local) == (True, True, False)
    digest = bytes(range(32))
    assert verify_digest(key.public_key, digest, low(target.sign(there.ref, digest)))
    # And on from there: what came in wrapped is as wrappable as before.
    assert target.wrap_key(there.ref).by == "wrap"


def low(signature: bytes) -> bytes:
    from cosmos_formats.signature import low_s

    return low_s(signature, KeyType.SECP256K1)


def test_the_wrapping_key_is_trusted_and_cannot_leave(softhsm: SoftHsm, opened: Open) -> None:
    from pkcs11 import Attribute, ObjectClass

    token = softhsm.create_token()
    provider = opened(token)
    trust(provider, token)
    assert [key.name for key in provider.wrapping_keys()] == ["wrap"]
    with provider.connector.connect().reading() as session:
        (found,) = session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY})
        flags = {
            name: found[Attribute[name]]
            for name in ("TOKEN", "PRIVATE", "SENSITIVE", "EXTRACTABLE", "TRUSTED", "WRAP", "UNWRAP", "DECRYPT")
        }
    assert flags == {
        "TOKEN": True,
        "PRIVATE": True,
        "SENSITIVE": True,
        "EXTRACTABLE": False,
        "TRUSTED": True,
        "WRAP": True,
        "UNWRAP": True,
        "DECRYPT": False,
    }
    assert not [path for path in softhsm.token_dir.rglob("*") if path.is_file() and SECRET in path.read_bytes()]


def test_the_same_wrapping_key_is_added_once(softhsm: SoftHsm, opened: Open) -> None:
    token = softhsm.create_token()
    provider = opened(token)
    trust(provider, token)
    trust(provider, token)
    assert len(provider.wrapping_keys()) == 1
    with pytest.raises(WrappingKeyExists):
        trust(provider, token, secret=b"another key of thirty-two bytes!")
    assert len(provider.wrapping_keys()) == 1


def test_a_refused_officer_pin_is_sent_once(softhsm: SoftHsm, opened: Open) -> None:
    token = softhsm.create_token()
    provider = opened(token)

    def add(pin: str, *, retry: bool = False) -> None:
        provider.add_wrapping_key("wrap", SecretBytes(SECRET), SecretBytes(pin.encode()), retry=retry)

    with pytest.raises(PinIncorrect, match="security officer"):
        add("00000000")
    with pytest.raises(PinBlocked):
        add(token.so_pin)
    assert provider.wrapping_keys() == []
    add(token.so_pin, retry=True)
    assert len(provider.wrapping_keys()) == 1


def test_the_officer_waits_for_others_in_the_process(softhsm: SoftHsm, opened: Open) -> None:
    token = softhsm.create_token()
    other, provider = opened(token), opened(token)
    other.connect()
    with pytest.raises(ProviderError, match="in use"):
        trust(provider, token)
    other.close()
    trust(provider, token)


def test_a_key_that_was_made_to_stay_stays(softhsm: SoftHsm, opened: Open) -> None:
    token = softhsm.create_token()
    provider = opened(token)
    trust(provider, token)
    key = provider.generate_key(KeySpec("stays", KeyType.SECP256K1))
    with pytest.raises(KeyNotWrappable, match="not to leave"):
        provider.wrap_key(key.ref)


def test_what_the_token_does_not_wrap_is_not_made_wrappable(softhsm: SoftHsm, opened: Open) -> None:
    # SoftHSM 2.6.1 wraps no ed25519 keys; 2.7.0 does.
    token = softhsm.create_token()
    provider = opened(token)
    trust(provider, token)
    spec = KeySpec("val", KeyType.ED25519, wrappable=True)
    if re.match(r"2\.6\b", provider.connector.connect().module.cryptoki.info().library_version):
        with pytest.raises(KeyNotWrappable, match="wraps no ed25519 keys"):
            provider.generate_key(spec)
        assert provider.list_keys() == []
    else:
        assert provider.wrap_key(provider.generate_key(spec).ref).data


def test_nothing_stays_of_what_was_tried(softhsm: SoftHsm, opened: Open) -> None:
    token = softhsm.create_token()
    provider = opened(token)
    trust(provider, token)
    with objects(provider) as before:
        pass
    key = provider.generate_key(SPEC)
    provider.delete_key(key.ref)
    with objects(provider) as after:
        assert len(after) == len(before) == 1


def test_without_the_wrapping_key_nothing_leaves_or_comes(softhsm: SoftHsm, opened: Open) -> None:
    one, two = softhsm.create_token("one"), softhsm.create_token("two")
    source, target = opened(one), opened(two)
    key = source.generate_key(SPEC)
    with pytest.raises(WrappingKeyMissing, match="no trusted wrapping key"):
        source.wrap_key(key.ref)
    trust(source, one)
    trust(source, one, "second", bytes(32))
    with pytest.raises(WrappingKeyMissing, match="several"):
        source.wrap_key(key.ref)
    wrapped = source.wrap_key(key.ref, "wrap")
    trust(target, two, "other")
    with pytest.raises(WrappingKeyMissing, match="'wrap'"):
        target.unwrap_key(SPEC, key.public_key, wrapped)
    trust(target, two, "wrap", bytes(32))
    with pytest.raises(WrappingKeyMissing, match="another one of the same name"):
        target.unwrap_key(SPEC, key.public_key, wrapped)
    assert target.list_keys() == []


@pytest.mark.parametrize("at", [0, 10, 40, 71])
def test_a_damaged_wrapped_key_leaves_nothing(softhsm: SoftHsm, opened: Open, at: int) -> None:
    token = softhsm.create_token()
    provider = opened(token)
    trust(provider, token)
    key = provider.generate_key(SPEC)
    wrapped = provider.wrap_key(key.ref)
    provider.delete_key(key.ref)
    data = bytearray(wrapped.data)
    data[at] ^= 1
    with pytest.raises(ProviderError):
        provider.unwrap_key(SPEC, key.public_key, WrappedKey(wrapped.form, wrapped.by, wrapped.check, bytes(data)))
    with objects(provider) as left:
        assert len(left) == 1
    assert provider.unwrap_key(SPEC, key.public_key, wrapped).public_key == key.public_key


def test_a_wrapped_key_comes_in_only_as_the_key_that_it_is(softhsm: SoftHsm, opened: Open) -> None:
    token = softhsm.create_token()
    provider = opened(token)
    trust(provider, token)
    wrapped = provider.wrap_key(provider.generate_key(SPEC).ref)
    other = provider.generate_key(KeySpec("other", KeyType.SECP256K1))
    with pytest.raises(KeyNotWrappable):
        provider.unwrap_key(SPEC, other.public_key, WrappedKey("azure-blob", "", b"", wrapped.data))


@pytest.mark.parametrize("quirk", ["wrap_untrusted", "user_trusts"])
def test_a_token_that_trusts_anybody_gets_no_wrappable_keys(
    softhsm: SoftHsm, opened: Open, shim: Shim, quirk: str
) -> None:
    token = softhsm.create_token()
    shim.control(f"quirk {quirk}")
    provider = opened(token, library=str(shim.library))
    with pytest.raises(AttributeNotHonoured, match="trusted"):
        provider.generate_key(SPEC)
    with objects(provider) as left:
        assert left == []
    # A key that stays is none of its business.
    assert provider.generate_key(KeySpec("stays", KeyType.SECP256K1)).extractable is False


@pytest.mark.parametrize("quirk", ["wrap_untrusted", "user_trusts"])
def test_nor_do_wrappable_keys_come_into_it(softhsm: SoftHsm, opened: Open, shim: Shim, quirk: str) -> None:
    one, two = softhsm.create_token("one"), softhsm.create_token("two")
    source, target = opened(one, library=str(shim.library)), opened(two, library=str(shim.library))
    trust(source, one)
    key = source.generate_key(SPEC)
    wrapped = source.wrap_key(key.ref)
    trust(target, two)
    shim.control(f"quirk {quirk}")
    with objects(target) as left:
        before = len(left)
    with pytest.raises(AttributeNotHonoured, match="trusted"):
        target.unwrap_key(KeySpec("spare", KeyType.SECP256K1), key.public_key, wrapped)
    with pytest.raises(AttributeNotHonoured, match="trusted"):
        target.import_key(SPEC, SecretBytes(bytes(range(1, 33))))
    with objects(target) as left:
        assert len(left) == before


def test_a_key_whose_id_is_taken_is_not_touched(softhsm: SoftHsm, opened: Open) -> None:
    token = softhsm.create_token()
    provider = opened(token)
    trust(provider, token)
    wrapped_key = provider.generate_key(SPEC)
    wrapped = provider.wrap_key(wrapped_key.ref)
    provider.delete_key(wrapped_key.ref)
    there = provider.generate_key(KeySpec("there", KeyType.SECP256K1))
    spec = KeySpec("spare", KeyType.SECP256K1, key_id=there.key_id)
    with pytest.raises(ProviderError, match="under the id"):
        provider.unwrap_key(spec, wrapped_key.public_key, wrapped)
    assert provider.list_keys() == [there]
