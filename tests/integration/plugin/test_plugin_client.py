"""The Python client over a real process, and the cosmpy wallet over the client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import ecdsa
import pytest

from cosmos_formats.armor_keys import ArmoredPrivateKey, encrypt_private_key
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.signing import SignMode
from keyring_bridge.errors import (
    BridgeError,
    CannotSign,
    ConfigMissing,
    DeadlineExceeded,
    DuplicateAddress,
    ExtraMissing,
    InvalidKey,
    InvalidSignDoc,
    KeyExists,
    KeyNotFound,
    PassphraseIncorrect,
    PeerFailed,
    PolicyDenied,
)
from keyring_bridge.model import Purpose
from keyring_bridge.secrets import SecretBytes
from keyring_plugin import samples
from keyring_plugin.client import KeyringClient
from keyring_plugin.framing import Framing
from tests.integration.plugin.conftest import with_keys, with_software, with_token
from tests.integration.plugin.harness import CHAIN, COMMAND, change_policy
from tests.integration.plugin.test_plugin_process import through_shim
from tests.unit.bridge.sign_docs import send_doc

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli


@pytest.fixture(params=list(Framing))
def client(request: pytest.FixtureRequest, settled_token: Cli) -> Iterator[KeyringClient]:
    """A client of a plugin with a token, in each framing."""
    with KeyringClient.spawn(COMMAND, env=settled_token.env, framing=request.param) as made:
        yield made


def verifies(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Verify with a library that had no part in signing."""
    verifier = ecdsa.VerifyingKey.from_string(key.data, curve=ecdsa.SECP256k1)
    return bool(verifier.verify(signature, message, hashfunc=sha256))


def account_key(client: KeyringClient) -> PublicKey:
    key = client.key("ops").public_key
    assert isinstance(key, PublicKey)
    return key


def test_reading(client: KeyringClient, settled_token: Cli) -> None:
    assert client.backend() == "hsm"
    client.ping()
    ops, val = client.list()
    assert (ops.name, ops.kind, ops.key_type, ops.purpose) == ("ops", "local", KeyType.SECP256K1, Purpose.ACCOUNT)
    assert (ops.hardware, val.purpose) == (False, Purpose.CONSENSUS)  # SoftHSM2 is a program
    assert client.key("ops") == ops
    assert ops.address is not None
    assert client.key_by_address(ops.address) == ops
    assert client.supported_algorithms()[1] == ("secp256k1",)
    assert client.handshake()["chain_id"] == CHAIN
    (status,) = client.status()
    assert status["hardware"] is False
    assert client.unlock() == "ready"


def test_signing(client: KeyringClient) -> None:
    key = account_key(client)
    document = send_doc(key, CHAIN)
    signed = client.sign("ops", document)
    assert signed.public_key == key
    assert verifies(key, document, signed.signature)
    address = client.key("ops").address
    assert address is not None
    assert verifies(key, document, client.sign_by_address(address, document, SignMode.DIRECT).signature)


def test_errors_are_those_of_the_tree(client: KeyringClient) -> None:
    key = account_key(client)
    with pytest.raises(KeyNotFound, match=r"^nobody\.info: key not found$"):
        client.key("nobody")
    with pytest.raises(InvalidSignDoc):
        client.sign("ops", b"noise")
    with pytest.raises(PolicyDenied) as caught:
        client.sign("ops", send_doc(key, "elsewhere-1"))
    assert caught.value.correlation_id
    with pytest.raises(CannotSign):
        client.sign("val", send_doc(key, CHAIN))
    with pytest.raises(PolicyDenied):
        client.sign_digest("ops", bytes(32))


