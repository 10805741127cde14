"""Keys in armor: public ones, and private ones encrypted with a passphrase (the SDK's ``crypto/armor.go``).

* ``argon2``, written by SDK 0.53: Argon2id (1 pass, 64 MiB, 4 lanes), then ChaCha20-Poly1305 with a nonce of zeros, for
  the salt is always new.
* ``bcrypt``, written by older ones: SHA-256 of the bcrypt text (``$2a$12$…``) of the passphrase, then XSalsa20-Poly1305
  with 24 bytes of nonce in front.

Both are read. Inside is a private key in amino. A public key is a protobuf ``Any`` (from SDK 0.46 on) or amino bytes,
both under version 0.0.1; version 0.0.0 is older, and amino.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final, cast

from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.armor import Block, InvalidArmor, decode, encode
from cosmos_formats.errors import FormatError, InvalidKey, WrongPassword
from cosmos_formats.go_text import NotHexadecimal, hex_bytes
from cosmos_formats.multisig import AnyPublicKey, MultisigPublicKey, pubkey_from_amino, pubkey_from_any
from cosmos_formats.private_keys import AMINO_PREFIXES, TYPE_OF
from cosmos_formats.pubkeys import KeyType
from cosmos_formats.wipeable import sodium, wipe

PRIVATE_KEY: Final = "TENDERMINT PRIVATE KEY"
PUBLIC_KEY: Final = "TENDERMINT PUBLIC KEY"

SALT_BYTES: Final = 16
_KEY: Final = 32
_TAG: Final = 16
_SECRETBOX_NONCE: Final = 24
_BCRYPT_COST: Final = 12


class WrongPassphrase(WrongPassword):
    """The passphrase does not open the armor, or the armor was changed."""

    code = "wrong_passphrase"


@dataclass(frozen=True, slots=True)
class ArmoredPrivateKey:
    """A private key out of an armor.

    Attributes:
        key_type: What kind of key it is.
        url: Type URL of its public key.
        secret: 32 bytes: a scalar, or an ed25519 seed. The caller wipes it.
    """

    key_type: KeyType
    url: str
    secret: bytearray = field(repr=False)


# --- public keys -----------------------------------------------------------------------------------------------------


def encode_public_key(key: AnyPublicKey) -> str:
    """Return a public key as SDK 0.53 exports it."""
    kind = "PubKeyMultisigThreshold" if isinstance(key, MultisigPublicKey) else str(key.key_type)
    return encode(Block(PUBLIC_KEY, {"type": kind, "version": "0.0.1"}, key.to_any().encode()))


def decode_public_key(text: str) -> AnyPublicKey:
    """Read a public key of any version, multisig keys too. Its type is what its bytes say.

    Raises:
        InvalidArmor: Not an armor, or one of another kind or version.
        InvalidKey: What is inside is not a known public key.
    """
    try:
        block = decode(text)
        if block.kind != PUBLIC_KEY:
            raise InvalidArmor(f'unrecognized armor type "{block.kind[:64]}", expected: "{PUBLIC_KEY}"')
    except InvalidArmor as error:
        raise InvalidArmor(f"couldn't unarmor bytes: {error}") from None
    version = block.headers.get("version", "")
    if not version:
        raise InvalidArmor("header's version field is empty")
    if version not in ("0.0.0", "0.0.1"):
        raise InvalidArmor(f"unrecognized version: {version[:64]}")
    # An Any begins with the tag of its first field; no type's amino prefix does.
    if block.data[:1] != b"\x0a":
        return pubkey_from_amino(block.data)
    try:
        return pubkey_from_any(AnyValue.decode(block.data))
    except InvalidKey:
        raise
    except FormatError as error:
        raise InvalidKey(f"public key in armor: {error}") from error


# --- private keys ----------------------------------------------------------------------------------------------------


def encrypt_private_key(key: ArmoredPrivateKey, passphrase: bytes | bytearray, salt: bytes) -> str:
    """Return a private key as SDK 0.53 exports it.

    Args:
        key: The key.
        passphrase: UTF-8.
        salt: 16 random bytes, never used before.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"salt of {len(salt)} bytes, expected {SALT_BYTES}")
    clear = _to_amino(key)
    secret = _argon2id(passphrase, salt)
    try:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        sealed = ChaCha20Poly1305(secret).encrypt(bytes(12), clear, None)
    finally:
        wipe(clear, secret)
    headers = {"kdf": "argon2", "salt": salt.hex().upper(), "type": str(key.key_type)}
    return encode(Block(PRIVATE_KEY, headers, sealed))


