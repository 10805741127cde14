"""A real plugin that is sent anything: it goes on serving, and prints nothing but responses."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyring_plugin.protocol import METHODS
from tests.integration.plugin.conftest import with_software
from tests.integration.plugin.harness import Plugin

PINGS = itertools.count()
SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
# Unlocking asks for a key derivation that takes half a second.
names = st.sampled_from(sorted(set(METHODS) - {"bridge.unlock", "keyring.importPrivKeyHex"}))


def likely_params(name: str) -> st.SearchStrategy[Any]:
    """Parameters with the right names, and values that may be right."""
    example = METHODS[name].example.params
    return st.fixed_dictionaries(
        {}, optional={param: st.one_of(st.just(example.get(param)), json_values) for param in [*example, "deadline_ms"]}
    )


requests = names.flatmap(
    lambda name: st.fixed_dictionaries(
        {"method": st.just(name), "jsonrpc": st.sampled_from(["2.0"] * 9 + ["1.0", 2])},
        optional={
            "params": st.one_of(likely_params(name), likely_params(name), json_values),
            "id": st.one_of(st.integers(), st.text(max_size=6), json_values),
        },
    )
)
messages = st.one_of(requests, st.lists(st.one_of(requests, json_values), max_size=5), json_values)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A message's bytes with some of them changed."""
    data = bytearray(json.dumps(draw(messages)).encode())
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        data[place : place + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    """One process for all examples."""
    folder = tmp_path_factory.mktemp("surface")
    made = Plugin(with_software(folder).env, folder / "errors")
    yield made
    assert made.end() == 0
    errors = made.errors.read_text()
    assert "internal error" not in errors
    assert "Traceback" not in errors


def is_response(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(not isinstance(item, list) and is_response(item) for item in value)
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0" or "id" not in value:
        return False
    if "result" in value:
        return set(value) == {"jsonrpc", "id", "result"}
    error = value.get("error")
    return (
        set(value) == {"jsonrpc", "id", "error"}
        and isinstance(error["code"], int)
        and isinstance(error["message"], str)
        and isinstance(error["data"]["code"], str)
    )


def still_serves(plugin: Plugin) -> None:
    """Ping, and look at every answer up to that of the ping."""
    name = f"ping {next(PINGS)} of the test"
    plugin.send({"jsonrpc": "2.0", "id": name, "method": "bridge.ping"})
    while True:
        answer = plugin.receive()
        assert is_response(answer), answer
        if isinstance(answer, dict) and answer["id"] == name:
            assert answer["result"] == "pong"
            return


@SETTINGS
@given(st.lists(messages, max_size=4))
def test_any_message(plugin: Plugin, sent: list[object]) -> None:
    plugin.send_raw(b"".join(json.dumps(message).encode() + b"\n" for message in sent))
    still_serves(plugin)


@SETTINGS
@given(st.lists(mutated(), max_size=4))
def test_any_damaged_message(plugin: Plugin, sent: list[bytes]) -> None:
    plugin.send_raw(b"".join(data + b"\n" for data in sent))
    still_serves(plugin)


@SETTINGS
@given(st.binary(max_size=300))
def test_any_bytes(plugin: Plugin, sent: bytes) -> None:
    plugin.send_raw(sent + b"\n")
    still_serves(plugin)
