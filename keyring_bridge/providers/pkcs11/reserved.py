"""Ids that are reserved for keys to come, and what imports that were cut off left under them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from keyring_bridge.errors import ObjectNotFound, ProviderError
from keyring_bridge.providers.pkcs11 import metadata
from keyring_bridge.providers.pkcs11.keys import Workbench, destroy
from keyring_bridge.providers.pkcs11.objects import locate
from keyring_bridge.providers.pkcs11.points import curve_of
from keyring_bridge.providers.pkcs11.search import find, read, search
from keyring_bridge.uri import Pkcs11Uri

if TYPE_CHECKING:
    import pkcs11.types

_UNIQUE_BYTES = 12
"""Random ids of so many bytes never meet."""


def reserve_ids(bench: Workbench, count: int) -> list[bytes]:
    """Return ids that no object of the token has."""
    size = bench.vendor.key_id_length
    taken = _ids(bench) if size < _UNIQUE_BYTES else set()
    chosen: list[bytes] = []
    for _ in range(64 * count):
        key_id = os.urandom(size)
        if any(key_id) and key_id not in taken:
            chosen.append(key_id)
            taken.add(key_id)
        if len(chosen) == count:
            return chosen
    raise ProviderError("no free key ids were found in the token")


def discard_unfinished(bench: Workbench, reserved: Iterable[tuple[bytes, str]]) -> int:
    """Destroy what imports that were cut off left, and nothing that is a whole key or somebody else's.

    Args:
        bench: Where.
        reserved: The id and the label of each key that may have been cut off.

    Returns:
        How many objects were destroyed.
    """
    present = _ids(bench)
    left = [found for key_id, label in reserved if key_id in present for found in _unfinished(bench, key_id, label)]
    left += _husks(bench)
    destroy(*left)
    return len(left)


def _ids(bench: Workbench) -> set[bytes]:
    """Return the ids of all objects: one look at everything is less than a search for each of many keys."""
    from pkcs11 import Attribute, ObjectClass

    kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
    objects = (found for kind in kinds for found in find(bench.session, kind))
    ids = {read(found, (Attribute.ID,)).get(Attribute.ID, b"") for found in objects}
    return ids | metadata.key_ids(bench.session)


def _unfinished(bench: Workbench, key_id: bytes, label: str) -> list[pkcs11.types.Object]:
    from pkcs11 import ObjectClass

    privates = find(bench.session, ObjectClass.PRIVATE_KEY, id=key_id)
    if not all(_may_be_begun(found, label) for found in privates):
        return []
    if privates:
        uri = Pkcs11Uri(serial=bench.token.serial or None, id=key_id, type="private")
        try:
            locate(bench.session, uri, bench.token)
        except ObjectNotFound:
            pass
        else:
            return []
    publics = find(bench.session, ObjectClass.PUBLIC_KEY, id=key_id)
    return [*privates, *publics, *metadata.objects(bench.session, key_id)]


def _may_be_begun(found: pkcs11.types.Object, label: str) -> bool:
    """Whether a private key under a reserved id can be one of the reserved label that was cut off.

    One that SoftHSM2 was unwrapping has its template, but no curve yet.
    """
    from pkcs11 import Attribute, KeyType

    values = read(found, (Attribute.LABEL, Attribute.KEY_TYPE, Attribute.EC_PARAMS))
    if values.get(Attribute.LABEL) != label:
        return False
    curve = values.get(Attribute.EC_PARAMS, b"")
    if not curve:
        return values.get(Attribute.KEY_TYPE) in (KeyType.EC, KeyType.EC_EDWARDS)
    return curve_of(curve) is not None


def _husks(bench: Workbench) -> list[pkcs11.types.Object]:
    """Return the objects that SoftHSM2 leaves when its process dies while it creates one.

    It writes a file with default values first, and the template afterwards: an object of the token's that calls itself
    a session's, without id, label, curve, point or value. No other session's objects can be seen here, and this one has
    made none.
    """
    from pkcs11 import Attribute, ObjectClass

    empty = {
        ObjectClass.PRIVATE_KEY: (Attribute.ID, Attribute.LABEL, Attribute.EC_PARAMS),
        ObjectClass.PUBLIC_KEY: (Attribute.ID, Attribute.LABEL, Attribute.EC_PARAMS, Attribute.EC_POINT),
        ObjectClass.DATA: (Attribute.LABEL, Attribute.APPLICATION, Attribute.VALUE),
    }
    husks = []
    for kind, attributes in empty.items():
        for found in search(bench.session, {Attribute.CLASS: kind, Attribute.TOKEN: False}):
            values = read(found, attributes)
            # An attribute that the token does not tell may have a value.
            if all(values.get(attribute) in (b"", "") for attribute in attributes):
                husks.append(found)
    return husks
