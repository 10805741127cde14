"""The software provider's key file: its format, and nothing that touches a disk.

Version 1, numbers big-endian::

    magic       8   "KBKEYS", 00, and the version: 01
    store      16   random, identifies the file in URIs
    memory      4   of Argon2id (RFC 9106; version 1.3, one lane), in KiB
    passes      4
    salt       16   random
    check      32   second half of Argon2id's 64 bytes; the first half is the key
    nonce      24   random for every writing
    sealed      …   the keys, XChaCha20-Poly1305-IETF; everything before is authenticated with them
    checksum   32   SHA-256 of everything before

The three ways in which a file can be wrong are told apart. The checksum finds damage before a passphrase is tried.
``check`` tells whether the passphrase is right (it also binds the file to one key, which the cipher alone does not).
What is left for the cipher's tag is a file that somebody edited on purpose. That somebody put an older file in
its place cannot be seen from the file alone.

The sealed part is a count (4 bytes), then for every key: id (16), type (1), purpose (1), flags (1; bit 0: imported),
moment of its making in microseconds since 1970 (8), length of the label (2), label (UTF-8), private key (32), public
key (33 or 32, by type).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Self

from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import InvalidName, KeyFileDamaged, PinIncorrect, TokenFull
from keyring_bridge.model import Purpose
from keyring_bridge.providers.software.sodium import TAG, argon2id, decrypt, encrypt
from keyring_bridge.secrets import SecretBytes

LARGEST_FILE: Final = 16 << 20
"""In bytes; room for some 70,000 keys with labels of usual length."""

_MAGIC: Final = b"KBKEYS\0"
_VERSION: Final = 1
_HEADER: Final = struct.Struct(">7sB16sII16s32s24s")
_ENTRY: Final = struct.Struct(">16sBBBQH")
_COUNT: Final = struct.Struct(">I")
_NONCE: Final = 24
_CHECKSUM: Final = 32
_PRIVATE: Final = 32
_IMPORTED: Final = 1
_LONGEST_LABEL: Final = 1024

_TYPES: Final = {1: KeyType.SECP256K1, 2: KeyType.ED25519, 3: KeyType.SECP256R1, 4: KeyType.X25519}
_PURPOSES: Final = {1: Purpose.ACCOUNT, 2: Purpose.CONSENSUS, 3: Purpose.ENCRYPTION, 4: Purpose.AUDIT}
_TYPE_CODES: Final = {key_type: code for code, key_type in _TYPES.items()}
_PURPOSE_CODES: Final = {purpose: code for code, purpose in _PURPOSES.items()}
_PUBLIC: Final = {KeyType.SECP256K1: 33, KeyType.SECP256R1: 33, KeyType.ED25519: 32, KeyType.X25519: 32}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class KdfParameters:
    """What a guess at the passphrase costs (Argon2id).

    The default is RFC 9106's second recommendation, in one lane. The limits hold for reading, too: a file cannot ask
    for less than protects it, nor for so much that opening it never ends.

    Attributes:
        memory: In KiB, 19 MiB to 1 GiB.
        passes: 2 to 64.
    """

    memory: int = 64 << 10
    passes: int = 3

    def __post_init__(self) -> None:
        for name, low, high in (("memory", 19 << 10, 1 << 20), ("passes", 2, 64)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} of Argon2id must be between {low} and {high}")
        if self.memory * self.passes > 4 << 20:
            raise ValueError("memory and passes of Argon2id together are too much")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One key, decrypted.

    Attributes:
        id: 16 bytes, random, never reused.
        label: 1 to 1024 bytes of UTF-8, none of them NUL.
        imported: Whether it was made somewhere else.
        created_at: When it was made here or imported (UTC, whole microseconds).
        secret: The private key; whoever has the object wipes it.
    """

    id: bytes
    label: str
    purpose: Purpose
    imported: bool
    created_at: datetime
    public_key: PublicKey
    secret: SecretBytes = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            raw = self.label.encode()
        except UnicodeEncodeError:
            raise InvalidName("a key's label must be valid Unicode") from None
        if not 0 < len(raw) <= _LONGEST_LABEL or b"\0" in raw:
            raise InvalidName(f"a key's label must have 1 to {_LONGEST_LABEL} bytes, none of them NUL")

    @property
    def key_type(self) -> KeyType:
        """Curve of the key."""
        return self.public_key.key_type


