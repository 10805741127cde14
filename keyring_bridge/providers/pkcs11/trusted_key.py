"""Bringing a trusted wrapping key into a token.

CKA_TRUSTED is the security officer's to set, and the officer sees no private objects; a public one would lie readable
in tokens such as SoftHSM2's. So the key is made as a public object of the session, which is in memory only, and the
user copies it into the token as a private one::

    officer logs in   C_CreateObject: session, public, trusted, sensitive, not extractable
    officer logs out  the public object of the session stays
    user logs in      C_CopyObject: token, private; every attribute is read back
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from keyring_bridge.errors import AttributeNotHonoured, AuthError, InvalidKey, PinIncorrect, ProviderError
from keyring_bridge.model import WrappingKey
from keyring_bridge.providers.pkcs11 import codes, wrapping
from keyring_bridge.providers.pkcs11.faults import TokenFault, binding
from keyring_bridge.providers.pkcs11.keys import Workbench, check_label
from keyring_bridge.providers.pkcs11.search import attribute_mapper
from keyring_bridge.providers.pkcs11.templates import packed
from keyring_bridge.providers.wrapping_errors import WrappingKeyExists

if TYPE_CHECKING:
    from keyring_bridge.providers.base import ProviderContext
    from keyring_bridge.providers.pkcs11.login import Login
    from keyring_bridge.providers.pkcs11.module import Module
    from keyring_bridge.providers.pkcs11.presets import Preset
    from keyring_bridge.providers.pkcs11.slots import Place
    from keyring_bridge.secrets import SecretBytes

KEY_BYTES = 32

_REFUSED = frozenset({codes.PIN_INCORRECT, codes.PIN_INVALID, codes.PIN_LEN_RANGE, codes.PIN_EXPIRED, codes.PIN_LOCKED})
_NOT_SENT = frozenset({codes.SESSION_READ_ONLY_EXISTS, codes.USER_ANOTHER_ALREADY_LOGGED_IN})


def add(
    module: Module,
    place: Place,
    login: Login,
    vendor: Preset,
    name: str,
    secret: SecretBytes,
    so_pin: SecretBytes,
    *,
    retry: bool,
) -> WrappingKey:
    """Keep an AES-256 key as a trusted wrapping key (see :class:`keyring_bridge.providers.base.KeepsWrappingKeys`)."""
    check_label(name)
    if len(secret) != KEY_BYTES:
        raise InvalidKey(f"a wrapping key has {KEY_BYTES} bytes, not {len(secret)}")
    module.enter()
    try:
        shared = module.shared(place.info.slot_id)
        with shared.lock:
            if shared.users:
                raise ProviderError("the token is in use in this process, so its officer cannot log in")
            with binding("C_OpenSession"):
                session = place.token.open(rw=True, attribute_mapper=attribute_mapper())
            bench = Workbench(session, module.cryptoki, place.info, vendor)
            try:
                _log_officer_in(bench, login.context, so_pin, _officer_id(place), retry=retry)
                made = module.cryptoki.create_object(bench.handle, packed(_template(name, secret)))
                try:
                    module.cryptoki.logout(bench.handle)
                    login.perform(module.cryptoki, bench.handle, place)
                    return _kept(bench, name, made)
                finally:
                    with suppress(TokenFault):
                        module.cryptoki.destroy_object(bench.handle, made)
            finally:
                module.cryptoki.logout(bench.handle)
                with suppress(Exception):
                    session.close()
    finally:
        module.leave()


def _template(name: str, secret: SecretBytes) -> dict[Any, Any]:
    from pkcs11 import Attribute, KeyType, ObjectClass

    return {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.TOKEN: False,
        Attribute.PRIVATE: False,
        Attribute.LABEL: name,
        Attribute.ID: os.urandom(8),
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.TRUSTED: True,
        Attribute.WRAP: True,
        Attribute.UNWRAP: True,
        Attribute.ENCRYPT: False,
        Attribute.DECRYPT: False,
        Attribute.SIGN: False,
        Attribute.VERIFY: False,
        Attribute.VALUE: secret.reveal(),
    }


def _kept(bench: Workbench, name: str, made: int) -> WrappingKey:
    """Copy the key into the token, unless it is there, and read back what it became."""
    from pkcs11 import Attribute

    check = wrapping.check_value(bench, made)
    for known in wrapping.known(bench):
        if known.name == name:
            if check and known.check == check:
                return known
            raise WrappingKeyExists(f"the token has another wrapping key called {name!r}")
    kept = bench.cryptoki.copy_object(bench.handle, made, packed({Attribute.TOKEN: True, Attribute.PRIVATE: True}))
    wanted = {
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.TRUSTED: True,
        Attribute.WRAP: True,
        Attribute.UNWRAP: True,
        Attribute.DECRYPT: False,
    }
    try:
        wrong = [
            f"{kind.name} is not {value}"
            for kind, value in wanted.items()
            if any(bench.cryptoki.read_attribute(bench.handle, kept, int(kind))) is not value
        ]
        if wrong:
            raise AttributeNotHonoured(
                "the token did not keep the wrapping key as it was asked to; it was removed", detail="; ".join(wrong)
            )
    except BaseException:
        with suppress(TokenFault):
            bench.cryptoki.destroy_object(bench.handle, kept)
        raise
    return WrappingKey(name, check)


def _officer_id(place: Place) -> str:
    from keyring_bridge.providers.pkcs11.login import token_id

    return f"{token_id(place.info)};officer"


def _log_officer_in(bench: Workbench, context: ProviderContext, pin: SecretBytes, guarded: str, *, retry: bool) -> None:
    """Send the officer's PIN once: tokens lock themselves, or erase everything, after a few wrong ones."""
    guard = context.login_guard
    if retry:
        guard.clear(guarded)
    guard.check(guarded)
    with guard.attempt(guarded, "officer") as attempt:
        rv = bench.cryptoki.login(bench.handle, codes.CKU_SO, pin.reveal())
        if rv == codes.OK:
            attempt.succeeded()
            return
        detail = TokenFault(rv, "C_Login").detail
        if rv in _NOT_SENT:
            attempt.not_sent()
            raise ProviderError("the token is in use, so its officer cannot log in", detail=detail)
        attempt.failed()
        if rv in _REFUSED:
            raise PinIncorrect("the token refused the PIN of its security officer; nothing was changed", detail=detail)
        raise AuthError("the security officer's login failed; nothing was changed", detail=detail)
