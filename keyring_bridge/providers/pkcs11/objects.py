"""Reading keys from a token.

A key is a private key object, and whatever tells its public key: a public key object with the same CKA_ID, the
private object itself on some tokens, or what the bridge noted beside it (:mod:`.metadata`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cosmos_formats.errors import FormatError
from cosmos_formats.quickclass import dataclass
from keyring_bridge.errors import InvalidKey, KeyAmbiguous, KeyMismatch, ObjectNotFound
from keyring_bridge.model import KeyInfo
from keyring_bridge.providers.pkcs11.metadata import Metadata, read_all, read_one
from keyring_bridge.providers.pkcs11.points import curve_of, decode_point
from keyring_bridge.providers.pkcs11.search import find, read
from keyring_bridge.providers.pkcs11.slots import is_hardware
from keyring_bridge.uri import Pkcs11Uri

if TYPE_CHECKING:
    import pkcs11.types

    from cosmos_formats.pubkeys import KeyType, PublicKey
    from keyring_bridge.model import KeyRef, TokenInfo


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key object of a curve that the bridge knows."""

    found: pkcs11.types.Object
    key_id: bytes
    label: str
    key_type: KeyType
    extractable: bool | None
    sensitive: bool | None
    local: bool | None
    point: bytes | None

    @property
    def handle(self) -> int:
        """Its handle in the session that it was found in."""
        return int(self.found.handle or 0)


def private_key(found: pkcs11.types.Object) -> PrivateKey | None:
    """Read a private key object; None if its curve is not one of the bridge's."""
    from pkcs11 import Attribute

    values = read(
        found,
        (
            *(Attribute.ID, Attribute.LABEL, Attribute.EC_PARAMS),
            *(Attribute.EXTRACTABLE, Attribute.SENSITIVE, Attribute.LOCAL),
        ),
    )
    key_type = curve_of(values.get(Attribute.EC_PARAMS, b""))
    if key_type is None:
        return None
    return PrivateKey(
        found=found,
        key_id=values.get(Attribute.ID, b""),
        label=values.get(Attribute.LABEL, ""),
        key_type=key_type,
        extractable=values.get(Attribute.EXTRACTABLE),
        sensitive=values.get(Attribute.SENSITIVE),
        local=values.get(Attribute.LOCAL),
        # Not asked for together with the rest: most tokens refuse it, and some refuse all of a request then.
        point=read(found, (Attribute.EC_POINT,)).get(Attribute.EC_POINT) or None,
    )


@dataclass(frozen=True, slots=True)
class PublicObject:
    """A public key object."""

    key_id: bytes
    label: str
    public_key: PublicKey


def public_object(found: pkcs11.types.Object) -> PublicObject | None:
    """Read a public key object; None if its curve or its point is not one that the bridge can use."""
    from pkcs11 import Attribute

    values = read(found, (Attribute.ID, Attribute.LABEL, Attribute.EC_PARAMS, Attribute.EC_POINT))
    key_type = curve_of(values.get(Attribute.EC_PARAMS, b""))
    point = values.get(Attribute.EC_POINT)
    if key_type is None or not point:
        return None
    try:
        public_key = decode_point(key_type, point)
    except (InvalidKey, FormatError):
        return None
    return PublicObject(values.get(Attribute.ID, b""), values.get(Attribute.LABEL, ""), public_key)


def public_key_of(key: PrivateKey, publics: Iterable[PublicObject], noted: Metadata | None) -> PublicKey | None:
    """Return the public key of a private one, None if the token does not tell.

    Args:
        key: The private key.
        publics: The public key objects with the same id.
        noted: What the bridge noted about the key.

    Raises:
        KeyAmbiguous: Several different public keys claim the id.
    """
    if key.point is not None:
        return decode_point(key.key_type, key.point)
    candidates = [public for public in publics if public.public_key.key_type is key.key_type]
    if len({public.public_key for public in candidates}) > 1:
        candidates = [public for public in candidates if public.label == key.label]
    different = {public.public_key for public in candidates}
    if len(different) > 1:
        raise KeyAmbiguous(f"several public keys in the token have the id of key {key.label!r}")
    if different:
        return different.pop()
    if noted is not None and noted.public_key is not None and noted.public_key.key_type is key.key_type:
        return noted.public_key
    return None


def key_info(key: PrivateKey, public_key: PublicKey, token: TokenInfo, noted: Metadata | None) -> KeyInfo:
    """Put together what the bridge tells about a key."""
    # A note about another key (the id was used again) is no note.
    if noted is not None and noted.fingerprint != public_key.fingerprint:
        noted = None
    return KeyInfo(
        label=key.label,
        key_id=key.key_id,
        public_key=public_key,
        uri=uri_of(key, token),
        extractable=key.extractable,
        sensitive=key.sensitive,
        local=key.local,
        created_at=noted.created_at if noted else None,
        purpose=noted.purpose if noted else None,
        hardware=is_hardware(token),
    )


