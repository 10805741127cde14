"""Agents with many clients, devices that hang, disks that are full, and processes that are killed."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from typing import TYPE_CHECKING

import ecdsa
import pytest

from cosmos_formats.pubkeys import PublicKey
from keyring_bridge.errors import (
    AuditFailed,
    BridgeError,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    PeerFailed,
    PinRequired,
)
from keyring_plugin.client import KeyringClient
from keyring_plugin.errors import ShuttingDown
from tests.integration.agent.harness import PATIENCE, command, ok, socket_of
from tests.integration.plugin.harness import b64, code_of, document
from tests.integration.plugin.test_plugin_process import through_shim, wait_for_intents
from tests.unit.bridge.sign_docs import send_doc

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.agent.conftest import Relay, Start
    from tests.integration.cli.harness import Cli


_TGKILL = {"x86_64": 234, "aarch64": 131}[platform.machine()]
"""Number of the system call that sends a signal to one thread."""


@pytest.fixture
def attach() -> Iterator[Callable[[Cli], KeyringClient]]:
    """Connects clients that are closed with the test."""
    with ExitStack() as stack:
        yield lambda user: stack.enter_context(KeyringClient.attach(socket_of(user)))


def key_of(client: KeyringClient) -> PublicKey:
    key = client.key("ops").public_key
    assert isinstance(key, PublicKey)
    return key


def verifies(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Verify with a library that had no part in signing."""
    verifier = ecdsa.VerifyingKey.from_string(key.data, curve=ecdsa.SECP256k1)
    return bool(verifier.verify(signature, message, hashfunc=sha256))


def audited(user: Cli, kind: str) -> list[dict[str, object]]:
    return [entry for entry in user.json("audit", "tail", "-n", "10000") if entry.get("kind") == kind]


# --- many clients ----------------------------------------------------------------------------------------------------