def decrypt_private_key(text: str, passphrase: bytes | bytearray) -> ArmoredPrivateKey:
    """Read an encrypted private key. Its type is what the decrypted bytes say; the header is not protected.

    Args:
        text: The armor.
        passphrase: UTF-8.

    Raises:
        InvalidArmor: Not an armor, or one of another kind, key derivation or salt.
        WrongPassphrase: ``invalid account password``.
        InvalidKey: What is inside is not a known private key.
    """
    block = decode(text)
    if block.kind != PRIVATE_KEY:
        raise InvalidArmor(f"unrecognized armor type: {block.kind[:64]}")
    kdf = block.headers.get("kdf", "")
    if kdf not in ("argon2", "bcrypt"):
        raise InvalidArmor(f"unrecognized KDF type: {kdf[:64]}")
    salt = _salt(block.headers.get("salt", ""), kdf)
    clear = (_open_argon2 if kdf == "argon2" else _open_bcrypt)(block.data, salt, passphrase)
    try:
        return _from_amino(clear)
    finally:
        wipe(clear)


def _salt(text: str, kdf: str) -> bytes:
    if not text:
        raise InvalidArmor("missing salt bytes")
    try:
        salt = hex_bytes(text)
    except NotHexadecimal as error:
        raise InvalidArmor(f"error decoding salt: {error}") from None
    if len(salt) != SALT_BYTES:
        raise InvalidArmor(f"Error generating {kdf} cypher for key.: salt len must be {SALT_BYTES}")
    return salt


def _open_argon2(sealed: bytes, salt: bytes, passphrase: bytes | bytearray) -> bytearray:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if len(sealed) < _TAG:
        raise InvalidArmor("ciphertext is too short")
    clear = bytearray(len(sealed) - _TAG)
    secret = _argon2id(passphrase, salt)
    try:
        ChaCha20Poly1305(secret).decrypt_into(bytes(12), sealed, None, clear)
    except InvalidTag:
        raise WrongPassphrase("invalid account password") from None
    finally:
        wipe(secret)
    return clear


def _argon2id(passphrase: bytes | bytearray, salt: bytes) -> bytearray:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    secret = bytearray(_KEY)
    # Its stub says bytes; any buffer will do.
    phrase = cast("bytes", passphrase)
    Argon2id(salt=salt, length=_KEY, iterations=1, lanes=4, memory_cost=64 << 10).derive_into(phrase, secret)
    return secret


def _open_bcrypt(sealed: bytes, salt: bytes, passphrase: bytes | bytearray) -> bytearray:
    ffi, lib = sodium()
    if len(sealed) <= _SECRETBOX_NONCE + _TAG:
        raise InvalidArmor("ciphertext is too short")
    nonce, box = sealed[:_SECRETBOX_NONCE], sealed[_SECRETBOX_NONCE:]
    clear = bytearray(len(box) - _TAG)
    secret = _bcrypt_key(passphrase, salt)
    try:
        failed = lib.crypto_secretbox_open_easy(ffi.from_buffer(clear), box, len(box), nonce, ffi.from_buffer(secret))
    finally:
        wipe(secret)
    if failed:
        raise WrongPassphrase("invalid account password")
    return clear


def _bcrypt_key(passphrase: bytes | bytearray, salt: bytes) -> bytearray:
    from cosmos_formats.bcrypt_text import make

    return bytearray(hashlib.sha256(make(passphrase, _BCRYPT_COST, salt)).digest())


def _to_amino(key: ArmoredPrivateKey) -> bytearray:
    prefix = next((prefix for prefix, url in AMINO_PREFIXES.items() if url == key.url), None)
    if prefix is None or key.key_type is KeyType.ED25519 or len(key.secret) != _KEY:
        # An ed25519 key in amino repeats its public half, which this layer does not compute.
        raise InvalidKey(f"{key.key_type} private keys are not written in armor")
    return bytearray(b"".join((prefix, bytes((_KEY,)), key.secret)))


def _from_amino(clear: bytearray) -> ArmoredPrivateKey:
    url = AMINO_PREFIXES.get(bytes(clear[:4]))
    if url is None:
        raise InvalidKey("the armor holds a private key of an unknown type")
    key_type = TYPE_OF[url]
    size = 64 if key_type is KeyType.ED25519 else _KEY
    if len(clear) != 5 + size or clear[4] != size:
        raise InvalidKey(f"the armor holds a {key_type} private key of a wrong length")
    with memoryview(clear) as view:
        return ArmoredPrivateKey(key_type, url, bytearray(view[5 : 5 + _KEY]))
