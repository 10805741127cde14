"""``keyring-plugin`` without arguments while an agent runs: a relay that nobody notices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyring_plugin.client import KeyringClient
from keyring_plugin.framing import Framing
from tests.integration.agent.harness import command, ok, socket_of
from tests.integration.plugin.harness import COMMAND, PATIENCE, b64, code_of, document
from tests.integration.plugin.test_plugin_process import refuses_by_and_by, through_shim, wait_for_intents

if TYPE_CHECKING:
    from tests.integration.agent.conftest import Relay, Start
    from tests.integration.cli.harness import Cli

PING = b'{"jsonrpc":"2.0","id":1,"method":"bridge.ping"}'
PONG = b'{"jsonrpc":"2.0","result":"pong","id":1}'


def run(user: Cli, data: bytes) -> subprocess.CompletedProcess[bytes]:
    """Give a relay all its input at once."""
    return subprocess.run(COMMAND, env=user.env, input=data, capture_output=True, timeout=PATIENCE, check=True)


def test_it_loads_next_to_nothing(user: Cli, start: Start) -> None:
    start(user)
    # As an installed keyring-plugin does; runpy (-m) would load more than all of ours.
    program = [sys.executable, "-X", "importtime", "-c", "from keyring_plugin.main import run; run()"]
    done = subprocess.run(program, env=user.env, input=PING + b"\n", capture_output=True, check=True)
    assert done.stdout == PONG + b"\n"
    loaded = {line.rpartition(b"|")[2].strip().decode() for line in done.stderr.splitlines()}
    assert "keyring_plugin.agent.relay" in loaded
    assert not {name for name in loaded if name.startswith(("keyring_bridge", "cosmos_formats"))}
    assert not {"json", "socket", "dataclasses", "logging", "asyncio", "pathlib", "signal", "subprocess"} & loaded


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (PING + b"\n", PONG + b"\n"),
        (PING, PONG + b"\n"),  # the end of the input ends the line
        (b"\n \r\n" + PING + b"\n" + b"\n", PONG + b"\n"),
        (b"Content-Length: %d\r\n\r\n" % len(PING) + PING, b"Content-Length: %d\r\n\r\n" % len(PONG) + PONG),
        (b"[" + PING + b"]\n", b"[" + PONG + b"]\n"),
        (b'{"jsonrpc":"2.0","method":"bridge.ping"}\n', b""),
        (b"", b""),
    ],
)
def test_bytes_go_both_ways(user: Cli, start: Start, sent: bytes, answered: bytes) -> None:
    start(user)
    done = run(user, sent)
    assert (done.stdout, done.stderr) == (answered, b"")


@pytest.mark.parametrize("sent", [b"nonsense\n", b"Content-Nonsense\r\n\r\n{}", b"Content-Length: x\r\n\r\n", b"[]\n"])
def test_nonsense_is_the_agents_to_refuse(user: Cli, start: Start, sent: bytes) -> None:
    by_itself = run(user, sent).stdout
    start(user)
    assert run(user, sent).stdout == by_itself != b""


def test_large_messages_in_both_directions(user: Cli, start: Start, relay: Relay) -> None:
    start(user)
    plugin = relay(user)
    # Nobody reads while so much is on the way that no pipe and no socket holds it.
    wanted = [plugin.request("rpc.discover") for _ in range(24)]
    too_large = {"jsonrpc": "2.0", "id": "large", "method": "bridge.ping", "params": {"pad": "x" * (3 << 20)}}
    plugin.send(too_large)
    wanted += [plugin.request("bridge.ping")]
    answers = [plugin.receive() for _ in range(26)]
    assert {answer["id"] for answer in answers if answer["id"] is not None} == set(wanted)
    (refused,) = [answer for answer in answers if answer["id"] is None]
    assert code_of(refused) == "frame_too_large"
    assert plugin.end() == 0


def test_bytes_that_come_one_by_one(user: Cli, start: Start, relay: Relay) -> None:
    start(user)
    plugin = relay(user)
    for byte in PING + b"\n":
        plugin.send_raw(bytes([byte]))
    assert plugin.receive() == json.loads(PONG)


def test_the_caller_is_whom_the_kernel_names(user: Cli, start: Start, relay: Relay) -> None:
    start(user)
    plugin = relay(user)
    plugin.result("bridge.handshake", client={"name": "teller", "version": "7"})
    assert "result" in plugin.sign("ops", document(plugin, "ops"))
    (intent,) = [entry for entry in user.json("audit", "tail") if entry["kind"] == "sign.intent"]
    assert intent["caller"] == f"uid:{os.getuid()}"
    hints = intent["hints"]
    assert (hints["transport"], hints["client"]) == ("agent", "teller 7")
    assert (hints["pid"], hints["parent"]) == (str(plugin.process.pid), str(os.getpid()))
    assert hints["parent_exe"] == os.readlink("/proc/self/exe")


# --- agents that end -------------------------------------------------------------------------------------------------


def test_a_restarted_agent_is_used_for_the_next_request(user: Cli, start: Start, relay: Relay) -> None:
    agent = start(user)
    plugin = relay(user)
    assert plugin.result("agent.status")["pid"] == agent.process.pid
    agent.kill()
    answer = plugin.ask("keyring.list")
    assert code_of(answer) == "peer_failed"
    assert answer["error"]["data"]["retryable"] is True
    assert "not begun" in answer["error"]["message"]
    again = start(user)
    assert plugin.result("agent.status")["pid"] == again.process.pid
    # Ended in peace, with a connection that is idle.
    assert again.ends() == 0
    last = start(user)
    assert plugin.result("agent.status")["pid"] == last.process.pid
    assert plugin.end() == 0


@pytest.mark.parametrize("framing", list(Framing))
def test_every_request_under_way_is_answered_when_the_agent_dies(
    token: Cli, start: Start, shim_library: Path, framing: Framing
) -> None:
    shim = through_shim(token, shim_library)
    agent = start(token)
    ok(token, "unlock")
    shim.control("delay C_Sign 20000")
    with (
        subprocess.Popen(COMMAND, env=token.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process,
        KeyringClient.attach(socket_of(token)) as other,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        sign = {"method": "keyring.sign", "params": {"uid": "ops", "msg": b64(_document(other)), "mode": 1}}
        list_ = {"jsonrpc": "2.0", "method": "keyring.backend"}
        messages: list[object] = [
            {"jsonrpc": "2.0", "id": "one", **sign},
            [{"jsonrpc": "2.0", "id": 2, **list_}, {"jsonrpc": "2.0", "id": 3, **sign}, list_],
            {"jsonrpc": "2.0", **sign},
            {"jsonrpc": "2.0", "id": 4, **list_},
        ]
        for message in messages:
            body = json.dumps(message).encode()
            process.stdin.write(_framed(body, framing))
        assert _next(process, framing) == {"jsonrpc": "2.0", "result": "hsm", "id": 4}
        wait_for_intents(token, 3)
        agent.kill()
        answers = [_next(process, framing), _next(process, framing)]
        single, batch = sorted(answers, key=lambda answer: isinstance(answer, list))
        assert (single["id"], code_of(single)) == ("one", "peer_failed")
        assert "audit log" in single["error"]["message"]
        assert [(each["id"], code_of(each)) for each in batch] == [(2, "peer_failed"), (3, "peer_failed")]
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
        assert process.stdout.read() == b""
    shim.control()
    assert token.json("audit", "verify")["ok"] is True


def _document(client: KeyringClient) -> bytes:
    from tests.unit.bridge.sign_docs import send_doc

    return send_doc(client.key("ops").public_key, "testchain-1")  # type: ignore[arg-type]  # not a multisig


def _framed(body: bytes, framing: Framing) -> bytes:
    return body + b"\n" if framing is Framing.NEWLINE else b"Content-Length: %d\r\n\r\n" % len(body) + body


def _next(process: subprocess.Popen[bytes], framing: Framing) -> object:
    assert process.stdout is not None
    data = b""
    if framing is Framing.NEWLINE:
        while not data.endswith(b"\n"):
            data += process.stdout.read(1)
        return json.loads(data)
    while not data.endswith(b"\r\n\r\n"):
        data += process.stdout.read(1)
    length, body = int(data.split()[1]), b""
    while len(body) < length:
        body += process.stdout.read(length - len(body))
    return json.loads(body)


# --- signals, and clients that go away -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_an_idle_relay(user: Cli, start: Start, relay: Relay, number: signal.Signals) -> None:
    agent = start(user)
    plugin = relay(user)
    assert plugin.result("bridge.ping") == "pong"
    plugin.process.send_signal(number)
    assert plugin.process.wait(PATIENCE) == 0
    assert plugin.drain() == []
    assert plugin.errors.read_text() == ""
    assert agent.process.poll() is None


def test_a_signal_lets_requests_finish_and_refuses_new_ones(
    token: Cli, start: Start, relay: Relay, shim_library: Path
) -> None:
    shim = through_shim(token, shim_library)
    start(token)
    ok(token, "unlock")
    plugin = relay(token)
    document_ = document(plugin, "ops")
    shim.control("hang C_Sign")
    running = plugin.request("keyring.sign", uid="ops", msg=b64(document_), mode=1)
    wait_for_intents(token, 1)
    plugin.process.terminate()
    refuses_by_and_by(plugin)
    shim.control()
    answer = plugin.receive()
    assert (answer["id"], "result" in answer) == (running, True)
    assert plugin.process.wait(PATIENCE) == 0


def test_the_end_of_the_input_waits_for_answers(token: Cli, start: Start, relay: Relay, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    start(token)
    ok(token, "unlock")
    plugin = relay(token)
    document_ = document(plugin, "ops")
    shim.control("delay C_Sign 500")
    for _ in range(3):
        plugin.request("keyring.sign", uid="ops", msg=b64(document_), mode=1)
    plugin.input.close()
    assert all("result" in plugin.receive() for _ in range(3))
    assert plugin.process.wait(PATIENCE) == 0


def test_it_ends_when_nobody_reads_its_answers(user: Cli, start: Start, relay: Relay) -> None:
    agent = start(user)
    plugin = relay(user)
    assert plugin.result("bridge.ping") == "pong"
    plugin.output.close()
    assert plugin.process.wait(PATIENCE) == 0
    end = time.monotonic() + PATIENCE
    while ok(user, "status")["clients"] != 1:
        assert time.monotonic() < end
    assert agent.process.poll() is None


def test_a_client_that_is_killed_leaves_nothing_behind(user: Cli, start: Start, relay: Relay) -> None:
    agent = start(user)
    for _ in range(5):
        plugin = relay(user)
        plugin.request("rpc.discover")
        plugin.process.kill()
    end = time.monotonic() + PATIENCE
    while ok(user, "status")["clients"] != 1:
        assert time.monotonic() < end
    assert command(user, "status").code == 0
    assert "Traceback" not in agent.said
    descriptors = len(os.listdir(f"/proc/{agent.process.pid}/fd"))
    assert descriptors < 30


def test_closed_standard_streams_are_told(user: Cli, start: Start) -> None:
    start(user)
    for closing in ("<&-", ">&-"):
        shell = f"{sys.executable} -m keyring_plugin {closing}"
        done = subprocess.run(["sh", "-c", shell], env=user.env, capture_output=True, check=False, text=True)
        assert (done.returncode, "closed" in done.stderr) == (2, True)
