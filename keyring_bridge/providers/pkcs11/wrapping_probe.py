"""Whether a token can be trusted with a wrappable key: tried with keys that are thrown away, before one is made.

A wrappable key is safe as long as the token lets nothing but trusted keys wrap it, and nobody but the security officer
say what is trusted. Both are tried with objects that live in the session only, and are destroyed on every path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from keyring_bridge.errors import AttributeNotHonoured
from keyring_bridge.model import KeySpec
from keyring_bridge.providers.pkcs11.faults import RECOVERABLE, TokenFault, binding
from keyring_bridge.providers.pkcs11.search import search
from keyring_bridge.providers.pkcs11.templates import packed
from keyring_bridge.providers.pkcs11.wrapping import MECHANISMS, first_wrapped, trusted_handles
from keyring_bridge.providers.wrapping_errors import KeyNotWrappable

if TYPE_CHECKING:
    import pkcs11.types
    from pkcs11 import ObjectClass

    from cosmos_formats.pubkeys import KeyType
    from keyring_bridge.providers.pkcs11.keys import Workbench


_INSTEAD = "wrappable keys need another token; keys that stay can be made in this one"


def check_wrapping(bench: Workbench, key_type: KeyType) -> None:
    """Make sure that a wrappable key of a type leaves the token under trusted keys, and under no others.

    Raises:
        AttributeNotHonoured: The token would let it out under any key, or lets anybody make trusted ones.
        KeyNotWrappable: The token has a trusted key, and wraps no keys of this type with it.
        TokenFault: The token failed.
    """
    with _throwaway_pair(bench, key_type) as key:
        _check_untrusted(bench, key)
        trusted = trusted_handles(bench)
        if not trusted:
            return
        form, answers = first_wrapped(bench, trusted[0], key)
        if form is None:
            raise KeyNotWrappable(
                f"the token wraps no {key_type} keys, so none can be made wrappable", detail=answers.decode()
            )


def check_guarded(bench: Workbench, key_type: KeyType) -> None:
    """Make sure that a wrappable key of a type, which is about to come in, leaves the token under no untrusted key.

    Raises:
        AttributeNotHonoured: The token would let it out under any key, or lets anybody make trusted ones.
        TokenFault: The token failed.
    """
    with _throwaway_pair(bench, key_type) as key:
        _check_untrusted(bench, key)


def _check_untrusted(bench: Workbench, key: int) -> None:
    with _throwaway_secret(bench, trusted=False) as secret:
        if secret is None:
            # Without a secret key of the user's there is nothing to wrap with.
            return
        for mechanism in MECHANISMS.values():
            try:
                bench.cryptoki.wrap_key(bench.handle, mechanism, secret, key)
            except TokenFault as fault:
                if fault.rv in RECOVERABLE:
                    raise
                continue
            raise AttributeNotHonoured(
                "the token lets such a key out under any other key, trusted or not; no key was made",
                hint=_INSTEAD,
            )
    with _throwaway_secret(bench, trusted=True) as secret:
        if secret is not None:
            raise AttributeNotHonoured(
                "the token lets its user make trusted wrapping keys, which only its officer should; no key was made",
                hint=_INSTEAD,
            )


@contextmanager
def _throwaway_secret(bench: Workbench, *, trusted: bool) -> Iterator[int | None]:
    """Lend an AES key of the session, None if the token makes none like that."""
    from pkcs11 import Attribute, KeyType, ObjectClass

    template: dict[Any, Any] = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.TOKEN: False,
        Attribute.PRIVATE: True,
        Attribute.VALUE: os.urandom(32),
        Attribute.WRAP: True,
    }
    if trusted:
        template[Attribute.TRUSTED] = True
    before = _secrets_of_session(bench)
    try:
        handle = bench.cryptoki.create_object(bench.handle, packed(template))
    except TokenFault as fault:
        # SoftHSM2 keeps what it had begun to make.
        for left in _secrets_of_session(bench) - before:
            with suppress(TokenFault):
                bench.cryptoki.destroy_object(bench.handle, left)
        if fault.rv in RECOVERABLE:
            raise
        yield None
        return
    try:
        if trusted and bench.cryptoki.read_attribute(bench.handle, handle, int(Attribute.TRUSTED)) != b"\1":
            yield None
        else:
            yield handle
    finally:
        bench.cryptoki.destroy_object(bench.handle, handle)


def _secrets_of_session(bench: Workbench) -> set[int]:
    from pkcs11 import Attribute, ObjectClass

    found = search(bench.session, {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.TOKEN: False})
    return {int(one.handle or 0) for one in found}


@contextmanager
def _throwaway_pair(bench: Workbench, key_type: KeyType) -> Iterator[int]:
    """Lend the private key of a pair that lives in the session, with the attributes of a wrappable one."""
    from pkcs11 import ObjectClass

    from keyring_bridge.providers.pkcs11.keys import generate_pair

    key_id = os.urandom(bench.vendor.key_id_length)
    try:
        generate_pair(bench, KeySpec("probe", key_type, wrappable=True), key_id, store=False)
        yield int(_of_session(bench, ObjectClass.PRIVATE_KEY, key_id)[0].handle or 0)
    finally:
        for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
            for found in _of_session(bench, kind, key_id):
                with suppress(TokenFault), binding("C_DestroyObject"):
                    found.destroy()


def _of_session(bench: Workbench, kind: ObjectClass, key_id: bytes) -> list[pkcs11.types.Object]:
    """Return objects of the session: one of the token's may have the same short id by chance."""
    from pkcs11 import Attribute

    return search(bench.session, {Attribute.CLASS: kind, Attribute.ID: key_id, Attribute.TOKEN: False})
