"""What return codes become."""

from __future__ import annotations

import pytest
from pkcs11 import exceptions

from keyring_bridge import errors
from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.faults import PoolClosed, TokenFault, binding, to_error


def fault_of(error: Exception) -> TokenFault:
    with pytest.raises(TokenFault) as caught, binding("C_Test"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "rv"),
    [
        (exceptions.SessionHandleInvalid(), codes.SESSION_HANDLE_INVALID),
        (exceptions.ObjectHandleInvalid(), codes.OBJECT_HANDLE_INVALID),
        (exceptions.DeviceRemoved(), codes.DEVICE_REMOVED),
        (exceptions.DeviceMemory(), codes.DEVICE_MEMORY),
        (exceptions.TokenNotRecognised(), codes.TOKEN_NOT_RECOGNIZED),
        (exceptions.FunctionCancelled(), codes.FUNCTION_CANCELED),
        (exceptions.SlotIDInvalid(), codes.SLOT_ID_INVALID),
        (exceptions.PinLenRange(), codes.PIN_LEN_RANGE),
        (exceptions.UserNotLoggedIn(), codes.USER_NOT_LOGGED_IN),
        (exceptions.WrappedKeyInvalid(), codes.GENERAL_ERROR),
    ],
)
def test_exceptions_of_the_binding_have_their_return_value(error: Exception, rv: int) -> None:
    fault = fault_of(error)
    assert (fault.rv, fault.call) == (rv, "C_Test")


def test_every_exception_that_the_bridge_acts_on_is_recognised() -> None:
    # A class that is renamed in the binding would otherwise pass for a general error unnoticed.
    for kind in vars(exceptions).values():
        if (
            isinstance(kind, type)
            and issubclass(kind, exceptions.PKCS11Error)
            and kind.__name__.startswith(("Session", "Token", "Device", "User", "Object", "KeyHandle", "Pin", "Slot"))
        ):
            if kind.__name__ in ("SessionExists", "SessionReadOnlyExists", "SessionReadWriteSOExists"):
                continue
            if kind.__name__ in ("UserTooManyTypes", "PinTooWeak"):
                continue
            assert fault_of(kind()).rv != codes.GENERAL_ERROR, kind


def test_a_number_that_the_binding_does_not_know_is_kept() -> None:
    assert fault_of(exceptions.PKCS11Error("Unmapped error code 0x140")).rv == codes.CURVE_NOT_SUPPORTED


def test_a_module_that_was_finalised_is_recognised() -> None:
    error = exceptions.PKCS11Error("Initialisation error (not initialized). Should never see this.")
    assert fault_of(error).rv == codes.CRYPTOKI_NOT_INITIALIZED


def test_other_exceptions_pass() -> None:
    with pytest.raises(ZeroDivisionError), binding("C_Test"):
        _ = 1 / 0
    with pytest.raises(PoolClosed), binding("C_Test"):
        raise PoolClosed


@pytest.mark.parametrize(
    ("rv", "kind"),
    [
        (codes.DEVICE_REMOVED, errors.TokenRemoved),
        (codes.TOKEN_NOT_PRESENT, errors.TokenRemoved),
        (codes.DEVICE_ERROR, errors.ProviderError),
        (codes.SESSION_HANDLE_INVALID, errors.SessionLost),
        (codes.USER_NOT_LOGGED_IN, errors.SessionLost),
        (codes.OBJECT_HANDLE_INVALID, errors.SessionLost),
        (codes.MECHANISM_INVALID, errors.MechanismUnsupported),
        (codes.CURVE_NOT_SUPPORTED, errors.MechanismUnsupported),
        (codes.DEVICE_MEMORY, errors.TokenFull),
        (codes.PIN_LOCKED, errors.PinLocked),
        (codes.TOKEN_WRITE_PROTECTED, errors.ProviderError),
        (0x80000001, errors.ProviderError),
    ],
)
def test_faults_become_errors_without_the_code_in_their_message(rv: int, kind: type[errors.BridgeError]) -> None:
    error = to_error(TokenFault(rv, "C_Sign"), "sign")
    assert type(error) is kind
    assert "sign" in str(error)
    assert "C_Sign" not in str(error)
    assert "0x" not in str(error)
    assert f"0x{rv:x}" in str(error.detail)


def test_a_code_is_named() -> None:
    assert codes.name_of(0x32) == "CKR_DEVICE_REMOVED (0x32)"
    assert codes.name_of(0x999) == "0x999"
