"""Every kind of source moves into a SoftHSM2 token, its secrets given in every way that there is.

Public halves, addresses and proofs are computed and verified here with libraries that had no part in the migration.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ecdsa
import pytest
from Crypto.Hash import RIPEMD160, keccak
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cosmos_formats import address
from cosmos_formats.record import Ledger
from keyring_bridge.bridge import CHALLENGE_PREFIX
from keyring_bridge.store.base import LastSigned
from keyring_bridge.store.sqlite import SqliteStore
from tests.integration.cli.conftest import with_token

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
PASSPHRASE = "correct horse"
ED25519, SECP256K1, ETH = "ed25519", "secp256k1", "eth_secp256k1"


def public_half(kind: str, secret: bytes) -> bytes:
    if kind == ED25519:
        key = Ed25519PrivateKey.from_private_bytes(secret)
        return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    point: bytes = ecdsa.SigningKey.from_string(secret, curve=ecdsa.SECP256k1).verifying_key.to_string("compressed")
    return point


def address_of(kind: str, public: bytes) -> bytes:
    if kind == ED25519:
        return sha256(public).digest()[:20]
    if kind == ETH:
        point = ecdsa.VerifyingKey.from_string(public, curve=ecdsa.SECP256k1).to_string()
        return keccak.new(digest_bits=256, data=point).digest()[12:]
    return RIPEMD160.new(sha256(public).digest()).digest()


def verifies(kind: str, public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        if kind == ED25519:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
            return True
        # A token knows curves only, so a challenge is hashed with the curve's usual function.
        key = ecdsa.VerifyingKey.from_string(public, curve=ecdsa.SECP256k1)
        return bool(key.verify(signature, message, hashfunc=sha256))
    except (InvalidSignature, ecdsa.BadSignatureError):
        return False


@dataclass
class Case:
    """A source, what the command has to be told about it, and what must come of it.

    Attributes:
        secret: The 32 bytes, known beforehand.
        source: The file to name; None if the options name the secret.
        files: All that lies around, by path below a folder.
        options: With ``{name}`` for the path of a file.
        signed: What the source says was signed last, with the chain's id.
    """

    secret: bytes
    source: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    key_type: str = SECP256K1
    purpose: str = "account"
    signed: tuple[str, LastSigned] | None = None


def new_secret() -> bytes:
    return b"\x01" + os.urandom(31)


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def armored(name: str) -> Case:
    """An armor that the SDK's own library wrote."""
    vectors = json.loads((FIXTURES / "vectors" / "armor.json").read_text())["vectors"]
    vector = next(one for one in vectors if one["name"] == name)
    purpose = ("--purpose", "account") if vector["algo"] == ED25519 else ()
    return Case(
        bytes.fromhex(vector["private_key"])[:32],
        "armor",
        {"armor": vector["armor"].encode(), "pass": vector["passphrase"].encode()},
        ("--password", "file:{pass}", *purpose),
        vector["algo"],
    )


def from_mnemonic(path: str, passphrase: str, *options: str, key_type: str = SECP256K1, file: bool = False) -> Case:
    """Words, with the keys that the SDK derives from them."""
    vectors = json.loads((FIXTURES / "vectors" / "hd.json").read_text())["vectors"]
    vector = next(one for one in vectors if (one["path"], one["passphrase"]) == (path, passphrase))
    files = {"words": vector["mnemonic"].encode() + b"\n", "pass": passphrase.encode()}
    if passphrase:
        options = ("--bip39-passphrase", "--password", "file:{pass}", *options)
    source = "words" if file else None
    options = options if file else ("--mnemonic", "file:{words}", *options)
    return Case(bytes.fromhex(vector["private_key"]), source, files, options, key_type)


def comet(kind: str, name: str, state: str | None) -> Case:
    """Files that CometBFT wrote; the state where a node keeps it."""
    folder = FIXTURES / "validators" / kind
    content = (folder / name).read_bytes()
    files = {f"home/config/{name}": content}
    if state is not None:
        files["home/data/priv_validator_state.json"] = (folder / state).read_bytes()
    secret = base64.b64decode(json.loads(content)["priv_key"]["value"])[:32]
    return Case(secret, f"home/config/{name}", files, (), kind, "consensus")


