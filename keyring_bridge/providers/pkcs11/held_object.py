"""An object of which only the handle is known, as the module answered it: read without looking for it.

Searching costs a token the more, the more objects it holds, so a thousand keys that come in one after the other are
read back by the handles that creating them gave. python-pkcs11 makes its objects from searches alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from keyring_bridge.providers.pkcs11 import codes
from keyring_bridge.providers.pkcs11.faults import TokenFault
from keyring_bridge.providers.pkcs11.search import attribute_mapper

if TYPE_CHECKING:
    import pkcs11.types
    from pkcs11 import Attribute

    from keyring_bridge.providers.pkcs11.cryptoki import Cryptoki

_NOT_TOLD = frozenset({codes.OK, codes.ATTRIBUTE_SENSITIVE, codes.ATTRIBUTE_TYPE_INVALID})
"""A length that is not available may come with any of these."""

_LARGEST = 2048


class HeldObject:
    """What :func:`keyring_bridge.providers.pkcs11.search.read` needs of an object.

    Args:
        cryptoki: The module.
        session: Number of a session of the object's token.
        handle: Of the object.
    """

    def __init__(self, cryptoki: Cryptoki, session: int, handle: int) -> None:
        self._cryptoki = cryptoki
        self._session = session
        self.handle = handle

    def get_attributes(self, kinds: Iterable[Attribute]) -> dict[Attribute, Any]:
        """Return the attributes that the token is willing to tell.

        Raises:
            TokenFault: It failed otherwise.
        """
        values = {}
        for kind in kinds:
            try:
                raw = bytes(self._cryptoki.read_attribute(self._session, self.handle, int(kind), _LARGEST))
            except TokenFault as fault:
                if fault.rv not in _NOT_TOLD:
                    raise
                continue
            values[kind] = attribute_mapper().unpack_attributes(kind, raw)
        return values


def held(cryptoki: Cryptoki, session: int, handle: int) -> pkcs11.types.Object:
    """Return an object to read attributes of, and nothing else."""
    return cast("pkcs11.types.Object", HeldObject(cryptoki, session, handle))
