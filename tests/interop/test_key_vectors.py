"""Mnemonics, derived keys and armor against vectors that the Cosmos SDK wrote (see fixtures/README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import coincurve
import pytest

from cosmos_formats import address, armor_keys, eth_address, hd_keys, mnemonic, private_keys
from cosmos_formats.errors import FormatError
from cosmos_formats.hashes import keccak256
from cosmos_formats.hd import Bip44Path, HdPath
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.verify import verify
from keyring_bridge.ceremony.recipe import Recipe
from keyring_bridge.key_kinds import KeyKind
from keyring_bridge.secrets import SecretBytes

VECTORS = Path(__file__).parents[2] / "fixtures" / "vectors"


def load(name: str, part: str = "vectors") -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))[part]
    assert vectors
    return vectors


def split(vectors: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return those that the SDK reads, and those that it refuses."""
    good = [vector for vector in vectors if "error" not in vector]
    bad = [vector for vector in vectors if "error" in vector]
    assert good
    assert bad
    return good, bad


# --- mnemonics -------------------------------------------------------------------------------------------------------


def test_mnemonics() -> None:
    for vector in split(load("mnemonics"))[0]:
        words = vector["mnemonic"].encode()
        mnemonic.check(words)
        if "entropy" in vector:
            assert mnemonic.from_entropy(bytes.fromhex(vector["entropy"])) == words
        assert mnemonic.to_seed(words, vector["passphrase"].encode()).hex() == vector["seed"]


def test_what_the_sdk_takes_for_no_mnemonic() -> None:
    for vector in split(load("mnemonics"))[1]:
        with pytest.raises(FormatError) as caught:
            mnemonic.check(vector["mnemonic"].encode())
        said = str(caught.value)
        if vector["error"].startswith("Word `"):
            # The SDK's error holds the word.
            assert said.endswith(" not found in reverse map")
        elif vector["mnemonic"].isascii():
            assert said == vector["error"]
        else:
            # Spaces of other scripts do not part words here.
            assert said == "Invalid mnemonic"


# --- derivation ------------------------------------------------------------------------------------------------------


def test_derived_keys() -> None:
    for vector in split(load("hd"))[0]:
        seed = mnemonic.to_seed(vector["mnemonic"].encode(), vector["passphrase"].encode())
        key = hd_keys.derive(seed, HdPath.parse(vector["path"], allow_unhardened=True))
        assert key.hex() == vector["private_key"]
        public = PublicKey(KeyType.SECP256K1, coincurve.PrivateKey(bytes(key)).public_key.format())
        assert public.data.hex() == vector["public_key"]
        assert address.encode("ve", public.address) == vector["address"]
        eth = PublicKey(KeyType.ETH_SECP256K1, public.data)
        assert eth_address.encode(eth.address) == vector["eth_address"]
        human, raw = address.decode(vector["eth_bech32"])
        assert raw == eth.address
        assert address.encode(human, eth.address) == vector["eth_bech32"]


def test_paths_that_the_sdk_refuses() -> None:
    refused = [vector for vector in split(load("hd"))[1] if vector["error"] != "Invalid mnemonic"]
    assert refused
    for vector in refused:
        with pytest.raises(FormatError) as caught:
            HdPath.parse(vector["path"], allow_unhardened=True)
        assert str(caught.value) == vector["error"]


def test_only_paths_with_a_hardened_account_need_no_flag() -> None:
    hardened = {"m/44'/118'/0'/0/0": True}
    for vector in split(load("hd"))[0]:
        path = HdPath.parse(vector["path"], allow_unhardened=True)
        levels = str(path).split("/")[1:4]
        expected = hardened[vector["path"]] = len(levels) == 3 and all(level.endswith("'") for level in levels)
        assert path.keeps_to_its_account == expected
    assert set(hardened.values()) == {True, False}


def test_bip44_paths() -> None:
    good, bad = split(load("hd", "bip44"))
    for vector in good:
        fields = (vector[name] for name in ("purpose", "coin_type", "account", "change", "address_index"))
        assert Bip44Path.parse(vector["path"]) == Bip44Path(*fields)
    for vector in bad:
        with pytest.raises(FormatError) as caught:
            Bip44Path.parse(vector["path"])
        assert str(caught.value) == vector["error"]


