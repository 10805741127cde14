"""A running chain takes what keys sign that came into a token from keyrings which the SDK wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import with_token
from tests.integration.cli.test_tx_commands import address, allow_every_mode
from tests.keyring_directories import write

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chain.node import Chain
    from tests.integration.cli.harness import Cli

pytestmark = [pytest.mark.chain, pytest.mark.softhsm]

SEND = ("--message", "/cosmos.bank.v1beta1.MsgSend")
PASSWORD = "typed on a keyboard"


@pytest.fixture
def desk(chain: Chain, tmp_path: Path) -> Cli:
    """A user with an empty token, who has added the chain from its node."""
    cli = with_token(tmp_path)
    cli.ok("chain", "add", chain.chain_id, "--prefix", "ve", "--grpc", chain.grpc, "--yes")
    return cli


def migrate(desk: Cli, source: Path, *options: str) -> None:
    """Move keys in, and let them send coins in every mode."""
    desk.ok("migrate", str(source), *options, *SEND)
    allow_every_mode(desk)


def unsigned(chain: Chain, sender: str, recipient: str, coins: str) -> bytes:
    return chain.ok("tx", "bank", "send", sender, recipient, coins, "--generate-only", "--fees", "30uve").encode()


def at(chain: Chain, account: str) -> tuple[str, ...]:
    number, sequence = chain.account(account)
    return ("--offline", "-a", str(number), "-s", str(sequence))


def send(chain: Chain, desk: Cli, name: str, recipient: str, folder: Path, *options: str) -> None:
    """Send a coin from a migrated key; it is in a block, with code 0, when this returns."""
    account, before = address(desk, name), chain.balance(recipient)
    signed = folder / "signed.json"
    document = unsigned(chain, account, recipient, "7uve")
    signed.write_text(desk.ok("tx", "sign", "-", "--from", name, *at(chain, account), *options, stdin=document))
    chain.broadcast(signed)
    assert chain.balance(recipient) == before + 7


def test_the_same_account_before_and_after(chain: Chain, desk: Cli, tmp_path: Path) -> None:
    """A `file` keyring of the chain's own command; its key signs a transaction there, and the next one in the token."""
    home = chain.user_home(tmp_path / "chain-home", "file")
    typed = f"{PASSWORD}\n" * 2
    made = chain.run("keys", "add", "ops", "--output", "json", "--home", str(home), stdin=typed)
    assert made.returncode == 0, made
    account, faucet = json.loads(made.stdout)["address"], chain.address("faucet")
    chain.fund(account, "1000uve")
    options = ("--from", "ops", "--fees", "30uve", "--yes", "--output", "json", "--home", str(home))
    sent = chain.run("tx", "bank", "send", "ops", faucet, "1uve", *options, stdin=f"{PASSWORD}\n")
    assert sent.returncode == 0, sent
    chain.included(json.loads(sent.stdout))
    for path in [home / "keyring-file", *(home / "keyring-file").iterdir()]:
        assert path.stat().st_mode & 0o077 == 0, "the SDK writes for its user alone"
    password = tmp_path / "password"
    write(password, PASSWORD.encode())
    migrate(desk, home, "--password", f"file:{password}")
    assert address(desk, "ops") == account
    assert chain.account(account)[1] == 1
    for mode in ("direct", "amino-json", "textual"):
        send(chain, desk, "ops", faucet, tmp_path, "--sign-mode", mode)
    assert chain.account(account)[1] == 4


@pytest.mark.parametrize(("version", "names"), [("v053", ("two words", "鍵 🔑", "alice")), ("v045", ("a/b", "alice"))])
def test_keys_of_both_generations_of_the_sdk(
    chain: Chain, desk: Cli, keyring: Callable[[str, str], Path], tmp_path: Path, version: str, names: tuple[str, ...]
) -> None:
    chosen = [word for name in names for word in ("--key", name)]
    migrate(desk, keyring(version, "test"), *chosen)
    for name in names:
        account = address(desk, name)
        chain.fund(account, "1000uve")
        send(chain, desk, name, chain.address("faucet"), tmp_path)


def test_a_multisig_whose_members_came_along(
    chain: Chain, desk: Cli, keyring: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """Two of three, of which SDK 0.45 kept neither threshold nor members in the record's own fields."""
    migrate(desk, keyring("v045", "test"), "--key", "a/b", "--key", "100%", "--key", "group")
    group = address(desk, "group")
    chain.fund(group, "1000uve")
    before, where = chain.balance(group), at(chain, group)
    paths = [tmp_path / name for name in ("unsigned.json", "one.json", "other.json", "signed.json")]
    paths[0].write_bytes(unsigned(chain, group, chain.address("faucet"), "9uve"))
    for path, name in zip(paths[1:3], ("a/b", "100%"), strict=True):
        path.write_text(desk.ok("tx", "sign", str(paths[0]), "--multisig", "group", "--from", name, *where))
    joined = desk.ok("tx", "multisign", str(paths[0]), "group", str(paths[1]), str(paths[2]), *where)
    paths[3].write_text(joined)
    chain.broadcast(paths[3])
    assert chain.balance(group) == before - 9 - 30
