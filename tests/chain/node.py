"""A chain with one validator on loopback, and its command line.

``running_chain`` starts the program of ``fixtures/gen/testchain``; tests take the fixture ``chain``
(:mod:`tests.chain.fixtures`), one node for the whole session, and fund accounts of their own on it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.chain.build import build_chain
from tests.chain.genesis import CHAIN_ID, DENOM, make_home, write_genesis

__all__ = ["CHAIN_ID", "DENOM", "Chain", "build_chain", "running_chain"]

FAUCET = "faucet"
PATIENCE = 60.0
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Chain:
    """A running node.

    Attributes:
        binary: The chain's program, node and command line in one.
        home: Of the node. Its ``test`` keyring has the keys ``val``, the validator's, and ``faucet``.
        rpc: The node's RPC, as ``--node`` takes it.
        grpc: ``HOST:PORT`` of its gRPC, without TLS.
        pid: The node's process.
    """

    binary: Path
    home: Path
    rpc: str
    grpc: str
    pid: int
    chain_id: str = CHAIN_ID

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", timeout: float = PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the chain to its end, whatever that is.

        Args:
            arguments: Without ``--home`` it is the node's own, whose client.toml names chain, node and keyring.
            env: Further variables.
            stdin: What the command reads.
            timeout: Seconds after which it is killed.
        """
        home = [] if "--home" in arguments else ["--home", str(self.home)]
        return subprocess.run(
            [str(self.binary), *arguments, *home],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            timeout=timeout,
            check=False,
        )

    def ok(self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """Run a command that must succeed; return its standard output."""
        done = self.run(*arguments, env=env, stdin=stdin)
        assert done.returncode == 0, done
        return done.stdout

    def query(self, *arguments: str) -> Any:
        """Ask the node with ``query …``."""
        return json.loads(self.ok("query", *arguments, "--output", "json"))

    def tx(self, *arguments: str, sender: str = FAUCET) -> Any:
        """Send a transaction of the node's own ``test`` keyring and return it as it is in its block, with code 0."""
        options = ("--from", sender, "--keyring-backend", "test", "--yes", "--output", "json")
        return self.included(json.loads(self.ok("tx", *arguments, *options)))

    def broadcast(self, signed: Path) -> Any:
        """Broadcast a signed transaction and return it as it is in its block, with code 0."""
        return self.included(json.loads(self.ok("tx", "broadcast", str(signed), "--output", "json")))

    def included(self, response: Mapping[str, Any]) -> Any:
        """Wait for a transaction that the node has taken, which must succeed.

        Args:
            response: What the chain's command printed when it had broadcast.
        """
        assert response["code"] == 0, response
        found = self.wait_tx(response["txhash"])
        assert found["code"] == 0, found
        return found

    def wait_tx(self, tx_hash: str) -> Any:
        """Wait until a transaction is in a block; return it with its code and events."""
        end = time.monotonic() + PATIENCE
        while "error" in self.ask("tx", hash=f"0x{tx_hash}"):
            assert time.monotonic() < end, f"{tx_hash} is in no block after {PATIENCE} s"
            time.sleep(0.05)
        return self.query("tx", tx_hash)

    def fund(self, address: str, coins: str) -> None:
        """Let the faucet send coins, such as ``1000000uve``; it is done when this returns."""
        self.tx("bank", "send", FAUCET, address, coins)

    def balance(self, address: str) -> int:
        """How many ``uve`` an account has."""
        return int(self.query("bank", "balance", address, DENOM)["balance"]["amount"])

    def account(self, address: str) -> tuple[int, int]:
        """Number and sequence of an account."""
        info = self.query("auth", "account-info", address)["info"]
        return int(info.get("account_number", 0)), int(info.get("sequence", 0))

    def address(self, name: str) -> str:
        """Of a key in the node's keyring."""
        return self.ok("keys", "show", name, "--address", "--keyring-backend", "test").strip()

    def validator(self) -> str:
        """Operator address of the only validator."""
        (validator,) = self.query("staking", "validators")["validators"]
        return str(validator["operator_address"])

    def height(self) -> int:
        """Of the latest block."""
        return int(self.ask("status")["result"]["sync_info"]["latest_block_height"])

    def user_home(self, folder: Path, keyring: str = "test") -> Path:
        """Make a home for the command line of somebody else, whose client.toml names this chain and node.

        Args:
            folder: Made, if it isn't there.
            keyring: The backend in client.toml.
        """
        return make_home(folder, self.rpc, keyring)

    def ask(self, method: str, **parameters: str) -> Any:
        """Call a method of the node's RPC; return the answer with its ``result`` or ``error``."""
        host = self.rpc.removeprefix("tcp://")
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        connection = HTTPConnection(host, timeout=PATIENCE)
        try:
            connection.request("GET", f"/{method}?{query}")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class NotStarted(Exception):
    """The node has ended, or made no block in time; the end of its log is in the text."""


@contextmanager
def running_chain(
    folder: Path, *, voting_period: str = "30s", minimum_gas_prices: str = f"0{DENOM}"
) -> Iterator[Chain]:
    """Run a new chain of its own; it has made a block when this yields, and has ended when this returns.

    Args:
        folder: Gets the folder ``node`` with the home, and the log ``node.log``.
        voting_period: Of proposals, in Go's notation, two seconds at least.
        minimum_gas_prices: What the node asks for a transaction.

    Raises:
        NotStarted: With the end of the node's log.
    """
    binary = build_chain()
    home = folder / "node"
    write_genesis(binary, home, voting_period)
    for attempt in range(_ATTEMPTS):
        rpc, grpc = _free_ports(2)
        make_home(home, f"tcp://127.0.0.1:{rpc}")
        with _process(binary, home, rpc, grpc, minimum_gas_prices) as process:
            chain = Chain(binary, home, f"tcp://127.0.0.1:{rpc}", f"127.0.0.1:{grpc}", process.pid)
            try:
                _await_block(chain, process)
            except NotStarted as error:
                # Between finding a free port and opening it somebody else may have taken it.
                if attempt + 1 < _ATTEMPTS and "address already in use" in str(error):
                    continue
                raise
            yield chain
            return


@contextmanager
def _process(
    binary: Path, home: Path, rpc: int, grpc: int, minimum_gas_prices: str
) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        *_with_parent(),
        str(binary),
        "start",
        f"--home={home}",
        f"--rpc.laddr=tcp://127.0.0.1:{rpc}",
        "--rpc.pprof_laddr=",
        "--p2p.laddr=tcp://127.0.0.1:0",
        f"--grpc.address=127.0.0.1:{grpc}",
        "--grpc-web.enable=false",
        "--api.enable=false",
        f"--minimum-gas-prices={minimum_gas_prices}",
        "--log_no_color",
    ]
    with home.with_suffix(".log").open("wb") as log:
        # A session of its own: Ctrl-C goes to the tests alone, and they stop the node.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _with_parent() -> list[str]:
    """Let the node end even if the tests are killed, where the system has a command for that."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []


def _await_block(chain: Chain, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while not _is_up(chain):
        if process.poll() is not None:
            raise NotStarted(f"the node has ended with {process.returncode}:\n{_log(chain)}")
        if time.monotonic() > end:
            raise NotStarted(f"no block after {PATIENCE} s:\n{_log(chain)}")
        time.sleep(0.05)


def _is_up(chain: Chain) -> bool:
    host, port = chain.grpc.split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=PATIENCE):
            return chain.height() > 0
    except (OSError, KeyError):
        return False


def _log(chain: Chain) -> str:
    return chain.home.with_suffix(".log").read_text(errors="replace")[-4000:]


def _free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listens on, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
