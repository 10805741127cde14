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
    PublicFormat,
)

from cosmos_formats import pem_encryption, pkcs8
from cosmos_formats.errors import FormatError, WrongPassword
from cosmos_formats.pem_encryption import InvalidPem
from cosmos_formats.pkcs8 import PasswordNeeded, is_encrypted, read_pem
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


PBES2, PBKDF2 = bytes.fromhex("06092a864886f70d01050d"), bytes.fromhex("06092a864886f70d01050c")
AES_256, OFB = bytes.fromhex("060960864801650304012a"), bytes.fromhex("060960864801650304012b")
HMAC_MD5 = bytes.fromhex("06082a864886f70d0206")
SHA_256 = bytes.fromhex("300a06082a864886f70d0209")
ED25519_ID = bytes.fromhex("300506032b6570")
K1_ID, R1 = bytes.fromhex("301006072a8648ce3d020106052b8104000a"), bytes.fromhex("06082a8648ce3d030107")


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


def in_pem(document: bytes, label: str = "PRIVATE KEY") -> bytes:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(document).decode()}-----END {label}-----\n".encode()


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
        pbkdf2(pem_encryption.MOST_ROUNDS + 1),
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


def sealed_with(cipher: bytes, derivation: bytes, iv: bytes = bytes(16)) -> bytes:
    scheme = tlv(0x30, PBES2, tlv(0x30, derivation, tlv(0x30, cipher, tlv(4, iv))))
    return in_pem(tlv(0x30, scheme, tlv(4, bytes(64))), "ENCRYPTED PRIVATE KEY")


def with_function(function: bytes) -> bytes:
    return tlv(0x30, PBKDF2, tlv(0x30, tlv(4, bytes(8)), number(2), tlv(0x30, function)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (sealed_with(OFB, pbkdf2(2)), "neither with AES nor with triple DES"),
        (sealed_with(AES_256, pbkdf2(2), bytes(8)), "IV of a wrong length"),
        (sealed_with(AES_256, with_function(HMAC_MD5)), "a function that is not known"),
        (sealed_with(AES_256, with_function(bytes.fromhex("0603551d0f"))), "a function that is not known"),
        (sealed_with(AES_256, tlv(0x30, PBKDF2, tlv(0x30, tlv(4), number(2), number(16)))), "not as long"),
        (sealed_with(AES_256, tlv(0x30, PBKDF2, tlv(0x30, tlv(4), number(2), SHA_256, tlv(5)))), "parameters"),
        (sealed_with(AES_256, scrypt(3, 1, 1)), "not an encrypted private key"),
        (sealed_with(AES_256, scrypt(1 << 17, 1, 1)), "cannot be derived"),
        (sealed_with(AES_256, pbkdf2(0)), "not an encrypted private key"),
    ],
)
def test_encryptions_that_are_not_read(content: bytes, told: str) -> None:
    with pytest.raises(InvalidPem, match=told):
        read_pem(content, b"password")


def test_other_keys() -> None:
    others = (
        pem(rsa.generate_private_key(65537, 2048)),
        pem(x25519.X25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP384R1())),
    )
    for content in others:
        with pytest.raises(InvalidPem, match="not on secp256k1, secp256r1 or ed25519"):
            read_pem(content)


def on_k1(scalar: bytes, *more: bytes, version: int = 1) -> bytes:
    inner = tlv(0x30, number(version), tlv(4, scalar), *more)
    return in_pem(tlv(0x30, number(0), K1_ID, tlv(4, inner)))


def with_seed(*more: bytes, version: int = 0, identifier: bytes = ED25519_ID, inner: bytes = b"") -> bytes:
    return in_pem(tlv(0x30, number(version), identifier, tlv(4, inner or tlv(4, SECRET)), *more))


def public(key_type: KeyType, form: PublicFormat = PublicFormat.UncompressedPoint) -> bytes:
    encoding = Encoding.Raw if key_type is KeyType.ED25519 else Encoding.X962
    return KEYS[key_type].public_key().public_bytes(encoding, form)


POINT = public(KeyType.SECP256K1)
SEED_PUBLIC = public(KeyType.ED25519, PublicFormat.Raw)
ATTRIBUTES = tlv(0xA0, tlv(0x30))


@pytest.mark.parametrize(
    "content",
    [
        on_k1(SECRET),
        on_k1(bytes(3) + SECRET),
        on_k1(SECRET, tlv(0xA1, tlv(3, b"\0", POINT))),
        on_k1(SECRET, tlv(0xA0, bytes.fromhex("06052b8104000a"))),
        with_seed(version=1),
        with_seed(tlv(0x81, b"\0", SEED_PUBLIC), version=1),
        with_seed(ATTRIBUTES, tlv(0x81, b"\0", SEED_PUBLIC), version=1),
    ],
)
def test_forms_of_one_key(content: bytes) -> None:
    assert read_pem(content).secret == SECRET


def test_a_scalar_without_its_leading_zeros() -> None:
    assert read_pem(on_k1(b"\x05")).secret == bytes(31) + b"\x05"


@pytest.mark.parametrize(
    "content",
    [
        on_k1(b""),
        on_k1(bytes(32)),
        on_k1(b"\xff" * 32),
        on_k1(b"\x01" + bytes(32)),
        on_k1(SECRET, version=2),
        on_k1(SECRET, tlv(0xA0, R1)),
        on_k1(SECRET, tlv(0xA1, tlv(3, b"\0", POINT[:1], POINT[33:], POINT[1:33]))),
        on_k1(SECRET, tlv(0xA1, tlv(3, b"\0", POINT[:-1]))),
        on_k1(SECRET, tlv(0xA1, tlv(3, b"\1", POINT))),
        on_k1(SECRET, tlv(0xA2, tlv(3, b"\0", POINT))),
        with_seed(version=2),
        with_seed(tlv(0x81, b"\0", SEED_PUBLIC[::-1])),
        with_seed(tlv(0x82, b"\0", SEED_PUBLIC)),
        with_seed(inner=tlv(4, SECRET[:31])),
        with_seed(inner=SECRET),
        with_seed(inner=tlv(4, SECRET) + b"\0\0"),
        with_seed(identifier=tlv(0x30)),
        with_seed(identifier=tlv(0x30, b"\x06\x03\x2b\x65\x70", tlv(5), tlv(5))),
        in_pem(tlv(0x30, number(1), tlv(4, SECRET)), "EC PRIVATE KEY"),
        in_pem(tlv(0x30, number(1), tlv(4, SECRET), tlv(0xA0, tlv(0x30, number(1)))), "EC PRIVATE KEY"),
    ],
)
def test_documents_that_are_no_key(content: bytes) -> None:
    with pytest.raises(InvalidPem):
        read_pem(content)


OLDER = pem(KEYS[KeyType.SECP256K1], BestAvailableEncryption(b"correct horse"), PrivateFormat.TraditionalOpenSSL)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (OLDER.replace(b"AES-256-CBC", b"CAMELLIA-128-CBC"), "in a way that is not read"),
        (OLDER.replace(b"AES-256-CBC", b"DES-EDE3-CBC"), "IV of a wrong length"),
        (OLDER.replace(b"DEK-Info", b"DEK"), "not in base64"),
    ],
)
def test_older_forms_that_are_not_read(content: bytes, told: str) -> None:
    with pytest.raises(InvalidPem, match=told):
        read_pem(content, b"correct horse")


def test_the_older_form_with_another_password() -> None:
    with pytest.raises(WrongPassword):
        read_pem(OLDER, b"correct horsf")


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
