"""The words of a ceremony, typed into a chain's own program, make the same keys there."""

from __future__ import annotations

import base64
import json
import subprocess
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.chain.build import build_chain
from tests.integration.ceremony.desk import Desk, held

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.harness import Cli

pytestmark = [pytest.mark.softhsm, pytest.mark.chain]


def ceremony(token: Cli, *options: str) -> tuple[dict[str, str], str]:
    with Desk(token, "keygen", "--recoverable", "--label", "ops", "-o", "json", *options) as desk:
        words = desk.words()
        desk.confirm(words)
        return held(desk), " ".join(words)


def chain(home: Path, *arguments: str, typed: str) -> str:
    """Run the program of a chain that nobody changed."""
    command = [str(build_chain(plain=True)), *arguments, "--home", str(home)]
    done = subprocess.run(command, input=typed + "\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return done.stdout


def test_keys_add_recover_makes_the_account(token: Cli, tmp_path: Path) -> None:
    made, words = ceremony(token, "--account", "2", "--index", "5")
    path = ("--account", "2", "--index", "5", "--keyring-backend", "test", "--output", "json")
    recovered = json.loads(chain(tmp_path / "chain", "keys", "add", "ops", "--recover", *path, typed=words))
    assert recovered["address"] == made["address"]
    assert json.loads(recovered["pubkey"]) == json.loads(made["pubkey"])


def test_init_recover_makes_the_consensus_key(token: Cli, tmp_path: Path) -> None:
    made, words = ceremony(token, "--purpose", "consensus")
    home = tmp_path / "chain"
    chain(home, "init", "node", "--recover", typed=words)
    key = json.loads((home / "config" / "priv_validator_key.json").read_text())
    public_key = base64.b64decode(key["pub_key"]["value"])
    assert sha256(public_key).hexdigest() == made["fingerprint"]
    assert json.loads(made["pubkey"])["key"] == key["pub_key"]["value"]
