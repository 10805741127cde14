"""jsonrpcserver behind its wall."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from keyring_bridge.errors import ConfigMissing, KeyNotFound
from keyring_plugin import methods
from keyring_plugin.dispatch import Dispatcher, internal_error
from keyring_plugin.jsonrpc import Call
from keyring_plugin.service import Peer, Service, Session

if TYPE_CHECKING:
    from keyring_plugin.keyring_methods import Context, Params

SECRET = "PIN 648219"


@pytest.fixture
def dispatcher(monkeypatch: pytest.MonkeyPatch) -> Dispatcher:
    """A dispatcher without a bridge, and with methods that go wrong."""

    def fails(context: Context, params: Params) -> object:
        raise ValueError(SECRET)

    def exits(context: Context, params: Params) -> object:
        raise SystemExit(SECRET)

    def cannot_be_encoded(context: Context, params: Params) -> object:
        return {"key": SECRET.encode()}

    def not_a_number(context: Context, params: Params) -> object:
        return float("nan")

    def refuses(context: Context, params: Params) -> object:
        error = KeyNotFound("a.info: key not found", detail=SECRET)
        error.correlation_id = "00ff"
        raise error

    broken = {
        "keyring.list": fails,
        "keyring.backend": exits,
        "keyring.migrateAll": cannot_be_encoded,
        "bridge.status": not_a_number,
        "keyring.key": refuses,
    }
    monkeypatch.setattr(methods, "HANDLERS", {**methods.HANDLERS, **broken})
    return Dispatcher(Session(Service(ConfigMissing("no configuration", detail=SECRET)), Peer("uid:1")))


def ask(dispatcher: Dispatcher, method: str, params: Any = None, identifier: int | str | None = 1) -> Any:
    answer = dispatcher.answer(Call(method, {} if params is None else params, identifier), time.monotonic() + 5)
    return json.loads(answer) if answer else None


def test_a_result(dispatcher: Dispatcher) -> None:
    assert ask(dispatcher, "bridge.ping") == {"jsonrpc": "2.0", "result": "pong", "id": 1}
    assert ask(dispatcher, "bridge.ping", [], "x") == {"jsonrpc": "2.0", "result": "pong", "id": "x"}


@pytest.mark.parametrize("method", ["keyring.list", "keyring.backend", "keyring.migrateAll", "bridge.status"])
def test_a_fault_is_told_as_internal_and_nothing_else(
    dispatcher: Dispatcher, method: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = ask(dispatcher, method)
    assert answer["id"] == 1
    assert answer["error"]["code"] == -32603
    assert answer["error"]["message"] == "internal error"
    assert answer["error"]["data"]["code"] == "internal_error"
    correlation = answer["error"]["data"]["correlation_id"]
    out, err = capfd.readouterr()
    assert out == ""
    assert correlation in err
    assert SECRET not in json.dumps(answer) + err


def test_an_error_of_the_tree(dispatcher: Dispatcher) -> None:
    answer = ask(dispatcher, "keyring.key", {"uid": "a"})
    assert answer["error"]["data"] == {
        "code": "key_not_found",
        "retryable": False,
        "hint": None,
        "correlation_id": "00ff",
    }
    assert SECRET not in json.dumps(answer)


def test_an_unknown_method(dispatcher: Dispatcher) -> None:
    answer = ask(dispatcher, "keyring.nothing" + "x" * 100, identifier="a")
    assert answer["error"]["code"] == -32601
    assert answer["error"]["data"]["code"] == "method_not_found"
    assert len(answer["error"]["message"]) < 120


@pytest.mark.parametrize("method", ["__class__", "rpc.call", "$/cancelRequest", "_library", ""])
def test_only_listed_methods_are_reached(dispatcher: Dispatcher, method: str) -> None:
    assert ask(dispatcher, method)["error"]["code"] == -32601


@pytest.mark.parametrize("params", [{"uid": 5}, {"name": "a"}, [], ["a", "b"], {"context": 1, "uid": "a"}])
def test_wrong_parameters(dispatcher: Dispatcher, params: object) -> None:
    answer = ask(dispatcher, "keyring.key", params)
    assert answer["error"]["code"] == -32602
    assert answer["error"]["data"]["code"] == "invalid_request"


@pytest.mark.parametrize("method", ["bridge.ping", "keyring.list", "keyring.backend", "keyring.key", "nothing"])
def test_notifications_are_never_answered(dispatcher: Dispatcher, method: str) -> None:
    assert ask(dispatcher, method, identifier=None) is None


def test_without_a_configuration(dispatcher: Dispatcher) -> None:
    shaken = ask(dispatcher, "bridge.handshake", {"protocol_version": 7})["result"]
    assert shaken["protocol_version"] == 1
    assert shaken["problem"]["data"]["code"] == "config_missing"
    assert ask(dispatcher, "keyring.rename", {"old": "a", "new": "b"})["error"]["data"]["code"] == "config_missing"
    assert SECRET not in json.dumps(shaken)


def test_versions(dispatcher: Dispatcher) -> None:
    assert ask(dispatcher, "bridge.handshake", {"protocol_version": 1})["result"]["protocol_version"] == 1
    assert ask(dispatcher, "bridge.handshake")["result"]["protocol_version"] == 1
    refused = ask(dispatcher, "bridge.handshake", {"protocol_version": 0})["error"]
    assert refused["data"]["code"] == "version_unsupported"


def test_what_internal_errors_tell_the_operator(capfd: pytest.CaptureFixture[str]) -> None:
    try:
        raise RuntimeError(SECRET)
    except RuntimeError as error:
        wrapped = internal_error(error)
    _, err = capfd.readouterr()
    assert wrapped.correlation_id is not None
    assert wrapped.correlation_id in err
    assert "RuntimeError at " in err
    assert "test_rpc_dispatch.py" in err
    assert SECRET not in err


def test_the_library_costs_no_more_than_its_dispatcher() -> None:
    script = (
        "import sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from keyring_plugin.dispatch import Dispatcher\n"
        "from keyring_plugin.service import Peer, Service, Session\n"
        "from keyring_bridge.errors import ConfigMissing\n"
        "Dispatcher(Session(Service(ConfigMissing('x')), Peer('uid:1')))\n"
        "assert 'jsonrpcserver.dispatcher' in sys.modules\n"
        "costly = {'asyncio', 'http.server', 'jsonschema', 'jsonrpcserver.main', 'oslash.observable'}\n"
        "print(*sorted(costly & set(sys.modules)))\n"
        "import jsonrpcserver, oslash\n"
        'print(jsonrpcserver.dispatch(\'{"jsonrpc": "2.0", "method": "m", "id": 1}\', methods={}))\n'
        "print(jsonrpcserver.Success is sys.modules['jsonrpcserver.result'].Success, oslash.Just(1))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "",
        '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found", "data": "m"}, "id": 1}',
        "True Just 1",
    ]
