from __future__ import annotations

import pytest

from keyring_plugin.jsonrpc import Batch, Call, Refusal, read_message, read_request

GOOD = {"jsonrpc": "2.0", "method": "m", "id": 1}


@pytest.mark.parametrize(
    ("request_", "call"),
    [
        (GOOD, Call("m", {}, 1)),
        ({**GOOD, "id": "abc"}, Call("m", {}, "abc")),
        ({**GOOD, "id": ""}, Call("m", {}, "")),
        ({**GOOD, "id": 0}, Call("m", {}, 0)),
        ({**GOOD, "id": -(2**63)}, Call("m", {}, -(2**63))),
        ({**GOOD, "params": [1, {}]}, Call("m", [1, {}], 1)),
        ({**GOOD, "params": {"a": None}}, Call("m", {"a": None}, 1)),
        ({"jsonrpc": "2.0", "method": "m"}, Call("m", {}, None)),
    ],
)
def test_requests(request_: object, call: Call) -> None:
    assert read_request(request_) == call


@pytest.mark.parametrize(
    ("request_", "answered_with"),
    [
        (None, None),
        (7, None),
        ("m", None),
        ([], None),
        ({}, None),
        ({"method": "m", "params": [], "id": 1}, 1),  # version 1.0
        ({**GOOD, "jsonrpc": "1.0"}, 1),
        ({**GOOD, "jsonrpc": 2.0}, 1),
        ({**GOOD, "jsonrpc": None}, 1),
        ({**GOOD, "method": 5}, 1),
        ({**GOOD, "method": ""}, 1),
        ({**GOOD, "method": "m" * 129}, 1),
        ({"jsonrpc": "2.0", "id": 1}, 1),
        ({**GOOD, "params": None}, 1),
        ({**GOOD, "params": "abc"}, 1),
        ({**GOOD, "params": 3}, 1),
        ({**GOOD, "extra": 1}, 1),
        ({"jsonrpc": "2.0", "result": 1, "id": 1}, 1),
        ({**GOOD, "id": None}, None),
        ({**GOOD, "id": True}, None),
        ({**GOOD, "id": 1.5}, None),
        ({**GOOD, "id": 1.0}, None),
        ({**GOOD, "id": {}}, None),
        ({**GOOD, "id": [1]}, None),
        ({**GOOD, "id": 2**63}, None),
        ({**GOOD, "id": "x" * 129}, None),
    ],
)
def test_what_is_no_request(request_: object, answered_with: object) -> None:
    refusal = read_request(request_)
    assert isinstance(refusal, Refusal)
    assert refusal.id == answered_with
    assert refusal.error.rpc_code == -32600


def test_a_batch_is_read_item_by_item() -> None:
    batch = read_message([GOOD, 1, {**GOOD, "id": 2}, {}], 4)
    assert isinstance(batch, Batch)
    assert [type(item) for item in batch.items] == [Call, Refusal, Call, Refusal]


@pytest.mark.parametrize(("batch", "code"), [([], "malformed_request"), ([GOOD] * 5, "batch_too_large")])
def test_batches_that_are_refused_as_a_whole(batch: list[object], code: str) -> None:
    refusal = read_message(batch, 4)
    assert isinstance(refusal, Refusal)
    assert (refusal.error.code, refusal.id) == (code, None)