def test_fifty_clients_share_one_login(token: Cli, start: Start, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    start(token)
    ok(token, "unlock")
    shim.clear_trace()
    gathered = threading.Barrier(50)

    def work(number: int) -> None:
        with KeyringClient.attach(socket_of(token)) as client:
            key = key_of(client)
            gathered.wait(PATIENCE)
            for turn in range(3):
                message = send_doc(key, "testchain-1", f"{number} {turn}")
                assert verifies(key, message, client.sign("ops", message).signature)

    with ThreadPoolExecutor(50) as pool:
        for done in [pool.submit(work, number) for number in range(50)]:
            done.result()
    assert shim.calls()["C_Sign"] == 150
    assert shim.calls()["C_Login"] == 0
    told = ok(token, "status")
    assert (told["served"], told["under_way"]) == (150, 0)
    assert len(audited(token, "sign.outcome")) == 150
    assert token.json("audit", "verify")["ok"] is True


def test_a_greedy_client_does_not_keep_others_out(
    token: Cli, start: Start, relay: Relay, attach: Callable[[Cli], KeyringClient], shim_library: Path
) -> None:
    token.config.write_text(token.config.read_text() + "\n[rpc]\nworkers = 2\n")
    shim = through_shim(token, shim_library)
    start(token)
    ok(token, "unlock")
    greedy, modest, observer = relay(token), relay(token), attach(token)
    document_ = document(modest, "ops")

    def wait_under_way(count: int) -> None:
        end = time.monotonic() + PATIENCE
        while observer.call("agent.status")["under_way"] != count:
            assert time.monotonic() < end
            time.sleep(0.01)

    shim.control("hang C_Sign")
    for _ in range(20):
        greedy.request("keyring.sign", uid="ops", msg=b64(document_), mode=1)
    wait_under_way(2)
    asked = modest.request("keyring.sign", uid="ops", msg=b64(document_), mode=1)
    wait_under_way(3)
    shim.control()
    answer = modest.receive()
    assert (answer["id"], "result" in answer) == (asked, True)
    assert all("result" in greedy.receive() for _ in range(20))
    # Before it came two of the greedy one's, which were inside already, and not twenty.
    order = [entry["hints"]["pid"] for entry in audited(token, "sign.intent")]
    assert len(order) == 21
    assert order.index(str(modest.process.pid)) <= 4


def test_a_client_beyond_the_limit_is_refused(user: Cli, start: Start, attach: Callable[[Cli], KeyringClient]) -> None:
    user.config.write_text(user.config.read_text() + "\n[agent]\nmax_clients = 3\n")
    start(user)
    clients = [attach(user) for _ in range(3)]
    for client in clients:
        client.ping()
    with pytest.raises((Overloaded, PeerFailed)):
        attach(user).ping()
    clients[0].close()
    end = time.monotonic() + PATIENCE
    while True:
        try:
            attach(user).ping()
        except (Overloaded, PeerFailed):
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            break


def test_the_wallet_of_cosmpy_works_through_it(
    token: Cli, start: Start, attach: Callable[[Cli], KeyringClient]
) -> None:
    from keyring_plugin.cosmpy_wallet import BridgeWallet

    start(token)
    client = attach(token)
    wallet = BridgeWallet(client, "ops")
    message = send_doc(key_of(client), "testchain-1")
    assert verifies(key_of(client), message, wallet.signer().sign(message))
    assert str(wallet.address()) == client.key("ops").address


# --- agents that die -------------------------------------------------------------------------------------------------


def test_killed_while_ten_clients_sign(token: Cli, start: Start, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    agent = start(token)
    ok(token, "unlock")
    shim.control("delay C_Sign 15")
    released: list[str] = []
    ended: list[BridgeError] = []

    def work(number: int) -> None:
        with KeyringClient.attach(socket_of(token)) as client:
            key = key_of(client)
            for turn in range(10_000):
                message = send_doc(key, "testchain-1", f"{number} {turn}")
                try:
                    signed = client.sign("ops", message)
                except BridgeError as error:
                    ended.append(error)
                    return
                assert verifies(key, message, signed.signature)
                released.append(sha256(message).hexdigest())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + PATIENCE
    while len(released) < 60:
        assert time.monotonic() < end
        time.sleep(0.01)
    agent.kill()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    # Each request ended definitely ...
    assert len(ended) == 10
    assert all(isinstance(error, PeerFailed) for error in ended)
    shim.control()
    assert token.json("audit", "verify")["ok"] is True
    # ... and no signature that anybody has is missing in the log.
    intended = [str(entry["sha256"]) for entry in audited(token, "sign.intent")]
    assert set(released) <= set(intended)
    assert len(intended) - len(released) <= 10
    start(token)
    with KeyringClient.attach(socket_of(token)) as client:
        client.sign("ops", send_doc(key_of(client), "testchain-1"))


def test_a_client_of_a_restarted_agent_connects_again(
    token: Cli, start: Start, attach: Callable[[Cli], KeyringClient]
) -> None:
    agent = start(token)
    client = attach(token)
    key = key_of(client)
    client.sign("ops", send_doc(key, "testchain-1"))
    agent.kill()
    with pytest.raises(PeerFailed):
        client.ping()
    again = start(token)
    client.sign("ops", send_doc(key, "testchain-1"))
    assert client.call("agent.status")["pid"] == again.process.pid
    again.ends()
    last = start(token)
    assert client.call("agent.status")["pid"] == last.process.pid


def test_a_client_that_forks(user: Cli, start: Start, attach: Callable[[Cli], KeyringClient]) -> None:
    start(user)
    client = attach(user)
    client.ping()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = client.call("agent.status")["clients"]
            os.write(writing, str(told).encode())
            client.close()
        finally:
            os._exit(0)
    os.close(writing)
    assert os.waitpid(child, 0)[1] == 0
    with os.fdopen(reading) as answers:
        assert answers.read() == "2"
    client.ping()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGHUP", "stop"])
def test_asked_to_end_it_finishes_what_it_has_begun(
    token: Cli, start: Start, relay: Relay, shim_library: Path, how: str
) -> None:
    shim = through_shim(token, shim_library)
    agent = start(token)
    ok(token, "unlock")
    plugins = [relay(token) for _ in range(3)]
    document_ = document(plugins[0], "ops")
    for plugin in plugins[1:]:
        plugin.result("bridge.ping")
    shim.control("hang C_Sign")
    asked = [plugin.request("keyring.sign", uid="ops", msg=b64(document_), mode=1) for plugin in plugins]
    wait_for_intents(token, 3)
    stopping = threading.Thread(target=command, args=(token, "stop"))
    if how == "stop":
        stopping.start()
    else:
        agent.process.send_signal(getattr(signal, how))
    end = time.monotonic() + PATIENCE
    while socket_of(token).exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    # First nobody new can come, then those who are there are told.
    while plugins[0].ask("bridge.ping").get("result") == "pong":
        assert time.monotonic() < end
    assert code_of(plugins[0].ask("bridge.ping")) == "shutting_down"
    shim.control()
    for plugin, identifier in zip(plugins, asked, strict=True):
        answer = plugin.receive()
        assert answer["id"] == identifier
        assert "result" in answer
    assert agent.process.wait(PATIENCE) == 0
    if how == "stop":
        stopping.join(PATIENCE)
    assert "C_Logout" in shim.trace()
    assert "Traceback" not in agent.said


# --- devices that hang, disks that are full --------------------------------------------------------------------------


def test_a_token_that_hangs(
    token: Cli, start: Start, attach: Callable[[Cli], KeyringClient], shim_library: Path
) -> None:
    token.config.write_text(token.config.read_text() + "\n[rpc]\nworkers = 2\n")
    shim = through_shim(token, shim_library)
    agent = start(token)
    ok(token, "unlock")
    clients = [attach(token) for _ in range(6)]
    key = key_of(clients[0])
    message = send_doc(key, "testchain-1")
    for client in clients:
        client.ping()
    shim.control("hang C_Sign")
    with ThreadPoolExecutor(4) as pool:
        hung = [pool.submit(client.sign, "ops", message, timeout=1.0) for client in clients[:4]]
        # Others are served meanwhile, and the agent says how it is.
        assert clients[4].key("ops").name == "ops"
        assert clients[4].call("agent.status")["under_way"] >= 1
        for each in hung:
            with pytest.raises(DeadlineExceeded):
                each.result(PATIENCE)
    shim.control()
    assert verifies(key, message, clients[5].sign("ops", message).signature)
    assert agent.ends() == 0
    assert token.json("audit", "verify")["ok"] is True


def test_a_call_that_hangs_for_good_takes_nobodys_place(
    token: Cli, start: Start, attach: Callable[[Cli], KeyringClient], shim_library: Path
) -> None:
    token.config.write_text(token.config.read_text() + "\n[rpc]\nworkers = 1\n")
    shim = through_shim(token, shim_library)
    start(token)
    ok(token, "unlock")
    first, second = attach(token), attach(token)
    message = send_doc(key_of(first), "testchain-1")
    shim.control("hang C_Sign 1")
    with pytest.raises(DeadlineExceeded):
        first.sign("ops", message, timeout=1.0)
    for client in (first, second):
        assert verifies(key_of(client), message, client.sign("ops", message).signature)
    assert ok(token, "status")["under_way"] == 1
    shim.control()


def test_a_hung_token_keeps_nobody_from_ending_it(token: Cli, start: Start, relay: Relay, shim_library: Path) -> None:
    shim = through_shim(token, shim_library)
    agent = start(token)
    ok(token, "unlock")
    plugin = relay(token)
    document_ = document(plugin, "ops")
    shim.control("hang C_Sign 1")
    asked = plugin.request("keyring.sign", uid="ops", msg=b64(document_), mode=1, deadline_ms=800)
    answer = plugin.receive()
    assert (answer["id"], code_of(answer)) == (asked, "deadline_exceeded")
    assert ok(token, "status")["running"] is True
    assert agent.ends() == 0
    shim.control()


def test_a_signal_that_another_thread_gets_ends_it(token: Cli, start: Start) -> None:
    agent = start(token)
    ok(token, "unlock")
    process = agent.process.pid
    others = [int(task) for task in os.listdir(f"/proc/{process}/task") if int(task) != process]
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(_TGKILL, process, others[0], int(signal.SIGTERM)) == 0, os.strerror(ctypes.get_errno())
    assert agent.process.wait(PATIENCE) == 0


def test_locking_while_others_sign(
    token: Cli, start: Start, attach: Callable[[Cli], KeyringClient], shim_library: Path
) -> None:
    shim = through_shim(token, shim_library)
    start(token)
    ok(token, "unlock")
    clients = [attach(token) for _ in range(4)]
    key = key_of(clients[0])
    shim.control("delay C_Sign 100")

    def work(client: KeyringClient) -> BridgeError:
        while True:
            try:
                client.sign("ops", send_doc(key, "testchain-1"))
            except BridgeError as error:
                return error

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work, client) for client in clients]
        wait_for_intents(token, 8)
        ok(token, "lock")
        for each in working:
            error = each.result(PATIENCE)
            assert isinstance(error, PinRequired), error
            assert "agent unlock" in str(error.hint)
    # Whoever was inside may have logged in again with the PIN from the file; that does not last.
    end = time.monotonic() + PATIENCE
    while ok(token, "status")["providers"][0]["state"] != "locked":
        assert time.monotonic() < end
    assert ok(token, "unlock")["state"] == "ready"
    clients[0].sign("ops", send_doc(key, "testchain-1"))


