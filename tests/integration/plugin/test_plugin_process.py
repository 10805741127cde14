"""The process: how it starts, where its PIN comes from, how it ends."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest
import tomlkit

from tests.integration.cli.harness import Cli
from tests.integration.plugin.conftest import Start, with_token
from tests.integration.plugin.harness import COMMAND, PATIENCE, Plugin, b64, code_of, document
from tests.shim.shim import Shim
from tests.softhsm import SoftHsm

PIN = "73915508"


def set_option(user: Cli, **changes: object) -> None:
    """Change options of the user's only provider; None takes one away."""
    config = tomlkit.parse(user.config.read_text())
    options = config["providers"].unwrap()  # what follows replaces the table
    ((name, table),) = options.items()
    table.update(changes)
    config["providers"] = {name: {key: value for key, value in table.items() if value is not None}}
    user.config.write_text(tomlkit.dumps(config))


def through_shim(user: Cli, library: Path) -> Shim:
    """Put the shim between the user and the token."""
    hsm = SoftHsm(Path(user.env["SOFTHSM2_CONF"]).parent)
    shim = Shim(hsm, library)
    user.env.update(shim.env)
    set_option(user, library=str(shim.library))
    return shim


def wait_for_intents(user: Cli, count: int) -> None:
    """Wait until so many signatures were begun; the device is asked right after the intent is durable."""
    log = user.folder / "state" / "audit.jsonl"
    end = time.monotonic() + PATIENCE
    while log.read_text().count('"kind":"sign.intent"') < count:
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.1)


def refuses_by_and_by(plugin: Plugin) -> None:
    """Wait until a plugin that was asked to end refuses what comes; it has to be busy meanwhile."""
    end = time.monotonic() + PATIENCE
    while (answer := plugin.ask("bridge.ping")).get("result") == "pong":
        assert time.monotonic() < end
    assert code_of(answer) == "shutting_down"


@pytest.fixture
def token(tmp_path: Path) -> Cli:
    """A user with a token and the key ``ops``."""
    user = with_token(tmp_path)
    user.ok("keygen", "--label", "ops")
    return user


# --- the command line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("argument", "shown"), [("--version", "keyring-plugin 0."), ("--help", "--config FILE")])
def test_what_it_says_of_itself(nobody: Cli, argument: str, shown: str) -> None:
    done = subprocess.run([*COMMAND, argument], env=nobody.env, capture_output=True, text=True, check=True)
    assert shown in done.stdout