@dataclass(frozen=True, slots=True)
class Header:
    """What a key file says without its passphrase.

    Attributes:
        store: Identifies the file, 16 bytes.
        check: Tells whether a passphrase is right, 32 bytes.
        nonce: Of this writing, 24 bytes.
    """

    store: bytes
    kdf: KdfParameters
    salt: bytes
    check: bytes
    nonce: bytes

    def encode(self) -> bytes:
        """Return the header's bytes, which are authenticated with the keys."""
        kdf = self.kdf
        return _HEADER.pack(_MAGIC, _VERSION, self.store, kdf.memory, kdf.passes, self.salt, self.check, self.nonce)

    @classmethod
    def decode(cls, content: bytes | bytearray) -> Self:
        """Read the header of a whole file, after making sure that the file is undamaged.

        Raises:
            KeyFileDamaged: It is cut off, damaged, of another kind or of a later version.
        """
        if not content.startswith(_MAGIC):
            raise KeyFileDamaged("this is not a key file", hint="check the provider's `file`")
        if len(content) < _HEADER.size + _COUNT.size + TAG + _CHECKSUM:
            raise KeyFileDamaged("the key file is cut off")
        with memoryview(content) as view, view[:-_CHECKSUM] as body:
            if sha256(body).digest() != view[-_CHECKSUM:]:
                raise KeyFileDamaged("the key file is damaged: its checksum does not match")
        _, version, store, memory, passes, salt, check, nonce = _HEADER.unpack_from(content)
        if version != _VERSION:
            raise KeyFileDamaged(f"the key file is of version {version}, which this release does not know")
        try:
            return cls(store, KdfParameters(memory, passes), salt, check, nonce)
        except ValueError as error:
            raise KeyFileDamaged(f"the key file cannot be used: {error}") from None


class FileKey:
    """What a passphrase opens one file with; wiped when it is done with.

    Attributes:
        header: Of the file; its nonce is that of the last reading.
    """

    __slots__ = ("_key", "header")

    def __init__(self, header: Header, key: SecretBytes) -> None:
        self.header = header
        self._key = key

    @classmethod
    def create(cls, passphrase: SecretBytes, kdf: KdfParameters) -> Self:
        """Return the key of a new file. Takes as long as ``kdf`` says."""
        store, salt = os.urandom(16), os.urandom(16)
        key, check = _derive(passphrase, kdf, salt)
        return cls(Header(store, kdf, salt, check, bytes(_NONCE)), key)

    @classmethod
    def derive(cls, passphrase: SecretBytes, header: Header) -> Self:
        """Return the key of an existing file. Takes as long as the header says.

        Raises:
            PinIncorrect: The passphrase is another.
        """
        key, check = _derive(passphrase, header.kdf, header.salt)
        if not compare_digest(check, header.check):
            key.wipe()
            raise PinIncorrect("wrong passphrase; nothing was decrypted")
        return cls(header, key)

    def copy(self) -> FileKey:
        """Return a second one, wiped on its own."""
        return FileKey(self.header, self._key.copy())

    def wipe(self) -> None:
        """Overwrite the key."""
        self._key.wipe()

    def fits(self, header: Header) -> bool:
        """Whether a file with this header opens with the same passphrase and is the same store."""
        return replace(header, nonce=self.header.nonce) == self.header

    def seal(self, keys: Collection[StoredKey]) -> bytes:
        """Return the whole file that holds ``keys``.

        Raises:
            TokenFull: They don't fit.
        """
        header = replace(self.header, nonce=os.urandom(_NONCE)).encode()
        with SecretBytes(_encode(keys)) as clear:
            if len(header) + len(clear) + TAG + _CHECKSUM > LARGEST_FILE:
                raise TokenFull("the key file has no room for another key")
            body = header + encrypt(self._key.reveal(), header[-_NONCE:], clear.reveal(), header)
        return body + sha256(body).digest()

    def open(self, content: bytes | bytearray) -> tuple[StoredKey, ...]:
        """Return the keys in a whole file. The caller wipes their secrets.

        Raises:
            KeyFileDamaged: Somebody edited it, or it is another file.
        """
        header = Header.decode(content)
        sealed = bytes(content[_HEADER.size : -_CHECKSUM])
        clear = decrypt(self._key.reveal(), header.nonce, sealed, header.encode())
        if clear is None:
            raise KeyFileDamaged("the key file was edited: it is not what the passphrase sealed")
        with SecretBytes(clear):
            return _decode(clear)


