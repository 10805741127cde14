import copy
import json
import logging
import pickle
import traceback

import pytest

from keyring_bridge.secrets import SecretBytes, secret_bytes

PIN = b"hunter2-4711"


def test_wiping_zeroes_the_callers_own_buffer() -> None:
    buffer = bytearray(PIN)
    secret = SecretBytes(buffer)
    assert secret.reveal() is buffer
    secret.wipe()
    assert buffer == bytes(len(PIN))
    assert secret.wiped
    assert len(secret) == 0


def test_wiping_works_while_views_are_alive() -> None:
    buffer = bytearray(PIN)
    view = memoryview(buffer)
    SecretBytes(buffer).wipe()
    assert bytes(view) == bytes(len(PIN))


def test_leaving_the_block_wipes_also_after_an_error() -> None:
    buffer = bytearray(PIN)
    with pytest.raises(RuntimeError), SecretBytes(buffer):
        raise RuntimeError
    assert buffer == bytes(len(PIN))


def test_dropping_the_last_reference_wipes() -> None:
    buffer = bytearray(PIN)
    secret = SecretBytes(buffer)
    del secret
    assert buffer == bytes(len(PIN))


def test_a_secret_that_outlives_its_module_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is when the interpreter ends: the module's own names are gone before the last object."""
    buffer = bytearray(PIN)
    secret = SecretBytes(buffer)
    monkeypatch.setattr(secret_bytes, "wipe", None)
    del secret
    assert buffer == bytes(len(PIN))


def test_a_wiped_secret_cannot_be_used() -> None:
    secret = SecretBytes(bytearray(PIN))
    secret.wipe()
    secret.wipe()
    for use in (secret.reveal, secret.encode, secret.copy, lambda: secret == PIN):
        with pytest.raises(ValueError, match="wiped"):
            use()


def test_immutable_input_is_copied() -> None:
    secret = SecretBytes(PIN)
    assert bytes(secret.reveal()) == PIN
    assert isinstance(secret.encode("utf-8"), bytearray)
    assert bytes(SecretBytes(memoryview(PIN)).reveal()) == PIN


def test_a_copy_is_wiped_on_its_own() -> None:
    first = SecretBytes(PIN)
    second = first.copy()
    first.wipe()
    assert bytes(second.reveal()) == PIN


def test_equality() -> None:
    secret = SecretBytes(PIN)
    assert secret == SecretBytes(PIN)
    assert secret == PIN
    assert secret == bytearray(PIN)
    assert secret != SecretBytes(PIN + b"x")
    assert secret != PIN.decode()
    with pytest.raises(TypeError):
        hash(secret)


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{:>40}".format, "{!s}".format, "%s".__mod__, "%r".__mod__])
def test_no_text_of_it_shows_the_content(show: object) -> None:
    secret = SecretBytes(PIN)
    text = show(secret)  # type: ignore[operator]  # a table of ways to make text
    assert PIN.decode() not in text
    assert "hunter" not in text


def test_containers_tracebacks_and_logs_do_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    secret = SecretBytes(PIN)
    logging.getLogger("test").warning("%s %r", secret, {"pin": [secret]})
    try:
        raise RuntimeError(secret)
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for text in (caplog.text, shown, repr([secret])):
        assert "SecretBytes(…)" in text
        # The test's own constant is a local of the module, not of the frame.
        assert "hunter2" not in text


@pytest.mark.parametrize("dump", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, bytes])
def test_it_cannot_be_serialised_or_copied_by_accident(dump: object) -> None:
    with pytest.raises(TypeError):
        dump(SecretBytes(PIN))  # type: ignore[operator]  # a table of ways to make copies


def test_truth_and_length() -> None:
    assert len(SecretBytes(PIN)) == len(PIN)
    assert SecretBytes(PIN)
    assert not SecretBytes(b"")
