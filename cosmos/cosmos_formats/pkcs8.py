"""Private keys in PEM: PKCS#8 (RFC 5958), encrypted or not, and SEC 1 (RFC 5915, ``EC PRIVATE KEY``).

Keys on secp256k1, secp256r1 and ed25519 are read. Base64, decryption and DER are done in buffers that are wiped, for a
library's reader of PEM leaves copies of the key in memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from cosmos_formats import der, pem_encryption
from cosmos_formats.pem_encryption import InvalidPem
from cosmos_formats.private_keys import LENGTH, PrivateKey, opened
from cosmos_formats.pubkeys import KeyType
from cosmos_formats.wipeable import unbase64, wipe

LARGEST: Final = 64 << 10
"""Most bytes that are looked at. A key has about 400."""

_BLOCK: Final = re.compile(
    rb"-----BEGIN ((?:ENCRYPTED |EC )?PRIVATE KEY)-----[ \t]*\r?\n(.*?)-----END \1-----", re.DOTALL
)
_SEALED: Final = b"ENCRYPTED PRIVATE KEY"
_SEC1: Final = b"EC PRIVATE KEY"
_SPACE: Final = b" \t\r\n"

_ED25519: Final = bytes.fromhex("2b6570")
_ON_A_CURVE: Final = bytes.fromhex("2a8648ce3d0201")
_CURVES: Final = {
    bytes.fromhex("2b8104000a"): KeyType.SECP256K1,
    bytes.fromhex("2a8648ce3d030107"): KeyType.SECP256R1,
}
_ATTRIBUTES: Final = 0xA0
_PUBLIC_KEY: Final = 0x81
_SEC1_CURVE: Final = 0xA0
_SEC1_PUBLIC_KEY: Final = 0xA1


class PasswordNeeded(InvalidPem):
    """The key is encrypted, and no password was given."""

    code = "password_needed"


def is_encrypted(content: bytes | bytearray) -> bool:
    """Tell whether a PEM file needs a password.

    Raises:
        InvalidPem: It holds no private key, or several.
    """
    label, body = _block(content)
    return label == _SEALED or pem_encryption.older_headers(body) is not None


def read_pem(content: bytes | bytearray, password: bytes | bytearray | None = None) -> PrivateKey:
    """Read a private key.

    Args:
        content: The whole file. It may hold other blocks (``EC PARAMETERS``, certificates), but one private key.
        password: As it was typed; ignored if the key is not encrypted.

    Raises:
        PasswordNeeded: It is encrypted.
        WrongPassword: Wrong password, or damaged.
        InvalidPem: Not a private key, or not one on a curve that Cosmos uses; an encryption that is not read, or one
            that would take too long.
    """
    label, body = _block(content)
    headers = pem_encryption.older_headers(body)
    encrypted = label == _SEALED or headers is not None
    if encrypted and password is None:
        raise PasswordNeeded("the private key is encrypted: a password is needed")
    data = _decoded(body if headers is None else body[headers.end() :])
    try:
        if encrypted and password is not None:
            sealed = data
            if headers is None:
                data = pem_encryption.decrypted(sealed, password)
            else:
                data = pem_encryption.decrypted_older(headers, sealed, password)
        return _on_a_curve(data) if label == _SEC1 else _private_key(data)
    except InvalidPem:
        raise
    except ValueError:
        if encrypted:
            raise pem_encryption.damaged() from None
        raise InvalidPem("the PEM file holds no private key that can be read") from None
    finally:
        wipe(data)


def _private_key(data: bytearray) -> PrivateKey:
    """Read a OneAsymmetricKey (RFC 5958): of version 0, or of version 1, which may have the public half."""
    (whole,) = der.elements(data)
    version, algorithm, secret, *rest = der.inside(whole)
    name, *parameters = der.inside(algorithm)
    if der.integer(version) > 1 or len(parameters) > 1:
        raise der.InvalidDer("not a private key (RFC 5958)")
    public = None
    for element in rest:
        if element.tag != _ATTRIBUTES:
            public = der.bits(element, _PUBLIC_KEY)
    inner = der.content(secret, der.OCTET_STRING)
    kind = der.name(name)
    if kind == _ON_A_CURVE and parameters:
        return _on_a_curve(inner, parameters, public)
    if kind != _ED25519:
        raise _unknown()
    (seed,) = der.elements(inner)
    return opened(KeyType.ED25519, bytearray(der.content(seed, der.OCTET_STRING)), public_half_given=public)


def _on_a_curve(
    data: bytearray | memoryview, curves: Sequence[der.Element] = (), public: bytes | None = None
) -> PrivateKey:
    """Read an ECPrivateKey (RFC 5915), whose curve and public half may have been told around it."""
    (whole,) = der.elements(data)
    version, scalar, *rest = der.inside(whole)
    if der.integer(version) != 1:
        raise der.InvalidDer("not a private key (RFC 5915)")
    for element in rest:
        if element.tag == _SEC1_CURVE:
            curves = [*curves, *der.inside(element, _SEC1_CURVE)]
        else:
            (point,) = der.inside(element, _SEC1_PUBLIC_KEY)
            public = der.bits(point)
    # A curve may be spelled out by its parameters instead (a SEQUENCE); such keys are not read.
    names = {bytes(element.content) for element in curves}
    key_type = _CURVES.get(names.pop()) if len(names) == 1 else None
    if key_type is None:
        raise _unknown()
    given = None if public is None else _compressed(public)
    return opened(key_type, _scalar(der.content(scalar, der.OCTET_STRING)), public_half_given=given)


def _scalar(octets: memoryview) -> bytearray:
    """Return a scalar in 32 bytes: some programs leave leading zeros away, or write one more."""
    while len(octets) > LENGTH and octets[0] == 0:
        octets = octets[1:]
    if len(octets) > LENGTH:
        raise der.InvalidDer("a scalar that is too long")
    scalar = bytearray(LENGTH)
    # Through a view, for a bytearray would copy what is assigned to it first.
    with memoryview(scalar) as view:
        view[LENGTH - len(octets) :] = octets
    return scalar


def _compressed(point: bytes) -> bytes:
    """Return a public point in 33 bytes (SEC 1, 2.3.3)."""
    if len(point) == 1 + LENGTH:
        return point
    if len(point) != 1 + 2 * LENGTH:
        raise der.InvalidDer("a public point of a wrong length")
    return bytes([2 | point[-1] & 1]) + point[1 : 1 + LENGTH]


def _unknown() -> InvalidPem:
    return InvalidPem("the private key is not on secp256k1, secp256r1 or ed25519, or does not name its curve")


def _block(content: bytes | bytearray) -> tuple[bytes, memoryview]:
    """Return label and body of the one private key in a file."""
    if len(content) > LARGEST:
        raise InvalidPem(f"PEM file of {len(content)} bytes; at most {LARGEST} are allowed")
    blocks = [(match[1], match.span(2)) for match in _BLOCK.finditer(content)]
    if len(blocks) != 1:
        raise InvalidPem("several private keys in one PEM file" if blocks else "no private key in PEM")
    ((label, (start, end)),) = blocks
    return label, memoryview(content)[start:end]


def _decoded(body: memoryview) -> bytearray:
    text = bytearray(body)
    try:
        digits = text.translate(None, _SPACE)
        try:
            return unbase64(digits)
        finally:
            wipe(digits)
    except ValueError:
        raise InvalidPem("the private key is not in base64") from None
    finally:
        wipe(text)
