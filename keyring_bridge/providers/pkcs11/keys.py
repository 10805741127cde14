"""Making, changing and destroying keys in a token.

Every key is asked to be sensitive and not extractable, and the token's word is read back: modules differ in their
defaults, and some ignore what they are asked. A key that is not as asked for is destroyed again.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.errors import AttributeNotHonoured, InvalidName, ObjectNotFound, ProviderError
from keyring_bridge.model import KeyInfo, Purpose
from keyring_bridge.providers.pkcs11 import codes, metadata
from keyring_bridge.providers.pkcs11.faults import RECOVERABLE, TokenFault, binding
from keyring_bridge.providers.pkcs11.metadata import Metadata
from keyring_bridge.providers.pkcs11.objects import (
    check_same,
    key_info,
    locate,
    private_key,
    public_object,
    uri_of,
)
from keyring_bridge.providers.pkcs11.points import encode_point, params_for
from keyring_bridge.providers.pkcs11.search import find, read
from keyring_bridge.uri import Pkcs11Uri

if TYPE_CHECKING:
    import pkcs11.types
    from pkcs11 import Attribute

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeyRef, KeySpec, TokenInfo
    from keyring_bridge.providers.pkcs11.cryptoki import Cryptoki
    from keyring_bridge.providers.pkcs11.presets import Preset
    from keyring_bridge.secrets import SecretBytes

_T = TypeVar("_T")

_YES, _NO = b"\1", b"\0"
_CKK_EC, _CKK_EC_EDWARDS, _CKK_EC_MONTGOMERY = 0x03, 0x40, 0x41

_KEY_KINDS = {
    KeyType.SECP256K1: (_CKK_EC,),
    KeyType.SECP256R1: (_CKK_EC,),
    KeyType.ED25519: (_CKK_EC_EDWARDS,),
    # Tokens of before PKCS#11 3.0 file x25519 under the Edwards curves.
    KeyType.X25519: (_CKK_EC_MONTGOMERY, _CKK_EC_EDWARDS),
}


def derives(spec: KeySpec) -> bool:
    """Whether the key computes shared secrets; every other key signs, and none does both."""
    return spec.key_type is KeyType.X25519 or spec.purpose is Purpose.ENCRYPTION


def generate(
    session: pkcs11.types.Session, cryptoki: Cryptoki, token: TokenInfo, vendor: Preset, spec: KeySpec
) -> KeyInfo:
    """Generate a key in the token.

    Raises:
        AttributeNotHonoured: The token did not make it as asked; it was destroyed.
        TokenFault: The token could not make it.
    """
    check_label(spec.label)
    key_id = _new_id(session, vendor)

    def make(variant: tuple[int, bytes]) -> tuple[pkcs11.types.Object, pkcs11.types.Object]:
        if variant[0] == _CKK_EC_MONTGOMERY:
            return _generate_montgomery(session, cryptoki, spec, key_id, variant[1])
        return _generate_pair(session, spec, key_id, variant)

    public, private = _first_accepted(make, spec.key_type)
    with _removed_on_failure(private, public):
        _check_attributes(private, spec)
        return _finished(session, token, vendor, spec, private, None)


def import_private(
    session: pkcs11.types.Session,
    cryptoki: Cryptoki,
    token: TokenInfo,
    vendor: Preset,
    spec: KeySpec,
    secret: SecretBytes,
    public_key: PublicKey,
) -> KeyInfo:
    """Put an existing private key into the token.

    Args:
        session: A session that may change the token.
        cryptoki: The module, for the one call that the secret passes through.
        token: The token.
        vendor: What is particular about it.
        spec: What the key is to be.
        secret: The 32 bytes, checked to be in range: tokens take anything.
        public_key: Its public half, computed from it.

    Raises:
        AttributeNotHonoured: The token did not keep it as asked; it was destroyed.
        TokenFault: The token could not take it.
    """
    from pkcs11 import ObjectClass

    check_label(spec.label)
    key_id = _new_id(session, vendor)
    handle: int = session.handle  # type: ignore[attr-defined]  # its stubs leave it out

    def create(variant: tuple[int, bytes]) -> int:
        return cryptoki.create_object(handle, _import_template(spec, key_id, variant, secret.reveal()))

    created = _first_accepted(create, spec.key_type)
    found = [o for o in find(session, ObjectClass.PRIVATE_KEY, id=key_id) if o.handle == created]
    if len(found) != 1:
        raise ProviderError("the token took the key, but does not show it", detail=f"id {key_id.hex()}")
    with _removed_on_failure(found[0]):
        _check_attributes(found[0], spec)
        public = _create_public(session, spec, key_id, public_key)
        with _removed_on_failure(*([public] if public is not None else [])):
            return _finished(session, token, vendor, spec, found[0], public_key)


def rename(session: pkcs11.types.Session, token: TokenInfo, ref: KeyRef, label: str) -> KeyInfo:
    """Give a key, its public object and its note another label."""
    from pkcs11 import Attribute, ObjectClass

    check_label(label)
    key, public_key = locate(session, Pkcs11Uri.parse(ref.uri), token)
    check_same(ref.public_key, public_key)
    with binding("C_SetAttributeValue"):
        key.found[Attribute.LABEL] = label
    for found in _companions(session, key.key_id, ObjectClass.PUBLIC_KEY, public_key):
        with contextlib.suppress(TokenFault), binding("C_SetAttributeValue"):
            found[Attribute.LABEL] = label
    renamed = private_key(key.found)
    if renamed is None or renamed.label != label:
        raise AttributeNotHonoured("the token did not change the label")
    return key_info(renamed, public_key, token, metadata.read_one(session, key.key_id))


def delete(session: pkcs11.types.Session, token: TokenInfo, ref: KeyRef) -> None:
    """Destroy a private key, its public object and its note.

    Raises:
        ProviderError: The token still has the private key.
    """
    from pkcs11 import ObjectClass

    uri = Pkcs11Uri.parse(ref.uri)
    key, public_key = locate(session, uri, token)
    check_same(ref.public_key, public_key)
    companions = _companions(session, key.key_id, ObjectClass.PUBLIC_KEY, public_key)
    notes = metadata.objects(session, key.key_id) if key.key_id else []
    with binding("C_DestroyObject"):
        key.found.destroy()
    for found in (*companions, *notes):
        with contextlib.suppress(TokenFault), binding("C_DestroyObject"):
            found.destroy()
    try:
        locate(session, uri, token)
    except ObjectNotFound:
        return
    raise ProviderError("the token still has the key after destroying it")


def check_label(label: str) -> None:
    """Raise InvalidName unless a token can take the label."""
    try:
        raw = label.encode()
    except UnicodeEncodeError:
        raise InvalidName("a key's label must be valid Unicode") from None
    if not raw or b"\0" in raw or len(raw) > 1024:
        raise InvalidName("a key's label must have 1 to 1024 bytes, none of them NUL")


def _new_id(session: pkcs11.types.Session, vendor: Preset) -> bytes:
    from pkcs11 import ObjectClass

    for _ in range(8):
        key_id = os.urandom(vendor.key_id_length)
        # Two bytes repeat sooner than one thinks, and 0 asks a YubiHSM to choose.
        if any(key_id) and not find(session, ObjectClass.PRIVATE_KEY, id=key_id):
            return key_id
    raise ProviderError("no free key id was found in the token")


def _first_accepted(make: Callable[[tuple[int, bytes]], _T], key_type: KeyType) -> _T:
    """Return what ``make`` makes of the first form of key type and curve that the token takes."""
    variants = list(product(_KEY_KINDS[key_type], params_for(key_type)))
    for variant in variants[:-1]:
        try:
            return make(variant)
        except TokenFault as fault:
            if fault.rv in RECOVERABLE or fault.rv == codes.DEVICE_MEMORY:
                raise
    return make(variants[-1])


def _generate_pair(
    session: pkcs11.types.Session, spec: KeySpec, key_id: bytes, variant: tuple[int, bytes]
) -> tuple[pkcs11.types.Object, pkcs11.types.Object]:
    from pkcs11 import Attribute, Mechanism, MechanismFlag
    from pkcs11 import KeyType as TokenKeyType
    from pkcs11.constants import DEFAULT

    kind, params = variant
    edwards = kind == _CKK_EC_EDWARDS
    deriving = derives(spec)
    capability = MechanismFlag.DERIVE if deriving else MechanismFlag.SIGN | MechanismFlag.VERIFY
    # Some tokens refuse attributes that their key type does not have, even when they are false.
    left_out = {Attribute.ENCRYPT: DEFAULT, Attribute.WRAP: DEFAULT}
    private_left_out = {
        Attribute.DECRYPT: DEFAULT,
        Attribute.UNWRAP: DEFAULT,
        # Modules let an EC key do both unless they are told not to.
        Attribute.SIGN: not deriving,
        Attribute.DERIVE: deriving,
    }
    with binding("C_GenerateKeyPair"):
        parameters = session.create_domain_parameters(
            TokenKeyType.EC_EDWARDS if edwards else TokenKeyType.EC, {Attribute.EC_PARAMS: params}, local=True
        )
        public, private = parameters.generate_keypair(
            id=key_id,
            label=spec.label,
            store=True,
            capabilities=capability,
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN if edwards else Mechanism.EC_KEY_PAIR_GEN,
            public_template={**left_out, Attribute.VERIFY: DEFAULT if deriving else True},
            private_template={**private_left_out, **_protection(spec)},
        )
    return public, private


def _generate_montgomery(
    session: pkcs11.types.Session, cryptoki: Cryptoki, spec: KeySpec, key_id: bytes, params: bytes
) -> tuple[pkcs11.types.Object, pkcs11.types.Object]:
    from pkcs11 import Attribute, ObjectClass

    handle: int = session.handle  # type: ignore[attr-defined]  # its stubs leave it out
    common: dict[int, bytes] = {
        Attribute.KEY_TYPE: struct.pack("L", _CKK_EC_MONTGOMERY),
        Attribute.TOKEN: _YES,
        Attribute.ID: key_id,
        Attribute.LABEL: spec.label.encode(),
    }
    public = {**common, Attribute.EC_PARAMS: params}
    protection = {kind: _YES if wanted else _NO for kind, wanted in _protection(spec).items()}
    private = {**common, Attribute.DERIVE: _YES, Attribute.SIGN: _NO, **protection}
    cryptoki.generate_key_pair(handle, codes.CKM_EC_MONTGOMERY_KEY_PAIR_GEN, public, private)
    made = [find(session, kind, id=key_id) for kind in (ObjectClass.PUBLIC_KEY, ObjectClass.PRIVATE_KEY)]
    if [len(found) for found in made] != [1, 1]:
        for found in made:
            _remove(*found)
        raise ProviderError("the token made the key pair, but does not show it", detail=f"id {key_id.hex()}")
    return made[0][0], made[1][0]


def _protection(spec: KeySpec) -> dict[Attribute, Any]:
    from pkcs11 import Attribute

    protection: dict[Attribute, Any] = {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: spec.wrappable,
    }
    if spec.wrappable:
        protection[Attribute.WRAP_WITH_TRUSTED] = True
    return protection


def _import_template(
    spec: KeySpec, key_id: bytes, variant: tuple[int, bytes], value: bytearray
) -> dict[int, bytes | bytearray]:
    from pkcs11 import Attribute, ObjectClass

    kind, params = variant
    template: dict[int, bytes | bytearray] = {
        Attribute.CLASS: struct.pack("L", ObjectClass.PRIVATE_KEY),
        Attribute.KEY_TYPE: struct.pack("L", kind),
        Attribute.TOKEN: _YES,
        Attribute.ID: key_id,
        Attribute.LABEL: spec.label.encode(),
        Attribute.SIGN: _NO if derives(spec) else _YES,
        Attribute.DERIVE: _YES if derives(spec) else _NO,
        Attribute.EC_PARAMS: params,
        Attribute.VALUE: value,
    }
    return template | {kind: _YES if wanted else _NO for kind, wanted in _protection(spec).items()}


def _create_public(
    session: pkcs11.types.Session, spec: KeySpec, key_id: bytes, public_key: PublicKey
) -> pkcs11.types.Object | None:
    """Lay the public key beside an imported private one; a token that refuses has the note instead."""
    from pkcs11 import Attribute, ObjectClass

    for kind, params in product(_KEY_KINDS[spec.key_type], params_for(spec.key_type)):
        template: dict[Attribute, Any] = {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.KEY_TYPE: kind,
            Attribute.TOKEN: True,
            Attribute.ID: key_id,
            Attribute.LABEL: spec.label,
            Attribute.EC_PARAMS: params,
            Attribute.EC_POINT: encode_point(public_key),
        }
        if not derives(spec):
            template[Attribute.VERIFY] = True
        try:
            with binding("C_CreateObject"):
                return session.create_object(template)
        except TokenFault as fault:
            if fault.rv in RECOVERABLE or fault.rv == codes.DEVICE_MEMORY:
                raise
    return None


def _check_attributes(found: pkcs11.types.Object, spec: KeySpec) -> None:
    from pkcs11 import Attribute

    deriving = derives(spec)
    wanted = {**_protection(spec), Attribute.SIGN: not deriving, Attribute.DERIVE: deriving}
    actual = read(found, wanted)
    wrong = [
        f"{kind.name} is {actual.get(kind)}, not {value}" for kind, value in wanted.items() if actual.get(kind) != value
    ]
    if wrong:
        raise AttributeNotHonoured(
            "the token did not make the key as it was asked to; the key was removed",
            hint="keys in this token would not be protected as the bridge promises; ask its vendor",
            detail="; ".join(wrong),
        )


def _finished(
    session: pkcs11.types.Session,
    token: TokenInfo,
    vendor: Preset,
    spec: KeySpec,
    found: pkcs11.types.Object,
    imported: PublicKey | None,
) -> KeyInfo:
    """Note the key's purpose beside it, then find it again as every later operation will."""
    made = private_key(found)
    if made is None or made.key_type is not spec.key_type:
        raise AttributeNotHonoured("the token made a key of another curve; the key was removed")
    note: Metadata | None = None
    if imported is not None:
        note = _noted(session, vendor, made.key_id, spec, imported)
    try:
        located, public_key = locate(session, Pkcs11Uri.parse(uri_of(made, token)), token)
        if imported is not None:
            check_same(imported, public_key)
        else:
            note = _noted(session, vendor, made.key_id, spec, public_key)
        return key_info(located, public_key, token, note)
    except BaseException:
        _remove(*metadata.objects(session, made.key_id))
        raise


