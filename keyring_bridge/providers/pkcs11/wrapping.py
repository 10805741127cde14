"""Keys that leave a token wrapped under a trusted AES key, and come into another token that has the same AES key.

Only a wrapping key that the token calls trusted is used: the security officer alone can say so of a key, and a private
key of ours with WRAP_WITH_TRUSTED leaves under no other. What a token can wrap, and how, is found by trying.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyring_bridge.model import WrappedKey, WrappingKey
from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.faults import RECOVERABLE, TokenFault
from keyring_bridge.providers.pkcs11.objects import check_same, locate
from keyring_bridge.providers.pkcs11.search import read, search
from keyring_bridge.providers.wrapping_errors import KeyNotWrappable, WrappingKeyMissing
from keyring_bridge.uri import Pkcs11Uri

if TYPE_CHECKING:
    import pkcs11.types

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeyInfo, KeyRef, KeySpec
    from keyring_bridge.providers.pkcs11.keys import Workbench

MECHANISMS = {
    "aes-kwp": codes.CKM_AES_KEY_WRAP_KWP,
    "aes-key-wrap-pad": codes.CKM_AES_KEY_WRAP_PAD,
    "aes-key-wrap": codes.CKM_AES_KEY_WRAP,
}
"""Form of a wrapped key to mechanism, in the order in which they are tried.

The first two are RFC 5649 in most modules, so that either may open what the other made. RFC 3394 comes last: it takes
multiples of 8 bytes, and modules fill up by themselves.
"""

_TWINS = {"aes-kwp": "aes-key-wrap-pad", "aes-key-wrap-pad": "aes-kwp"}

# What says that this key, or any, cannot be wrapped with this mechanism; everything else is a failure.
_NOT_THIS_WAY = frozenset(
    {
        codes.MECHANISM_INVALID,
        codes.MECHANISM_PARAM_INVALID,
        codes.FUNCTION_NOT_SUPPORTED,
        codes.KEY_NOT_WRAPPABLE,
        codes.KEY_UNEXTRACTABLE,
        codes.KEY_SIZE_RANGE,
        codes.KEY_TYPE_INCONSISTENT,
        codes.KEY_FUNCTION_NOT_PERMITTED,
        codes.WRAPPING_KEY_TYPE_INCONSISTENT,
        codes.WRAPPING_KEY_SIZE_RANGE,
        codes.DATA_LEN_RANGE,
        codes.FUNCTION_FAILED,
        codes.GENERAL_ERROR,
    }
)


def known(bench: Workbench) -> list[WrappingKey]:
    """Return the trusted wrapping keys."""
    return [key for key, _ in _trusted(bench)]


def wrap(bench: Workbench, ref: KeyRef, by: str | None) -> WrappedKey:
    """Return a key wrapped under a trusted key.

    Args:
        bench: Where.
        ref: The key.
        by: Label of the wrapping key; the only one if None.

    Raises:
        KeyNotWrappable: It is not extractable, or the token wraps no such keys.
        WrappingKeyMissing: There is no such wrapping key, or several.
    """
    key, public_key = locate(bench.session, Pkcs11Uri.parse(ref.uri), bench.token)
    check_same(ref.public_key, public_key)
    if not key.extractable:
        raise KeyNotWrappable("the key was made not to leave its token", hint="--wrappable is decided at its birth")
    wrapping, handle = _only(_trusted(bench), by, b"")
    form, data = first_wrapped(bench, handle, key.handle)
    if form is None:
        raise KeyNotWrappable(f"the token wraps no {key.key_type} keys", detail=data.decode())
    return WrappedKey(form, wrapping.name, wrapping.check, data)


def first_wrapped(bench: Workbench, wrapping: int, key: int) -> tuple[str, bytes] | tuple[None, bytes]:
    """Wrap a key with the first mechanism that the token takes.

    Args:
        bench: Where.
        wrapping: Handle of the wrapping key.
        key: Handle of the private key.

    Returns:
        The form and the wrapped key; if the token wraps it in no form, None and what it answered.

    Raises:
        TokenFault: The token failed.
    """
    answers = []
    for form, mechanism in MECHANISMS.items():
        try:
            return form, bench.cryptoki.wrap_key(bench.handle, mechanism, wrapping, key)
        except TokenFault as fault:
            if fault.rv not in _NOT_THIS_WAY:
                raise
            answers.append(f"{form}: {codes.name_of(fault.rv)}")
    return None, "; ".join(answers).encode()


def unwrap(bench: Workbench, spec: KeySpec, public_key: PublicKey, wrapped: WrappedKey) -> KeyInfo:
    """Make a key of a wrapped one, wrappable again.

    Raises:
        WrappingKeyMissing: The key that it was wrapped with is not here.
        KeyNotWrappable: The form is none of PKCS#11.
        TokenFault: The token could not make it.
    """
    from dataclasses import replace

    from keyring_bridge.providers.pkcs11.keys import unwrap_private

    if wrapped.form not in MECHANISMS:
        raise KeyNotWrappable("the key was wrapped by a device of another kind")
    _, handle = _only(_trusted(bench), wrapped.by, wrapped.check)

    def make(template: dict[int, bytes | bytearray]) -> object:
        twin = _TWINS.get(wrapped.form)
        try:
            return bench.cryptoki.unwrap_key(bench.handle, MECHANISMS[wrapped.form], handle, wrapped.data, template)
        except TokenFault as fault:
            if twin is None or fault.rv != codes.MECHANISM_INVALID:
                raise
        return bench.cryptoki.unwrap_key(bench.handle, MECHANISMS[twin], handle, wrapped.data, template)

    return unwrap_private(bench, replace(spec, wrappable=True), public_key, make)


def _trusted(bench: Workbench) -> list[tuple[WrappingKey, int]]:
    from pkcs11 import Attribute, KeyType, ObjectClass

    template = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.TOKEN: True,
        Attribute.TRUSTED: True,
        Attribute.WRAP: True,
    }
    return [
        (WrappingKey(_label(found), check_value(bench, handle)), handle)
        for found in search(bench.session, template)
        if (handle := int(found.handle or 0))
    ]


def trusted_handles(bench: Workbench) -> list[int]:
    """Return the handles of the trusted wrapping keys."""
    return [handle for _, handle in _trusted(bench)]


def _label(found: pkcs11.types.Object) -> str:
    from pkcs11 import Attribute

    return str(read(found, (Attribute.LABEL,)).get(Attribute.LABEL, ""))


def check_value(bench: Workbench, handle: int) -> bytes:
    """Return what tells a wrapping key from others, empty if the token does not tell."""
    try:
        return bytes(bench.cryptoki.read_attribute(bench.handle, handle, codes.CKA_CHECK_VALUE))
    except TokenFault as fault:
        if fault.rv in RECOVERABLE:
            raise
        return b""


def _only(keys: list[tuple[WrappingKey, int]], name: str | None, check: bytes) -> tuple[WrappingKey, int]:
    if name is not None:
        keys = [one for one in keys if one[0].name == name]
        if check and all(one[0].check for one in keys):
            fitting = [one for one in keys if one[0].check == check]
            if keys and not fitting:
                raise WrappingKeyMissing(f"the token's wrapping key {name!r} is another one of the same name")
            keys = fitting
    called = "" if name is None else f" called {name!r}"
    if not keys:
        raise WrappingKeyMissing(f"the token has no trusted wrapping key{called}")
    if len(keys) > 1:
        raise WrappingKeyMissing(
            f"the token has several trusted wrapping keys{called}", hint="--wrapping-key names one"
        )
    return keys[0]
