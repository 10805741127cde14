"""``hsm keys add`` with mnemonics, and ``import``, ``import-hex``, ``export``, ``parse``, on tokens and key files."""

from __future__ import annotations

import json
import os
from binascii import a2b_base64
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ecdsa
import pytest

from cosmos_formats import address, eth_address
from cosmos_formats.armor_keys import ArmoredPrivateKey, encrypt_private_key
from cosmos_formats.hashes import keccak256
from cosmos_formats.pubkeys import ETH_TYPE_URLS, TYPE_URLS, KeyType, PublicKey
from cosmos_formats.verify import verify
from tests.integration.cli.conftest import CHAIN
from tests.unit.bridge.sign_docs import send_doc

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

VECTORS = Path(__file__).parents[3] / "fixtures" / "vectors"
WORDS = "abandon " * 11 + "about"


def vector() -> dict[str, Any]:
    """One of the SDK's own: a mnemonic without passphrase, and its first account."""
    vectors = json.loads((VECTORS / "hd.json").read_text())["vectors"]
    return next(one for one in vectors if one["path"] == "m/44'/118'/0'/0/0" and not one["passphrase"])


def secret_file(cli: Cli, text: str, name: str = "secret") -> str:
    path = cli.home / name
    path.write_text(text)
    path.chmod(0o600)
    return f"file:{path}"


def public_key(cli: Cli, name: str) -> PublicKey:
    return PublicKey.from_proto_json(cli.json("keys", "show", name, "--pubkey"))


def sign(cli: Cli, name: str, key: PublicKey) -> tuple[bytes, bytes]:
    """Sign a transaction of the key's own with the starter policy; return the sign bytes and the signature."""
    document = send_doc(key, CHAIN)
    answer = cli.json("sign", name, stdin=document)
    return document, a2b_base64(answer["signature"])


def test_a_recovered_mnemonic_has_the_sdks_address_and_signs(cli: Cli) -> None:
    known = vector()
    record = cli.json("keys", "add", "ops", "--recover", "--source", secret_file(cli, known["mnemonic"] + "\n"))
    assert record["address"] == known["address"]
    assert record["hd_path"] == known["path"]
    assert record["policy"]["written"] is True
    assert record["extractable"] is (record["provider"] == "software")
    key = public_key(cli, "ops")
    assert key.data.hex() == known["public_key"]
    document, signature = sign(cli, "ops", key)
    # A library that had no part in signing.
    verifier = ecdsa.VerifyingKey.from_string(key.data, curve=ecdsa.SECP256k1)
    assert verifier.verify(signature, document, hashfunc=sha256)


def test_a_recovered_eth_key_hashes_with_keccak(cli: Cli) -> None:
    source = secret_file(cli, WORDS)
    record = cli.json("keys", "add", "eth", "--recover", "--source", source, "--algo", "eth_secp256k1")
    assert record["hd_path"] == "m/44'/60'/0'/0/0"
    assert record["eth_address"] == "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
    assert "0x9858EfFD" in cli.ok("keys", "show", "eth")
    key = public_key(cli, "eth")
    assert key.key_type is KeyType.ETH_SECP256K1
    document, signature = sign(cli, "eth", key)
    verifier = ecdsa.VerifyingKey.from_string(key.data, curve=ecdsa.SECP256k1)
    assert verifier.verify_digest(signature, keccak256(document))
    # The same private key has one record.
    cli.fails(
        "keys", "add", "plain", "--recover", "--source", source, "--coin-type", "60", code=5, error="duplicate_address"
    )
    assert cli.json("keys", "rename", "eth", "account")["name"] == "account"
    cli.ok("keys", "delete", "account", "--destroy", "--yes")
    other = cli.json("keys", "add", "inj", "--recover", "--source", source, "--algo", ETH_TYPE_URLS[2])
    assert json.loads(other["pubkey"])["@type"] == ETH_TYPE_URLS[2]


def test_an_eth_key_can_be_born_in_the_token(cli: Cli) -> None:
    record = cli.json("keygen", "--label", "eth", "--key-type", ETH_TYPE_URLS[1])
    key = public_key(cli, "eth")
    assert key.type_url == ETH_TYPE_URLS[1]
    assert eth_address.encode(key.address) == record["eth_address"]
    document, signature = sign(cli, "eth", key)
    assert verify(key, document, signature)
    cli.ok("keys", "delete", "eth", "--yes")
    assert cli.json("keys", "sync", "--dry-run")["only_in_token"][0]["label"] == "eth"
    cli.json("keys", "add", "eth", "--label", "eth", "--key-type", ETH_TYPE_URLS[1])
    assert public_key(cli, "eth") == key


