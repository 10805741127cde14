from __future__ import annotations

import json
from importlib import import_module

import pytest

from keyring_bridge import errors
from keyring_bridge.errors import BridgeError, KeyNotFound, PeerFailed, PolicyDenied, SessionLost
from keyring_plugin.errors import FrameTooLarge, RemoteError, classes, from_wire, shorten, to_wire


@pytest.mark.parametrize("kind", classes().values(), ids=lambda kind: kind.code)
def test_every_error_arrives_as_what_it_was(kind: type[BridgeError]) -> None:
    sent = kind("what happened", hint="what to do", detail="slot 3, CKR_DEVICE_ERROR")
    sent.correlation_id = "0123456789abcdef"
    wire = json.loads(json.dumps(to_wire(sent)))
    assert "CKR" not in json.dumps(wire)
    came = from_wire(wire)
    assert type(came) is kind
    assert (came.message, came.hint, came.correlation_id) == ("what happened", "what to do", "0123456789abcdef")
    assert came.detail is None
    assert came.retryable == kind.retryable


def test_the_error_object() -> None:
    assert to_wire(KeyNotFound("a.info: key not found")) == {
        "code": -32031,
        "message": "a.info: key not found",
        "data": {"code": "key_not_found", "retryable": False, "hint": None, "correlation_id": None},
    }
    assert to_wire(SessionLost("lost"))["data"] == {
        "code": "session_lost",
        "retryable": True,
        "hint": SessionLost.default_hint,
        "correlation_id": None,
    }
    assert to_wire(FrameTooLarge("x"))["code"] == -32001


def test_long_messages_are_cut() -> None:
    message = to_wire(KeyNotFound("n" * 5000))["message"]
    assert isinstance(message, str)
    assert len(message) == 1000
    assert message.endswith("…")
    assert shorten("abc", 3) == "abc"


def test_an_unknown_code_keeps_its_name() -> None:
    error = from_wire({"code": 1, "message": "later", "data": {"code": "invented_later", "hint": 5}})
    assert isinstance(error, RemoteError)
    assert (error.remote_code, error.message, error.hint) == ("invented_later", "later", None)


@pytest.mark.parametrize(
    "wire",
    [
        None,
        "error",
        [],
        {},
        {"message": "m"},
        {"message": 5, "data": {"code": "key_not_found"}},
        {"message": "m", "data": None},
        {"message": "m", "data": "text"},
    ],
)
def test_what_is_no_error_object(wire: object) -> None:
    assert type(from_wire(wire)) is PeerFailed


def test_codes_that_are_not_texts() -> None:
    error = from_wire({"code": 1, "message": "m", "data": {"code": ["key_not_found"], "correlation_id": 7}})
    assert isinstance(error, RemoteError)
    assert error.correlation_id is None


def test_a_subclass_is_found_by_its_own_code() -> None:
    assert classes()["no_policy"] is errors.NoPolicy
    assert classes()["policy_denied"] is PolicyDenied


def test_the_protocol_has_the_same_errors_whatever_else_was_imported() -> None:
    for name in ("keyring_bridge.cli.errors", "keyring_bridge.providers.pkcs11.faults"):
        import_module(name)
    assert {kind.__module__ for kind in classes.__wrapped__().values()} <= {
        "keyring_bridge.errors",
        "keyring_plugin.errors",
    }
