"""An operator at a chain's unmodified program, with keys in the bridge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.chain.build import build_chain
from tests.chain.node import CHAIN_ID, DENOM, Chain
from tests.integration.cli.harness import SOURCES, Cli, Done

SHELL = [sys.executable, "-m", "keyring_plugin", "shell"]
PATIENCE = 120.0

MESSAGES = (
    "/cosmos.bank.v1beta1.MsgSend",
    "/cosmos.staking.v1beta1.MsgDelegate",
    "/cosmos.gov.v1.MsgVote",
    "/cosmos.gov.v1beta1.MsgVote",
    "/cosmos.authz.v1beta1.MsgGrant",
    "/cosmos.authz.v1beta1.MsgExec",
    "/cosmos.bank.v1beta1.SendAuthorization",
    "/cosmos.feegrant.v1beta1.MsgGrantAllowance",
    "/cosmos.feegrant.v1beta1.BasicAllowance",
    "/otherchain.v1.MsgDo",
)
MODES = ("direct", "direct-aux", "amino-json", "textual")


class Operator:
    """One user: a bridge with a key, and a home of the chain's program.

    Args:
        cli: The user of the bridge.
        program: The chain's program.
        home: Of the program.
    """

    def __init__(self, cli: Cli, program: Path, home: Path) -> None:
        self.cli = cli
        self.program = program
        self.home = home
        self.env = {**cli.env, "PYTHONPATH": SOURCES, "KEYRING_BRIDGE_AGENT": "off", "PYTHONDONTWRITEBYTECODE": ""}

    def key(self, name: str) -> str:
        """Make a key that may sign everything the tests send; return its address."""
        wanted = [argument for message in MESSAGES for argument in ("--message", message)]
        record = self.cli.json("keygen", "--label", name, "--key-type", "secp256k1", *wanted)
        policy = self.cli.folder / "policy.toml"
        modes = ", ".join(f'"{mode}"' for mode in MODES)
        policy.write_text(policy.read_text().replace('sign_modes = ["direct"]', f"sign_modes = [{modes}]"))
        return str(record["address"])

    def command(self, *arguments: str, backend: str = "hsm") -> list[str]:
        """Return the whole command for arguments of the chain's program."""
        return [*SHELL, str(self.program), *self.complete(arguments, backend)]

    def complete(self, arguments: tuple[str, ...], backend: str) -> list[str]:
        """Return the arguments with keyring and home, which have to stand before ``--``."""
        place = arguments.index("--") if "--" in arguments else len(arguments)
        options = ("--keyring-backend", backend, "--home", str(self.home))
        return [*arguments[:place], *options, *arguments[place:]]

    def run(self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Done:
        """Run a command of the chain with the bridge's keys to its end."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin.encode(),
            capture_output=True,
            env={**self.env, **(env or {})},
            cwd=self.cli.home,
            start_new_session=True,
            timeout=PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that must succeed; return its standard output."""
        done = self.run(*arguments, stdin=stdin)
        assert done.code == 0, done
        assert "Traceback" not in done.err
        return done.out

    def plain(self, *arguments: str, backend: str = "test", stdin: str = "") -> Done:
        """Run the chain's program itself, without us."""
        done = subprocess.run(
            [str(self.program), *self.complete(arguments, backend)],
            input=stdin.encode(),
            capture_output=True,
            env=self.env,
            timeout=PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def tx(self, chain: Chain, *arguments: str) -> Any:
        """Send a transaction; return it as it is in its block, with code 0."""
        return chain.included(json.loads(self.ok("tx", *arguments, "--yes", "--output", "json")))


def make_operator(
    folder: Path,
    chain: Chain,
    *,
    init: tuple[str, ...] = ("--backend", "software"),
    env: Mapping[str, str] | None = None,
) -> Operator:
    """Make a user with a bridge, a chain's program that knows nothing of it, and a home that names the chain."""
    cli = Cli(folder / "home", env)
    cli.ok("init", *init, "--chain-id", CHAIN_ID)
    return Operator(cli, build_chain(plain=True), chain.user_home(folder / "testchain"))


def funded(operator: Operator, chain: Chain, name: str, coins: str = f"100000000{DENOM}") -> str:
    """Make a key with coins on the chain; return its address."""
    address = operator.key(name)
    chain.fund(address, coins)
    return address


def environment_with(path: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose PATH starts with a folder."""
    return {**env, "PATH": f"{path}{os.pathsep}{env['PATH']}"}
