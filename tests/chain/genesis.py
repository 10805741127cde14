"""What a chain starts from: genesis, configuration, and the keys of its validator and its faucet."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

CHAIN_ID = "testchain-1"
DENOM = "uve"

_ACCOUNTS = {"val": f"1000000000000{DENOM}", "faucet": f"1000000000000000{DENOM}"}
_STAKE = f"500000000000{DENOM}"

_METADATA = {
    "description": "The coin of a chain to test on",
    "denom_units": [
        {"denom": DENOM, "exponent": 0, "aliases": ["microve"]},
        {"denom": "ve", "exponent": 6, "aliases": []},
    ],
    "base": DENOM,
    "display": "ve",
    "name": "VirtEngine",
    "symbol": "VE",
    "uri": "",
    "uri_hash": "",
}
"""With it SIGN_MODE_TEXTUAL shows 1500000uve as 1.5 ve."""

_SETTINGS = {
    # About four blocks in a second: nothing has to wait for long, and the node leaves the processor to the tests.
    "timeout_commit": '"200ms"',
    "timeout_propose": '"500ms"',
}


def write_genesis(binary: Path, home: Path, voting_period: str) -> None:
    """Make the home of a chain with one validator.

    Args:
        binary: The chain's program.
        home: A folder that is not there yet.
        voting_period: Of proposals, in Go's notation.
    """

    def run(*arguments: str) -> None:
        command = [str(binary), *arguments, "--home", str(home)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done

    keyring = ("--keyring-backend", "test")
    run("init", "node", "--chain-id", CHAIN_ID, "--default-denom", DENOM)
    for name, coins in _ACCOUNTS.items():
        run("keys", "add", name, *keyring)
        run("genesis", "add-genesis-account", name, coins, *keyring)
    _change_state(home / "config" / "genesis.json", voting_period)
    run("genesis", "gentx", "val", _STAKE, "--chain-id", CHAIN_ID, *keyring)
    run("genesis", "collect-gentxs")
    run("genesis", "validate")
    _change_settings(home / "config" / "config.toml")


def make_home(folder: Path, rpc: str, keyring: str = "test") -> Path:
    """Write a client.toml with which commands find the chain.

    Args:
        folder: The home; made, if it isn't there.
        rpc: Of the node, as ``--node`` takes it.
        keyring: The keyring's backend.
    """
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "client.toml").write_text(
        f'chain-id = "{CHAIN_ID}"\n'
        f'keyring-backend = "{keyring}"\n'
        'keyring-default-keyname = ""\n'
        'output = "text"\n'
        f'node = "{rpc}"\n'
        'broadcast-mode = "sync"\n'
    )
    return folder


def _change_state(path: Path, voting_period: str) -> None:
    genesis = json.loads(path.read_text())
    state = genesis["app_state"]
    state["bank"]["denom_metadata"] = [_METADATA]
    state["gov"]["params"] |= {
        "voting_period": voting_period,
        # It has to be shorter than the other.
        "expedited_voting_period": "1s",
        "min_deposit": [{"denom": DENOM, "amount": "1000"}],
        "expedited_min_deposit": [{"denom": DENOM, "amount": "2000"}],
    }
    path.write_text(json.dumps(genesis))


def _change_settings(path: Path) -> None:
    text = path.read_text()
    for name, value in _SETTINGS.items():
        text, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        assert count == 1, name
    path.write_text(text)
