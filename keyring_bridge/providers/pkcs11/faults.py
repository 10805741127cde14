"""What a token's return codes mean to the bridge.

Inside this package every failed call is a :class:`TokenFault` with its PKCS#11 return value, whether it came
through python-pkcs11 or through :mod:`.cryptoki`. At the provider's rim a fault becomes an error of the tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from keyring_bridge.errors import ProviderError
from keyring_bridge.providers.pkcs11 import codes

if TYPE_CHECKING:
    from keyring_bridge.errors import BridgeError

SESSION_GONE = frozenset(
    {codes.SESSION_HANDLE_INVALID, codes.SESSION_CLOSED, codes.OPERATION_ACTIVE, codes.OPERATION_NOT_INITIALIZED}
)
"""The session is of no use any more; the login may still stand."""

HANDLE_GONE = frozenset({codes.OBJECT_HANDLE_INVALID, codes.KEY_HANDLE_INVALID})
"""The handle means nothing any more: the object went, or the login did."""

LOGIN_GONE = frozenset({codes.USER_NOT_LOGGED_IN, codes.CRYPTOKI_NOT_INITIALIZED})

TOKEN_GONE = frozenset(
    {
        codes.DEVICE_REMOVED,
        codes.TOKEN_NOT_PRESENT,
        codes.TOKEN_NOT_RECOGNIZED,
        codes.SLOT_ID_INVALID,
    }
)

UNSUPPORTED = frozenset(
    {
        codes.MECHANISM_INVALID,
        codes.MECHANISM_PARAM_INVALID,
        codes.DOMAIN_PARAMS_INVALID,
        codes.CURVE_NOT_SUPPORTED,
        codes.FUNCTION_NOT_SUPPORTED,
        codes.KEY_TYPE_INCONSISTENT,
        codes.KEY_FUNCTION_NOT_PERMITTED,
    }
)

RECOVERABLE = SESSION_GONE | HANDLE_GONE | LOGIN_GONE | TOKEN_GONE | {codes.DEVICE_ERROR}
"""After these the provider looks at its session and its login before it goes on."""

# Names of python-pkcs11's exception classes that differ from the standard's.
_RENAMED = {
    "FUNCTION_CANCELLED": codes.FUNCTION_CANCELED,
    "TOKEN_NOT_RECOGNISED": codes.TOKEN_NOT_RECOGNIZED,
    "SLOT_IDINVALID": codes.SLOT_ID_INVALID,
}


class TokenFault(ProviderError):
    """A PKCS#11 call that failed. One that slips through is an error of the tree, if not the most telling one.

    Attributes:
        rv: The return value (``CKR_…``).
        call: Name of the function, for the operator.
    """

    def __init__(self, rv: int, call: str) -> None:
        super().__init__("the token failed", detail=f"{call}: {codes.name_of(rv)}")
        self.rv = rv
        self.call = call

    @property
    def recoverable(self) -> bool:
        """Whether another session, or another login, may serve the same request."""
        return self.rv in RECOVERABLE


class PoolClosed(Exception):
    """The connection ended before a session was borrowed; nothing was sent to the token."""


@contextmanager
def binding(call: str) -> Iterator[None]:
    """Turn python-pkcs11's exceptions into :class:`TokenFault`."""
    from pkcs11.exceptions import PKCS11Error

    try:
        yield
    except PKCS11Error as error:
        raise TokenFault(_return_value(error), call) from error


def _return_value(error: Exception) -> int:
    if "not initialized" in str(error):
        return codes.CRYPTOKI_NOT_INITIALIZED
    unmapped = re.search(r"0x([0-9a-fA-F]+)", str(error))
    if unmapped is not None:
        return int(unmapped[1], 16)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).upper()
    if name in _RENAMED:
        return _RENAMED[name]
    number = getattr(codes, name, codes.GENERAL_ERROR)
    return number if isinstance(number, int) else codes.GENERAL_ERROR


def to_error(fault: TokenFault, doing: str) -> BridgeError:
    """Return the error of the tree for ``fault``; ``doing`` completes the sentence "the token failed to …"."""
    from keyring_bridge import errors

    detail = fault.detail
    if fault.rv in TOKEN_GONE:
        return errors.TokenRemoved(f"the token was removed or does not answer; it failed to {doing}", detail=detail)
    if fault.rv == codes.SESSION_COUNT:
        hint = "lower `sessions` of the provider, or end other programs that use the token"
        return errors.ProviderError(f"the token gives no more sessions; it failed to {doing}", hint=hint, detail=detail)
    if fault.rv in SESSION_GONE or fault.rv in LOGIN_GONE or fault.rv in HANDLE_GONE:
        return errors.SessionLost(f"the session with the token ended; it failed to {doing}", detail=detail)
    if fault.rv in UNSUPPORTED:
        return errors.MechanismUnsupported(f"the token cannot {doing}", detail=detail)
    if fault.rv == codes.DEVICE_MEMORY:
        return errors.TokenFull(f"the token is full; it failed to {doing}", detail=detail)
    if fault.rv == codes.PIN_LOCKED:
        return errors.PinLocked(f"the token's PIN is locked; it failed to {doing}", detail=detail)
    if fault.rv == codes.DEVICE_ERROR:
        return errors.ProviderError(f"the token reports a fault of its own; it failed to {doing}", detail=detail)
    if fault.rv in (codes.TOKEN_WRITE_PROTECTED, codes.SESSION_READ_ONLY):
        return errors.ProviderError(f"the token is write-protected; it failed to {doing}", detail=detail)
    return errors.ProviderError(f"the token failed to {doing}", detail=detail)
