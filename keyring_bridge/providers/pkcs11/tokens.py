"""Tokens outside a provider: listing them without a login, and making one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from keyring_bridge.errors import InvalidName, PinIncorrect, ProviderError, TokenAmbiguous, TokenNotFound
from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.faults import TokenFault, binding, to_error
from keyring_bridge.providers.pkcs11.module import load
from keyring_bridge.providers.pkcs11.slots import Place, places, refreshed

if TYPE_CHECKING:
    from keyring_bridge.model import TokenInfo
    from keyring_bridge.providers.pkcs11.module import Module
    from keyring_bridge.secrets import SecretBytes

_OTHER_PIN = "choose another one in its source, then run the command again"
_PIN_REFUSED = (codes.PIN_INCORRECT, codes.PIN_INVALID, codes.PIN_LEN_RANGE, codes.PIN_LOCKED)


def list_tokens(library: Path) -> list[TokenInfo]:
    """Return the tokens that the module at ``library`` shows, without logging in.

    Their ``slot_index`` is their place in this list. A token whose flags lack ``token_initialized`` is empty and can
    be made usable by :func:`create_token`.

    Raises:
        ProviderError: The library is missing, not a PKCS#11 module, or does not list its slots.
        InsecureFile: Others could have written the library.
    """
    try:
        return [place.info for place in places(load(library))]
    except TokenFault as fault:
        raise to_error(fault, "list its tokens") from fault


def create_token(
    library: Path,
    label: str,
    so_pin: SecretBytes,
    user_pin: SecretBytes,
    *,
    initialized: Callable[[], object] = lambda: None,
) -> TokenInfo:
    """Initialise an empty token (C_InitToken) and set its user's PIN (C_InitPIN). No token with content is touched.

    Args:
        library: The PKCS#11 module.
        label: 1 to 32 bytes of UTF-8, not the label of a token that is there.
        so_pin: The security officer's PIN, which can set a new user PIN later. The caller wipes it.
        user_pin: The PIN that the bridge logs in with. The caller wipes it.
        initialized: Called when the token has its SO PIN: from then on nothing can be done with it without that one.

    Returns:
        The token. Modules may give it another slot id when they are initialised next; its serial stays.

    Raises:
        InvalidName: The label does not fit.
        TokenAmbiguous: A token of that label exists.
        TokenNotFound: No slot has an empty token.
        PinIncorrect: The module does not take one of the PINs (too short, mostly); no token was made.
        ProviderError: The token could not be initialised, or has no user PIN yet.
    """
    if not 1 <= len(label.encode("utf-8", "replace")) <= 32 or not label.isprintable() or label != label.strip():
        raise InvalidName("a token's label must be 1 to 32 printable bytes without spaces around it")
    module = load(library)
    try:
        present = places(module)
        if any(place.info.label == label and "token_initialized" in place.info.flags for place in present):
            raise TokenAmbiguous(f"there is a token with the label {label!r} already")
        empty = [place for place in present if "token_initialized" not in place.info.flags]
        if not empty:
            raise TokenNotFound("there is no slot with an empty token")
        _check_length(module, empty[0], so_pin, user_pin)
        module.cryptoki.init_token(empty[0].info.slot_id, so_pin.reveal(), label)
    except TokenFault as fault:
        if fault.rv in _PIN_REFUSED:
            raise PinIncorrect("the token does not take this SO PIN", hint=_OTHER_PIN, detail=fault.detail) from fault
        raise to_error(fault, "be initialised") from fault
    initialized()
    try:
        _set_user_pin(module, _made(module, empty[0], label), so_pin, user_pin)
        return refreshed(_made(module, empty[0], label))
    except TokenFault as fault:
        raise ProviderError(
            "the token was initialised, but it did not take its user PIN",
            hint="set it with the vendor's tool and the security officer's PIN, then `hsm init` without --create-token",
            detail=fault.detail,
        ) from fault


def _check_length(module: Module, place: Place, *pins: SecretBytes) -> None:
    """Refuse a PIN that the token would refuse when it is too late: a token without a user PIN is of no use."""
    shortest, longest = module.cryptoki.pin_lengths(place.info.slot_id)
    # Modules that don't know answer zero, or the largest number.
    if longest and not all(shortest <= len(pin) <= longest for pin in pins):
        raise PinIncorrect(f"the token takes PINs of {shortest} to {longest} bytes; no token was made", hint=_OTHER_PIN)


def _made(module: Module, place: Place, label: str) -> Place:
    """Find the token again: its serial, and on some modules its slot, changed when it was initialised."""
    for found in places(module):
        if found.info.label == label and "token_initialized" in found.info.flags:
            return found
    raise ProviderError("the token was initialised, but is not there", detail=f"slot id {place.info.slot_id}")


def _set_user_pin(module: Module, place: Place, so_pin: SecretBytes, user_pin: SecretBytes) -> None:
    with module.shared(place.info.slot_id).lock:
        with binding("C_OpenSession"):
            session = place.token.open(rw=True)
        handle: int = session.handle  # type: ignore[attr-defined]  # its stubs leave it out
        try:
            rv = module.cryptoki.login(handle, codes.CKU_SO, so_pin.reveal())
            if rv != codes.OK:
                raise TokenFault(rv, "C_Login")
            with binding("C_InitPIN"):
                # The binding takes anything whose encode() gives the bytes, so the PIN stays in wipeable memory.
                session.init_pin(user_pin)  # type: ignore[arg-type]  # declared as str
        finally:
            module.cryptoki.logout(handle)
            with contextlib.suppress(Exception):
                session.close()
