"""Searching a token and reading attributes, through python-pkcs11, so that odd tokens and failures do no harm."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from keyring_bridge.providers.pkcs11.faults import binding

if TYPE_CHECKING:
    import pkcs11.types
    from pkcs11 import Attribute, ObjectClass
    from pkcs11.attributes import AttributeMapper


@cache
def attribute_mapper() -> AttributeMapper:
    """Return python-pkcs11's reader of attributes, made to stand what tokens of the field answer."""
    from pkcs11 import Attribute
    from pkcs11.attributes import AttributeMapper, handle_bool, handle_ulong

    mapper = AttributeMapper()
    # Labels need not be UTF-8, and some tokens answer booleans of other sizes than one byte.
    mapper.register_handler(Attribute.LABEL, str.encode, lambda raw: raw.decode("utf-8", "replace"))
    mapper.register_handler(Attribute.APPLICATION, str.encode, lambda raw: raw.decode("utf-8", "replace"))
    # Key types that the binding has no name for must not keep it from using the object.
    mapper.register_handler(Attribute.KEY_TYPE, *handle_ulong)
    for kind, handler in list(mapper.attribute_types.items()):
        if handler is handle_bool:
            mapper.register_handler(kind, handler[0], any)
    return mapper


def read(found: pkcs11.types.Object, kinds: Iterable[Attribute]) -> dict[Attribute, Any]:
    """Return the attributes that the token is willing to tell."""
    from pkcs11.exceptions import PKCS11Error

    wanted = list(kinds)
    try:
        return found.get_attributes(wanted)
    except (PKCS11Error, ValueError, struct.error):
        values = {}
        for kind in wanted:
            try:
                values[kind] = found[kind]
            except (PKCS11Error, ValueError, struct.error, NotImplementedError):
                continue
        return values


def find(session: pkcs11.types.Session, kind: ObjectClass, **more: bytes | str) -> list[pkcs11.types.Object]:
    """Return every object of a class; ``more`` narrows by ``id`` or ``label``."""
    from pkcs11 import Attribute

    template: dict[Attribute, Any] = {Attribute.CLASS: kind}
    for name, value in more.items():
        template[Attribute[name.upper()]] = value
    return search(session, template)


def search(session: pkcs11.types.Session, template: Mapping[Attribute, Any]) -> list[pkcs11.types.Object]:
    """Return every object that has the attributes of ``template``.

    Raises:
        TokenFault: The search failed; none is left open.
    """
    from pkcs11._pkcs11 import SearchIter  # type: ignore[attr-defined]  # its stubs leave it out
    from pkcs11.exceptions import ObjectHandleInvalid, PKCS11Error

    found: list[pkcs11.types.Object] = []
    with binding("C_FindObjects"):
        # Session.get_objects() does the same, but where C_FindObjectsInit fails it keeps the session locked until it
        # is collected, and complains on stderr then.
        operation = SearchIter(session, dict(template), 1)
        try:
            operation.__enter__()
            for batch in operation:
                # One that somebody destroys between being found and being looked at is not there.
                with contextlib.suppress(ObjectHandleInvalid):
                    found.extend(batch)
        finally:
            with contextlib.suppress(PKCS11Error):
                operation._finalize()
    return found
