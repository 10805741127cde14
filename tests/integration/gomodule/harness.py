"""An operator at the test chain's own program, which links the Go module: `--keyring-backend hsm`."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.cli.harness import COMMAND, PATIENCE, Cli, Done

if TYPE_CHECKING:
    from tests.chain.node import Chain

MESSAGES = (
    "/cosmos.authz.v1beta1.GenericAuthorization",
    "/cosmos.authz.v1beta1.MsgExec",
    "/cosmos.authz.v1beta1.MsgGrant",
    "/cosmos.bank.v1beta1.MsgSend",
    "/cosmos.bank.v1beta1.SendAuthorization",
    "/cosmos.feegrant.v1beta1.BasicAllowance",
    "/cosmos.feegrant.v1beta1.MsgGrantAllowance",
    "/cosmos.gov.v1.MsgSubmitProposal",
    "/cosmos.gov.v1.MsgVote",
    "/cosmos.staking.v1beta1.MsgDelegate",
)
MODES = ("direct", "amino-json", "textual")
PLUGIN = (sys.executable, "-m", "keyring_plugin")


@dataclass(frozen=True)
class Operator:
    """One user: a bridge, and a home of the chain's program.

    Attributes:
        cli: The user of the bridge.
        chain: The node.
        home: Of the chain's program.
    """

    cli: Cli
    chain: Chain
    home: Path

    @property
    def env(self) -> dict[str, str]:
        """Variables under which the chain's program finds the bridge."""
        return {
            **self.cli.env,
            "KEYRING_BRIDGE_AGENT": "off",
            "KEYRING_BRIDGE_PLUGIN": shlex.join(PLUGIN),
            "KEYRING_BRIDGE_HSM": shlex.join(COMMAND),
        }

    def command(self, *arguments: str) -> list[str]:
        """Return the words of a command of the chain's program."""
        return [str(self.chain.binary), *arguments, "--home", str(self.home)]

    def run(self, *arguments: str, backend: str = "hsm", stdin: str = "", env: Mapping[str, str] | None = None) -> Done:
        """Run a command of the chain's program to its end.

        Args:
            arguments: Of the command.
            backend: What is given as ``--keyring-backend``; nothing is if it is empty.
            stdin: What the command reads.
            env: Further variables.
        """
        given = ("--keyring-backend", backend) if backend else ()
        done = subprocess.run(
            self.command(*arguments, *given),
            input=stdin.encode(),
            capture_output=True,
            env={**self.env, **(env or {})},
            timeout=PATIENCE,
            start_new_session=True,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *arguments: str, backend: str = "hsm", stdin: str = "", env: Mapping[str, str] | None = None) -> str:
        """Run a command that must succeed; return its standard output."""
        done = self.run(*arguments, backend=backend, stdin=stdin, env=env)
        assert done.code == 0, done
        return done.out

    def fails(self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """Run a command that must fail; return what it says."""
        done = self.run(*arguments, env=env, stdin=stdin)
        assert done.code == 1, done
        assert "panic" not in done.err, done
        return done.err

    def tx(self, *arguments: str, sender: str, backend: str = "hsm") -> Any:
        """Send a transaction; return it as it is in its block, with code 0."""
        options = ("--from", sender, "--yes", "--output", "json")
        return self.chain.included(json.loads(self.ok("tx", *arguments, *options, backend=backend)))

    def unsigned(self, folder: Path, *arguments: str) -> Path:
        """Write a transaction that nobody has signed."""
        path = folder / f"unsigned-{len(list(folder.iterdir()))}.json"
        path.write_text(self.ok("tx", *arguments, "--generate-only"))
        return path

    def key(self, name: str, coins: str = "10000000uve") -> str:
        """Make a key in the bridge that may sign what the tests send; return its address, which has coins."""
        wanted = [word for message in MESSAGES for word in ("--message", message)]
        address = str(self.cli.json("keygen", "--label", name, *wanted)["address"])
        policy = self.cli.folder / "policy.toml"
        modes = ", ".join(f'"{mode}"' for mode in MODES)
        policy.write_text(policy.read_text().replace('sign_modes = ["direct"]', f"sign_modes = [{modes}]"))
        if coins:
            self.chain.fund(address, coins)
        return address


def make_operator(
    folder: Path, chain: Chain, *init: str, env: Mapping[str, str] | None = None, backend: str = "test"
) -> Operator:
    """Make a user with a bridge, and a home whose client.toml names the chain.

    Args:
        folder: Of both.
        chain: The node.
        init: Arguments of ``hsm init``.
        env: Variables of the bridge.
        backend: The backend in client.toml.
    """
    cli = Cli(folder / "home", env)
    cli.ok("init", *init, "--chain-id", chain.chain_id)
    return Operator(cli, chain, chain.user_home(folder / "chain", backend))


def go_environment() -> dict[str, str]:
    """Return what the Go tests are run with: the Python that runs ours, and Go without cgo."""
    return {**os.environ, "CGO_ENABLED": "0", "KEYRING_BRIDGE_TEST_PYTHON": sys.executable}
