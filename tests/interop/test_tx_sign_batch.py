"""``hsm tx sign`` beside the SDK's own ``tx sign-batch``: the same keys make the same files, byte for byte.

Keys of the software backend sign with the nonces of RFC 6979, as the SDK does.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.cli.conftest import CHAIN
from tests.integration.cli.harness import Cli
from tests.integration.cli.test_tx_commands import allow_every_mode, unsigned, write

pytestmark = [pytest.mark.go, pytest.mark.timeout(600)]
GEN = Path(__file__).parents[2] / "fixtures" / "gen"
KEYS = {"ann": "11" * 32, "bob": "22" * 32}
OFFLINE = ("--offline", "-a", "7", "-s", "3")


@dataclass(frozen=True)
class Sdk:
    """The SDK's commands, with a keyring of their own."""

    program: Path
    folder: Path

    def run(self, *arguments: str) -> str:
        keyring = ("--keyring-backend", "test", "--keyring-dir", str(self.folder))
        env = {**os.environ, "HOME": str(self.folder)}
        done = subprocess.run([self.program, *arguments, *keyring], capture_output=True, text=True, check=True, env=env)
        # Some of its commands print their results on standard error.
        return done.stdout or done.stderr


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Sdk:
    folder = tmp_path_factory.mktemp("sdk")
    subprocess.run(["go", "build", "-o", str(folder / "signbatch"), "./signbatch"], cwd=GEN, check=True)
    sdk = Sdk(folder / "signbatch", folder)
    for name, digits in KEYS.items():
        sdk.run("keys", "import-hex", name, digits)
    sdk.run("keys", "add", "both", "--multisig", "ann,bob", "--multisig-threshold", "2")
    return sdk


@pytest.fixture(scope="module")
def ours(sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    cli = Cli(tmp_path_factory.mktemp("ours") / "home")
    cli.ok("init", "--backend", "software", "--chain-id", CHAIN)
    for name, digits in KEYS.items():
        secret = cli.home / f"{name}.hex"
        secret.write_text(digits)
        secret.chmod(0o600)
        cli.ok("keys", "import-hex", name, "--source", f"file:{secret}")
    allow_every_mode(cli)
    both = json.loads(sdk.run("keys", "show", "both", "--output", "json"))["pubkey"]
    cli.ok("keys", "add", "both", "--pubkey", both)
    return cli


def batch(cli: Cli, name: str) -> str:
    sender = str(cli.json("keys", "show", name)["address"])
    memos = ("", "rent", "<é & \u2028>", "\x1b[0m\x7f", "x" * 300)
    return write(cli, f"{name}.jsonl", *[unsigned(sender, memo=memo) for memo in memos])


@pytest.mark.parametrize("mode", ["direct", "amino-json"])
@pytest.mark.parametrize("only", [(), ("--signature-only",)], ids=["all", "signatures"])
def test_the_same_batch(sdk: Sdk, ours: Cli, mode: str, only: tuple[str, ...]) -> None:
    arguments = (batch(ours, "ann"), "--from", "ann", *OFFLINE, "--chain-id", CHAIN, "--sign-mode", mode, *only)
    theirs = sdk.run("sign-batch", *arguments)
    assert len(theirs.split("\n")) == 6
    assert ours.ok("tx", "sign", *arguments) == theirs


def test_the_same_signatures_of_members(sdk: Sdk, ours: Cli) -> None:
    file = batch(ours, "both")
    for name in KEYS:
        arguments = (file, "--from", name, "--multisig", "both", *OFFLINE, "--chain-id", CHAIN, "--signature-only")
        assert ours.ok("tx", "sign", *arguments) == sdk.run("sign-batch", *arguments)
