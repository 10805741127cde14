"""Where an agent may listen, and behind which sockets a client believes it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyring_bridge.errors import PeerFailed
from keyring_plugin.client import KeyringClient
from tests.integration.agent.harness import PATIENCE, Agent, command, fails, ok, socket_of
from tests.integration.plugin.harness import COMMAND

if TYPE_CHECKING:
    from tests.integration.agent.conftest import Relay, Start
    from tests.integration.cli.harness import Cli

NOBODY = 65534

# Binds as root, so that the place is right, and listens as somebody else, whom the kernel then names.
IMPOSTOR = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
os.umask(0o177)
listener.bind(sys.argv[1])
os.setuid(65534)
listener.listen()
print("ready", flush=True)
while True:
    stream, _ = listener.accept()
    print("got " + repr(stream.recv(100)), flush=True)
"""


@pytest.fixture
def folder(user: Cli) -> Path:
    """The folder of the user's socket."""
    made = socket_of(user).parent
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def impostor(user: Cli, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of another user behind a socket at the right place."""
    command_ = [sys.executable, "-c", IMPOSTOR, str(socket_of(user))]
    with subprocess.Popen(command_, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def serves_by_itself(user: Cli, relay: Relay) -> str:
    """Check that the plugin uses no agent; return what it says."""
    plugin = relay(user)
    assert plugin.code("agent.status") == "not_available"
    assert plugin.result("keyring.key", uid="ops")["record"]["name"] == "ops"
    assert plugin.end() == 0
    return plugin.errors.read_text()


# --- the agent -------------------------------------------------------------------------------------------------------


def test_only_its_user_can_reach_it(user: Cli, start: Start) -> None:
    start(user)
    path = socket_of(user)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert not file.stat().st_mode & 0o077, file


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o710, 0o701])
def test_a_folder_that_others_can_enter(user: Cli, folder: Path, relay: Relay, mode: int) -> None:
    folder.chmod(mode)
    error = fails(user, "start", code=3, error="insecure_file")
    assert f"{mode:04o}" in error["message"]
    assert list(folder.iterdir()) == []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_of(user)))
        listener.listen()
        fails(user, "status", code=3, error="insecure_file")
        fails(user, "unlock", code=3, error="insecure_file")
        assert f"{mode:04o}" in serves_by_itself(user, relay)
        with pytest.raises(PeerFailed, match=f"{mode:04o}"):
            KeyringClient.attach(socket_of(user))


def test_a_folder_of_another_user(user: Cli, folder: Path, relay: Relay) -> None:
    os.chown(folder, NOBODY, NOBODY)
    assert f"uid {NOBODY}" in fails(user, "start", code=3, error="insecure_file")["message"]
    assert f"uid {NOBODY}" in serves_by_itself(user, relay)


def test_a_folder_that_is_a_link(user: Cli, folder: Path, tmp_path: Path, relay: Relay) -> None:
    folder.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)
    assert "symbolic link" in fails(user, "start", code=3, error="insecure_file")["message"]
    assert "symbolic link" in serves_by_itself(user, relay)
    assert list(elsewhere.iterdir()) == []


def test_a_socket_that_is_a_link(user: Cli, folder: Path, tmp_path: Path, relay: Relay) -> None:
    target = tmp_path / "target.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(target))
        listener.listen()
        socket_of(user).symlink_to(target)
        for word in ("start", "status", "unlock", "stop"):
            assert "symbolic link" in fails(user, word, code=3, error="insecure_file")["message"]
        assert "symbolic link" in serves_by_itself(user, relay)
        with pytest.raises(PeerFailed, match="symbolic link"):
            KeyringClient.attach(socket_of(user))
    assert target.exists()


def test_a_file_in_the_sockets_place_is_not_removed(user: Cli, folder: Path, relay: Relay) -> None:
    socket_of(user).write_text("mine")
    fails(user, "start", code=3, error="insecure_file")
    assert socket_of(user).read_text() == "mine"
    assert "not a socket" in serves_by_itself(user, relay)


def test_another_user_behind_the_socket(user: Cli, impostor: subprocess.Popen[str], relay: Relay) -> None:
    for words in (("status",), ("unlock",), ("lock",), ("stop",)):
        assert str(NOBODY) in fails(user, *words, code=3, error="insecure_file")["message"]
    assert str(NOBODY) in serves_by_itself(user, relay)
    with pytest.raises(PeerFailed, match=str(NOBODY)):
        KeyringClient.attach(socket_of(user))
    impostor.kill()
    assert impostor.stdout is not None
    # Nobody sent it anything.
    assert set(impostor.stdout.read().splitlines()) <= {"got b''"}


def test_a_client_of_another_user_is_not_served(user: Cli, start: Start) -> None:
    agent = start(user)
    # Root opens the door; what comes through it is somebody else.
    program = f"""
import os, socket
os.chdir({str(socket_of(user).parent)!r})
stream = socket.socket(socket.AF_UNIX)
os.setegid({NOBODY}); os.seteuid({NOBODY})
try:
    stream.connect("agent.sock")
    stream.sendall(b'{{"jsonrpc":"2.0","id":1,"method":"bridge.ping"}}\\n')
    print(stream.recv(100))
except OSError as error:
    print(type(error).__name__)
"""
    socket_of(user).chmod(0o666)
    socket_of(user).parent.chmod(0o755)
    for above in (socket_of(user).parent, *socket_of(user).parents):
        if above.stat().st_mode & 0o001 == 0 and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o011)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"b''", "ConnectionResetError", "BrokenPipeError"}, done.stdout
    assert f"refused a connection of uid {NOBODY}" in agent.said


def test_a_socket_that_nobody_listens_on_is_replaced(user: Cli, start: Start, relay: Relay) -> None:
    agent = start(user)
    agent.kill()
    assert socket_of(user).exists()
    assert command(user, "status").code == 10
    assert serves_by_itself(user, relay) == ""
    again = start(user)
    assert ok(user, "status")["pid"] == again.process.pid


def test_two_that_start_at_the_same_time(user: Cli, start: Start) -> None:
    agents = [start(user, wait=False) for _ in range(6)]
    end = time.monotonic() + PATIENCE
    while sum(agent.process.poll() is None for agent in agents) > 1:
        assert time.monotonic() < end
        time.sleep(0.02)
    (winner,) = [agent for agent in agents if agent.process.poll() is None]
    assert all(agent.process.returncode == 5 for agent in agents if agent is not winner)
    winner.ready()
    assert ok(user, "status")["pid"] == winner.process.pid
    for agent in agents:
        assert ("agent_running" in agent.said) == (agent is not winner)


def test_many_commands_start_one_agent(user: Cli) -> None:
    running = [
        subprocess.Popen([*COMMAND, "agent", "unlock", "-o", "json"], env=user.env, stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    for each in running:
        out, _ = each.communicate(timeout=60)
        assert b'"ready"' in out, out


def test_an_agent_leaves_anothers_socket_alone(user: Cli, start: Start) -> None:
    agent = start(user)
    socket_of(user).unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(socket_of(user)))
        assert agent.ends() == 0
        assert socket_of(user).exists()


# --- where it looks --------------------------------------------------------------------------------------------------


def test_a_place_that_is_named(user: Cli, start: Start, tmp_path: Path, relay: Relay) -> None:
    # Longer than the kernel takes as an address.
    folder = tmp_path / ("long-" * 30)
    folder.mkdir(mode=0o700)
    path = folder / "mine.sock"
    user.env["KEYRING_BRIDGE_SOCKET"] = str(path)
    start(user)
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert ok(user, "status")["socket"] == str(path)
    assert relay(user).result("agent.status")["socket"] == str(path)
    with KeyringClient.attach(path) as client:
        client.ping()


@pytest.mark.parametrize("named", ["relative/agent.sock", "agent.sock", "/tmp/"])
def test_a_place_that_is_none(user: Cli, named: str, relay: Relay) -> None:
    user.env["KEYRING_BRIDGE_SOCKET"] = named
    for word in ("start", "status"):
        fails(user, word, code=3, error="insecure_file")
    assert "KEYRING_BRIDGE_SOCKET" in serves_by_itself(user, relay)


@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", ""])
def test_without_a_runtime_directory(user: Cli, start: Start, variable: str, relay: Relay) -> None:
    del user.env["XDG_RUNTIME_DIR"]
    base = user.home / ".local" / "state"
    if variable:
        base = user.home / "states"
        user.env[variable] = str(base)
    start(user)
    path = base / "keyring-bridge" / "agent.sock"
    assert relay(user).result("agent.status")["socket"] == str(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_relay_keeps_to_its_configuration(user: Cli, start: Start, tmp_path: Path, relay: Relay) -> None:
    start(user)
    assert relay(user).result("agent.status")["config"] == str(user.config)
    other = tmp_path / "other"
    shutil.copytree(user.folder, other)
    user.env["KEYRING_BRIDGE_CONFIG"] = str(other / "config.toml")
    assert "another configuration" in serves_by_itself(user, relay)
    user.env["KEYRING_BRIDGE_SOCKET"] = str(socket_of(user))
    assert relay(user).result("agent.status")["config"] == str(user.config)


def test_no_agent_is_used_if_that_is_switched_off(user: Cli, start: Start, relay: Relay) -> None:
    start(user)
    user.env["KEYRING_BRIDGE_AGENT"] = "off"
    assert serves_by_itself(user, relay) == ""


# --- systemd ---------------------------------------------------------------------------------------------------------


PASS = """
import os, sys
if sys.argv[1] != "3":
    os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "agent"}