def test_wrong_arguments(nobody: Cli) -> None:
    done = subprocess.run([*COMMAND, "--nothing"], env=nobody.env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--nothing" in done.stderr


def test_a_configuration_that_is_named(start: Start, settled: Cli, nobody: Cli) -> None:
    request = b'{"jsonrpc":"2.0","id":1,"method":"keyring.key","params":["ops"]}\n'
    done = subprocess.run(
        [*COMMAND, "--config", str(settled.config)], env=nobody.env, input=request, capture_output=True, check=True
    )
    assert b'"name":"ops"' in done.stdout


def test_without_a_configuration_the_handshake_says_why(start: Start, nobody: Cli) -> None:
    plugin = start(nobody)
    shaken = plugin.result("bridge.handshake", protocol_version=1)
    assert shaken["problem"]["data"]["code"] == "config_missing"
    answer = plugin.ask("keyring.list")
    assert code_of(answer) == "config_missing"
    assert "hsm init" in answer["error"]["data"]["hint"]
    assert plugin.result("bridge.ping") == "pong"
    assert plugin.end() == 0
    assert "config_missing" in plugin.errors.read_text()


def test_a_broken_configuration(start: Start, nobody: Cli) -> None:
    nobody.folder.mkdir(mode=0o700)
    nobody.config.write_text("version = 1\nchain_idd = 'x'\n")
    nobody.config.chmod(0o600)
    plugin = start(nobody)
    answer = plugin.ask("keyring.list")
    assert code_of(answer) == "config_invalid"
    assert "chain_id" in answer["error"]["message"]


def test_the_handshake_opens_nothing(start: Start, settled_token: Cli) -> None:
    plugin = start(settled_token)
    plugin.result("bridge.handshake", protocol_version=1)
    maps = Path(f"/proc/{plugin.process.pid}/maps").read_text()
    assert "libsofthsm2" not in maps
    assert "sqlite" not in maps
    plugin.sign("ops", document(plugin, "ops"))
    assert "libsofthsm2" in Path(f"/proc/{plugin.process.pid}/maps").read_text()


# --- PINs ------------------------------------------------------------------------------------------------------------


def test_without_source_and_terminal_the_pin_is_required(start: Start, token: Cli) -> None:
    set_option(token, pin_source=None)
    plugin = start(token)
    answer = plugin.sign("ops", document(plugin, "ops"))
    assert code_of(answer) == "pin_required"
    assert plugin.code("bridge.unlock") == "pin_required"
    assert plugin.result("bridge.status")["providers"][0]["state"] != "ready"


def test_the_pin_is_typed_on_the_terminal_while_the_protocol_runs_elsewhere(tmp_path: Path, start: Start) -> None:
    hsm = SoftHsm(tmp_path / "softhsm")
    card = hsm.create_token("typed", pin=PIN)
    user = Cli(tmp_path / "home", hsm.env)
    user.ok("init", "--backend", "softhsm", "--token-serial", card.serial, "--chain-id", "testchain-1")
    set_option(user, pin_source=f"file:{card.pin_file}")
    user.ok("keygen", "--label", "ops")
    set_option(user, pin_source="prompt")
    master, slave = pty.openpty()
    # A session leader without a terminal: the one that the shell opens becomes its controlling terminal.
    plugin = start(user, ("sh", "-c", 'exec 3<>"$0"; exec "$@"', os.ttyname(slave)))
    document_ = document(plugin, "ops")
    identifier = plugin.request("keyring.sign", uid="ops", msg=b64(document_), mode=1)
    shown = b""
    while b"PIN" not in shown:
        shown += os.read(master, 1000)
    time.sleep(0.2)  # echo is switched off before the question, and what was typed earlier is dropped
    os.write(master, PIN.encode() + b"\n")
    answer = plugin.receive()
    assert answer["id"] == identifier
    assert "signature" in answer["result"]
    os.set_blocking(master, False)
    assert PIN.encode() not in shown + os.read(master, 1000)
    plugin.close()
    os.close(slave)
    os.close(master)


def test_a_wrong_pin_is_sent_once_whatever_clients_ask_for(start: Start, token: Cli) -> None:
    (file,) = token.folder.glob("*.pin")
    right = file.read_text()
    file.write_text("99999999")
    plugin = start(token)
    document_ = document(plugin, "ops")
    assert code_of(plugin.sign("ops", document_)) == "pin_incorrect"
    assert [code_of(plugin.sign("ops", document_)) for _ in range(3)] == ["pin_blocked"] * 3
    again = start(token)
    assert code_of(again.sign("ops", document_)) == "pin_blocked"
    assert [again.code("bridge.unlock") for _ in range(3)] == ["pin_blocked"] * 3
    file.write_text(right)
    (status,) = again.result("bridge.status")["providers"]
    assert status["state"] == "locked"
    token.ok("unlock")
    assert again.result("bridge.unlock") == {"provider": status["name"], "state": "ready"}
    assert "result" in again.sign("ops", document_)
    for each in (plugin, again):
        assert "99999999" not in each.errors.read_text()


# --- devices that misbehave ------------------------------------------------------------------------------------------


def test_a_device_that_hangs_holds_up_nobody_else(start: Start, token: Cli, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    plugin = start(token)
    document_ = document(plugin, "ops")
    assert "result" in plugin.sign("ops", document_)
    shim.control("hang C_Sign 1")
    begin = time.monotonic()
    hung = plugin.request("keyring.sign", uid="ops", msg=b64(document_), mode=1, deadline_ms=700)
    assert plugin.result("keyring.key", uid="ops")["record"]["name"] == "ops"
    answer = plugin.receive()
    assert (answer["id"], code_of(answer)) == (hung, "deadline_exceeded")
    assert time.monotonic() - begin > 0.6
    assert "result" in plugin.sign("ops", document_)
    # The bridge notices the deadline on its own, while the device still hangs.
    log, end = token.folder / "state" / "audit.jsonl", time.monotonic() + PATIENCE
    while '"result":"unknown"' not in log.read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    shim.control()
    assert "result" in plugin.sign("ops", document_)
    assert plugin.end() == 0
    outcomes = [entry["result"] for entry in token.json("audit", "tail") if entry["kind"] == "sign.outcome"]
    assert sorted(outcomes) == ["signed", "signed", "signed", "unknown"]
    assert token.json("audit", "verify")["ok"] is True


def test_a_request_that_hangs_can_be_cancelled(start: Start, token: Cli, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    plugin = start(token)
    document_ = document(plugin, "ops")
    assert "result" in plugin.sign("ops", document_)
    shim.control("hang C_Sign 1")
    hung = plugin.request("keyring.sign", uid="ops", msg=b64(document_), mode=1)
    wait_for_intents(token, 2)
    plugin.send({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": hung}})
    answer = plugin.receive()
    assert (answer["id"], code_of(answer)) == (hung, "cancelled")
    assert "result" in plugin.sign("ops", document_)
    shim.control()


def test_a_hung_device_does_not_keep_the_process(start: Start, token: Cli, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    plugin = start(token)
    document_ = document(plugin, "ops")
    shim.control("hang C_Sign 1")
    plugin.request("keyring.sign", uid="ops", msg=b64(document_), mode=1, deadline_ms=500)
    assert code_of(plugin.receive()) == "deadline_exceeded"
    assert plugin.end() == 0
    shim.control()
    assert token.json("audit", "verify")["ok"] is True


def test_a_token_that_is_pulled_and_put_back(start: Start, token: Cli, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    plugin = start(token)
    document_ = document(plugin, "ops")
    assert "result" in plugin.sign("ops", document_)
    shim.control("removed")
    code = code_of(plugin.sign("ops", document_))
    assert code in {"token_removed", "token_not_found", "session_lost"}
    shim.control()
    end = time.monotonic() + PATIENCE
    while "error" in (answer := plugin.sign("ops", document_)) and time.monotonic() < end:
        assert code_of(answer) in {"token_removed", "token_not_found", "session_lost"}
    assert "result" in answer


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_an_idle_server(start: Start, settled: Cli, number: signal.Signals) -> None:
    plugin = start(settled)
    assert plugin.result("keyring.backend") == "hsm"
    plugin.process.send_signal(number)
    assert plugin.process.wait(PATIENCE) == 0
    assert plugin.drain() == []
    assert "Traceback" not in plugin.errors.read_text()


def test_a_signal_lets_requests_finish_and_refuses_new_ones(start: Start, token: Cli, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    plugin = start(token)
    document_ = document(plugin, "ops")
    assert "result" in plugin.sign("ops", document_)
    shim.control("hang C_Sign")
    running = plugin.request("keyring.sign", uid="ops", msg=b64(document_), mode=1)
    wait_for_intents(token, 2)
    plugin.process.terminate()
    refuses_by_and_by(plugin)
    shim.control()
    answer = plugin.receive()
    assert (answer["id"], "result" in answer) == (running, True)
    assert plugin.process.wait(PATIENCE) == 0


@pytest.mark.slow
def test_a_signal_ends_a_server_whose_client_reads_no_answers(start: Start, settled: Cli) -> None:
    plugin = start(settled)
    for _ in range(20):
        plugin.request("rpc.discover")
    time.sleep(1)
    plugin.process.terminate()
    assert plugin.process.wait(PATIENCE) == 0


def test_killed_while_signing_leaves_an_audit_log_that_verifies(start: Start, token: Cli, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    plugin = start(token)
    document_ = document(plugin, "ops")
    shim.control("delay C_Sign 30000")
    plugin.request("keyring.sign", uid="ops", msg=b64(document_), mode=1)
    wait_for_intents(token, 1)
    plugin.process.kill()
    plugin.process.wait()
    shim.control()
    assert token.json("audit", "verify")["ok"] is True
    assert "result" in Plugin.sign(start(token), "ops", document_)
