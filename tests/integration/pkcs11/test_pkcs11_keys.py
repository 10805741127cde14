"""Keys in a real SoftHSM2 token: made, imported, listed, renamed, destroyed."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cosmos_formats.pubkeys import TOKEN_TYPES, KeyType, PublicKey
from keyring_bridge.device import Device
from keyring_bridge.errors import (
    CapabilityMissing,
    InvalidKey,
    InvalidName,
    InvalidRequest,
    KeyAmbiguous,
    KeyMismatch,
    MechanismUnsupported,
    ObjectNotFound,
    ProviderError,
)
from keyring_bridge.model import KeyInfo, KeyRef, KeySpec, Purpose
from keyring_bridge.providers.base import CAPABILITIES
from keyring_bridge.secrets import SecretBytes

if TYPE_CHECKING:
    from keyring_bridge.providers.pkcs11 import Pkcs11Provider
    from tests.integration.pkcs11.conftest import MakeProvider
    from tests.shim.shim import Shim

pytestmark = pytest.mark.softhsm

SIGNING = [KeyType.SECP256K1, KeyType.ED25519, KeyType.SECP256R1]
ORDER = {
    KeyType.SECP256K1: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    KeyType.SECP256R1: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
}


def software_key(key_type: KeyType) -> tuple[bytes, PublicKey]:
    """A private key made by `cryptography`, and its public half."""
    if key_type is KeyType.ED25519:
        seed = ed25519.Ed25519PrivateKey.generate()
        return seed.private_bytes_raw(), PublicKey(key_type, seed.public_key().public_bytes_raw())
    if key_type is KeyType.X25519:
        exchange = x25519.X25519PrivateKey.generate()
        return exchange.private_bytes_raw(), PublicKey(key_type, exchange.public_key().public_bytes_raw())
    private = ec.generate_private_key(ec.SECP256K1() if key_type is KeyType.SECP256K1 else ec.SECP256R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return private.private_numbers().private_value.to_bytes(32), PublicKey(key_type, point)


def test_it_has_every_capability(provider: Pkcs11Provider) -> None:
    assert all(isinstance(provider, protocol) for protocol in CAPABILITIES.values())


@pytest.mark.parametrize("key_type", TOKEN_TYPES)
def test_a_generated_key_cannot_leave_the_token(provider: Pkcs11Provider, key_type: KeyType) -> None:
    key = provider.generate_key(KeySpec("mine", key_type, Purpose.ENCRYPTION))
    assert (key.extractable, key.sensitive, key.local) == (False, True, True)
    assert (key.label, key.key_type, key.size) == ("mine", key_type, 256)
    assert len(key.key_id) == 16


def test_softhsm_is_not_called_hardware(provider: Pkcs11Provider) -> None:
    assert provider.generate_key(KeySpec("mine", KeyType.SECP256K1)).hardware is False
    assert provider.status().hardware is False


def test_what_was_noted_at_birth_is_read_by_another_host(make: MakeProvider) -> None:
    made = make().generate_key(KeySpec("validator", KeyType.ED25519, Purpose.CONSENSUS))
    (found,) = make().list_keys()
    assert found == made
    assert found.purpose is Purpose.CONSENSUS
    assert found.created_at is not None
    assert abs(found.created_at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("key_type", TOKEN_TYPES)
def test_an_imported_key_has_the_public_key_of_its_secret(provider: Pkcs11Provider, key_type: KeyType) -> None:
    secret, public_key = software_key(key_type)
    key = provider.import_key(KeySpec("moved", key_type), SecretBytes(secret))
    assert key.public_key == public_key
    assert (key.extractable, key.sensitive, key.local) == (False, True, False)
    assert provider.get_key(key.ref) == key


@pytest.mark.parametrize("key_type", list(ORDER))
@pytest.mark.parametrize("number", [0, "order", "order + 1", 2**256 - 1])
def test_a_scalar_out_of_range_is_not_imported(provider: Pkcs11Provider, key_type: KeyType, number: int | str) -> None:
    order = ORDER[key_type]
    value = {"order": order, "order + 1": order + 1}.get(str(number), number)
    with pytest.raises(InvalidKey):
        provider.import_key(KeySpec("bad", key_type), SecretBytes(int(value).to_bytes(32)))
    assert provider.list_keys() == []


@pytest.mark.parametrize("key_type", list(ORDER))
@pytest.mark.parametrize("number", [1, -1])
def test_the_ends_of_the_range_are_imported(provider: Pkcs11Provider, key_type: KeyType, number: int) -> None:
    value = number % ORDER[key_type]
    assert provider.import_key(KeySpec("edge", key_type), SecretBytes(value.to_bytes(32))).local is False


@pytest.mark.parametrize("key_type", TOKEN_TYPES)
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_secret_of_another_length_is_not_imported(provider: Pkcs11Provider, key_type: KeyType, length: int) -> None:
    with pytest.raises(InvalidKey, match="32 bytes"):
        provider.import_key(KeySpec("bad", key_type), SecretBytes(b"\1" * length))


def test_a_wrappable_key_says_so(provider: Pkcs11Provider) -> None:
    key = provider.generate_key(KeySpec("backup", KeyType.SECP256K1, wrappable=True))
    assert key.extractable is True
    assert key.sensitive is True


@pytest.mark.parametrize("key_type", [KeyType.X25519, KeyType.SECP256K1, KeyType.SECP256R1])
def test_both_sides_derive_the_same_secret(provider: Pkcs11Provider, key_type: KeyType) -> None:
    mine = provider.generate_key(KeySpec("mine", key_type, Purpose.ENCRYPTION))
    secret, public_key = software_key(key_type)
    shared = provider.derive(mine.ref, public_key)
    theirs = provider.import_key(KeySpec("theirs", key_type, Purpose.ENCRYPTION), SecretBytes(secret))
    assert shared == provider.derive(theirs.ref, mine.public_key)
    if key_type is KeyType.X25519:
        peer = x25519.X25519PublicKey.from_public_bytes(mine.public_key.data)
        assert shared == x25519.X25519PrivateKey.from_private_bytes(secret).exchange(peer)
    else:
        curve = ec.SECP256K1() if key_type is KeyType.SECP256K1 else ec.SECP256R1()
        private = ec.derive_private_key(int.from_bytes(secret), curve)
        point = ec.EllipticCurvePublicKey.from_encoded_point(curve, mine.public_key.data)
        assert shared == private.exchange(ec.ECDH(), point)


def test_a_point_of_small_order_gives_no_secret(provider: Pkcs11Provider) -> None:
    key = provider.generate_key(KeySpec("mine", KeyType.X25519))
    with pytest.raises(InvalidKey):
        provider.derive(key.ref, PublicKey(KeyType.X25519, bytes(32)))


def test_a_peer_on_another_curve_is_refused(provider: Pkcs11Provider) -> None:
    key = provider.generate_key(KeySpec("mine", KeyType.X25519))
    with pytest.raises(InvalidRequest):
        provider.derive(key.ref, software_key(KeyType.SECP256K1)[1])


def test_a_key_that_signs_does_not_derive_and_the_other_way_round(provider: Pkcs11Provider) -> None:
    signing = provider.generate_key(KeySpec("signs", KeyType.SECP256K1))
    with pytest.raises(MechanismUnsupported):
        provider.derive(signing.ref, software_key(KeyType.SECP256K1)[1])
    deriving = provider.generate_key(KeySpec("derives", KeyType.SECP256K1, Purpose.ENCRYPTION))
    with pytest.raises(MechanismUnsupported):
        provider.sign(deriving.ref, bytes(32))


def test_a_renamed_key_is_found_by_its_old_uri(provider: Pkcs11Provider) -> None:
    key = provider.generate_key(KeySpec("old", KeyType.SECP256K1))
    renamed = provider.rename_key(key.ref, "Schlüssel Nr. 2; für „alles“")
    assert renamed.label == "Schlüssel Nr. 2; für „alles“"
    assert renamed.uri != key.uri
    assert provider.get_key(key.ref) == provider.get_key(renamed.ref) == renamed
    assert renamed.purpose is key.purpose


@pytest.mark.parametrize("label", ["", "a\0b", "x" * 1025, "\udc80"])
def test_a_label_that_no_token_takes_is_refused(provider: Pkcs11Provider, label: str) -> None:
    with pytest.raises(InvalidName):
        provider.generate_key(KeySpec(label, KeyType.SECP256K1))
    assert provider.list_keys() == []


def test_nothing_is_left_of_a_deleted_key(provider: Pkcs11Provider) -> None:
    from pkcs11 import Attribute

    kept = provider.generate_key(KeySpec("kept", KeyType.SECP256K1))
    gone = provider.generate_key(KeySpec("gone", KeyType.SECP256K1))
    provider.sign(gone.ref, bytes(32))
    provider.delete_key(gone.ref)
    for attempt in (provider.get_key, provider.delete_key):
        with pytest.raises(ObjectNotFound):
            attempt(gone.ref)
    with pytest.raises(ObjectNotFound):
        provider.sign(gone.ref, bytes(32))
    assert provider.list_keys() == [kept]
    connection = provider.connector.current
    assert connection is not None
    with connection.reading() as session:
        labels = [found[Attribute.LABEL] for found in session.get_objects()]
    assert labels == ["kept"] * 3


def test_the_handle_of_a_deleted_key_is_forgotten(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed()
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    provider.sign(key.ref, bytes(32))
    provider.delete_key(key.ref)
    shim.clear_trace()
    with pytest.raises(ObjectNotFound):
        provider.sign(key.ref, bytes(32))
    # A token may give the same number to another key.
    assert shim.calls()["C_SignInit"] == 0


def test_another_key_in_the_place_is_not_used(provider: Pkcs11Provider) -> None:
    first = provider.generate_key(KeySpec("first", KeyType.SECP256K1))
    second = provider.generate_key(KeySpec("second", KeyType.SECP256K1))
    crossed = KeyRef(first.uri, second.public_key)
    for attempt in (provider.get_key, provider.delete_key, lambda ref: provider.sign(ref, bytes(32))):
        with pytest.raises(KeyMismatch):
            attempt(crossed)
    # Also where the session knows the right key already.
    provider.sign(first.ref, bytes(32))
    with pytest.raises(KeyMismatch):
        provider.sign(crossed, bytes(32))
    assert len(provider.list_keys()) == 2


def test_the_same_label_twice_is_no_problem_for_uris_with_an_id(provider: Pkcs11Provider) -> None:
    first = provider.generate_key(KeySpec("twin", KeyType.SECP256K1))
    second = provider.generate_key(KeySpec("twin", KeyType.SECP256K1))
    assert provider.get_key(first.ref) == first
    assert provider.get_key(second.ref) == second
    with pytest.raises(KeyAmbiguous):
        provider.get_public_key("pkcs11:object=twin")


def test_a_key_is_found_by_label_alone_where_that_is_clear(provider: Pkcs11Provider) -> None:
    key = provider.generate_key(KeySpec("only", KeyType.ED25519))
    assert provider.get_public_key("pkcs11:object=only;type=private") == key.public_key


def test_keys_that_share_an_id_are_told_apart_by_label_or_not_at_all(provider: Pkcs11Provider) -> None:
    from pkcs11 import Attribute, ObjectClass

    first = provider.generate_key(KeySpec("a", KeyType.SECP256K1))
    second = provider.generate_key(KeySpec("b", KeyType.SECP256K1))
    connection = provider.connector.current
    assert connection is not None
    with connection.changing() as session:
        for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
            (found,) = session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: "b"})
            found[Attribute.ID] = first.key_id
    by_label: dict[str, KeyInfo] = {key.label: key for key in provider.list_keys()}
    assert by_label["a"].public_key == first.public_key
    assert by_label["b"].public_key == second.public_key
    assert provider.get_key(by_label["b"].ref).public_key == second.public_key
    without_label = "pkcs11:id=" + "".join(f"%{byte:02x}" for byte in first.key_id)
    with pytest.raises(KeyAmbiguous):
        provider.get_public_key(without_label)


def test_a_uri_of_another_token_is_refused(provider: Pkcs11Provider) -> None:
    key = provider.generate_key(KeySpec("mine", KeyType.SECP256K1))
    elsewhere = key.uri.replace("serial=", "serial=0")
    with pytest.raises(ObjectNotFound, match="another token"):
        provider.sign(KeyRef(elsewhere, key.public_key), bytes(32))


def test_objects_of_other_programs_are_left_alone(provider: Pkcs11Provider) -> None:
    from pkcs11 import Attribute, ObjectClass
    from pkcs11 import KeyType as TokenKeyType

    provider.connect()
    connection = provider.connector.current
    assert connection is not None
    with connection.changing() as session:
        session.generate_keypair(TokenKeyType.RSA, 1024, store=True, label="an RSA key")
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.DATA,
                Attribute.TOKEN: True,
                Attribute.APPLICATION: "keyring-bridge/key/zz",
                Attribute.VALUE: os.urandom(40),
            }
        )
    assert provider.list_keys() == []
    key = provider.generate_key(KeySpec("mine", KeyType.SECP256K1))
    assert provider.list_keys() == [key]


def test_a_key_without_its_public_object_is_known_by_its_note(provider: Pkcs11Provider) -> None:
    from pkcs11 import Attribute, ObjectClass

    key = provider.generate_key(KeySpec("mine", KeyType.SECP256K1))
    connection = provider.connector.current
    assert connection is not None
    with connection.changing() as session:
        (public,) = session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY})
        public.destroy()
    assert provider.get_key(key.ref) == key
    assert provider.list_keys() == [key]
    with connection.changing() as session:
        (note,) = session.get_objects({Attribute.CLASS: ObjectClass.DATA})
        note.destroy()
    with pytest.raises(ObjectNotFound, match="public key"):
        provider.get_key(key.ref)
    assert provider.list_keys() == []


def test_a_note_is_private_and_about_one_key_only(provider: Pkcs11Provider) -> None:
    from pkcs11 import Attribute, ObjectClass

    from keyring_bridge.providers.pkcs11 import metadata

    key = provider.generate_key(KeySpec("mine", KeyType.SECP256K1))
    other = software_key(KeyType.SECP256K1)[1]
    connection = provider.connector.current
    assert connection is not None
    with connection.changing() as session:
        (note,) = session.get_objects({Attribute.CLASS: ObjectClass.DATA})
        # Who has no PIN can neither read nor forge it.
        assert note[Attribute.PRIVATE] is True
        note.destroy()
        forged = metadata.Metadata(other.fingerprint, other, Purpose.CONSENSUS, datetime.now(UTC))
        metadata.write(session, key.key_id, "mine", forged)
    found = provider.get_key(key.ref)
    assert (found.purpose, found.created_at, found.public_key) == (None, None, key.public_key)


def test_objects_that_vanish_while_they_are_listed_are_left_out(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed()
    key = provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    shim.control("fail C_GetAttributeValue * 82")
    assert provider.list_keys() == []
    shim.control()
    assert provider.list_keys() == [key]


def test_the_token_makes_random_numbers(provider: Pkcs11Provider) -> None:
    with provider.random_bytes(32) as first, provider.random_bytes(32) as second:
        assert len(first) == len(second) == 32
        assert first != second
        assert first != bytes(32)


@pytest.mark.parametrize("answer", ["121", "54"])
def test_a_token_without_a_generator_says_so(shim: Shim, shimmed: MakeProvider, answer: str) -> None:
    provider = shimmed()
    shim.control(f"fail C_GenerateRandom * {answer}")
    with pytest.raises(CapabilityMissing):
        provider.random_bytes(32)
    assert Device("token", provider).random_bytes(32) is None


def test_a_generator_that_fails_is_not_taken_for_none(shim: Shim, shimmed: MakeProvider) -> None:
    provider = shimmed()
    shim.control("fail C_GenerateRandom * 30")
    with pytest.raises(ProviderError):
        Device("token", provider).random_bytes(32)