def test_a_full_disk(token: Cli, start: Start, attach: Callable[[Cli], KeyringClient]) -> None:
    agent = start(token)
    clients = [attach(token) for _ in range(3)]
    key = key_of(clients[0])
    signed: list[object] = []

    def sign(turn: int) -> None:
        message = send_doc(key, "testchain-1", str(turn))
        clients[turn % 3].sign("ops", message)
        signed.append(sha256(message).hexdigest())

    for turn in range(60):
        sign(turn)
    # A write beyond the limit gets an error, as from a full disk. Other files are smaller by now.
    room = (token.folder / "state" / "audit.jsonl").stat().st_size + 6000
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    for turn in range(60, 80):
        try:
            sign(turn)
        except AuditFailed:
            break
    assert 60 < len(signed) < 80
    for client in clients:
        with pytest.raises(AuditFailed):
            client.sign("ops", send_doc(key, "testchain-1"))
        assert client.key("ops").name == "ops"
    done = command(token, "lock", "-o", "json")
    assert done.error["code"] == "audit_failed"
    assert ok(token, "status")["providers"][0]["state"] == "locked"
    assert agent.ends() == 0
    assert token.json("audit", "verify")["ok"] is True
    assert set(signed) <= {entry["sha256"] for entry in audited(token, "sign.intent")}
    start(token)
    attach(token).sign("ops", send_doc(key, "testchain-1"))


