"""How private keys in PEM are encrypted: PBES2 (RFC 8018), and OpenSSL's older way (headers as in RFC 1421, MD5).

What is decrypted, and the key that PBES2 derives, are in buffers that are wiped. The older way's key (not the private
key) is put together of MD5 digests, which are ``bytes`` and stay in memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, cast

from cosmos_formats import der
from cosmos_formats.errors import FormatError, WrongPassword
from cosmos_formats.wipeable import wipe

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm
    from cryptography.hazmat.primitives.hashes import HashAlgorithm
    from cryptography.utils import Buffer

MOST_ROUNDS: Final = 2_000_000
"""Of PBKDF2; more would keep the processor busy. OpenSSL takes 2048 unless it is told otherwise."""

MOST_MEMORY: Final = 256 << 20
"""Of scrypt (128 · N · r), in bytes. OpenSSL takes 16 MiB."""

_MOST_LANES: Final = 16
"""Of scrypt (p). OpenSSL takes 1."""

_PBES2: Final = bytes.fromhex("2a864886f70d01050d")
_PBKDF2: Final = bytes.fromhex("2a864886f70d01050c")
_SCRYPT: Final = bytes.fromhex("2b06010401da47040b")
_HMAC: Final = bytes.fromhex("2a864886f70d02")
_HASHES: Final = {7: "SHA1", 8: "SHA224", 9: "SHA256", 10: "SHA384", 11: "SHA512"}
"""Hash functions by the last octet of hmacWithSHA1 … hmacWithSHA512, below ``_HMAC``."""

_HEADERS: Final = re.compile(
    rb"\s*Proc-Type: *4,ENCRYPTED[ \t]*\r?\nDEK-Info: *([A-Z0-9-]+),([0-9A-Fa-f]+)[ \t]*\r?\n\s*"
)


class InvalidPem(FormatError):
    """Not a private key in PEM, or one of a kind that is not read."""

    code = "invalid_pem"


@dataclass(frozen=True, slots=True)
class _Cipher:
    """A block cipher in CBC mode. Its algorithm is the name of a class; lengths are in bytes."""

    algorithm: str
    key: int
    block: int


_AES_128: Final = _Cipher("AES", 16, 16)
_AES_192: Final = _Cipher("AES", 24, 16)
_AES_256: Final = _Cipher("AES", 32, 16)
_DES_EDE3: Final = _Cipher("TripleDES", 24, 8)
_CIPHERS: Final = {
    bytes.fromhex("608648016503040102"): _AES_128,
    bytes.fromhex("608648016503040116"): _AES_192,
    bytes.fromhex("60864801650304012a"): _AES_256,
    bytes.fromhex("2a864886f70d0307"): _DES_EDE3,
}
_OLDER_CIPHERS: Final = {
    b"AES-128-CBC": _AES_128,
    b"AES-192-CBC": _AES_192,
    b"AES-256-CBC": _AES_256,
    b"DES-EDE3-CBC": _DES_EDE3,
}


class _Derivation(Protocol):
    def derive_into(self, key_material: Buffer, buffer: Buffer, /) -> int: ...


def damaged() -> WrongPassword:
    """Return the one error for all that comes of a wrong password or of damage, which look alike."""
    return WrongPassword("wrong password, or the private key is damaged")


def decrypted(document: bytearray, password: bytes | bytearray) -> bytearray:
    """Decrypt an EncryptedPrivateKeyInfo (RFC 5958).

    Args:
        document: The whole of it, in DER.
        password: As it was typed.

    Returns:
        What was inside. The caller wipes it.

    Raises:
        WrongPassword: Wrong password, or damaged.
        InvalidPem: Not in this form; not PBES2 with PBKDF2 or scrypt and AES or triple DES in CBC mode; or it would
            take too long.
    """
    try:
        (whole,) = der.elements(document)
        algorithm, data = der.inside(whole)
        scheme, parameters = der.inside(algorithm)
        if der.name(scheme) != _PBES2:
            raise InvalidPem("the private key is not encrypted with PBES2 (RFC 8018)")
        key, encryption = der.inside(parameters)
        cipher, iv = _cipher(encryption)
        derivation = _derivation(key, cipher)
        ciphertext = der.content(data, der.OCTET_STRING)
    except InvalidPem:
        raise
    except (ValueError, OverflowError):
        raise InvalidPem("not an encrypted private key (RFC 5958)") from None
    derived = bytearray(cipher.key)
    try:
        derivation.derive_into(password, derived)
        return _opened(cipher, derived, iv, ciphertext)
    except MemoryError:
        # So the library calls any parameters that OpenSSL's scrypt does not take.
        raise InvalidPem("the key of the encryption cannot be derived") from None
    finally:
        wipe(derived)


def older_headers(text: memoryview) -> re.Match[bytes] | None:
    """Return where the headers of OpenSSL's older way are in the text of a block, or None if it has none."""
    return _HEADERS.match(text)


