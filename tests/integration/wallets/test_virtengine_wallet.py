"""The wallet for VirtEngine's own Python SDK, over a real plugin and on a chain."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ecdsa
import pytest

from cosmos_formats.schema import default_schema
from cosmos_formats.signing import SignMode
from cosmos_formats.signing.transaction import SignerData, TxParts
from keyring_bridge.errors import ConfigError, InvalidKey, KeyNotFound, PolicyDenied
from keyring_plugin.client import KeyringClient
from keyring_plugin.virtengine_wallet import BridgeWallet
from tests.integration.plugin.conftest import with_keys, with_software, with_token
from tests.integration.plugin.harness import CHAIN, COMMAND
from tests.integration.wallets.conftest import KEY
from tests.unit.bridge.sign_docs import auth_info, field, msg_send, send_doc

if TYPE_CHECKING:
    from tests.chain.node import Chain
    from tests.integration.cli.harness import Cli
    from tests.integration.gomodule.harness import Operator


class Wallet(Protocol):
    """What VirtEngine's SDK uses of a wallet."""

    @property
    def address(self) -> str: ...

    @property
    def public_key(self) -> bytes: ...

    def sign(self, message: bytes, /) -> bytes: ...


@pytest.fixture(scope="module", params=["software", pytest.param("token", marks=pytest.mark.softhsm)])
def user(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Somebody with the keys ``ops`` and ``val`` in a file or in a token."""
    folder = tmp_path_factory.mktemp(request.param)
    return with_keys(with_token(folder) if request.param == "token" else with_software(folder))


@pytest.fixture
def client(user: Cli) -> Iterator[KeyringClient]:
    """The user's plugin."""
    with KeyringClient.spawn(COMMAND, env=user.env) as made:
        yield made


def test_it_is_what_the_sdk_takes(client: KeyringClient) -> None:
    wallet: Wallet = BridgeWallet(client, "ops")
    entry = client.key("ops")
    assert wallet.address == entry.address
    assert type(wallet.public_key) is bytes
    assert len(wallet.public_key) == 33
    document = send_doc(entry.public_key, CHAIN)  # type: ignore[arg-type]  # a single key
    signature = wallet.sign(document)
    assert type(signature) is bytes
    assert len(signature) == 64
    verifier = ecdsa.VerifyingKey.from_string(wallet.public_key, curve=ecdsa.SECP256k1)
    assert verifier.verify(signature, document, hashfunc=sha256)
    assert int.from_bytes(signature[32:], "big") <= ecdsa.SECP256k1.order // 2


def test_another_prefix(client: KeyringClient) -> None:
    assert BridgeWallet(client, "ops", "cosmos").address.startswith("cosmos1")
    with pytest.raises(ConfigError, match="no address prefix"):
        BridgeWallet(client, "ops", "Not one")


def test_keys_that_the_sdk_cannot_use(client: KeyringClient) -> None:
    with pytest.raises(InvalidKey, match="ed25519 key; VirtEngine's SDK signs with secp256k1 keys only"):
        BridgeWallet(client, "val")
    with pytest.raises(KeyNotFound):
        BridgeWallet(client, "nobody")


def test_the_policy_counts(client: KeyringClient) -> None:
    wallet = BridgeWallet(client, "ops")
    with pytest.raises(PolicyDenied):
        wallet.sign(send_doc(client.key("ops").public_key, "another-chain"))  # type: ignore[arg-type]  # a single key


def test_it_shows_no_more_than_names(client: KeyringClient) -> None:
    wallet = BridgeWallet(client, "ops")
    assert repr(wallet) == f"BridgeWallet('ops', '{wallet.address}')"


def test_it_loads_nothing_called_cosmos(user: Cli) -> None:
    # The sources are where PYTHONPATH of the user says.
    source = (
        "import sys\n"
        "from tests.unit.bridge.sign_docs import send_doc\n"
        "from keyring_plugin.client import KeyringClient\n"
        "from keyring_plugin.virtengine_wallet import BridgeWallet\n"
        f"with KeyringClient.spawn({list(COMMAND)!r}) as client:\n"
        "    wallet = BridgeWallet(client, 'ops')\n"
        f"    wallet.sign(send_doc(client.key('ops').public_key, {CHAIN!r}))\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'cosmos', 'cosmpy'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", source], env=user.env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done


@pytest.mark.chain
@pytest.mark.parametrize("mode", [SignMode.DIRECT, SignMode.LEGACY_AMINO_JSON])
def test_the_chain_takes_what_it_signs(operator: Operator, chain: Chain, tmp_path: Path, mode: SignMode) -> None:
    recipient = chain.address("val")
    before = chain.balance(recipient)
    with KeyringClient.spawn(COMMAND, env={**operator.cli.env, "KEYRING_BRIDGE_AGENT": "off"}) as client:
        wallet = BridgeWallet(client, KEY, mode=mode)
        number, sequence = chain.account(wallet.address)
        parts = transfer(client, wallet, recipient, sequence, mode)
        signature = wallet.sign(sign_bytes(parts, SignerData(wallet.address, chain.chain_id, number, sequence), mode))
    raw = field(1, parts.body_bytes) + field(2, parts.auth_info_bytes) + field(3, signature)
    path = tmp_path / "signed.json"
    path.write_text(chain.ok("tx", "decode", base64.b64encode(raw).decode(), "--output", "json"))
    assert json.loads(path.read_text())["signatures"] == [base64.b64encode(signature).decode()]
    chain.broadcast(path)
    assert chain.balance(recipient) == before + 77


def transfer(client: KeyringClient, wallet: Wallet, recipient: str, sequence: int, mode: SignMode) -> TxParts:
    """A bank send of 77uve in a mode."""
    key: Any = client.key(KEY).public_key
    info = auth_info(key, sequence)
    if mode is SignMode.LEGACY_AMINO_JSON:
        direct, amino = (field(2, field(1, field(1, number))) for number in (1, int(mode)))
        assert info.count(direct) == 1
        info = info.replace(direct, amino)
    return TxParts(field(1, msg_send(wallet.address, recipient, "77")), info)


def sign_bytes(parts: TxParts, signer: SignerData, mode: SignMode) -> bytes:
    """What is signed in a mode."""
    from cosmos_formats.signing import amino_json, direct

    module: Any = direct if mode is SignMode.DIRECT else amino_json
    made = module.sign_bytes(parts, signer, default_schema())
    assert isinstance(made, bytes)
    return made
