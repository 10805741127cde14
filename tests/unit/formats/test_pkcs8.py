"""Private keys in PEM, as OpenSSL's library writes them."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from cosmos_formats import pkcs8
from cosmos_formats.errors import FormatError, WrongPassword
from cosmos_formats.pkcs8 import InvalidPem, PasswordNeeded, is_encrypted, read_pem
from cosmos_formats.pubkeys import KeyType

SECRET = bytes(range(1, 33))
NUMBER = int.from_bytes(SECRET)
KEYS = {
    KeyType.SECP256K1: ec.derive_private_key(NUMBER, ec.SECP256K1()),
    KeyType.SECP256R1: ec.derive_private_key(NUMBER, ec.SECP256R1()),
    KeyType.ED25519: Ed25519PrivateKey.from_private_bytes(SECRET),
}


def pem(
    key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey | x25519.X25519PrivateKey,
    encryption: KeySerializationEncryption | None = None,
    form: PrivateFormat = PrivateFormat.PKCS8,
) -> bytes:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def encrypted(key_type: KeyType = KeyType.SECP256K1) -> bytes:
    return pem(KEYS[key_type], BestAvailableEncryption(b"correct horse"))


@pytest.mark.parametrize("key_type", KEYS)
def test_keys_without_a_password(key_type: KeyType) -> None:
    content = pem(KEYS[key_type])
    for given in (content, bytearray(content), b"text before\n" + content.replace(b"\n", b"\r\n") + b"after\n"):
        key = read_pem(given)
        assert (key.key_type, key.secret) == (key_type, SECRET)
        assert not is_encrypted(given)
    assert read_pem(content, b"a password that is not needed") == key


@pytest.mark.parametrize("key_type", KEYS)
def test_encrypted_keys(key_type: KeyType) -> None:
    content = encrypted(key_type)
    assert is_encrypted(content)
    assert read_pem(content, bytearray(b"correct horse")).secret == SECRET
    with pytest.raises(PasswordNeeded):
        read_pem(content)
    for wrong in (b"", b"correct horsf"):
        with pytest.raises(WrongPassword):
            read_pem(content, wrong)


def test_the_older_form() -> None:
    key = KEYS[KeyType.SECP256K1]
    plain = pem(key, form=PrivateFormat.TraditionalOpenSSL)
    assert b"BEGIN EC PRIVATE KEY" in plain
    parameters = b"-----BEGIN EC PARAMETERS-----\nBgUrgQQACg==\n-----END EC PARAMETERS-----\n"
    assert read_pem(parameters + plain).secret == SECRET
    sealed = pem(key, BestAvailableEncryption(b"correct horse"), PrivateFormat.TraditionalOpenSSL)
    assert is_encrypted(sealed)
    assert read_pem(sealed, b"correct horse").secret == SECRET
    with pytest.raises(PasswordNeeded):
        read_pem(sealed)


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    return bytes([tag, size] if size < 128 else [tag, 0x82, size >> 8, size & 255]) + content


def number(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1))


def costly(derivation: bytes) -> bytes:
    """An encrypted key with this key derivation, and nothing sensible inside."""
    aes = tlv(0x30, bytes.fromhex("060960864801650304012a"), tlv(4, bytes(16)))
    scheme = tlv(0x30, bytes.fromhex("06092a864886f70d01050d"), tlv(0x30, derivation, aes))
    text = base64.encodebytes(tlv(0x30, scheme, tlv(4, bytes(64))))
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + text + b"-----END ENCRYPTED PRIVATE KEY-----\n"


def pbkdf2(rounds: int) -> bytes:
    hmac = tlv(0x30, bytes.fromhex("06082a864886f70d0209"), tlv(5))
    return tlv(0x30, bytes.fromhex("06092a864886f70d01050c"), tlv(0x30, tlv(4, bytes(8)), number(rounds), hmac))


def scrypt(n: int, r: int, p: int) -> bytes:
    parameters = tlv(0x30, tlv(4, bytes(8)), number(n), number(r), number(p))
    return tlv(0x30, bytes.fromhex("06092b06010401da47040b"), parameters)


@pytest.mark.parametrize("derivation", [pbkdf2(2), scrypt(16, 1, 1)])
def test_a_key_derivation_that_is_run(derivation: bytes) -> None:
    with pytest.raises(WrongPassword):
        read_pem(costly(derivation), b"password")


@pytest.mark.parametrize(
    "derivation",
    [
        pbkdf2(pkcs8.MOST_ROUNDS + 1),
        pbkdf2(1 << 62),
        scrypt(1 << 22, 8, 1),
        scrypt(1 << 14, 1 << 20, 1),
        scrypt(1 << 14, 8, 17),
    ],
)
def test_one_that_would_take_too_long(derivation: bytes) -> None:
    with pytest.raises(InvalidPem, match="would take too long"):
        read_pem(costly(derivation), b"password")


@pytest.mark.parametrize("derivation", [tlv(0x30, tlv(6, b"\x2a"), tlv(0x30)), tlv(0x30), pbkdf2(1 << 70), b"\x30\x80"])
def test_one_that_is_not_known(derivation: bytes) -> None:
    with pytest.raises(InvalidPem):
        read_pem(costly(derivation), b"password")


def test_other_keys() -> None:
    others = (
        pem(rsa.generate_private_key(65537, 2048)),
        pem(x25519.X25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP384R1())),
    )
    for content in others:
        with pytest.raises(InvalidPem, match="not on secp256k1, secp256r1 or ed25519"):
            read_pem(content)


GOOD = pem(KEYS[KeyType.ED25519])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        GOOD + GOOD,
        GOOD.replace(b"END PRIVATE", b"END PUBLIC"),
        GOOD[:60],
        GOOD.replace(b"MC4", b"MC5"),
        GOOD.replace(b"PRIVATE KEY", b"OPENSSH PRIVATE KEY"),
        GOOD.replace(b"PRIVATE KEY", b"ENCRYPTED PRIVATE KEY"),
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n!!!\n-----END ENCRYPTED PRIVATE KEY-----\n",
        GOOD + b" " * pkcs8.LARGEST,
    ],
)
def test_what_is_no_private_key(content: bytes) -> None:
    with pytest.raises(InvalidPem):
        read_pem(content, b"password")


def test_every_cut_is_an_error() -> None:
    content = encrypted()
    for end in range(0, len(content) - 2, 7):
        with pytest.raises(FormatError):
            read_pem(content[:end], b"correct horse")
