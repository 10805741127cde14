"""Keys from mnemonics and armor: what they become, what is refused, and that nothing tells a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import coincurve
import pytest

from cosmos_formats import address, armor_keys, eth_address, hd_keys
from cosmos_formats import mnemonic as mnemonic_format
from cosmos_formats.armor_keys import ArmoredPrivateKey
from cosmos_formats.hashes import keccak256
from cosmos_formats.multisig import MultisigPublicKey
from cosmos_formats.pubkeys import ETH_TYPE_URLS, TYPE_URLS, KeyType, PublicKey
from cosmos_formats.signature import rs_to_der
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import (
    BridgeError,
    DuplicateAddress,
    InvalidArmor,
    InvalidKey,
    InvalidMnemonic,
    InvalidName,
    InvalidPath,
    InvalidRequest,
    InvalidSignDoc,
    KeyExists,
    KeyNotFound,
    NoPolicy,
    PassphraseIncorrect,
    UnsupportedAlgorithm,
)
from keyring_bridge.secrets import SecretBytes
from tests.unit.bridge.pipeline import CHAIN, Setup
from tests.unit.bridge.sign_docs import send_doc

if TYPE_CHECKING:
    from keyring_bridge.keyring import Keyring

WORDS = "abandon " * 11 + "about"
COSMOS = "m/44'/118'/0'/0/0"
ETHEREUM = "m/44'/60'/0'/0/0"

# Addresses that wallets show for these words.
COSMOS_ADDRESS = "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4"
ETHEREUM_ADDRESS = "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.bridge.close()


@pytest.fixture
def keyring(setup: Setup) -> Keyring:
    return setup.keyring


def secret(text: str) -> SecretBytes:
    return SecretBytes(text.encode())


def armored(key: bytes = b"\x11" * 32, url: str = TYPE_URLS[KeyType.SECP256K1]) -> str:
    key_type = KeyType.ETH_SECP256K1 if url in ETH_TYPE_URLS else KeyType.SECP256K1
    return armor_keys.encrypt_private_key(ArmoredPrivateKey(key_type, url, bytearray(key)), b"passphrase", bytes(16))


def test_a_known_mnemonic_gives_the_address_that_wallets_show(setup: Setup) -> None:
    record = setup.keyring.new_account("ops", secret(WORDS), None, COSMOS, "secp256k1")
    assert address.encode("cosmos", record.address) == COSMOS_ADDRESS
    assert record.record.kind == "local"
    assert setup.keyring.key("ops") == record
    (imported,) = setup.provider.keys.values()
    assert imported[0].public_key == record.record.public_key


def test_an_eth_key_is_a_plain_key_in_the_token(setup: Setup) -> None:
    record = setup.keyring.new_account("eth", secret(WORDS), None, ETHEREUM, "eth_secp256k1")
    public_key = record.record.public_key
    assert isinstance(public_key, PublicKey)
    assert eth_address.encode(record.address) == ETHEREUM_ADDRESS
    assert record.key_type is KeyType.ETH_SECP256K1
    assert public_key.type_url == ETH_TYPE_URLS[0]
    (imported,) = setup.provider.keys.values()
    assert imported[0].public_key == public_key.plain
    assert setup.keyring.rename("eth", "account").record.public_key == public_key
    setup.allow("account")
    document = send_doc(public_key, CHAIN)
    signed = setup.keyring.sign("account", document, SignMode.DIRECT)
    assert signed.public_key == public_key
    recovered = coincurve.PublicKey(public_key.data)
    assert recovered.verify(rs_to_der(signed.signature, KeyType.SECP256K1), keccak256(document), hasher=None)
    for other in (public_key.plain, PublicKey(public_key.key_type, public_key.data, ETH_TYPE_URLS[2])):
        with pytest.raises(InvalidSignDoc):
            setup.keyring.sign("account", send_doc(other, CHAIN), SignMode.DIRECT)
    setup.keyring.destroy("account")
    assert setup.provider.keys == {}


@pytest.mark.parametrize("url", ETH_TYPE_URLS)
def test_the_type_url_of_a_chain_is_in_the_record(keyring: Keyring, url: str) -> None:
    for name, make in (
        ("derived", lambda: keyring.new_account("derived", secret(WORDS), None, ETHEREUM, url)),
        ("digits", lambda: keyring.import_priv_key_hex("digits", "22" * 32, url)),
        ("armored", lambda: keyring.import_priv_key("armored", armored(url=url), secret("passphrase"))),
        ("made", lambda: keyring.generate("made", KeyType.ETH_SECP256K1, url=url)),
    ):
        make()
        assert keyring.key(name).record.public_key.type_url == url


def test_a_key_in_the_token_can_be_adopted_as_an_eth_key(setup: Setup) -> None:
    from keyring_bridge.model import KeySpec

    info = setup.provider.generate_key(KeySpec("k", KeyType.SECP256K1))
    with pytest.raises(InvalidKey, match="is a secp256k1 key, not ed25519"):
        setup.keyring.adopt(info, "memory", algorithm="ed25519")
    record = setup.keyring.adopt(info, "memory", algorithm=ETH_TYPE_URLS[1])
    assert record.record.public_key == PublicKey(KeyType.ETH_SECP256K1, info.public_key.data, ETH_TYPE_URLS[1])
    assert setup.keyring.compare().only_in_token == ()


def test_a_new_mnemonic_gives_the_key_again(setup: Setup) -> None:
    record, mnemonic = setup.keyring.new_mnemonic("ops", "english", COSMOS, secret("extra"), "secp256k1")
    assert len(mnemonic.reveal().split(b" ")) == 24
    setup.keyring.destroy("ops")
    again = setup.keyring.new_account("ops", mnemonic, secret("extra"), COSMOS, "secp256k1")
    assert again.address == record.address
    other, _ = setup.keyring.new_mnemonic("other", "english", COSMOS, None, "secp256k1")
    assert other.address != record.address


def test_a_passphrase_gives_another_key(keyring: Keyring) -> None:
    plain = keyring.new_account("plain", secret(WORDS), None, COSMOS, "secp256k1")
    empty = secret("")
    with pytest.raises(DuplicateAddress):
        keyring.new_account("empty", secret(WORDS), empty, COSMOS, "secp256k1")
    assert keyring.new_account("other", secret(WORDS), secret("TREZOR"), COSMOS, "secp256k1").address != plain.address


@pytest.mark.parametrize(
    ("kwargs", "error", "text"),
    [
        ({"words": WORDS.replace("about", "abandon")}, InvalidMnemonic, "Invalid byte at position 16"),
        ({"words": WORDS + "\n"}, InvalidMnemonic, "Word 12 not found in reverse map"),
        ({"words": "hello"}, InvalidMnemonic, "Invalid mnemonic"),
        ({"path": "m/44h/118'/0'/0/0"}, InvalidPath, "invalid BIP 32 path"),
        ({"path": ""}, InvalidPath, "hardened"),
        ({"path": "m/44'/118'/0/0/0"}, InvalidPath, "hardened"),
        ({"algorithm": "ed25519"}, UnsupportedAlgorithm, "unsupported signing algo"),
        ({"algorithm": "secp256r1"}, UnsupportedAlgorithm, "unsupported signing algo"),
        ({"algorithm": "rsa"}, UnsupportedAlgorithm, "rsa: unsupported signing algo"),
        ({"uid": "a\nb"}, InvalidName, "invisible"),
        ({"uid": "taken"}, KeyExists, "taken: key already exists"),
    ],
)
def test_what_is_refused_changes_nothing(
    setup: Setup, kwargs: dict[str, str], error: type[BridgeError], text: str
) -> None:
    taken = setup.keyring.save_offline_key(
        "taken", PublicKey(KeyType.SECP256K1, coincurve.PrivateKey().public_key.format())
    )
    given = {"uid": "ops", "words": WORDS, "path": COSMOS, "algorithm": "secp256k1"} | kwargs
    with pytest.raises(error) as caught:
        setup.keyring.new_account(given["uid"], secret(given["words"]), None, given["path"], given["algorithm"])
    assert text in caught.value.message
    assert not any(word in f"{caught.value!r} {caught.value.hint}" for word in ("about", "abandon"))
    assert setup.keyring.list() == [taken]
    assert setup.provider.keys == {}
    if "words" not in kwargs:
        with pytest.raises(error):
            setup.keyring.new_mnemonic(given["uid"], "english", given["path"], None, given["algorithm"])
        assert setup.provider.keys == {}


def test_only_english(keyring: Keyring) -> None:
    with pytest.raises(InvalidRequest, match=r"^unsupported language: only english is supported$"):
        keyring.new_mnemonic("ops", "japanese", COSMOS, None, "secp256k1")


def test_unhardened_paths_need_their_flag(keyring: Keyring) -> None:
    for name, path in (("master", ""), ("short", "m/0"), ("open", "m/44'/118'/0/0/0")):
        record = keyring.new_account(name, secret(WORDS), None, path, "secp256k1", allow_unhardened=True)
        assert keyring.key(name) == record
        made, mnemonic = keyring.new_mnemonic(f"{name}2", "english", path, None, "secp256k1", allow_unhardened=True)
        mnemonic.wipe()
        assert keyring.key(made.name) == made


def test_one_private_key_has_one_record(setup: Setup) -> None:
    """The same key under two kinds of addresses would be two keys for policies, and two objects in the token."""
    setup.keyring.import_priv_key_hex("ops", "33" * 32, "secp256k1")
    for algorithm in ("secp256k1", "eth_secp256k1", ETH_TYPE_URLS[3]):
        with pytest.raises(DuplicateAddress, match=r"^duplicated address created$"):
            setup.keyring.import_priv_key_hex("again", "33" * 32, algorithm)
    assert len(setup.provider.keys) == 1


def test_an_armored_private_key(setup: Setup) -> None:
    with pytest.raises(PassphraseIncorrect, match=r"^failed to decrypt private key: invalid account password$"):
        setup.keyring.import_priv_key("ops", armored(), secret("wrong"))
    for text in ("", "no armor", armored().replace("kdf: argon2", "kdf: none")):
        with pytest.raises(InvalidArmor, match=r"^failed to decrypt private key: "):
            setup.keyring.import_priv_key("ops", text, secret("passphrase"))
    assert setup.provider.keys == {}
    record = setup.keyring.import_priv_key("ops", armored(), secret("passphrase"))
    expected = coincurve.PrivateKey(b"\x11" * 32).public_key.format()
    assert record.record.public_key == PublicKey(KeyType.SECP256K1, expected)
    with pytest.raises(KeyExists, match=r"^ops: cannot overwrite key$"):
        setup.keyring.import_priv_key("ops", armored(b"\x12" * 32), secret("passphrase"))
    with pytest.raises(DuplicateAddress):
        setup.keyring.import_priv_key("again", armored(), secret("passphrase"))


@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32])
def test_an_armor_around_no_key(keyring: Keyring, key: bytes) -> None:
    with pytest.raises(InvalidKey, match="out of range"):
        keyring.import_priv_key("ops", armored(key), secret("passphrase"))
    assert keyring.list() == []


def test_public_keys_go_out_and_in(setup: Setup, tmp_path: Path) -> None:
    made = setup.keyring.generate("ops")
    text = setup.keyring.export_pub_key_armor("ops")
    assert setup.keyring.export_pub_key_armor_by_address(made.address) == text
    with pytest.raises(DuplicateAddress):
        setup.keyring.import_pub_key("copy", text)
    with pytest.raises(KeyExists, match=r"^ops: cannot overwrite key$"):
        setup.keyring.import_pub_key("ops", text)
    with pytest.raises(InvalidArmor, match=r"^couldn't unarmor bytes: EOF$"):
        setup.keyring.import_pub_key("copy", "x")
    lines = [line for line in text.replace("Ch8v", "Ch9v").splitlines() if not line.startswith("=")]
    with pytest.raises(InvalidKey):
        setup.keyring.import_pub_key("copy", "\n".join(lines))
    setup.keyring.delete("ops")
    kept = setup.keyring.import_pub_key("copy", text)
    assert kept.record.kind == "offline"
    assert kept.address == made.address
    group = MultisigPublicKey(1, (PublicKey(KeyType.ETH_SECP256K1, coincurve.PrivateKey().public_key.format()),))
    offline = setup.keyring.import_pub_key("group", armor_keys.encode_public_key(group))
    assert offline.record.public_key == group
    assert setup.keyring.export_pub_key_armor("group") == armor_keys.encode_public_key(group)
    with pytest.raises(KeyNotFound):
        setup.keyring.export_pub_key_armor("nobody")


def test_the_audit_log_says_where_a_key_came_from_and_no_secret(setup: Setup) -> None:
    setup.keyring.new_account("ops", secret(WORDS), secret("hidden phrase"), COSMOS, "secp256k1")
    setup.keyring.import_priv_key("old", armored(), secret("passphrase"))
    setup.keyring.import_priv_key_hex("raw", "44" * 32, "eth_secp256k1")
    _, mnemonic = setup.keyring.new_mnemonic("new", "english", ETHEREUM, None, "eth_secp256k1")
    told = [entry for entry in setup.entries() if entry["kind"] == "key.import.intent"]
    assert [entry.get("source") for entry in told] == ["mnemonic", "armor", None, "mnemonic"]
    assert [entry.get("path") for entry in told] == [COSMOS, None, None, ETHEREUM]
    assert [entry["type"] for entry in told] == ["secp256k1", "secp256k1", "eth_secp256k1", "eth_secp256k1"]
    everything = json.dumps(setup.entries())
    for hidden in ("abandon", "hidden phrase", "passphrase", "11" * 32, "44" * 32, mnemonic.reveal().decode()):
        assert hidden not in everything


def test_an_imported_key_without_a_policy_signs_nothing(keyring: Keyring) -> None:
    record = keyring.new_account("ops", secret(WORDS), None, COSMOS, "secp256k1")
    assert isinstance(record.record.public_key, PublicKey)
    with pytest.raises(NoPolicy):
        keyring.sign("ops", send_doc(record.record.public_key, CHAIN), SignMode.DIRECT)


def test_every_secret_on_the_way_is_wiped(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytearray] = []

    def record(module: ModuleType, name: str) -> None:
        itself = getattr(module, name)

        def recording(*arguments: object) -> object:
            answer = itself(*arguments)
            made.append(getattr(answer, "secret", answer))
            return answer

        monkeypatch.setattr(module, name, recording)

    record(mnemonic_format, "from_entropy")
    record(mnemonic_format, "to_seed")
    record(hd_keys, "derive")
    record(armor_keys, "decrypt_private_key")
    _, words = keyring.new_mnemonic("new", "english", COSMOS, None, "secp256k1")
    assert [buffer for buffer in made if any(buffer)] == [words.reveal()]
    words.wipe()
    keyring.new_account("ops", secret(WORDS), None, COSMOS, "secp256k1")
    keyring.import_priv_key("old", armored(), secret("passphrase"))
    with pytest.raises(DuplicateAddress):
        keyring.new_account("again", secret(WORDS), None, COSMOS, "secp256k1")
    with pytest.raises(InvalidPath):
        keyring.new_mnemonic("none", "english", "m/0", None, "secp256k1")
    assert len(made) == 3 + 2 + 1 + 2 + 1
    assert not any(map(any, made))