def validator(kind: str) -> Case:
    case = comet(kind, "priv_validator_key.json", "state_precommit.json")
    case.signed = ("", LastSigned(2**53 + 1, 2**31 - 1, 3))
    return case


def node(kind: str) -> Case:
    case = comet(kind, "node_key.json", None)
    # The generator uses one key for both files; here it is another one.
    case.secret = new_secret()
    stored = case.secret + (public_half(kind, case.secret) if kind == ED25519 else b"")
    text = next(iter(case.files.values())).decode()
    old = json.loads(text)["priv_key"]["value"]
    case.files = {"home/config/node_key.json": text.replace(old, b64(stored).decode()).encode()}
    case.options, case.purpose = ("--purpose", "audit"), "audit"
    return case


TMKMS_STATE = {
    "height": "1204",
    "round": "2",
    "step": 2,
    "block_id": {"hash": "AB" * 32, "parts": {"total": 1, "hash": "CD" * 32}},
}


def tmkms(kind: str) -> Case:
    secret = new_secret()
    files = {"kms/secrets/chain-1.key": b64(secret)}
    case = Case(secret, "kms/secrets/chain-1.key", files, (), kind, "consensus")
    if kind == ED25519:
        files["kms/state/chain-1.json"] = json.dumps(TMKMS_STATE).encode()
        case.signed = ("", LastSigned(1204, 2, 3))  # tmkms counts steps from 0
    else:
        case.options = ("--key-type", SECP256K1)
    return case


def cosmos_kms(kind: str) -> Case:
    secret = new_secret()
    if kind == SECP256K1:
        options = ("--kind", "cosmos-kms", "--key-type", kind)
        return Case(secret, "key", {"key": b"0x" + secret.hex().encode()}, options, kind, "consensus")
    state = json.loads((FIXTURES / "validators" / kind / "state_prevote_nil.json").read_text())
    files = {
        "key": b64(secret + public_half(kind, secret)),
        "chain-7_priv_validator_state.json": json.dumps(state).encode(),
    }
    signed = ("chain-7", LastSigned(int(state["height"]), state["round"], state["step"]))
    return Case(secret, "key", files, (), kind, "consensus", signed)


def in_pem(kind: str, *, encrypted: bool, form: PrivateFormat = PrivateFormat.PKCS8) -> Case:
    secret = new_secret()
    key = (
        Ed25519PrivateKey.from_private_bytes(secret)
        if kind == ED25519
        else ec.derive_private_key(int.from_bytes(secret), ec.SECP256K1())
    )
    encryption = BestAvailableEncryption(PASSPHRASE.encode()) if encrypted else NoEncryption()
    files = {"pem": key.private_bytes(Encoding.PEM, form, encryption), "pass": PASSPHRASE.encode()}
    password = ("--password", "file:{pass}") if encrypted else ()
    return Case(secret, "pem", files, ("--purpose", "account", *password), kind)


def digits(text: Callable[[bytes], str], *options: str, key_type: str = SECP256K1) -> Case:
    secret = new_secret()
    return Case(secret, "digits", {"digits": text(secret).encode()}, options, key_type)


