"""What kind of source a path is, told from its content: names of files are only hints."""

from __future__ import annotations

import re
from pathlib import Path

from keyring_bridge.migrate.errors import SourceAmbiguous, SourceUnknown
from keyring_bridge.migrate.model import SourceKind

LARGEST_FILE = 256 << 10
"""Most bytes of a file that holds one key."""

_HEX = re.compile(rb"\s*(?:0[xX])?[0-9a-fA-F]{64}\s*")
_BASE64 = re.compile(rb"\s*[A-Za-z0-9+/]{43}=\s*|\s*[A-Za-z0-9+/]{86}==\s*|\s*[A-Za-z0-9+/]{128}\s*")
_PEM = re.compile(rb"-----BEGIN (?:ENCRYPTED |EC )?PRIVATE KEY-----")
_WORDS = re.compile(rb"\s*(?:[a-z]{3,8}\s+){11,23}[a-z]{3,8}\s*")
_KEYRINGS = ("keyring-file", "keyring-test")
_VALIDATOR = Path("config") / "priv_validator_key.json"


def of_content(content: bytes | bytearray) -> SourceKind:
    """Return what a file with one key is.

    Raises:
        SourceUnknown: None of the kinds that are known.
    """
    start = content.lstrip()[:1]
    if start == b"{":
        return _of_json(content)
    if b"-----BEGIN TENDERMINT PRIVATE KEY-----" in content:
        return SourceKind.ARMOR
    if b"-----BEGIN TENDERMINT PUBLIC KEY-----" in content:
        raise SourceUnknown("the file holds a public key only", hint="`hsm keys import` keeps it as an offline record")
    if _PEM.search(content):
        return SourceKind.PEM
    if _HEX.fullmatch(content):
        return SourceKind.HEX
    if _BASE64.fullmatch(content):
        # 32 bytes are a softsign key of tmkms (as are its expanded ones, of 64 and 96); Cosmos-KMS keeps seed and
        # public half in 64.
        return SourceKind.COSMOS_KMS if len(content.strip()) == 88 else SourceKind.TMKMS
    if _WORDS.fullmatch(content):
        return SourceKind.MNEMONIC
    raise SourceUnknown("the file is none of the sources that are known")


def _of_json(content: bytes | bytearray) -> SourceKind:
    # Only the names of the members are looked at; the secret is among their values, so each stays where it is.
    names = set(re.findall(rb'"([a-z_]{1,32})"\s*:', content))
    if {b"address", b"pub_key", b"priv_key"} <= names:
        return SourceKind.VALIDATOR
    if b"priv_key" in names and b"pub_key" not in names:
        return SourceKind.NODE if b"value" in names else SourceKind.COSMOS_KMS
    raise SourceUnknown("the JSON file is no key of a validator, a node or a signer")


def of_folder(path: Path) -> Path:
    """Return what is meant by a folder: a keyring in it or itself, or the validator's key of a node's home.

    Raises:
        SourceAmbiguous: It holds both kinds of keyrings.
        SourceUnknown: It holds nothing that is known.
    """
    keyrings = [path / name for name in _KEYRINGS if (path / name).is_dir()]
    if len(keyrings) > 1:
        raise SourceAmbiguous(
            f"{path} holds two keyrings", hint=f"name one: {' or '.join(str(one) for one in keyrings)}"
        )
    if keyrings:
        return keyrings[0]
    if (path / "keyhash").exists() or any(name.suffix == ".info" for name in path.iterdir()):
        return path
    if (path / _VALIDATOR).is_file():
        return path / _VALIDATOR
    raise SourceUnknown(f"{path} holds no keyring and no validator's key")