os.execv(sys.argv[2], sys.argv[2:])
"""


def passing(user: Cli, start: Start, passed: socket.socket) -> Agent:
    """Start an agent as systemd does: the socket is descriptor 3, and the process is told that it is meant."""
    prefix = (sys.executable, "-c", PASS, str(passed.fileno()))
    return start(user, wait=False, prefix=prefix, pass_fds=(passed.fileno(),))


def test_a_socket_that_is_passed(user: Cli, folder: Path, start: Start, relay: Relay) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.umask(0o177)
        try:
            listener.bind(str(socket_of(user)))
        finally:
            os.umask(before)
        listener.listen()
        # A client may come before the agent does.
        plugin = relay(user)
        asked = plugin.request("agent.status")
        agent = passing(user, start, listener).ready()
        answer = plugin.receive()
        assert (answer["id"], answer["result"]["pid"]) == (asked, agent.process.pid)
        fails(user, "start", code=5, error="agent_running")
        assert ok(user, "unlock")["state"] == "ready"
        assert agent.ends() == 0
        # The socket is systemd's; the next client starts the next agent.
        assert socket_of(user).exists()
        again = passing(user, start, listener).ready()
        assert ok(user, "status")["pid"] == again.process.pid


def test_a_passed_socket_must_be_a_safe_one(user: Cli, folder: Path, start: Start) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_of(user)))
        listener.listen()
        socket_of(user).chmod(0o666)
        agent = passing(user, start, listener)
        assert agent.process.wait(30) == 3
        assert "0666" in agent.said
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        agent = passing(user, start, listener)
        assert agent.process.wait(30) == 3
        assert "unix socket" in agent.said


def test_a_socket_that_is_meant_for_another_process(user: Cli, start: Start) -> None:
    user.env |= {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    start(user)
    assert ok(user, "status")["socket"] == str(socket_of(user))