def test_a_new_mnemonic_is_shown_once(cli: Cli) -> None:
    done = cli.run("-o", "json", "keys", "add", "ops")
    assert done.code == 0, done
    words = done.err.strip().splitlines()[-1]
    assert len(words.split(" ")) == 24
    assert "shown this once" in done.err
    assert words not in done.out
    assert "mnemonic" not in done.data
    cli.ok("keys", "delete", "ops", "--destroy", "--yes")
    again = cli.json("keys", "add", "ops", "--recover", "--source", secret_file(cli, words))
    assert again["address"] == done.data["address"]
    assert words not in "".join(path.read_text() for path in cli.folder.rglob("*.jsonl"))
    silent = cli.run("keys", "add", "spare", "--no-backup")
    assert silent.code == 0
    assert len(max(silent.err.splitlines() or [""], key=len).split(" ")) < 24


def test_typed_on_a_terminal(cli: Cli) -> None:
    known = vector()
    done = cli.on_terminal("keys", "add", "ops", "--recover", answers={"mnemonic: ": known["mnemonic"]})
    assert done.code == 0, done
    assert known["address"] in done.out
    assert known["mnemonic"] not in done.out, "it must not be echoed"
    answers = {"passphrase: ": "extra", "passphrase again: ": "other"}
    done = cli.on_terminal("keys", "add", "new", "--bip39-passphrase", "prompt", answers=answers)
    assert done.code == 2, done
    assert "differ" in done.out
    answers = {"passphrase: ": "extra", "passphrase again: ": "extra"}
    done = cli.on_terminal("keys", "add", "new", "--bip39-passphrase", "prompt", answers=answers)
    assert done.code == 0, done
    words = next(line for line in done.out.splitlines() if len(line.split(" ")) == 24 and line.islower())
    before = cli.json("keys", "show", "new")["address"]
    cli.ok("keys", "delete", "new", "--destroy", "--yes")
    sources = ["--source", secret_file(cli, words), "--bip39-passphrase", secret_file(cli, "extra", "extra")]
    assert cli.json("keys", "add", "new", "--recover", *sources)["address"] == before


def test_from_a_descriptor(cli: Cli) -> None:
    reader, writer = os.pipe()
    os.write(writer, vector()["mnemonic"].encode() + b"\n")
    os.close(writer)
    done = cli.run("-o", "json", "keys", "add", "ops", "--recover", "--source", f"fd:{reader}", pass_fds=(reader,))
    os.close(reader)
    assert done.data["address"] == vector()["address"]


@pytest.mark.parametrize(
    ("words", "options", "code", "error"),
    [
        (WORDS.replace("about", "abandon"), [], 2, "invalid_mnemonic"),
        (WORDS.upper(), [], 2, "invalid_mnemonic"),
        (WORDS.replace(" ", "  ", 1), [], 2, "invalid_mnemonic"),
        (WORDS, ["--hd-path", "m/44h/118h/0h/0/0"], 2, "invalid_path"),
        (WORDS, ["--hd-path", "m/0"], 2, "invalid_path"),
        (WORDS, ["--hd-path", ""], 2, "invalid_path"),
        (WORDS, ["--account", "2147483648"], 2, "invalid_path"),
        (WORDS, ["--account", "-1"], 2, "invalid_request"),
        (WORDS, ["--index", "x"], 2, "usage_error"),
        (WORDS, ["--algo", "ed25519"], 2, "unsupported_algorithm"),
        (WORDS, ["--algo", "rsa"], 2, "unsupported_algorithm"),
        (WORDS, ["--purpose", "consensus"], 2, "usage_error"),
        (WORDS, ["--hd-path", "m/44'/118'/0'/0/0", "--index", "1"], 2, "usage_error"),
        (WORDS, ["--label", "x"], 2, "usage_error"),
        (WORDS, ["--pubkey", "{}"], 2, "usage_error"),
    ],
)
def test_what_is_refused(software: Cli, words: str, options: list[str], code: int, error: str) -> None:
    source = secret_file(software, words)
    told = software.fails("keys", "add", "x", "--recover", "--source", source, *options, code=code, error=error)
    assert not any(word in json.dumps(told) for word in ("abandon", "ABANDON"))
    assert software.json("keys", "list") == []


