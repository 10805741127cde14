"""Whatever comes in: a clear error, nothing else on standard output, and the next request works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.plugin.harness import PATIENCE, Plugin, b64, code_of, document, public_key
from tests.unit.bridge.sign_docs import auth_info, field, send_doc, sign_doc

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli
    from tests.integration.plugin.conftest import Start

PING = {"jsonrpc": "2.0", "method": "bridge.ping"}


def raw(**members: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, **members}).encode()


MESSAGES: list[tuple[str, bytes, int, object]] = [
    ("no JSON", b"hello", -32700, None),
    ("a cut request", b'{"jsonrpc": "2.0", "id": 1, "method"', -32700, None),
    ("not UTF-8", b'{"jsonrpc":"2.0","id":"\xff\xfe"}', -32700, None),
    ("a byte order mark", b"\xef\xbb\xbf" + raw(method="bridge.ping"), -32700, None),
    ("NaN", b'{"jsonrpc":"2.0","id":1,"method":"bridge.ping","params":[NaN]}', -32700, None),
    ("infinity", b'{"jsonrpc":"2.0","id":1,"method":"bridge.ping","params":[1e400]}', -32700, None),
    ("duplicate members", b'{"jsonrpc":"2.0","id":1,"id":2,"method":"bridge.ping"}', -32700, None),
    ("a lone surrogate", b'{"jsonrpc":"2.0","id":1,"method":"keyring.key","params":["\\ud800"]}', -32700, None),
    ("deep arrays", b"[" * 100_000, -32700, None),
    ("deep objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, -32700, None),
    ("too large", b"[" + b" " * (1 << 20) + b"]", -32001, None),
    ("much too large", b"x" * (5 << 20), -32001, None),
    ("an empty batch", b"[]", -32600, None),
    ("a batch too large", json.dumps([PING] * 51).encode(), -32600, None),
    ("a number", b"7", -32600, None),
    ("version 1", b'{"method":"bridge.ping","params":[],"id":1}', -32600, 1),
    ("version 1.1", b'{"version":"1.1","method":"bridge.ping","params":[],"id":1}', -32600, 1),
    ("an id that is null", b'{"jsonrpc":"2.0","method":"bridge.ping","id":null}', -32600, None),
    ("an id that is a fraction", b'{"jsonrpc":"2.0","method":"bridge.ping","id":1.5}', -32600, None),
    ("an id that is an object", b'{"jsonrpc":"2.0","method":"bridge.ping","id":{}}', -32600, None),
    ("params that are null", raw(method="bridge.ping", params=None), -32600, 1),
    ("another member", raw(method="bridge.ping", more=1), -32600, 1),
    ("a response", raw(result=1), -32600, 1),
    ("an unknown method", raw(method="keyring.steal"), -32601, 1),
    ("a method of Python", raw(method="__init__"), -32601, 1),
    ("an unknown parameter", raw(method="keyring.key", params={"uid": "a", "b": 1}), -32602, 1),
    ("a missing parameter", raw(method="keyring.key", params={}), -32602, 1),
    ("too many parameters", raw(method="keyring.key", params=["a", "b"]), -32602, 1),
    ("a wrong type", raw(method="keyring.key", params={"uid": {"a": 1}}), -32602, 1),
    ("an empty name", raw(method="keyring.key", params={"uid": ""}), -32602, 1),
    ("a long name", raw(method="keyring.key", params={"uid": "n" * 10_000}), -32602, 1),
    ("no base64", raw(method="keyring.sign", params=["ops", "???", 1]), -32602, 1),
    ("an unknown mode", raw(method="keyring.sign", params=["ops", "AAAA", "SIGN_MODE_X"]), -32602, 1),
    ("a short digest", raw(method="keyring.signDigest", params=["ops", "AAAA"]), -32602, 1),
    ("long sign bytes", raw(method="keyring.sign", params=["ops", b64(bytes(600_000)), 1]), -32602, 1),
    ("a bad address", raw(method="keyring.keyByAddress", params=["ve1nothing"]), -32602, 1),
    ("a bad key", raw(method="keyring.saveOfflineKey", params=["a", {"@type": "/x", "key": ""}]), -32602, 1),
    ("a deadline of nothing", raw(method="keyring.list", params={"deadline_ms": 0}), -32602, 1),
]


@pytest.fixture(scope="module")
def shared(settled: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    """One plugin for all messages: each must find it as the others left it."""
    plugin = Plugin(settled.env, tmp_path_factory.mktemp("shared") / "errors")
    yield plugin
    assert plugin.end() == 0
    errors = plugin.errors.read_text()
    assert "Traceback" not in errors
    assert "internal error" not in errors


@pytest.mark.parametrize(
    ("message", "number", "identifier"), [row[1:] for row in MESSAGES], ids=[r[0] for r in MESSAGES]
)
def test_bad_messages(shared: Plugin, message: bytes, number: int, identifier: object) -> None:
    shared.send_raw(message + b"\n")
    answer = shared.receive()
    assert (answer["error"]["code"], answer["id"]) == (number, identifier), answer
    assert answer["error"]["data"]["code"]
    assert len(json.dumps(answer)) < 2000
    assert shared.result("bridge.ping") == "pong"


def test_each_bad_item_of_a_batch_is_answered_on_its_own(shared: Plugin) -> None:
    shared.send(
        [{**PING, "id": "a"}, 3, {"method": "old", "id": 4}, {**PING}, {**PING, "id": "a"}, {**PING, "id": "b"}]
    )
    answers = shared.receive()
    assert [(answer["id"], answer.get("result")) for answer in answers] == [
        ("a", "pong"),
        (None, None),
        (4, None),
        (None, None),
        ("b", "pong"),
    ]


def test_sign_documents_that_are_none(shared: Plugin) -> None:
    key = public_key(shared, "ops")
    good = send_doc(key, "testchain-1")
    info = auth_info(key)
    documents = {
        "empty": b"",
        "noise": os.urandom(200),
        "cut": good[:-3],
        "empty body": sign_doc(b"", info, "testchain-1"),
        "no chain": sign_doc(field(1, b"\x0a\x00"), info, ""),
        "trailing": good + b"\x00",
        "unknown critical field": good + field(9, b"x"),
        "not canonical": field(4, 7) + good,
    }
    codes = {name: code_of(shared.sign("ops", data)) for name, data in documents.items()}
    assert codes == dict.fromkeys(documents, "sign_doc_invalid")
    assert code_of(shared.sign("ops", send_doc(key, "elsewhere-1"))) == "policy_denied"
    assert "result" in shared.sign("ops", good)


def test_lengths_that_cannot_be_trusted_end_the_connection_cleanly(start: Start, settled: Cli) -> None:
    plugin = start(settled)
    plugin.send_raw(b"Content-Length: 999999999999999999\r\n\r\n{}")
    assert plugin.process.wait(PATIENCE) == 0
    header, _, body = plugin.output.read().partition(b"\r\n\r\n")
    assert header == b"Content-Length: %d" % len(body)
    assert code_of(json.loads(body)) == "frame_too_large"


def test_both_framings(start: Start, settled: Cli) -> None:
    plugin = start(settled)
    body = b'{"jsonrpc":"2.0","id":1,\n"method":"bridge.ping"}'
    plugin.send_raw(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    plugin.input.close()
    assert plugin.process.wait(PATIENCE) == 0
    answer = b'{"jsonrpc":"2.0","result":"pong","id":1}'
    assert plugin.output.read() == b"Content-Length: %d\r\n\r\n%s" % (len(answer), answer)


def test_a_frame_that_is_cut_by_the_end(start: Start, settled: Cli) -> None:
    plugin = start(settled)
    plugin.send_raw(b'{"jsonrpc":"2.0","id":1,"method":"bridge.ping"}\n{"jsonrpc":"2.0","id":2,"met')
    plugin.input.close()
    assert plugin.process.wait(PATIENCE) == 0
    answers = sorted(plugin.drain(), key=lambda answer: str(answer["id"]))
    assert answers[0]["result"] == "pong"
    assert code_of(answers[1]) == "parse_error"


def test_a_client_that_goes_away_while_signing_leaves_an_audit_log_that_verifies(start: Start, settled: Cli) -> None:
    plugin = start(settled)
    good = document(plugin, "ops")
    for _ in range(20):
        plugin.request("keyring.sign", uid="ops", msg=b64(good), mode=1)
    plugin.output.close()
    plugin.input.close()
    assert plugin.process.wait(PATIENCE) == 0
    assert "Traceback" not in plugin.errors.read_text()
    assert settled.json("audit", "verify")["ok"] is True


def test_a_client_that_stops_reading_stops_the_server(start: Start, settled: Cli) -> None:
    plugin = start(settled)
    assert plugin.result("bridge.ping") == "pong"
    plugin.output.close()
    plugin.request("bridge.ping")
    assert plugin.process.wait(PATIENCE) == 0


def test_a_killed_client_ends_the_server(settled: Cli) -> None:
    script = (
        "import subprocess, sys, time\n"
        "plugin = subprocess.Popen([sys.executable, '-m', 'keyring_plugin'], stdin=-1, stdout=-1)\n"
        'plugin.stdin.write(b\'{"jsonrpc":"2.0","id":1,"method":"keyring.list"}\\n\')\n'
        "plugin.stdin.flush()\n"
        "plugin.stdout.readline()\n"
        "print(plugin.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    client = subprocess.Popen([sys.executable, "-c", script], env=settled.env, stdout=subprocess.PIPE)
    assert client.stdout is not None
    server = Path("/proc", client.stdout.readline().decode().strip())
    assert running(server)
    client.kill()
    client.communicate()
    end = time.monotonic() + PATIENCE
    while running(server) and time.monotonic() < end:
        time.sleep(0.05)
    assert not running(server)


def running(process: Path) -> bool:
    try:
        return "\nState:\tZ" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_memory_stays_bounded(start: Start, settled: Cli) -> None:
    plugin = start(settled)
    assert plugin.result("bridge.ping") == "pong"
    before = int(plugin.status_lines()["VmHWM"].split()[0])
    for round_ in range(40):
        plugin.send_raw(b"x" * (3 << 20) + b"\n")
        assert code_of(plugin.receive()) == "frame_too_large"
        assert plugin.code("keyring.key", uid="n" * 900_000) == "invalid_name"
        plugin.send([{"jsonrpc": "2.0", "id": f"{round_}-{n}", "method": "nothing"} for n in range(50)])
        assert len(plugin.receive()) == 50
    plugin.send_raw(b"y" * (100 << 20) + b"\n")
    assert code_of(plugin.receive()) == "frame_too_large"
    grown = int(plugin.status_lines()["VmHWM"].split()[0]) - before
    assert grown < 32 * 1024, f"{grown} KiB more"
