"""Private keys in PEM: PKCS#8 (RFC 5958), encrypted or not, and SEC 1 (RFC 5915, ``EC PRIVATE KEY``).

Keys on secp256k1, secp256r1 and ed25519 are read, through the ``cryptography`` package. It hands a key out as
``bytes``, so one copy of it (and of what was around it) stays in memory until something overwrites it: where that is
too much, use another source, or a process that ends afterwards. The password stays in its buffer.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from typing import TYPE_CHECKING, Final, cast

from cosmos_formats import der
from cosmos_formats.errors import FormatError, WrongPassword
from cosmos_formats.private_keys import LENGTH, PrivateKey
from cosmos_formats.pubkeys import KeyType, PublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

LARGEST: Final = 64 << 10
"""Most bytes that are looked at. A key has about 400."""

MOST_ROUNDS: Final = 2_000_000
"""Of PBKDF2; more would keep the processor busy. OpenSSL takes 2048 unless it is told otherwise."""

MOST_MEMORY: Final = 256 << 20
"""Of scrypt (128 · N · r), in bytes. OpenSSL takes 16 MiB."""

_BLOCK: Final = re.compile(
    rb"-----BEGIN ((?:ENCRYPTED |EC )?PRIVATE KEY)-----[ \t]*\r?\n(.*?)-----END \1-----", re.DOTALL
)
_PBES2: Final = bytes.fromhex("2a864886f70d01050d")
_PBKDF2: Final = bytes.fromhex("2a864886f70d01050c")
_SCRYPT: Final = bytes.fromhex("2b06010401da47040b")


class InvalidPem(FormatError):
    """Not a private key in PEM, or one of a kind that is not read."""

    code = "invalid_pem"


class PasswordNeeded(InvalidPem):
    """The key is encrypted, and no password was given."""

    code = "password_needed"


def is_encrypted(content: bytes | bytearray) -> bool:
    """Tell whether a PEM file needs a password.

    Raises:
        InvalidPem: It holds no private key, or several.
    """
    kind, body = _block(content)
    return kind == b"ENCRYPTED PRIVATE KEY" or b"Proc-Type:" in body


def read_pem(content: bytes | bytearray, password: bytes | bytearray | None = None) -> PrivateKey:
    """Read a private key.

    Args:
        content: The whole file. It may hold other blocks (``EC PARAMETERS``, certificates), but one private key.
        password: As it was typed; ignored if the key is not encrypted.

    Raises:
        PasswordNeeded: It is encrypted.
        WrongPassword: Wrong password, or damaged.
        InvalidPem: Not a private key, or not one on a curve that Cosmos uses; an encryption that is not PBES2, or one
            that would take too long.
    """
    kind, body = _block(content)
    encrypted = kind == b"ENCRYPTED PRIVATE KEY" or b"Proc-Type:" in body
    if encrypted and password is None:
        raise PasswordNeeded("the private key is encrypted: a password is needed")
    if kind == b"ENCRYPTED PRIVATE KEY":
        _check_cost(body)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = b"-----BEGIN %b-----\n%b-----END %b-----\n" % (kind, body, kind)
    try:
        # Its stub says bytes; any buffer will do.
        key = load_pem_private_key(text, cast("bytes", password) if encrypted else None)
    except UnsupportedAlgorithm:
        raise InvalidPem("the private key is of a kind, or encrypted in a way, that is not read") from None
    except (ValueError, TypeError):
        if encrypted:
            raise WrongPassword("wrong password, or the private key is damaged") from None
        raise InvalidPem("the PEM file holds no private key that can be read") from None
    return _extracted(key)


def _extracted(key: PrivateKeyTypes) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if isinstance(key, Ed25519PrivateKey):
        public = PublicKey(KeyType.ED25519, key.public_key().public_bytes_raw())
        return PrivateKey(public, bytearray(key.private_bytes_raw()))
    key_type = {"secp256k1": KeyType.SECP256K1, "secp256r1": KeyType.SECP256R1}.get(
        key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else ""
    )
    if key_type is None or not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidPem("the private key is not on secp256k1, secp256r1 or ed25519")
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    secret = bytearray(key.private_numbers().private_value.to_bytes(LENGTH))
    return PrivateKey(PublicKey(key_type, point), secret)


def _block(content: bytes | bytearray) -> tuple[bytes, bytes]:
    """Return label and body of the one private key in a file."""
    if len(content) > LARGEST:
        raise InvalidPem(f"PEM file of {len(content)} bytes; at most {LARGEST} are allowed")
    blocks = _BLOCK.findall(bytes(content))
    if len(blocks) != 1:
        raise InvalidPem("several private keys in one PEM file" if blocks else "no private key in PEM")
    label, body = blocks[0]
    return label, body


def _check_cost(body: bytes) -> None:
    """Refuse an EncryptedPrivateKeyInfo whose key derivation takes too long."""
    try:
        document = der.elements(a2b_base64(b"".join(body.split()), strict_mode=True))
        scheme, parameters = der.inside(der.inside(document[0])[0])
        if scheme.content != _PBES2:
            raise InvalidPem("the private key is not encrypted with PBES2 (RFC 8018)")
        derivation = der.inside(der.inside(parameters)[0])
        name, parts = derivation[0].content, der.inside(derivation[1])
        if name == _PBKDF2:
            rounds = der.integer(parts[1])
            costly = rounds > MOST_ROUNDS
        elif name == _SCRYPT:
            n, r, p = (der.integer(part) for part in parts[1:4])
            costly = 128 * n * r > MOST_MEMORY or p > 16
        else:
            raise InvalidPem("the key of the encryption is derived neither by PBKDF2 nor by scrypt")
    except InvalidPem:
        raise
    except (IndexError, ValueError):
        raise InvalidPem("not an encrypted private key (RFC 5958)") from None
    if costly:
        raise InvalidPem("deriving the key of the encryption would take too long")
