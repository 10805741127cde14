"""Custodians with age identities, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyrage import x25519

from keyring_bridge.sealing import Identities, unseal_bytes

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Custodian:
    recipient: str
    identity: Path

    def words_in(self, share: Path) -> str:
        """Open a share's file."""
        key = x25519.Identity.from_str(self.identity.read_text().split()[-1])
        with unseal_bytes("share", share.read_bytes(), Identities((key,))) as opened:
            return opened.reveal().decode().split("words: ")[1].strip()


def custodian(folder: Path, name: str) -> Custodian:
    """Make somebody who has an identity file, as age-keygen writes it."""
    identity = x25519.Identity.generate()
    path = folder / f"{name}.txt"
    path.touch(mode=0o600)
    path.write_text(f"# public key: {identity.to_public()}\n{identity}\n")
    return Custodian(str(identity.to_public()), path)
