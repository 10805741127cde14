"""Logging in: one PIN, sent once.

Every login that sends a PIN is an attempt of the :class:`~keyring_bridge.login_guard.LoginGuard`. Its outcomes::

    CKR_OK                                             succeeded
    already logged in; the call never got to the PIN   not sent
    PIN wrong, locked, expired, of a refused form      failed
    anything else                                      no outcome, which counts as failed

The last line is on purpose: a device that answers with a general error may well have counted the try.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import AuthError, PinIncorrect, PinLocked, PinRequired
from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.faults import SESSION_GONE, TOKEN_GONE, TokenFault, to_error
from keyring_bridge.providers.pkcs11.presets import PinForm, pin_problem
from keyring_bridge.providers.pkcs11.slots import refreshed
from keyring_bridge.secrets import SecretBytes, parse_source

if TYPE_CHECKING:
    from keyring_bridge.model import TokenInfo
    from keyring_bridge.providers.base import ProviderContext
    from keyring_bridge.providers.pkcs11.cryptoki import Cryptoki
    from keyring_bridge.providers.pkcs11.slots import Place
    from keyring_bridge.secrets import SecretSource

PINPAD = "pinpad"
"""The ``pin_source`` of a token that asks for the PIN at a pad of its own."""

_NOT_COUNTED = (
    SESSION_GONE
    | TOKEN_GONE
    | {
        codes.USER_ALREADY_LOGGED_IN,
        codes.CRYPTOKI_NOT_INITIALIZED,
        codes.HOST_MEMORY,
        codes.USER_PIN_NOT_INITIALIZED,
        codes.FUNCTION_CANCELED,
    }
)
_REFUSED = frozenset({codes.PIN_INCORRECT, codes.PIN_INVALID, codes.PIN_LEN_RANGE, codes.PIN_EXPIRED, codes.PIN_LOCKED})


def token_id(info: TokenInfo) -> str:
    """Return the name under which the login guard remembers a token."""
    return f"pkcs11:serial={quote(info.serial, safe='')};manufacturer={quote(info.manufacturer, safe='')}"


def pin_state(info: TokenInfo) -> str:
    """Return the state of the user PIN as :class:`~keyring_bridge.model.ProviderStatus` names it."""
    for flag, state in (
        ("user_pin_locked", "locked"),
        ("user_pin_final_try", "final_try"),
        ("user_pin_count_low", "count_low"),
    ):
        if flag in info.flags:
            return state
    return "ok"


def check_source(pin_source: str) -> None:
    """Raise ConfigError unless ``pin_source`` names a source."""
    if pin_source != PINPAD:
        parse_source(pin_source)


@dataclass(frozen=True, slots=True)
class Login:
    """How one provider logs in.

    Attributes:
        pin_source: The configured source.
        form: The form that the module wants PINs in.
    """

    context: ProviderContext
    pin_source: str
    form: PinForm

    @property
    def interactive(self) -> bool:
        """Whether a person has to be there."""
        return self.pin_source == PINPAD or parse_source(self.pin_source).interactive

    def perform(self, cryptoki: Cryptoki, session: int, place: Place) -> None:
        """Log the process in to the token through ``session``.

        Raises:
            PinBlocked: An earlier login failed.
            PinRequired: The source has no PIN.
            PinIncorrect: The token refused it; the message tells the state of its counter.
            PinLocked: The token's PIN is locked.
            AuthError: The PIN has a form that the module cannot take, and was not sent.
        """
        guarded = token_id(place.info)
        self.context.login_guard.check(guarded)
        if "user_pin_locked" in place.info.flags:
            raise PinLocked("the token's PIN is locked; no PIN was sent")
        if self.pin_source == PINPAD:
            self._attempt(cryptoki, session, place, guarded, None)
            return
        with self._read(parse_source(self.pin_source), place.info) as pin:
            problem = pin_problem(self.form, pin.reveal())
            if problem is not None:
                raise AuthError(f"{problem}; it was not sent to the token")
            self._attempt(cryptoki, session, place, guarded, pin)

    def _read(self, source: SecretSource, info: TokenInfo) -> SecretBytes:
        return source.read(self.context.prompt, f"PIN for token {info.label}")

    def _attempt(self, cryptoki: Cryptoki, session: int, place: Place, guarded: str, pin: SecretBytes | None) -> None:
        source = PINPAD if pin is None else parse_source(self.pin_source).describe()
        with self.context.login_guard.attempt(guarded, source) as attempt:
            rv = cryptoki.login(session, codes.CKU_USER, None if pin is None else pin.reveal())
            if rv == codes.OK:
                attempt.succeeded()
                return
            if rv in _NOT_COUNTED:
                attempt.not_sent()
                if rv == codes.USER_ALREADY_LOGGED_IN:
                    return
                if rv == codes.USER_PIN_NOT_INITIALIZED:
                    raise PinRequired("the token has no user PIN yet", hint="the security officer must set one")
                raise to_error(TokenFault(rv, "C_Login"), "log in")
            if rv in _REFUSED:
                attempt.failed()
                raise self._refused(rv, place)
            # No outcome is noted: the token may have counted the try.
            raise AuthError(
                "the login failed, and the token may have counted it as a wrong PIN; nothing was signed",
                hint="look at the token, then run `hsm unlock`; until then no login is attempted",
                detail=TokenFault(rv, "C_Login").detail,
            )

    def _refused(self, rv: int, place: Place) -> AuthError:
        detail = TokenFault(rv, "C_Login").detail
        try:
            state = pin_state(refreshed(place))
        except TokenFault:
            state = "unknown"
        if rv == codes.PIN_LOCKED:
            return PinLocked("the token's PIN is locked; nothing was signed", detail=detail)
        if state == "locked":
            return PinLocked("wrong PIN; the token has locked it now; nothing was signed", detail=detail)
        if rv == codes.PIN_EXPIRED:
            return PinIncorrect("the token says that the PIN has expired; nothing was signed", detail=detail)
        counter = {
            "final_try": "the token says that one try is left",
            "count_low": "the token says that wrong PINs were entered and this was not the last try",
            "ok": "the token says this was not the last try",
            "unknown": "the token does not say how many tries are left",
        }[state]
        return PinIncorrect(f"wrong PIN; {counter}; nothing was signed", detail=detail)