CASES: dict[str, Callable[[], Case]] = {
    "armor-argon2": lambda: armored("argon2, passphrase in many scripts"),
    "armor-bcrypt": lambda: armored("bcrypt, ed25519"),
    "hex": lambda: digits(lambda secret: secret.hex() + "\n"),
    "hex-0x-eth": lambda: digits(lambda s: "0x" + s.hex().upper(), "--key-type", ETH, key_type=ETH),
    "mnemonic": lambda: from_mnemonic("m/44'/118'/0'/0/0", ""),
    "mnemonic-path": lambda: from_mnemonic("m/44'/330'/0'/0/1", "", "--hd-path", "m/44'/330'/0'/0/1"),
    "mnemonic-passphrase": lambda: from_mnemonic("m/44'/118'/0'/0/0", "Grüße 鍵 🔑", file=True),
    "mnemonic-eth": lambda: from_mnemonic(
        *("m/44'/60'/0'/0/0", "TREZOR", "--key-type", ETH, "--hd-path", "m/44'/60'/0'/0/0"), key_type=ETH
    ),
    "validator-ed25519": lambda: validator(ED25519),
    "validator-secp256k1": lambda: validator(SECP256K1),
    "node-ed25519": lambda: node(ED25519),
    "tmkms": lambda: tmkms(ED25519),
    "tmkms-secp256k1": lambda: tmkms(SECP256K1),
    "cosmos-kms": lambda: cosmos_kms(ED25519),
    "cosmos-kms-secp256k1": lambda: cosmos_kms(SECP256K1),
    "pem": lambda: in_pem(SECP256K1, encrypted=False),
    "pem-encrypted": lambda: in_pem(SECP256K1, encrypted=True),
    "pem-encrypted-ed25519": lambda: in_pem(ED25519, encrypted=True),
    "pem-older": lambda: in_pem(SECP256K1, encrypted=True, form=PrivateFormat.TraditionalOpenSSL),
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A user with a token that takes in what each test brings."""
    return with_token(tmp_path_factory.mktemp("desk"))


def laid_out(case: Case, folder: Path) -> dict[str, Path]:
    paths = {}
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_bytes(content)
        paths[name] = path
    return paths


def spellings(secret: bytes) -> list[str]:
    return [secret.hex(), secret.hex().upper(), b64(secret).decode()[:40]]


def check_proof(row: Mapping[str, Any], case: Case) -> None:
    """The key in the token is the source's: it signed a challenge."""
    public = public_half(case.key_type, case.secret)
    assert address.decode(row["address"])[1] == address_of(case.key_type, public)
    message, signature = (bytes.fromhex(row["proof"][part]) for part in ("message", "signature"))
    assert message.startswith(CHALLENGE_PREFIX)
    assert verifies(case.key_type, public, message, signature)
    assert not verifies(case.key_type, public, message + b"!", signature)


@pytest.mark.parametrize("name", CASES)
def test_a_source_of_each_kind(desk: Cli, tmp_path: Path, name: str) -> None:
    case = CASES[name]()
    paths = laid_out(case, tmp_path)
    options = [option.format_map(paths) for option in case.options]
    source = [] if case.source is None else [str(paths[case.source])]
    done = desk.run("-o", "json", "migrate", *source, *options, "--name", name)
    assert done.code == 0, done
    assert [form for form in spellings(case.secret) if form in done.out + done.err] == []
    (row,) = done.data["keys"]
    assert (row["name"], row["key_type"], row["purpose"]) == (name, case.key_type, case.purpose)
    assert (row["type"], row["action"], row["needs_floor"]) == ("local", "import", case.purpose == "consensus")
    assert row["extractable"] is False
    check_proof(row, case)
    assert {file: path.read_bytes() for file, path in paths.items()} == case.files
    with SqliteStore(desk.folder / "state" / "store.sqlite") as store:
        record = store.get(name)
        assert record is not None
        assert record.fingerprint is not None
        assert record.record.public_key.data == public_half(case.key_type, case.secret)
        assert store.last_signed(record.fingerprint) == ({} if case.signed is None else dict([case.signed]))


RECORDS = {
    "v053": ("device", "group", "watched validator"),
    "v045": ("device", "group", "watched validator", "watched"),
}


@pytest.mark.parametrize("version", RECORDS)
def test_records_of_other_kinds_come_along_whole(
    software: Cli, keyring: Callable[[str, str], Path], version: str
) -> None:
    chosen = [word for name in RECORDS[version] for word in ("--key", name)]
    done = software.json("migrate", str(keyring(version, "test")), *chosen)
    assert {row["name"]: row["action"] for row in done["keys"]} == dict.fromkeys(RECORDS[version], "save")
    told = json.loads((FIXTURES / "keyrings" / version / "keys.json").read_text())["keys"]
    keys = {key["name"]: key for key in told if key["name"] in RECORDS[version]}
    with SqliteStore(software.folder / "state" / "store.sqlite") as store:
        for name, key in keys.items():
            record = store.get(name)
            assert record is not None
            assert record.record.kind == key["type"]
            assert record.address.hex() == key["address"]
            # The whole public key: threshold, members and their order. SDK 0.45 told amino, or the bare key.
            wanted = bytes.fromhex(key["public_key"])
            forms = public_forms(record.record.public_key)
            assert wanted in forms, name
            if key["type"] == "ledger":
                assert isinstance(record.record.item, Ledger)
                assert str(record.record.item.path) == key["path"]
    software.fails("sign", "device", code=5, error="cannot_sign", stdin=b"{}")


def public_forms(public_key: Any) -> list[bytes]:
    return [public_key.to_any().encode(), public_key.to_amino(), getattr(public_key, "data", b"")]


def test_a_public_armor_is_a_record_and_no_source(software: Cli) -> None:
    vectors = json.loads((FIXTURES / "vectors" / "armor.json").read_text())["vectors"]
    vector = next(one for one in vectors if one["name"] == "0.0.1, secp256k1")
    path = software.home / "public.armor"
    path.write_text(vector["armor"])
    error = software.fails("migrate", str(path), "--name", "seen", code=2, error="source_unknown")
    assert "hsm keys import" in error["hint"]


# --- where secrets come from -----------------------------------------------------------------------------------------


def test_from_a_prompt(desk: Cli, tmp_path: Path) -> None:
    case = in_pem(SECP256K1, encrypted=True)
    paths = laid_out(case, tmp_path)
    options = ("--purpose", "account", "--name", "typed", "-o", "json")
    done = desk.on_terminal("migrate", str(paths["pem"]), *options, answers={"password of the PEM file": PASSPHRASE})
    assert done.code == 0, done
    assert PASSPHRASE not in done.out
    digits = new_secret()
    answers = {"hex": digits.hex()}
    done = desk.on_terminal("migrate", "--hex", "prompt", "--name", "typed digits", answers=answers)
    assert done.code == 0, done
    assert digits.hex() not in done.out


def test_from_descriptors_and_standard_input(desk: Cli, tmp_path: Path) -> None:
    case = in_pem(SECP256K1, encrypted=True)
    path = laid_out(case, tmp_path)["pem"]
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode())
    os.close(writing)
    options = ("--purpose", "account", "--name", "by descriptor", "--password", f"fd:{reading}", "-o", "json")
    done = desk.run("migrate", str(path), *options, pass_fds=(reading,))
    os.close(reading)
    assert done.code == 0, done
    check_proof(done.data["keys"][0], case)
    secret = new_secret()
    piped = desk.json("migrate", "--hex", "stdin", "--name", "piped", stdin=secret.hex().encode() + b"\n")
    check_proof(piped["keys"][0], Case(secret))
    # What is typed on a terminal would be seen.
    shown = desk.on_terminal("migrate", "--hex", "stdin", "--name", "seen", answers={})
    assert (shown.code, "prompt" in shown.out) == (2, True)


@pytest.mark.parametrize("option", ["--hex", "--mnemonic", "--password"])
def test_a_secret_in_an_argument_is_refused_and_not_repeated(desk: Cli, tmp_path: Path, option: str) -> None:
    case = in_pem(SECP256K1, encrypted=True)
    path = laid_out(case, tmp_path)["pem"]
    words = "abandon " * 11 + "about"
    secret = {"--hex": case.secret.hex(), "--mnemonic": words, "--password": "a password"}[option]
    source = [str(path)] if option == "--password" else []
    for spelled in (secret, f"file:{secret}"):
        done = desk.run("-o", "json", "migrate", *source, option, spelled, "--name", "argued")
        assert (done.code, done.error["code"]) == (3, "config_invalid"), done
        assert secret not in done.out + done.err
    assert "argued" not in [record["name"] for record in desk.json("keys", "list")]
