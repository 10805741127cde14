"""The chain's own commands over the bridge's keyring, without a node: `keys`, `hsm`, and what goes wrong."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.chain.build import build_chain
from tests.chain.node import CHAIN_ID, Chain
from tests.integration.cli.harness import PATIENCE, Cli
from tests.integration.gomodule.harness import PLUGIN, Operator

pytestmark = pytest.mark.chain
WORDS = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """A user with the key ``ops`` in a key file, and no node."""
    folder = tmp_path_factory.mktemp("operator")
    cli = Cli(folder / "home")
    cli.ok("init", "--backend", "software", "--chain-id", CHAIN_ID)
    nowhere = Chain(build_chain(), folder / "none", "tcp://127.0.0.1:1", "127.0.0.1:1", 0)
    operator = Operator(cli, nowhere, folder / "chain")
    operator.key("ops", coins="")
    return operator


@pytest.fixture
def unsigned(operator: Operator, tmp_path: Path) -> Path:
    ops = operator.ok("keys", "show", "ops", "-a").strip()
    return operator.unsigned(tmp_path, "bank", "send", ops, ops, "1uve", "--chain-id", CHAIN_ID)


def sign(unsigned: Path, sender: str = "ops") -> tuple[str, ...]:
    known = ("--offline", "-a", "1", "-s", "0", "--chain-id", CHAIN_ID)
    return ("tx", "sign", str(unsigned), "--from", sender, *known)


def test_keys_of_every_command(operator: Operator, tmp_path: Path) -> None:
    operator.ok("keys", "add", "deep", "--recover", stdin=f"{WORDS}\n")
    address = operator.ok("keys", "show", "deep", "-a").strip()
    shown = json.loads(operator.ok("keys", "show", address, "--output", "json"))
    assert (shown["name"], shown["type"]) == ("deep", "local")
    assert json.loads(shown["pubkey"])["@type"] == "/cosmos.crypto.secp256k1.PubKey"
    listed = json.loads(operator.ok("keys", "list", "--output", "json"))
    assert {"deep", "ops"} <= {each["name"] for each in listed}
    operator.ok("keys", "rename", "deep", "deeper", "--yes")
    assert "deep is not a valid name" in operator.fails("keys", "show", "deep")
    made = json.loads(operator.ok("keys", "add", "new", "--output", "json", "--no-backup"))
    assert made["address"] == operator.ok("keys", "show", "new", "-a").strip()
    operator.ok("keys", "delete", "new", "--yes")
    assert "new" not in operator.ok("keys", "list", "--list-names").split()
    assert "private key is not available" in operator.fails("keys", "export", "ops", stdin="12345678\n12345678\n")
    assert "private key is not available" in operator.fails(
        "keys", "export", "ops", "--unarmored-hex", "--unsafe", "--yes"
    )
    # A key of the SDK's own keyring moves into the bridge.
    operator.ok("keys", "add", "mover", backend="test")
    armor = tmp_path / "armor"
    armor.write_text(operator.run("keys", "export", "mover", backend="test", stdin="12345678\n").out)
    operator.ok("keys", "import", "mover", str(armor), stdin="12345678\n")
    assert operator.ok("keys", "show", "mover", "-a") == operator.ok("keys", "show", "mover", "-a", backend="test")
    assert "cannot overwrite key" in operator.fails("keys", "import", "mover", str(armor), stdin="12345678\n")
    assert "key already exists" in operator.fails("keys", "rename", "ops", "mover", "--yes")


def test_no_other_keyring_is_touched(operator: Operator, tmp_path: Path) -> None:
    fresh = Operator(operator.cli, operator.chain, tmp_path / "fresh")
    fresh.ok("keys", "list")
    assert {path.name for path in fresh.home.iterdir()} <= {"config", "data"}


def test_genesis_commands_find_and_use_the_keys(operator: Operator, tmp_path: Path) -> None:
    fresh = Operator(operator.cli, operator.chain, tmp_path / "node")
    fresh.ok("init", "desk", "--chain-id", CHAIN_ID, backend="")
    fresh.ok("genesis", "add-genesis-account", "ops", "5000000uve")
    state = json.loads((fresh.home / "config" / "genesis.json").read_text())["app_state"]
    assert [each["address"] for each in state["bank"]["balances"]] == [fresh.ok("keys", "show", "ops", "-a").strip()]
    # The policy of the key has no such message.
    refusal = fresh.fails("genesis", "gentx", "ops", "4000000uve", "--chain-id", CHAIN_ID)
    assert "/cosmos.staking.v1beta1.MsgCreateValidator" in refusal


def test_the_chains_hsm_command_is_the_bridges(operator: Operator) -> None:
    plain = [str(operator.chain.binary), "hsm"]

    def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, input=stdin, env=operator.env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    shown = run(*plain, "keys", "show", "ops", "--output", "json")
    assert json.loads(shown.stdout)["name"] == "ops"
    assert run(*plain, "keys", "show", "nobody").returncode == operator.cli.run("keys", "show", "nobody").code != 0
    assert "usage: hsm" in run(*plain, "--help").stdout
    # Words of the chain in front of the command are not the bridge's.
    assert run(plain[0], "--home", "/nowhere", "hsm", "status").returncode == 0
    empty = run(*plain, "status")
    assert empty.returncode == 0
    missing = subprocess.run(
        [*plain, "status"],
        env={**operator.env, "KEYRING_BRIDGE_HSM": "no-such-hsm"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert missing.returncode == 1
    assert 'there is no program "no-such-hsm"' in missing.stderr
    assert not (Path(operator.env["HOME"]) / ".testchain").exists()


def test_a_plugin_that_is_missing_or_another_program(operator: Operator, unsigned: Path) -> None:
    for plugin, said in {
        "no-such-plugin": 'there is no program "no-such-plugin"; install keyring-bridge, or name the program',
        "cat": "the keyring plugin broke the protocol",
        "false": "the keyring plugin is gone: it ended with exit status 1",
        "echo hello": "the keyring plugin broke the protocol",
        "'": "KEYRING_BRIDGE_PLUGIN cannot be read",
    }.items():
        env = {"KEYRING_BRIDGE_PLUGIN": plugin}
        assert said in operator.fails(*sign(unsigned), env=env)
        assert said in operator.fails("keys", "list", env=env)


def test_a_bridge_without_configuration_says_so(operator: Operator, unsigned: Path, tmp_path: Path) -> None:
    refusal = operator.fails(*sign(unsigned), env={"KEYRING_BRIDGE_CONFIG": str(tmp_path / "none.toml")})
    assert "run `hsm init` first" in refusal


def test_what_needs_no_key_starts_no_plugin(operator: Operator, unsigned: Path) -> None:
    env = {"KEYRING_BRIDGE_PLUGIN": "no-such-plugin"}
    assert operator.ok("tx", "encode", str(unsigned), env=env)
    ops = json.loads(unsigned.read_text())["body"]["messages"][0]["from_address"]
    generate = ("tx", "bank", "send", ops, ops, "1uve", "--generate-only", "--chain-id", CHAIN_ID)
    assert operator.ok(*generate, env=env)


@contextmanager
def slow(
    operator: Operator, folder: Path, unsigned: Path, timeout: str = "60s"
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a command whose plugin stops itself when it is asked to sign; yield both when it has.

    Args:
        operator: Who runs it.
        folder: For the plugin to leave a note.
        unsigned: The transaction.
        timeout: Of each call; starting the plugin is part of the first one.
    """
    told = folder / "pid"
    code = (
        "import os, pathlib, signal, time\n"
        "from keyring_bridge import bridge\n"
        "from keyring_plugin import main\n"
        "def stop(*arguments, **more):\n"
        f"    pathlib.Path({str(told)!r}).write_text(f'{{os.getpid()}}\\n')\n"
        "    os.kill(os.getpid(), signal.SIGSTOP)\n"
        "    time.sleep(0.5)\n"  # other threads stop a moment later
        "    raise TimeoutError\n"
        "bridge.Bridge.sign = stop\n"
        "main.run()\n"
    )
    env = {**operator.env, "KEYRING_BRIDGE_PLUGIN": shlex.join([sys.executable, "-c", code])}
    command = operator.command(*sign(unsigned), "--keyring-backend", "hsm")
    with subprocess.Popen(
        command,
        env={**env, "KEYRING_BRIDGE_TIMEOUT": timeout},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            end = time.monotonic() + PATIENCE
            while not (told.exists() and told.read_text().endswith("\n") and _state(int(told.read_text())) == "T"):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.01)
            yield process, int(told.read_text())
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the plugin, which may be stopped, is in its group