# --- clients that misbehave ------------------------------------------------------------------------------------------


def test_a_pin_that_is_announced_and_does_not_come(
    token: Cli, start: Start, attach: Callable[[Cli], KeyringClient]
) -> None:
    start(token)
    client = attach(token)
    with pytest.raises(InvalidRequest, match="descriptor"):
        client.call("agent.unlock", pin=True)
    with pytest.raises(InvalidRequest):
        client.call("agent.unlock", pin="73915508")
    with pytest.raises(BridgeError, match="nobody"):
        client.call("agent.unlock", provider="nobody")
    assert client.call("agent.unlock")["state"] == "ready"


def test_descriptors_that_nobody_asked_for_are_closed(user: Cli, start: Start) -> None:
    import socket

    agent = start(user)
    ok(user, "unlock")
    before = len(os.listdir(f"/proc/{agent.process.pid}/fd"))
    with socket.socket(socket.AF_UNIX) as stream, open(os.devnull) as null:
        stream.connect(str(socket_of(user)))
        for _ in range(100):
            message = b'{"jsonrpc":"2.0","id":1,"method":"bridge.ping"}\n'
            socket.send_fds(stream, [message], [null.fileno()] * 4)
            assert b"pong" in stream.recv(1000)
        assert len(os.listdir(f"/proc/{agent.process.pid}/fd")) <= before + 3
    end = time.monotonic() + PATIENCE
    while len(os.listdir(f"/proc/{agent.process.pid}/fd")) > before:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_clients_that_stop_in_the_middle(user: Cli, start: Start, attach: Callable[[Cli], KeyringClient]) -> None:
    import socket

    agent = start(user)
    for cut in (b"", b"{", b'{"jsonrpc"', b"Content-Length: 100\r\n\r\n{", b"\xff\x00" * 50):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(socket_of(user)))
            stream.sendall(cut)
    attach(user).ping()
    assert not re.search("Traceback|internal", agent.said)


def test_ending_is_for_requests_that_come_later_too(
    user: Cli, start: Start, attach: Callable[[Cli], KeyringClient]
) -> None:
    agent = start(user)
    client = attach(user)
    assert client.call("agent.stop") == agent.process.pid
    assert agent.process.wait(PATIENCE) == 0
    with pytest.raises((PeerFailed, ShuttingDown)):
        client.ping()
