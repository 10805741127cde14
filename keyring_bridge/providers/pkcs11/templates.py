"""What is asked of a token for a new key: the attributes, and the forms that tokens want them in."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.model import Purpose
from keyring_bridge.providers.pkcs11.points import encode_point, params_for

if TYPE_CHECKING:
    from pkcs11 import Attribute

    from cosmos_formats.pubkeys import PublicKey
    from keyring_bridge.model import KeySpec

CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY = 0x03, 0x40, 0x41

_KINDS = {
    KeyType.SECP256K1: (CKK_EC,),
    KeyType.SECP256R1: (CKK_EC,),
    KeyType.ED25519: (CKK_EC_EDWARDS,),
    # Tokens of before PKCS#11 3.0 file x25519 under the Edwards curves.
    KeyType.X25519: (CKK_EC_MONTGOMERY, CKK_EC_EDWARDS),
}


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a curve down.

    Attributes:
        kind: CKA_KEY_TYPE.
        params: CKA_EC_PARAMS.
    """

    kind: int
    params: bytes


def forms(key_type: KeyType) -> list[Form]:
    """Return the forms to try, the best known first."""
    return [Form(kind, params) for kind, params in product(_KINDS[key_type], params_for(key_type))]


def derives(spec: KeySpec) -> bool:
    """Whether the key computes shared secrets; every other key signs, and none does both."""
    return spec.key_type is KeyType.X25519 or spec.purpose is Purpose.ENCRYPTION


def wanted(spec: KeySpec) -> dict[Attribute, bool]:
    """Return the attributes that a private key is asked to have, and must be read to have."""
    from pkcs11 import Attribute

    deriving = derives(spec)
    attributes = {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: spec.wrappable,
        # Modules let an EC key do both unless they are told not to.
        Attribute.SIGN: not deriving,
        Attribute.DERIVE: deriving,
    }
    if spec.wrappable:
        attributes[Attribute.WRAP_WITH_TRUSTED] = True
    return attributes


def private_template(spec: KeySpec, key_id: bytes) -> dict[Attribute, Any]:
    """Return what a private key is asked to be, without class, curve and value."""
    from pkcs11 import Attribute

    return {Attribute.TOKEN: True, Attribute.ID: key_id, Attribute.LABEL: spec.label, **wanted(spec)}


def public_template(spec: KeySpec, key_id: bytes, form: Form, public_key: PublicKey | None) -> dict[Attribute, Any]:
    """Return what a public key is asked to be; with a point if it is known already."""
    from pkcs11 import Attribute

    template: dict[Attribute, Any] = {
        Attribute.KEY_TYPE: form.kind,
        Attribute.TOKEN: True,
        Attribute.ID: key_id,
        Attribute.LABEL: spec.label,
        Attribute.EC_PARAMS: form.params,
    }
    # Some tokens refuse attributes that a key type does not have, even when they are false.
    if not derives(spec):
        template[Attribute.VERIFY] = True
    if public_key is not None:
        template[Attribute.EC_POINT] = encode_point(public_key)
    return template


def packed(template: Mapping[Attribute, Any]) -> dict[int, bytes | bytearray]:
    """Return a template in the bytes of C; a bytearray stays what it is."""
    return {int(kind): _packed(value) for kind, value in template.items()}


def _packed(value: object) -> bytes | bytearray:
    if isinstance(value, bool):
        return b"\1" if value else b"\0"
    if isinstance(value, int):
        return struct.pack("L", value)
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray):
        return value
    raise TypeError(f"no attribute has the type {type(value).__name__}")
