"""Private keys in PEM as the ``openssl`` command writes them (fixtures/gen/pem)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from cosmos_formats.errors import WrongPassword
from cosmos_formats.pkcs8 import PasswordNeeded, is_encrypted, read_pem

VECTORS = json.loads((Path(__file__).parents[2] / "fixtures" / "vectors" / "pem.json").read_text())
PASSPHRASE = VECTORS["passphrase"].encode()
SECRET = bytes.fromhex(VECTORS["private_key"])


def public_half_by_the_library(pem: bytes) -> bytes:
    """Read the key with the ``cryptography`` package."""
    key = load_pem_private_key(pem, PASSPHRASE if b"ENCRYPTED" in pem else None)
    if isinstance(key, Ed25519PrivateKey):
        return key.public_key().public_bytes_raw()
    assert isinstance(key, EllipticCurvePrivateKey)
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda one: f"{one['key_type']}: {one['command']}")
def test_what_openssl_writes_is_read(vector: dict[str, str]) -> None:
    content = bytearray(vector["pem"].encode())
    assert is_encrypted(content) == (b"ENCRYPTED" in content)
    key = read_pem(content, PASSPHRASE)
    assert (key.key_type, key.secret) == (vector["key_type"], SECRET)
    if "aes-192-cbc" not in vector["command"] or "topk8" in vector["command"]:
        # The library does not read OpenSSL's older form with this cipher.
        assert key.public_key.data == public_half_by_the_library(bytes(content))
    if is_encrypted(content):
        with pytest.raises(PasswordNeeded):
            read_pem(content)
        with pytest.raises(WrongPassword, match="wrong password, or the private key is damaged"):
            read_pem(content, PASSPHRASE + b"!")