def test_ethereums_keys() -> None:
    for vector in load("hd", "eth"):
        key = PublicKey(KeyType.ETH_SECP256K1, bytes.fromhex(vector["public_key"]))
        message = bytes.fromhex(vector["message"])
        assert eth_address.encode(key.address) == vector["address"]
        assert key.hash(message) == keccak256(message) == bytes.fromhex(vector["digest"])
        signature = bytes.fromhex(vector["signature"])[:64]
        assert verify(key, message, signature)
        assert not verify(key.plain, message, signature)


# --- armor -----------------------------------------------------------------------------------------------------------

STRICTER = {"other block at the end"}
"""What the SDK reads, and is refused here."""


def armored(kind: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return split([vector for vector in load("armor") if vector["kind"] == kind])


def test_private_armor() -> None:
    for vector in armored("private")[0]:
        passphrase = vector.get("passphrase", "").encode()
        if vector["name"] in STRICTER:
            with pytest.raises(FormatError):
                armor_keys.decrypt_private_key(vector["armor"], passphrase)
            continue
        opened = armor_keys.decrypt_private_key(vector["armor"], passphrase)
        # An ed25519 key of the SDK repeats its public half.
        assert vector["private_key"].startswith(opened.secret.hex())
        assert len(opened.secret) == 32
        if "not the key's" not in vector["name"]:
            assert opened.key_type == vector["algo"]


def test_private_armor_that_is_written_here() -> None:
    (vector,) = (vector for vector in load("armor") if vector["name"] == "argon2")
    opened = armor_keys.decrypt_private_key(vector["armor"], vector["passphrase"].encode())
    salt = next(line for line in vector["armor"].splitlines() if line.startswith("salt: "))[6:]
    written = armor_keys.encrypt_private_key(opened, vector["passphrase"].encode(), bytes.fromhex(salt))
    assert written.strip() == vector["armor"]


def test_private_armor_that_the_sdk_refuses() -> None:
    for vector in armored("private")[1]:
        with pytest.raises(FormatError) as caught:
            armor_keys.decrypt_private_key(vector["armor"], vector.get("passphrase", "").encode())
        expected = vector["error"].partition(" at input byte")[0]
        if vector["name"] == "indented":  # its closing line is one of base64 to the SDK
            expected = "unexpected EOF"
        if expected != "neither a key nor an error":  # the SDK's own fault: it panics with these
            assert str(caught.value).startswith(expected)


def test_public_armor() -> None:
    vectors = armored("public")[0]
    packed = {vector["name"]: vector["any"] for vector in vectors}
    for vector in vectors:
        key = armor_keys.decode_public_key(vector["armor"])
        # The members of an amino multisig key are lost when the SDK packs what it just read.
        same = vector["name"].replace("amino, multisig", "multisig")
        assert key.to_any().encode().hex() == packed[same]
        again = armor_keys.encode_public_key(key)
        assert armor_keys.decode_public_key(again) == key
        if vector["name"] in ("0.0.1, secp256k1", "0.0.1, ed25519", "0.0.1, secp256r1", "0.0.1, multisig"):
            assert again.strip() == vector["armor"]


def test_public_armor_that_the_sdk_refuses() -> None:
    for vector in armored("public")[1]:
        with pytest.raises(FormatError) as caught:
            armor_keys.decode_public_key(vector["armor"])
        if "bytes" not in vector and "algo" not in vector:
            assert str(caught.value) == vector["error"]


# --- consensus keys of mnemonics -------------------------------------------------------------------------------------


def test_the_consensus_key_of_a_mnemonic() -> None:
    for vector in load("hd", "consensus"):
        seed = mnemonic.to_ed25519_seed(vector["mnemonic"].encode())
        assert seed.hex() == vector["seed"]
        public_key = private_keys.public_half(KeyType.ED25519, seed)
        assert public_key.data.hex() == vector["public_key"]
        assert address.encode("vevalcons", public_key.address) == vector["address"]
    with pytest.raises(FormatError):
        mnemonic.to_ed25519_seed(b"abandon " * 11 + b"abandon")


@pytest.mark.parametrize("words", [12, 24])
def test_a_recipe_makes_the_keys_that_the_sdk_derives(words: int) -> None:
    vectors = [one for one in split(load("hd"))[0] if len(one["mnemonic"].split()) == words]
    for vector in vectors[:12]:
        recipe = Recipe(KeyKind.of("secp256k1"), HdPath.parse(vector["path"]))
        passphrase = SecretBytes(vector["passphrase"].encode()) if vector["passphrase"] else None
        with recipe.secret(SecretBytes(vector["mnemonic"].encode()), passphrase) as secret:
            assert secret.reveal().hex() == vector["private_key"]
            assert address.encode("ve", recipe.public_key(secret).address) == vector["address"]
