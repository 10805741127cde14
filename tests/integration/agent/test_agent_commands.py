"""``keyring-plugin agent start|stop|status|lock|unlock`` as a person uses them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyring_plugin import openrpc
from keyring_plugin.client import KeyringClient
from tests.integration.agent.conftest import PIN, Relay, Start
from tests.integration.agent.harness import command, fails, ok, socket_of, typing
from tests.integration.plugin.harness import COMMAND, code_of, document
from tests.processes import stopped

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli


def state(user: Cli) -> tuple[str, str | None]:
    told = ok(user, "status")
    return told["state"], told["locked_by"]


def test_a_life(user: Cli, relay: Relay) -> None:
    done = command(user, "status")
    assert (done.code, "no agent runs" in done.out) == (10, True)
    assert json.loads(command(user, "status", "-o", "json").out) == {"running": False, "socket": str(socket_of(user))}
    for word in ("stop", "lock"):
        fails(user, word, code=10, error="agent_not_running")
    assert ok(user, "start", "--background") == {"socket": str(socket_of(user)), "config": str(user.config)}
    assert state(user) == ("locked", "start")
    fails(user, "start", "--background", code=5, error="agent_running")
    assert ok(user, "unlock") == {"provider": "software", "state": "ready"}
    assert state(user) == ("unlocked", None)
    plugin = relay(user)
    assert "result" in plugin.sign("ops", document(plugin, "ops"))
    assert ok(user, "lock") == {"state": "locked"}
    assert state(user) == ("locked", "lock")
    answer = plugin.sign("ops", document(plugin, "ops"))
    assert code_of(answer) == "pin_required"
    assert "agent unlock" in answer["error"]["data"]["hint"]
    assert ok(user, "unlock")["state"] == "ready"
    assert "result" in plugin.sign("ops", document(plugin, "ops"))
    process = ok(user, "status")["pid"]
    assert ok(user, "stop") == {"stopped": process}
    assert not Path(f"/proc/{process}").exists() or "Z" in Path(f"/proc/{process}/stat").read_text()
    assert not socket_of(user).exists()
    kinds = [entry["kind"] for entry in user.json("audit", "tail", "-n", "100")]
    assert kinds.count("login.lock.intent") == 1
    assert user.json("audit", "verify")["ok"] is True


def test_what_status_tells(token: Cli, start: Start) -> None:
    agent = start(token, "--idle-lock", "1234")
    told = ok(token, "status")
    (provider,) = told["providers"]
    assert provider["state"] == "locked"
    assert (told["running"], told["pid"], told["config"]) == (True, agent.process.pid, str(token.config))
    assert (told["idle_lock_seconds"], told["clients"], told["under_way"], told["served"]) == (1234, 1, 0, 0)
    text = command(token, "status").out
    for part in ("locked (by start)", str(agent.process.pid), str(socket_of(token)), "1234 s", provider["name"]):
        assert part in text


def test_the_status_follows_the_protocol(user: Cli, start: Start) -> None:
    import jsonschema

    start(user)
    document_ = openrpc.document()
    with KeyringClient.attach(socket_of(user)) as client:
        schema = {"$ref": "#/components/schemas/Agent", "components": document_["components"]}
        jsonschema.validate(client.call("agent.status"), schema)


def test_unlocking_starts_an_agent(token: Cli) -> None:
    assert ok(token, "unlock")["state"] == "ready"
    with KeyringClient.attach(socket_of(token)) as client:
        assert client.call("agent.status")["state"] == "unlocked"
    fails(token, "unlock", "--provider", "nobody", code=3, error="config_invalid")


def test_a_pin_from_a_file_is_read_when_it_is_needed(token: Cli, start: Start, relay: Relay) -> None:
    start(token)
    plugin = relay(token)
    assert "result" in plugin.sign("ops", document(plugin, "ops"))
    assert state(token) == ("unlocked", None)


@pytest.mark.parametrize("forbidden", ["environment", "configuration"])
def test_starting_on_demand_can_be_switched_off(user: Cli, forbidden: str) -> None:
    if forbidden == "environment":
        user.env["KEYRING_BRIDGE_AGENT"] = "manual"
    else:
        user.config.write_text(user.config.read_text() + "\n[agent]\nstart_on_demand = false\n")
    fails(user, "unlock", code=10, error="agent_not_running")
    assert not socket_of(user).exists()
    ok(user, "start", "--background")
    assert ok(user, "unlock")["state"] == "ready"


def test_the_plugin_can_be_told_to_start_one(user: Cli, relay: Relay) -> None:
    plugin = relay(user, KEYRING_BRIDGE_AGENT="start")
    assert "result" in plugin.sign("ops", document(plugin, "ops"))
    assert plugin.ask("agent.status")["result"]["pid"] != plugin.process.pid
    assert plugin.end() == 0


def test_the_python_client_starts_one(user: Cli) -> None:
    program = (
        "from keyring_plugin.client import KeyringClient\nwith KeyringClient.agent() as c: print(c.key('ops').name)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=user.env, capture_output=True, text=True, check=True)
    assert done.stdout == "ops\n"
    assert ok(user, "status")["running"] is True


def test_what_is_wrong_with_the_configuration_is_told(user: Cli) -> None:
    user.config.write_text("version = 1\n[agent]\nidle_lock = 3\n")
    for words in (("start",), ("start", "--background"), ("unlock",)):
        error = fails(user, *words, code=3, error="config_invalid")
        assert "idle_lock_seconds" in error["message"]
    user.config.unlink()
    fails(user, "start", "--background", code=3, error="config_missing")


@pytest.mark.parametrize(
    "words", [(), ("dance",), ("start", "--loud"), ("start", "--idle-lock", "-1"), ("start", "--idle-lock", "x")]
)
def test_wrong_arguments(user: Cli, words: tuple[str, ...]) -> None:
    done = command(user, *words)
    assert (done.code, done.out) == (2, "")
    assert "usage_error" in done.err


def test_help(user: Cli) -> None:
    for words in (("--help",), *((word, "--help") for word in ("start", "stop", "status", "lock", "unlock"))):
        done = command(user, *words)
        assert done.code == 0
        assert "keyring-plugin agent" in done.out


def test_a_plugin_that_is_no_agent_says_so(user: Cli, relay: Relay) -> None:
    plugin = relay(user)
    for method in ("agent.status", "agent.lock", "agent.unlock", "agent.stop"):
        assert plugin.code(method) == "not_available"


# --- PINs that are typed ---------------------------------------------------------------------------------------------


def test_a_typed_pin_unlocks_once_for_all(typist: Cli, start: Start, relay: Relay) -> None:
    agent = start(typist)
    plugin = relay(typist)
    answer = plugin.sign("ops", document(plugin, "ops"))
    assert code_of(answer) == "pin_required"
    assert state(typist) == ("locked", "start")
    fails(typist, "unlock", code=7, error="pin_required")  # no terminal to ask on
    done = typing(typist, "unlock", answers={"PIN for token desk": PIN})
    assert done.code == 0
    assert "ready" in done.out
    assert PIN not in done.out + agent.said
    for each in (plugin, relay(typist)):
        assert "result" in each.sign("ops", document(each, "ops"))
    # Once more, nobody is asked and nothing is sent.
    assert ok(typist, "unlock")["state"] == "ready"
    ok(typist, "lock")
    assert code_of(plugin.sign("ops", document(plugin, "ops"))) == "pin_required"
    assert typing(typist, "unlock", answers={"PIN for token desk": PIN}).code == 0
    assert "result" in plugin.sign("ops", document(plugin, "ops"))
    assert PIN not in (typist.folder / "state" / "audit.jsonl").read_text()


def test_a_wrong_pin_is_sent_once(typist: Cli, start: Start, relay: Relay) -> None:
    agent = start(typist)
    done = typing(typist, "unlock", answers={"PIN for token desk": "11112222"})
    assert done.code == 7
    assert "pin_incorrect" in done.out
    # The second time nobody is even asked.
    done = command(typist, "unlock")
    assert (done.code, "pin_blocked" in done.err) == (7, True)
    plugin = relay(typist)
    assert code_of(plugin.sign("ops", document(plugin, "ops"))) == "pin_blocked"
    agent.ends()
    start(typist)
    fails(typist, "unlock", code=7, error="pin_blocked")
    assert "11112222" not in agent.said
    (provider,) = ok(typist, "status")["providers"]
    assert provider["state"] == "locked"


def test_idling_locks(typist: Cli, start: Start, relay: Relay) -> None:
    agent = start(typist, "--idle-lock", "4")
    # Nothing that takes time stands between unlocking and signing: there are only the four seconds.
    plugin = relay(typist)
    document_ = document(plugin, "ops")
    assert typing(typist, "unlock", answers={"PIN for token desk": PIN}).code == 0
    assert "result" in plugin.sign("ops", document_)
    agent.wait_said("locked after 4 idle seconds")
    assert state(typist) == ("locked", "idle")
    assert ok(typist, "status")["providers"][0]["state"] == "locked"
    assert code_of(plugin.sign("ops", document_)) == "pin_required"
    assert typing(typist, "unlock", answers={"PIN for token desk": PIN}).code == 0
    assert "result" in plugin.sign("ops", document_)


def test_no_pin_is_left_in_memory(typist: Cli, start: Start) -> None:
    agent = start(typist)
    assert typing(typist, "unlock", answers={"PIN for token desk": PIN}).code == 0
    memory = memory_of(agent.process.pid)
    assert str(socket_of(typist)).encode() in memory
    # SoftHSM2 keeps it masked; of what Python had, nothing is left.
    assert PIN.encode() not in memory


def memory_of(process: int) -> bytes:
    """Everything that a process can write to, as root sees it."""
    found = bytearray()
    descriptor = os.open(f"/proc/{process}/mem", os.O_RDONLY)
    with stopped(process):
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            region, rights, *_ = line.split()
            if rights.startswith("rw") and not line.endswith(("[vvar]", "[vsyscall]")):
                first, last = (int(number, 16) for number in region.split("-"))
                found += os.pread(descriptor, last - first, first)
    os.close(descriptor)
    return bytes(found)


def test_the_command_is_there_without_the_agent_being_loaded(user: Cli) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMAND[1:], "--version"], env=user.env, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "agent.core" not in done.stderr