def test_paths_and_flags(software: Cli) -> None:
    source = ["--recover", "--source", secret_file(software, WORDS)]
    added = software.json("keys", "add", "a", *source, "--account", "3", "--index", "7", "--coin-type", "330")
    assert added["hd_path"] == "m/44'/330'/3'/0/7"
    assert software.json("keys", "add", "b", *source, "--hd-path", "m/0", "--allow-unhardened")["hd_path"] == "m/0"
    software.fails("keys", "add", "b", "--no-backup", code=5, error="key_exists")
    software.fails("keys", "add", "c", "--source", source[-1], code=2, error="usage_error")
    software.fails("keys", "add", "c", "--recover", "--source", WORDS, code=3, error="config_invalid")


def test_armor(cli: Cli) -> None:
    secret = bytearray(b"\x21" * 32)
    armor = encrypt_private_key(
        ArmoredPrivateKey(KeyType.SECP256K1, TYPE_URLS[KeyType.SECP256K1], secret), b"pass phrase", bytes(16)
    )
    path = cli.home / "key.armor"
    path.write_text(armor)
    wrong = ["--passphrase", secret_file(cli, "another", "wrong")]
    cli.fails("keys", "import", "ops", str(path), *wrong, code=7, error="passphrase_incorrect")
    right = ["--passphrase", secret_file(cli, "pass phrase", "right")]
    record = cli.json("keys", "import", "ops", str(path), *right)
    assert record["type"] == "local"
    assert record["policy"]["written"] is True
    key = public_key(cli, "ops")
    document, signature = sign(cli, "ops", key)
    assert verify(key, document, signature)
    cli.fails("keys", "import", "ops", str(path), *right, code=5, error="key_exists")
    told = cli.fails("keys", "export", "ops", code=5, error="export_refused")
    assert told["message"] == "private key extraction works only for Local"
    for flags in (["--unarmored-hex", "--unsafe"], ["--public", "--unarmored-hex"]):
        cli.fails("keys", "export", "ops", *flags, code=5, error="export_refused")
    public = cli.ok("keys", "export", "ops", "--public")
    assert cli.json("keys", "export", record["address"], "--public")["armor"] == public
    (cli.home / "public.armor").write_text(public)
    cli.ok("keys", "delete", "ops", "--destroy", "--yes")
    kept = cli.json("keys", "import", "cold", str(cli.home / "public.armor"))
    assert (kept["type"], kept["address"], kept["policy"]) == ("offline", record["address"], None)


def test_files_that_are_no_armor(software: Cli) -> None:
    source = ["--passphrase", secret_file(software, "x")]
    cases = {b"": "invalid_armor", b"\xff\xfe": "invalid_armor", b"x" * 70_000: "invalid_armor"}
    for content, error in cases.items():
        (software.home / "file").write_bytes(content)
        software.fails("keys", "import", "x", str(software.home / "file"), *source, code=2, error=error)
    software.fails("keys", "import", "x", str(software.home / "none"), *source, code=1, error="file_failed")


def test_hexadecimal_digits(cli: Cli) -> None:
    digits = "0x" + "5a" * 32
    told = cli.fails("keys", "import-hex", "ops", digits, code=2, error="usage_error")
    assert digits not in json.dumps(told)
    record = cli.json("keys", "import-hex", "ops", "--source", secret_file(cli, digits))
    assert record["key_type"] == "secp256k1"
    key = public_key(cli, "ops")
    document, signature = sign(cli, "ops", key)
    assert verify(key, document, signature)
    cli.fails("keys", "import-hex", "x", "--source", secret_file(cli, "5a" * 31), code=2, error="invalid_key")
    done = cli.on_terminal("keys", "import-hex", "typed", "--key-type", "ed25519", answers={"digits: ": "11" * 32})
    assert done.code == 0, done
    assert "11" * 32 not in done.out
    assert cli.json("keys", "show", "typed")["key_type"] == "ed25519"


def test_parse(software: Cli) -> None:
    raw = bytes(range(20))
    text = address.encode("ve", raw)
    assert software.json("keys", "parse", text) == {
        "human": "ve",
        "bytes": raw.hex().upper(),
        "ethereum": eth_address.encode(raw),
    }
    for form in (raw.hex(), raw.hex().upper(), eth_address.encode(raw)):
        formats = software.json("keys", "parse", form)["formats"]
        assert formats[0] == text
        assert [one.rpartition("1")[0] for one in formats] == [
            *("ve", "vepub", "vevaloper", "vevaloperpub", "vevalcons", "vevalconspub")
        ]
    assert software.json("keys", "parse", raw.hex(), "--prefix", "cosmos")["formats"][0].startswith("cosmos1")
    assert text in software.ok("keys", "parse", raw.hex())
    for bad in ("", "xyz", "00", "0x00", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed", text[:-1] + "q", "zz" * 20):
        software.fails("keys", "parse", bad, code=2, error="invalid_address")