def _noted(
    session: pkcs11.types.Session, vendor: Preset, key_id: bytes, spec: KeySpec, public_key: PublicKey
) -> Metadata:
    note = Metadata(public_key.fingerprint, public_key, spec.purpose, datetime.now(UTC).replace(microsecond=0))
    if vendor.data_objects:
        try:
            metadata.write(session, key_id, spec.label, note)
        except TokenFault as fault:
            if fault.rv in RECOVERABLE:
                raise
    return note


def _companions(
    session: pkcs11.types.Session, key_id: bytes, kind: Any, public_key: PublicKey
) -> list[pkcs11.types.Object]:
    """Return the public objects of a key, and of no other that happens to have its id."""
    if not key_id:
        return []
    companions = []
    for found in find(session, kind, id=key_id):
        public = public_object(found)
        if public is not None and public.public_key == public_key:
            companions.append(found)
    return companions


@contextlib.contextmanager
def _removed_on_failure(*made: pkcs11.types.Object) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if not _remove(*made) and isinstance(error, AttributeNotHonoured):
            raise AttributeNotHonoured(
                "the token did not make the key as it was asked to, and did not remove it either: remove it by hand",
                detail=error.detail,
            ) from error
        raise


def _remove(*made: pkcs11.types.Object) -> bool:
    removed = True
    for found in made:
        try:
            with binding("C_DestroyObject"):
                found.destroy()
        except TokenFault:
            removed = False
    return removed