def uri_of(key: PrivateKey, token: TokenInfo) -> str:
    """Return the key's place. The serial and the id find it; the labels are for people, and may change."""
    return Pkcs11Uri(
        token=token.label or None,
        serial=token.serial or None,
        object=key.label or None,
        id=key.key_id or None,
        type="private",
    ).format()


def list_all(session: pkcs11.types.Session, token: TokenInfo) -> list[tuple[KeyInfo, int]]:
    """Return every key of a known curve whose public key the token tells, in the token's order, with its handle."""
    from pkcs11 import ObjectClass

    publics: defaultdict[bytes, list[PublicObject]] = defaultdict(list)
    for found in find(session, ObjectClass.PUBLIC_KEY):
        public = public_object(found)
        if public is not None:
            publics[public.key_id].append(public)
    notes: Mapping[bytes, Metadata] = read_all(session)
    keys = []
    for found in find(session, ObjectClass.PRIVATE_KEY):
        key = private_key(found)
        if key is None:
            continue
        noted = notes.get(key.key_id)
        try:
            public_key = public_key_of(key, publics[key.key_id], noted)
        except (KeyAmbiguous, InvalidKey, FormatError):
            continue
        if public_key is not None:
            keys.append((key_info(key, public_key, token, noted), key.handle))
    return keys


def describe(session: pkcs11.types.Session, ref: KeyRef, token: TokenInfo) -> KeyInfo:
    """Return what the token and the note beside it tell about the key that ``ref`` points at.

    Raises:
        KeyMismatch: The token has another key there (and what :func:`locate` raises).
    """
    key, public_key = locate(session, Pkcs11Uri.parse(ref.uri), token)
    check_same(ref.public_key, public_key)
    return key_info(key, public_key, token, read_one(session, key.key_id))


def locate(session: pkcs11.types.Session, uri: Pkcs11Uri, token: TokenInfo) -> tuple[PrivateKey, PublicKey]:
    """Find the one private key at ``uri`` and read its public key.

    The id decides where the URI has one, so a key that was given another label is still found; the label decides
    between keys that share an id, and alone where there is no id.

    Raises:
        ObjectNotFound: Nothing is there, it is in another token, or its public key cannot be told.
        KeyAmbiguous: Several keys match.
    """
    from pkcs11 import ObjectClass

    _check_token(uri, token)
    if uri.id:
        found = find(session, ObjectClass.PRIVATE_KEY, id=uri.id)
    elif uri.object:
        found = find(session, ObjectClass.PRIVATE_KEY, label=uri.object)
    else:
        raise ObjectNotFound("the URI names neither an id nor a label", detail=uri.format())
    keys = [key for key in map(private_key, found) if key is not None]
    if len(keys) > 1 and uri.id and uri.object:
        keys = [key for key in keys if key.label == uri.object]
    if not keys:
        raise ObjectNotFound("the key is not in the token", detail=uri.format())
    if len(keys) > 1:
        raise KeyAmbiguous("several keys in the token match", detail=uri.format())
    return keys[0], _public_key(session, keys[0], uri)


def _check_token(uri: Pkcs11Uri, token: TokenInfo) -> None:
    """Raise ObjectNotFound unless the URI means a private key in this token."""
    if uri.type not in (None, "private"):
        raise ObjectNotFound("the URI is not a private key's", detail=uri.format())
    # The label counts where there is no serial: it may have changed otherwise.
    pairs = [(uri.serial, token.serial), (uri.manufacturer, token.manufacturer), (uri.model, token.model)]
    if uri.serial is None:
        pairs.append((uri.token, token.label))
    if any(wanted is not None and wanted != actual for wanted, actual in pairs):
        raise ObjectNotFound("the key is in another token", detail=f"{uri.format()}; connected is {token.serial}")


def _public_key(session: pkcs11.types.Session, key: PrivateKey, uri: Pkcs11Uri) -> PublicKey:
    from pkcs11 import ObjectClass

    more: dict[str, bytes | str] = {"id": key.key_id} if key.key_id else {"label": key.label}
    publics = [] if key.point is not None else map(public_object, find(session, ObjectClass.PUBLIC_KEY, **more))
    usable = [public for public in publics if public is not None]
    noted = read_one(session, key.key_id) if key.point is None and not usable else None
    public_key = public_key_of(key, usable, noted)
    if public_key is None:
        raise ObjectNotFound("the token does not tell the public key of this private key", detail=uri.format())
    return public_key


def check_same(expected: PublicKey, actual: PublicKey) -> None:
    """Raise KeyMismatch unless the token's key is the one that the record has."""
    if expected != actual:
        raise KeyMismatch(
            "the token has another key in this place than the record says; nothing was signed",
            detail=f"expected {expected.fingerprint}, found {actual.fingerprint}",
        )