def decrypted_older(headers: re.Match[bytes], data: bytearray, password: bytes | bytearray) -> bytearray:
    """Decrypt a block in OpenSSL's older way: a key of MD5 digests, with the first 8 bytes of the IV as salt.

    Args:
        headers: What :func:`older_headers` found.
        data: What was in base64 below them.
        password: As it was typed.

    Returns:
        What was inside. The caller wipes it.

    Raises:
        WrongPassword: Wrong password, or damaged.
        InvalidPem: Another cipher than AES or triple DES in CBC mode.
    """
    from cryptography.hazmat.primitives.hashes import MD5, Hash

    cipher = _OLDER_CIPHERS.get(headers[1])
    if cipher is None:
        raise InvalidPem("the private key is encrypted in a way that is not read")
    iv = bytes.fromhex(headers[2].decode()) if len(headers[2]) == 2 * cipher.block else b""
    if not iv:
        raise InvalidPem("the private key's header DEK-Info has an IV of a wrong length")
    derived = bytearray()
    try:
        digest = b""
        while len(derived) < cipher.key:
            md5 = Hash(MD5())  # noqa: S303  # the form is what it is
            for part in (digest, password, iv[:8]):
                md5.update(part)
            digest = md5.finalize()
            derived += digest
        with memoryview(derived)[: cipher.key] as key:
            return _opened(cipher, key, iv, data)
    finally:
        wipe(derived)


def _cipher(encryption: der.Element) -> tuple[_Cipher, bytes]:
    name, iv = der.inside(encryption)
    cipher = _CIPHERS.get(der.name(name))
    if cipher is None:
        raise InvalidPem("the private key is encrypted neither with AES nor with triple DES in CBC mode")
    start = bytes(der.content(iv, der.OCTET_STRING))
    if len(start) != cipher.block:
        raise InvalidPem("the encryption of the private key has an IV of a wrong length")
    return cipher, start


def _derivation(derivation: der.Element, cipher: _Cipher) -> _Derivation:
    """Read what derives the key (RFC 8018, A.2; RFC 7914, section 7), and refuse what takes too long."""
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    name, parameters = der.inside(derivation)
    kind, (salt_part, *parts) = der.name(name), der.inside(parameters)
    salt = bytes(der.content(salt_part, der.OCTET_STRING))
    result: _Derivation
    if kind == _PBKDF2:
        rounds = der.integer(parts.pop(0))
        _check_cost(costly=rounds > MOST_ROUNDS)
        _check_length(parts, cipher)
        result = PBKDF2HMAC(_hash(parts.pop(0) if parts else None), cipher.key, salt, rounds)
    elif kind == _SCRYPT:
        n, r, p = (der.integer(parts.pop(0)) for _ in range(3))
        _check_cost(costly=128 * n * r > MOST_MEMORY or p > _MOST_LANES)
        _check_length(parts, cipher)
        result = Scrypt(salt, cipher.key, n, r, p)
    else:
        raise InvalidPem("the key of the encryption is derived neither by PBKDF2 nor by scrypt")
    if parts:
        raise InvalidPem("the key of the encryption is derived with parameters that are not known")
    return result


def _check_cost(*, costly: bool) -> None:
    if costly:
        raise InvalidPem("deriving the key of the encryption would take too long")


def _check_length(parts: list[der.Element], cipher: _Cipher) -> None:
    """Take the key's length off the parameters, where it is told."""
    if parts and der.is_integer(parts[0]) and der.integer(parts.pop(0)) != cipher.key:
        raise InvalidPem("the key of the encryption is not as long as its cipher's")


def _hash(function: der.Element | None) -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    if function is None:
        return hashes.SHA1()  # noqa: S303  # the default of RFC 8018; collisions do no harm here
    name = der.name(der.inside(function)[0])
    known = _HASHES.get(name[-1]) if name[:-1] == _HMAC else None
    if known is None:
        raise InvalidPem("the key of the encryption is derived with a function that is not known")
    return cast("HashAlgorithm", getattr(hashes, known)())


def _opened(cipher: _Cipher, key: bytearray | memoryview, iv: bytes, ciphertext: bytearray | memoryview) -> bytearray:
    """Decrypt in CBC mode, and take off the padding (RFC 8018, 6.1.1)."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    size = len(ciphertext)
    if not size or size % cipher.block:
        raise damaged()
    # Room as update_into asks for it.
    output = bytearray(size + cipher.block - 1)
    try:
        Cipher(_algorithm(cipher, key), CBC(iv)).decryptor().update_into(ciphertext, output)
        padding = output[size - 1]
        if not 1 <= padding <= cipher.block or output[size - padding : size] != bytes([padding]) * padding:
            raise damaged()
        with memoryview(output) as view:
            return bytearray(view[: size - padding])
    finally:
        wipe(output)


def _algorithm(cipher: _Cipher, key: bytearray | memoryview) -> BlockCipherAlgorithm:
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    if cipher is not _DES_EDE3:
        return AES(key)
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

    return TripleDES(cast("bytes", key))  # its stub says bytes; any buffer will do
