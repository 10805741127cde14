"""Public keys as tokens write them down.

The standard wants CKA_EC_POINT as a DER OCTET STRING (PKCS#11 2.40, 2.3.3) and CKA_EC_PARAMS as an OID or, for the
Edwards and Montgomery curves, a PrintableString with the curve's name (PKCS#11 3.0, 2.3.5). Tokens in the field
write points raw, too, or as a BIT STRING, and some know the 25519 curves by OIDs of their own.
"""

from __future__ import annotations

from cosmos_formats.pubkeys import KeyType, PublicKey
from keyring_bridge.errors import InvalidKey

_OIDS = {
    KeyType.SECP256K1: (bytes.fromhex("06052b8104000a"),),
    KeyType.SECP256R1: (bytes.fromhex("06082a8648ce3d030107"),),
    # RFC 8410, then the OIDs that GnuPG (and after it several tokens) used before it.
    KeyType.ED25519: (bytes.fromhex("06032b6570"), bytes.fromhex("06092b06010401da470f01")),
    KeyType.X25519: (bytes.fromhex("06032b656e"), bytes.fromhex("060a2b060104019755010501")),
}
_NAMES = {
    "secp256k1": KeyType.SECP256K1,
    "secp256r1": KeyType.SECP256R1,
    "prime256v1": KeyType.SECP256R1,
    "p-256": KeyType.SECP256R1,
    "edwards25519": KeyType.ED25519,
    "ed25519": KeyType.ED25519,
    "curve25519": KeyType.X25519,
    "x25519": KeyType.X25519,
}
_BY_OID = {oid: key_type for key_type, oids in _OIDS.items() for oid in oids}

_BIT_STRING, _OCTET_STRING, _UTF8_STRING, _PRINTABLE_STRING = 0x03, 0x04, 0x0C, 0x13


def params_for(key_type: KeyType) -> tuple[bytes, ...]:
    """Return the encodings of CKA_EC_PARAMS to try for a new key, the best known first."""
    names = {KeyType.ED25519: b"edwards25519", KeyType.X25519: b"curve25519"}
    name = names.get(key_type)
    oid = _OIDS[key_type][0]
    return (oid,) if name is None else (oid, bytes([_PRINTABLE_STRING, len(name)]) + name)


def curve_of(params: bytes) -> KeyType | None:
    """Return the curve that a CKA_EC_PARAMS names, None for one that the bridge does not use."""
    if params in _BY_OID:
        return _BY_OID[params]
    if params[:1] in (bytes([_PRINTABLE_STRING]), bytes([_UTF8_STRING])):
        content = _content(params, params[0])
        return _NAMES.get(content.decode("ascii", "replace").lower()) if content is not None else None
    return None


def encode_point(public_key: PublicKey) -> bytes:
    """Return CKA_EC_POINT as the standard wants it: DER OCTET STRING, uncompressed for the SEC 1 curves."""
    point = uncompressed(public_key)
    return bytes([_OCTET_STRING, len(point)]) + point


def uncompressed(public_key: PublicKey) -> bytes:
    """Return 65 bytes (SEC 1, uncompressed) for secp256k1 and secp256r1, the key's own 32 bytes for the others."""
    if public_key.key_type not in (KeyType.SECP256K1, KeyType.SECP256R1):
        return public_key.data
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    curve = ec.SECP256K1() if public_key.key_type is KeyType.SECP256K1 else ec.SECP256R1()
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(curve, public_key.data)
    except ValueError as error:
        raise InvalidKey(f"the {public_key.key_type} public key is not on its curve") from error
    return point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def decode_point(key_type: KeyType, value: bytes) -> PublicKey:
    """Read a CKA_EC_POINT in any encoding that tokens use.

    Raises:
        InvalidKey: No known encoding, or not a point of the curve.
    """
    short = key_type in (KeyType.ED25519, KeyType.X25519)
    lengths = (32,) if short else (65, 33)
    # The length decides: a raw point may begin like a DER header.
    for candidate in (value, _content(value, _OCTET_STRING), _bits(value)):
        if candidate is None:
            continue
        if short and len(candidate) == 33 and candidate[0] == 0x40:
            candidate = candidate[1:]  # OpenPGP's marker of a native point
        if len(candidate) in lengths:
            return _public_key(key_type, candidate)
    raise InvalidKey(f"the token's {key_type} public key has an unknown encoding")


def _public_key(key_type: KeyType, point: bytes) -> PublicKey:
    if len(point) == 32:
        return PublicKey(key_type, point)
    try:
        if len(point) == 65:
            return PublicKey.from_uncompressed(key_type, point)
        return PublicKey(key_type, point)
    except ValueError as error:
        raise InvalidKey(f"the token's {key_type} public key is not on its curve") from error


def _content(value: bytes, tag: int) -> bytes | None:
    """Return the content of a DER value with this tag and nothing behind it, None if it is not one."""
    if len(value) < 2 or value[0] != tag:
        return None
    length, start = value[1], 2
    if length == 0x81 and len(value) > 2:
        length, start = value[2], 3
    elif length & 0x80:
        return None
    return value[start:] if len(value) == start + length else None


def _bits(value: bytes) -> bytes | None:
    content = _content(value, _BIT_STRING)
    return content[1:] if content and content[0] == 0 else None
