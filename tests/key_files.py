"""Key files of the software provider for tests, with the cheapest passphrase hashing that is allowed."""

from __future__ import annotations

from pathlib import Path

from keyring_bridge.providers.software import create_key_file
from keyring_bridge.providers.software.key_file import KdfParameters
from keyring_bridge.secrets import SecretBytes

PASSPHRASE = b"correct horse battery"
CHEAPEST = KdfParameters(memory=19 << 10, passes=2)


def make_key_file(directory: Path, name: str = "test") -> dict[str, object]:
    """Make an empty key file and return the options of a ``software`` provider that opens it."""
    passphrase = directory / f"{name}.passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_bytes(PASSPHRASE + b"\n")
    file = directory / f"{name}.keys"
    with SecretBytes(PASSPHRASE) as secret:
        create_key_file(file, secret, kdf=CHEAPEST)
    return {"file": str(file), "passphrase_source": f"file:{passphrase}"}
