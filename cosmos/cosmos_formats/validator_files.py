"""Key files of validators and nodes as CometBFT writes them: ``priv_validator_key.json`` and ``node_key.json``.

Public half and address, where they stand beside the private key, must be its own. (CometBFT makes them anew and says
nothing when they differ.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cosmos_formats import private_keys, secret_json
from cosmos_formats.errors import FormatError
from cosmos_formats.pubkeys import KeyType
from cosmos_formats.wipeable import wipe

if TYPE_CHECKING:
    from cosmos_formats.private_keys import PrivateKey

LARGEST: Final = 64 << 10
"""Most bytes of a key file. One of an ed25519 key has 345."""

_PRIVATE_TYPES: Final = {
    "tendermint/PrivKeyEd25519": KeyType.ED25519,
    "tendermint/PrivKeySecp256k1": KeyType.SECP256K1,
}
_PUBLIC_TYPES: Final = {
    KeyType.ED25519: "tendermint/PubKeyEd25519",
    KeyType.SECP256K1: "tendermint/PubKeySecp256k1",
}


class InvalidKeyFile(FormatError):
    """Not a key file of the wanted kind, or one whose parts contradict each other."""

    code = "invalid_key_file"


def read_validator_key(content: bytes | bytearray) -> PrivateKey:
    """Read ``priv_validator_key.json``: address, public and private key.

    Args:
        content: The whole file, in a buffer that the caller wipes.

    Raises:
        InvalidKeyFile: Not such a file, or its address or public key is not that of the private key.
        InvalidKey: The private key is of a wrong length, or out of range.
    """
    document = _load(content)
    members = document.value
    if not isinstance(members, dict) or not {"address", "pub_key", "priv_key"} <= set(members):
        raise InvalidKeyFile("not a validator's key file: it has address, pub_key and priv_key")
    key = _private_key(document, members["priv_key"])
    try:
        _check_public(document, members["pub_key"], key)
        address = members["address"]
        if not isinstance(address, str) or address.upper() != key.public_key.address.hex().upper():
            raise InvalidKeyFile("the address in the key file is not that of its private key")
    except BaseException:
        key.wipe()
        raise
    return key


def read_node_key(content: bytes | bytearray) -> PrivateKey:
    """Read ``node_key.json``: a private key alone. The node's id is the key's address in hexadecimal digits.

    Args:
        content: The whole file, in a buffer that the caller wipes.

    Raises:
        InvalidKeyFile: Not such a file.
        InvalidKey: The private key is of a wrong length, or out of range.
    """
    document = _load(content)
    if not isinstance(document.value, dict) or set(document.value) != {"priv_key"}:
        raise InvalidKeyFile("not a node's key file: it has priv_key and nothing else")
    return _private_key(document, document.value["priv_key"])


def read_private_member(content: bytes | bytearray) -> PrivateKey:
    """Read the member ``priv_key`` of a JSON file, typed or (ed25519) as bare base64 of 64 bytes, as Cosmos-KMS does.

    A public key and an address beside it must be its own.

    Args:
        content: The whole file, in a buffer that the caller wipes.

    Raises:
        InvalidKeyFile: Not such a file.
        InvalidKey: The private key is of a wrong length, or out of range.
    """
    document = _load(content)
    if isinstance(document.value, dict) and isinstance(document.value.get("priv_key"), str):
        return _secret(document, document.value["priv_key"], KeyType.ED25519)
    if isinstance(document.value, dict) and set(document.value) == {"priv_key"}:
        return read_node_key(content)
    return read_validator_key(content)


def _load(content: bytes | bytearray) -> secret_json.Document:
    if len(content) > LARGEST:
        raise InvalidKeyFile(f"key file of {len(content)} bytes; at most {LARGEST} are allowed")
    try:
        return secret_json.load(content, "value", "priv_key")
    except ValueError:
        raise InvalidKeyFile("not a JSON object with each member once") from None


def _typed(value: Any) -> tuple[str, object]:
    if not isinstance(value, dict) or set(value) != {"type", "value"} or not isinstance(value["type"], str):
        raise InvalidKeyFile("a key in the key file is not an object with type and value")
    return value["type"], value["value"]


def _private_key(document: secret_json.Document, value: Any) -> PrivateKey:
    name, mark = _typed(value)
    key_type = _PRIVATE_TYPES.get(name)
    if key_type is None:
        raise InvalidKeyFile(f"the key file holds a key of the type {name[:64]!r}, not ed25519 or secp256k1")
    return _secret(document, mark, key_type)


def _secret(document: secret_json.Document, mark: object, key_type: KeyType) -> PrivateKey:
    try:
        stored = document.secret(mark)
    except ValueError:
        raise InvalidKeyFile("the private key in the key file is not base64") from None
    try:
        return private_keys.from_stored(key_type, stored)
    finally:
        wipe(stored)


def _check_public(document: secret_json.Document, value: Any, key: PrivateKey) -> None:
    name, mark = _typed(value)
    try:
        data = bytes(document.secret(mark))
    except ValueError:
        raise InvalidKeyFile("the public key in the key file is not base64") from None
    if name != _PUBLIC_TYPES[key.key_type] or data != key.public_key.data:
        raise InvalidKeyFile("the public key in the key file is not that of its private key")