def test_changing_records(tmp_path: Path) -> None:
    user = with_keys(with_software(tmp_path))
    with KeyringClient.spawn(COMMAND, env=user.env) as client:
        one = client.import_priv_key_hex("one", SecretBytes(f"{1:064x}".encode()))
        two = client.import_priv_key_hex("two", f"{2:064x}")
        assert one.public_key.to_proto_json()["key"] == "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY"
        assert client.rename("one", "uno").name == "uno"
        with pytest.raises(KeyExists):
            client.save_offline_key("uno", two.public_key)
        with pytest.raises(DuplicateAddress):
            client.save_offline_key("again", two.public_key)
        client.delete("two")
        assert client.save_offline_key("two", two.public_key).kind == "offline"
        assert two.address is not None
        client.delete_by_address(two.address)
        assert [entry.name for entry in client.list()] == ["ops", "uno", "val"]
        made, mnemonic = client.new_mnemonic("fresh", passphrase="extra")
        armor = client.export_pub_key_armor("fresh")
        client.delete("fresh")
        assert client.import_pub_key("fresh", armor).public_key == made.public_key
        assert made.address is not None
        assert client.export_pub_key_armor_by_address(made.address) == armor
        other = client.new_account("other", mnemonic, passphrase=SecretBytes(b"another"))
        assert other.public_key != made.public_key
        with pytest.raises(DuplicateAddress):
            client.new_account("again", mnemonic, passphrase="extra")
        armored = ArmoredPrivateKey(KeyType.SECP256K1, samples.KEY["@type"], bytearray(b"\x05" * 32))
        sealed = encrypt_private_key(armored, b"pass phrase", bytes(16))
        with pytest.raises(PassphraseIncorrect):
            client.import_priv_key("sealed", sealed, "another")
        assert client.import_priv_key("sealed", sealed, SecretBytes(b"pass phrase")).kind == "local"