def test_a_plugin_that_hangs(operator: Operator, unsigned: Path, tmp_path: Path) -> None:
    with slow(operator, tmp_path, unsigned, timeout="8s") as (process, plugin):
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (1, "")
        assert "the keyring plugin did not answer in time: keyring.sign" in err
        assert _ends(plugin)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_plugin_that_is_killed_while_it_signs(
    operator: Operator, unsigned: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with slow(operator, tmp_path, unsigned) as (process, plugin):
        os.kill(plugin, number)
        if number is not signal.SIGKILL:
            os.kill(plugin, signal.SIGCONT)
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (1, "")
        if number is signal.SIGKILL:
            assert "was killed by signal 9 (killed); if it was signing, the audit log has what became of it" in err
        else:
            assert "Error: " in err


def test_ctrl_c_ends_command_and_plugin(operator: Operator, unsigned: Path, tmp_path: Path) -> None:
    with slow(operator, tmp_path, unsigned) as (process, plugin):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        os.kill(plugin, signal.SIGCONT)
        process.communicate(timeout=PATIENCE)
        assert process.returncode != 0
        assert _ends(plugin)


def _state(pid: int) -> str:
    """State of a process as the kernel writes it; Z if there is none any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def _ends(pid: int) -> bool:
    end = time.monotonic() + PATIENCE
    while _state(pid) != "Z" and time.monotonic() < end:
        time.sleep(0.02)
    return _state(pid) == "Z"


def test_an_agent_answers(operator: Operator, unsigned: Path, tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    env = {**operator.env, "XDG_RUNTIME_DIR": str(runtime), "KEYRING_BRIDGE_AGENT": "manual"}
    agent = subprocess.Popen([*PLUGIN, "agent", "start"], env=env, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        place = runtime / "keyring-bridge" / "agent.sock"
        end = time.monotonic() + PATIENCE
        while not place.exists():
            assert agent.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        # It is the agent that signs: there is no plugin that could be started.
        found = {"XDG_RUNTIME_DIR": str(runtime), "KEYRING_BRIDGE_AGENT": "manual", "KEYRING_BRIDGE_PLUGIN": "none"}
        assert json.loads(operator.ok(*sign(unsigned), env=found))["signatures"]
        named = {"KEYRING_BRIDGE_SOCKET": str(place), "KEYRING_BRIDGE_AGENT": "", "KEYRING_BRIDGE_PLUGIN": "none"}
        assert json.loads(operator.ok(*sign(unsigned), env=named))["signatures"]
        link = tmp_path / "link.sock"
        link.symlink_to(place)
        refusal = operator.fails(*sign(unsigned), env={**named, "KEYRING_BRIDGE_SOCKET": str(link)})
        assert "the agent's socket cannot be used" in refusal
        assert "symbolic link" in refusal
    finally:
        agent.terminate()
        agent.wait(PATIENCE)
    # Nobody listens any more: the plugin serves by itself.
    operator.ok(
        *sign(unsigned), env={**named, "KEYRING_BRIDGE_AGENT": "manual", "KEYRING_BRIDGE_PLUGIN": shlex.join(PLUGIN)}
    )


LATER_PLUGIN = """
import json, sys
key = {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": "Anm+Zn753LusVaBilc6HCwcCm/zbLc4o2VnygVsW+BeY"}
path = {"purpose": 44, "coin_type": 118, "account": 0, "change": False, "address_index": 0}
entry = {"record": {"name": "ledger", "pub_key": key, "ledger": {"path": path}}}
while header := sys.stdin.buffer.readline():
    sys.stdin.buffer.readline()
    request = json.loads(sys.stdin.buffer.read(int(header.split(b":")[1])))
    answer = {"jsonrpc": "2.0", "id": request["id"], "result": entry}
    if request["method"] == "bridge.handshake":
        answer["result"] = {"protocol_version": 1}
    if request["method"] == "keyring.sign":
        del answer["result"]
        answer["error"] = {"code": 1, "message": f"mode {request['params']['mode']}", "data": {"code": "later"}}
    body = json.dumps(answer).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
    sys.stdout.buffer.flush()
"""
"""A plugin of a release that has Ledger devices, as far as this is about."""


def test_a_ledger_signs_in_amino_json_and_stdout_stays_json(operator: Operator, tmp_path: Path) -> None:
    env = {"KEYRING_BRIDGE_PLUGIN": shlex.join([sys.executable, "-c", LATER_PLUGIN])}
    address = operator.ok("keys", "show", "ledger", "-a", env=env).strip()
    # This command sets the flag --from by itself.
    send = ("tx", "bank", "send", "ledger", address, "1uve", "--chain-id", CHAIN_ID)
    done = operator.run(*send, "--generate-only", env=env)
    assert done.code == 0, done
    unsigned = tmp_path / "unsigned.json"
    unsigned.write_text(json.dumps(json.loads(done.out)))
    told = "Default sign-mode 'direct' not supported by Ledger, using sign-mode 'amino-json'.\n"
    assert done.err == told
    offline = ("--offline", "-a", "1", "-s", "0", "--yes")
    for command in (("tx", "sign", str(unsigned), "--from", "ledger", "--chain-id", CHAIN_ID), send):
        refused = operator.run(*command, *offline, env=env)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith(told)
        assert "mode 127" in refused.err
        # A mode that the device knows is left alone.
        refused = operator.run(*command, *offline, "--sign-mode", "amino-json", env=env)
        assert refused.err.startswith("Error: mode 127")