def _derive(passphrase: SecretBytes, kdf: KdfParameters, salt: bytes) -> tuple[SecretBytes, bytes]:
    with SecretBytes(argon2id(passphrase.reveal(), salt, memory=kdf.memory, passes=kdf.passes, length=64)) as output:
        return SecretBytes(output.reveal()[:32]), bytes(output.reveal()[32:])


def _encode(keys: Collection[StoredKey]) -> bytearray:
    labels = [key.label.encode() for key in keys]
    size = _COUNT.size + sum(
        _ENTRY.size + len(label) + _PRIVATE + len(key.public_key.data) for key, label in zip(keys, labels, strict=True)
    )
    # Made at once: a buffer that grows leaves copies behind.
    clear = bytearray(size)
    _COUNT.pack_into(clear, 0, len(keys))
    at = _COUNT.size
    for key, label in zip(keys, labels, strict=True):
        created = (key.created_at - _EPOCH) // _MICROSECOND
        kind, purpose = _TYPE_CODES[key.key_type], _PURPOSE_CODES[key.purpose]
        _ENTRY.pack_into(clear, at, key.id, kind, purpose, _IMPORTED * key.imported, created, len(label))
        at += _ENTRY.size
        for part in (label, key.secret.reveal(), key.public_key.data):
            clear[at : at + len(part)] = part
            at += len(part)
    return clear


def _decode(clear: bytearray) -> tuple[StoredKey, ...]:
    keys: list[StoredKey] = []
    try:
        with memoryview(clear) as view:
            at = _COUNT.size
            for _ in range(_COUNT.unpack_from(view)[0]):
                key, at = _decode_entry(view, at)
                keys.append(key)
            if at != len(view):
                raise ValueError("bytes behind the last key")
    except (struct.error, ValueError, KeyError, OverflowError, InvalidName) as error:
        for key in keys:
            key.secret.wipe()
        raise KeyFileDamaged("the key file holds keys that this release cannot read", detail=str(error)) from None
    return tuple(keys)


def _decode_entry(view: memoryview, at: int) -> tuple[StoredKey, int]:
    key_id, kind, purpose, flags, created, label_length = _ENTRY.unpack_from(view, at)
    key_type = _TYPES[kind]
    label_at = at + _ENTRY.size
    secret_at = label_at + label_length
    public_at = secret_at + _PRIVATE
    end = public_at + _PUBLIC[key_type]
    if end > len(view) or flags & ~_IMPORTED:
        raise ValueError("cut off, or unknown flags")
    label = bytes(view[label_at:secret_at]).decode()
    public_key = PublicKey(key_type, bytes(view[public_at:end]))
    made = _EPOCH + created * _MICROSECOND
    secret = SecretBytes(view[secret_at:public_at])
    return StoredKey(key_id, label, _PURPOSES[purpose], bool(flags), made, public_key, secret), end