def test_many_threads_share_a_client(client: KeyringClient) -> None:
    key = account_key(client)
    documents = [send_doc(key, CHAIN, f"payment {number}") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        signatures = list(pool.map(lambda document: client.sign("ops", document).signature, documents))
    assert all(verifies(key, *pair) for pair in zip(documents, signatures, strict=True))


def test_without_a_configuration(nobody: Cli) -> None:
    with KeyringClient.spawn(COMMAND, env=nobody.env) as client:
        assert client.handshake()["problem"]["data"]["code"] == "config_missing"
        with pytest.raises(ConfigMissing):
            client.list()


def test_a_program_that_is_missing_or_speaks_something_else() -> None:
    with pytest.raises(PeerFailed, match="could not be started"):
        KeyringClient.spawn(["/nonexistent/keyring-plugin"])
    with KeyringClient.spawn(["true"]) as client, pytest.raises(PeerFailed, match="exit status 0"):
        client.list()
    with KeyringClient.spawn(["echo", "hello"]) as client, pytest.raises(PeerFailed, match="protocol"):
        client.list()


def test_a_plugin_that_dies_answers_everyone_definitely(tmp_path: Path, shim_library: Path) -> None:
    user = with_token(tmp_path)
    user.ok("keygen", "--label", "ops")
    shim = through_shim(user, shim_library)
    outcomes: list[object] = []
    with KeyringClient.spawn(COMMAND, env=user.env) as client:
        document = send_doc(account_key(client), CHAIN)
        shim.control("delay C_Sign 20000")

        def sign() -> None:
            try:
                outcomes.append(client.sign("ops", document))
            except BridgeError as error:
                outcomes.append(error)

        threads = [threading.Thread(target=sign) for _ in range(10)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        os.kill(client._end.__self__.pid, signal.SIGKILL)  # type: ignore[union-attr]  # the child's own method
        for thread in threads:
            thread.join(10)
    assert [type(outcome) for outcome in outcomes] == [PeerFailed] * 10
    assert "killed by signal 9" in str(outcomes[0])
    shim.control()
    assert user.json("audit", "verify")["ok"] is True


def test_a_deadline_of_the_client(tmp_path: Path, shim_library: Path) -> None:
    user = with_token(tmp_path)
    user.ok("keygen", "--label", "ops")
    shim = through_shim(user, shim_library)
    with KeyringClient.spawn(COMMAND, env=user.env) as client:
        document = send_doc(account_key(client), CHAIN)
        shim.control("hang C_Sign 1")
        begin = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.sign("ops", document, timeout=0.5)
        assert time.monotonic() - begin < 2
        shim.control()
        assert client.sign("ops", document).signature


# --- cosmpy ----------------------------------------------------------------------------------------------------------


def test_a_cosmpy_transaction(settled_token: Cli) -> None:
    from cosmpy.aerial.client.bank import create_bank_send_msg
    from cosmpy.aerial.tx import SigningCfg, Transaction, TxFee
    from cosmpy.aerial.wallet import Wallet
    from cosmpy.crypto.interface import Signer
    from cosmpy.protos.cosmos.tx.v1beta1.tx_pb2 import SignDoc

    from keyring_plugin.cosmpy_wallet import BridgeSigner, BridgeWallet

    with KeyringClient.spawn(COMMAND, env=settled_token.env) as client:
        wallet = BridgeWallet(client, "ops")
        assert isinstance(wallet, Wallet)
        assert isinstance(wallet.signer(), Signer)
        assert isinstance(wallet.signer(), BridgeSigner)
        assert str(wallet.address()) == str(wallet) == client.key("ops").address
        assert str(BridgeWallet(client, "ops", "cosmos").address()).startswith("cosmos1")

        tx = Transaction()
        tx.add_message(create_bank_send_msg(wallet.address(), wallet.address(), 5, "uve"))
        tx.seal(SigningCfg.direct(wallet.public_key(), 3), fee=TxFee(amount="500uve", gas_limit=200_000))
        tx.sign(wallet.signer(), CHAIN, 7).complete()
        document = SignDoc(
            body_bytes=tx.tx.body.SerializeToString(),
            auth_info_bytes=tx.tx.auth_info.SerializeToString(),
            chain_id=CHAIN,
            account_number=7,
        ).SerializeToString()
        assert verifies(account_key(client), document, tx.tx.signatures[0])
        assert wallet.public_key().verify(document, tx.tx.signatures[0])
        intent = settled_token.json("audit", "tail")[-2]
        assert intent["view"]["messages"] == ["/cosmos.bank.v1beta1.MsgSend"]

        with pytest.raises(PolicyDenied):
            wallet.signer().sign_digest(sha256(document).digest())
        with pytest.raises(InvalidKey, match="secp256k1"):
            BridgeWallet(client, "val")
        with pytest.raises(KeyNotFound):
            BridgeWallet(client, "nobody")


def test_the_example_in_the_documentation(
    settled_token: Cli, project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (project_root / "docs" / "cosmpy.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```python\n")[1:]]
    wallet, transaction = blocks[0], next(block for block in blocks if "create_bank_send_msg" in block)
    for name, value in settled_token.env.items():
        monkeypatch.setenv(name, value)
    change = {'["keyring-plugin"]': repr(COMMAND), "virtengine-1": CHAIN, "print(": "shown.append("}
    source = wallet + textwrap.indent(transaction, "    ")
    for old, new in change.items():
        assert old in source
        source = source.replace(old, new)
    names = {"recipient": samples.ADDRESS, "sequence": 0, "account_number": 7, "shown": []}
    exec(compile(source, "docs/cosmpy.md", "exec"), names)  # noqa: S102  # our own documentation
    assert len(names["tx"].tx.signatures[0]) == 64  # type: ignore[attr-defined]  # made by the example
    assert str(names["shown"][0]).startswith("ve1")  # type: ignore[index]  # the list above


def test_blind_signing_with_cosmpy_where_the_policy_names_it(tmp_path: Path) -> None:
    from keyring_plugin.cosmpy_wallet import BridgeWallet

    user = with_keys(with_software(tmp_path))
    change_policy(user, "ops", unsafe_blind_signing=True)
    with KeyringClient.spawn(COMMAND, env=user.env) as client:
        wallet = BridgeWallet(client, "ops")
        signature = wallet.signer().sign_digest(sha256(b"blind").digest())
        assert verifies(account_key(client), b"blind", signature)


def test_without_cosmpy_the_error_says_what_to_install() -> None:
    script = (
        "import sys\n"
        "sys.modules['cosmpy'] = None\n"
        "import keyring_plugin.cosmpy_wallet as module\n"
        "try:\n"
        "    from keyring_plugin.cosmpy_wallet import BridgeWallet\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{ExtraMissing.__name__} pip install 'keyring-bridge[cosmpy]'\n"


def test_the_wallet_module_does_not_load_cosmpy() -> None:
    script = "import sys, keyring_plugin.client, keyring_plugin.cosmpy_wallet; print('cosmpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
