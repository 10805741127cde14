"""The keyring's semantics, with the SDK's texts where it has some."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import coincurve
import pytest

from cosmos_formats import address
from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import (
    BridgeError,
    CannotSign,
    DuplicateAddress,
    ExportRefused,
    InvalidAddress,
    InvalidKey,
    InvalidName,
    KeyExists,
    KeyNotFound,
    NotAvailable,
    UnsupportedAlgorithm,
)
from keyring_bridge.model import KeySpec, Purpose
from keyring_bridge.secrets import SecretBytes
from tests.unit.bridge.pipeline import Setup

if TYPE_CHECKING:
    from keyring_bridge.keyring import Keyring


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.bridge.close()


@pytest.fixture
def keyring(setup: Setup) -> Keyring:
    return setup.keyring


def foreign_key() -> PublicKey:
    return PublicKey(KeyType.SECP256K1, coincurve.PrivateKey().public_key.format())


def test_a_generated_key_is_a_local_record_that_cannot_be_exported(keyring: Keyring) -> None:
    made = keyring.generate("ops")
    found = keyring.key("ops")
    assert found == made
    assert found.record.kind == "local"
    assert found.purpose is Purpose.ACCOUNT
    assert keyring.key_by_address(made.address) == made
    assert keyring.key_by_address(address.encode("cosmos", made.address)) == made
    for export in (keyring.export_priv_key_armor, keyring.export_priv_key_armor_by_address):
        with pytest.raises(ExportRefused, match=r"^private key extraction works only for Local$"):
            export(made.address if export == keyring.export_priv_key_armor_by_address else "ops")


@pytest.mark.parametrize("call", ["key", "delete", "destroy", "export_priv_key_armor", "export_pub_key_armor"])
def test_an_unknown_name(keyring: Keyring, call: str) -> None:
    with pytest.raises(KeyNotFound, match=r"^nobody\.info: key not found$"):
        getattr(keyring, call)("nobody")


@pytest.mark.parametrize(
    "call",
    ["key_by_address", "delete_by_address", "export_priv_key_armor_by_address", "export_pub_key_armor_by_address"],
)
def test_an_unknown_address(keyring: Keyring, call: str) -> None:
    raw = foreign_key().address
    text = address.encode("ve", raw)
    for asked in (raw, text):
        with pytest.raises(KeyNotFound, match=rf"^key with address {text} not found: key not found$"):
            getattr(keyring, call)(asked)
    with pytest.raises(InvalidAddress):
        getattr(keyring, call)("ve1nonsense")


def test_an_empty_name_has_the_sdks_text(keyring: Keyring) -> None:
    with pytest.raises(InvalidName, match=r"^no key name or address provided; have you forgotten the --from flag\?$"):
        keyring.key("")


def test_the_order_of_the_list_is_that_of_the_item_keys(keyring: Keyring) -> None:
    for name in ("val", "val-2", "Ops", "zeta", "é", "a/b"):
        keyring.save_offline_key(name, foreign_key())
    expected = sorted(("val", "val-2", "Ops", "zeta", "é", "a/b"), key=lambda name: f"{name}.info".encode())
    assert [record.name for record in keyring.list()] == expected
    assert expected[:3] == ["Ops", "a/b", "val-2"]
    assert keyring.migrate_all() == keyring.list()


def test_offline_and_multisig_records_sign_nothing(keyring: Keyring) -> None:
    members = (foreign_key(), foreign_key(), foreign_key())
    keyring.save_offline_key("cold", members[0])
    keyring.save_multisig("team", MultisigPublicKey(2, members))
    assert keyring.key("cold").record.kind == "offline"
    assert keyring.key("team").record.kind == "multi"
    for name in ("cold", "team"):
        with pytest.raises(CannotSign, match=r"^cannot sign with offline keys$"):
            keyring.sign(name, b"x", SignMode.DIRECT)
    with pytest.raises(InvalidKey):
        keyring.save_multisig("none", foreign_key())


@pytest.mark.parametrize(
    "make",
    [
        lambda keyring, name, key: keyring.save_offline_key(name, key),
        lambda keyring, name, key: keyring.generate(name),
        lambda keyring, name, key: keyring.import_priv_key_hex(name, "01" * 32, "secp256k1"),
    ],
)
def test_a_name_that_is_taken_stays_whose_it_is(
    setup: Setup, make: Callable[[Keyring, str, PublicKey], object]
) -> None:
    first = setup.keyring.save_offline_key("ops", foreign_key())
    with pytest.raises(KeyExists):
        make(setup.keyring, "ops", foreign_key())
    assert setup.keyring.list() == [first]
    assert setup.provider.keys == {}


def test_a_second_name_for_an_address_is_refused(setup: Setup) -> None:
    secret = "0x" + "42" * 32
    first = setup.keyring.import_priv_key_hex("ops", secret, "secp256k1")
    for again in (
        lambda: setup.keyring.save_offline_key("copy", first.record.public_key),
        lambda: setup.keyring.import_priv_key_hex("copy", secret, "secp256k1"),
    ):
        with pytest.raises(DuplicateAddress, match=r"^duplicated address created$"):
            again()
    assert setup.keyring.list() == [first]
    assert len(setup.provider.keys) == 1, "nothing was imported twice, and the first key is still there"


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 10_000, "a.info", "\u202eabc"])
def test_bad_names_change_nothing(setup: Setup, name: str) -> None:
    for make in (
        lambda: setup.keyring.generate(name),
        lambda: setup.keyring.save_offline_key(name, foreign_key()),
        lambda: setup.keyring.import_priv_key_hex(name, "01" * 32, "secp256k1"),
    ):
        with pytest.raises(InvalidName):
            make()
    assert setup.keyring.list() == []
    assert setup.provider.keys == {}


SECRET = "b" * 62 + "77"


@pytest.mark.parametrize(
    ("text", "algorithm", "error"),
    [
        ("", "secp256k1", InvalidKey),
        ("0", "secp256k1", InvalidKey),
        (SECRET + "00", "secp256k1", InvalidKey),
        (SECRET[:-2], "secp256k1", InvalidKey),
        ("zz" + SECRET[2:], "secp256k1", InvalidKey),
        (SECRET[:-1] + "é", "secp256k1", InvalidKey),
        ("00" * 32, "secp256k1", InvalidKey),
        ("ff" * 32, "secp256k1", InvalidKey),
        (SECRET, "sr25519", UnsupportedAlgorithm),
    ],
)
def test_private_keys_that_are_none_are_refused_without_being_repeated(
    setup: Setup, text: str, algorithm: str, error: type[BridgeError]
) -> None:
    with pytest.raises(error) as caught:
        setup.keyring.import_priv_key_hex("ops", text, algorithm)
    for shown in (str(caught.value), caught.value.detail or "", repr(caught.value.__cause__)):
        assert SECRET[:40] not in shown
    assert setup.provider.keys == {}


def test_an_imported_secret_is_wiped_and_never_audited(setup: Setup) -> None:
    secret = SecretBytes(bytearray(SECRET.encode()))
    setup.keyring.import_priv_key_hex("ops", secret, "secp256k1")
    entries = setup.entries()
    assert {"key.import.intent", "key.import.outcome", "challenge.intent"} <= {entry["kind"] for entry in entries}
    assert SECRET not in json.dumps(entries)


def test_rename_and_delete_leave_the_key_where_it_is(setup: Setup) -> None:
    made = setup.keyring.generate("ops")
    setup.keyring.save_offline_key("other", foreign_key())
    with pytest.raises(KeyExists, match=r"^rename failed, other: key already exists$"):
        setup.keyring.rename("ops", "other")
    renamed = setup.keyring.rename("ops", "ops-2")
    assert renamed.address == made.address
    assert renamed.record.name == "ops-2"
    with pytest.raises(KeyNotFound):
        setup.keyring.key("ops")
    setup.keyring.delete_by_address(made.address)
    assert setup.provider.keys, "the key itself stays"
    synced = setup.keyring.sync()
    assert [record.address for record in synced.added] == [made.address]


def test_destroy_ends_the_key_too(setup: Setup) -> None:
    setup.keyring.generate("ops")
    setup.keyring.destroy("ops")
    assert setup.provider.keys == {}
    assert setup.keyring.list() == []
    setup.keyring.save_offline_key("cold", foreign_key())
    with pytest.raises(CannotSign):
        setup.keyring.destroy("cold")


def test_compare_tells_store_and_token_apart(setup: Setup) -> None:
    kept = setup.keyring.generate("kept")
    gone = setup.keyring.generate("gone")
    assert gone.uri is not None
    del setup.provider.keys[gone.uri]
    stray = setup.provider.generate_key(KeySpec("stray", KeyType.SECP256K1))
    seen = setup.keyring.compare()
    assert seen.in_both == (kept,)
    assert seen.only_in_store == (gone,)
    assert seen.only_in_token == (stray,)


def test_sync_never_guesses(setup: Setup) -> None:
    """A taken label, a label that is no name, an unknown purpose: left alone, with the reason."""
    setup.keyring.save_offline_key("taken", foreign_key())
    for label in ("taken", "bad\nname", "fine"):
        setup.provider.generate_key(KeySpec(label, KeyType.SECP256K1))
    made = setup.provider.generate_key(KeySpec("nobody knows", KeyType.SECP256K1))
    setup.provider.forget_purpose(made.uri)
    result = setup.keyring.sync()
    assert [record.name for record in result.added] == ["fine"]
    assert {info.label: reason.split(":")[0] for info, reason in result.skipped} == {
        "taken": "key_exists",
        "bad\nname": "invalid_name",
        "nobody knows": "invalid_key",
    }
    assert [record.name for record in setup.keyring.sync(purpose=Purpose.ACCOUNT).added] == ["nobody knows"]


def test_what_this_release_lacks_says_so(keyring: Keyring) -> None:
    with pytest.raises(NotAvailable, match="no Ledger backend"):
        keyring.save_ledger_key("a", "secp256k1", "cosmos", 118, 0, 0)


def test_backend_and_algorithms(keyring: Keyring) -> None:
    assert keyring.backend() == "hsm"
    assert keyring.supported_algorithms() == (("secp256k1", "ed25519", "secp256r1", "eth_secp256k1"), ("secp256k1",))
