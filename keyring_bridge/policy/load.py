"""Reading a policy file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256
from pathlib import Path
from typing import Literal

from cosmos_formats.quickclass import dataclass
from cosmos_formats.signing import SignMode
from keyring_bridge.config.build import build, key_path
from keyring_bridge.config.files import read_trusted
from keyring_bridge.config.load import read_toml
from keyring_bridge.config.model import check_chain_id
from keyring_bridge.errors import InvalidName, PolicyInvalid
from keyring_bridge.names import check_name
from keyring_bridge.policy.model import KeyPolicy, Policy
from keyring_bridge.policy.patterns import MessagePatterns

VERSION = 1
LIMIT = 4 << 20
"""Largest policy file, in bytes."""

SIGN_MODES: Mapping[str, SignMode] = {
    "direct": SignMode.DIRECT,
    "direct-aux": SignMode.DIRECT_AUX,
    "amino-json": SignMode.LEGACY_AMINO_JSON,
    "textual": SignMode.TEXTUAL,
    "eip-191": SignMode.EIP_191,
}

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_CALLER = re.compile(r"[a-z][a-z0-9+.-]*:\S+")


@dataclass(frozen=True, slots=True)
class _Key:
    """One table of ``keys``."""

    chains: tuple[str, ...]
    sign_modes: tuple[Literal["direct", "direct-aux", "amino-json", "textual", "eip-191"], ...]
    messages: tuple[str, ...]
    fingerprint: str | None = None  # required too, but missing it deserves a hint
    callers: tuple[str, ...] | None = None
    arbitrary_data: bool = False
    unsafe_blind_signing: bool = False

    def __post_init__(self) -> None:
        if self.fingerprint is not None and not _FINGERPRINT.fullmatch(self.fingerprint):
            raise ValueError("fingerprint must be 64 lower-case hexadecimal digits")
        for chain in self.chains:
            check_chain_id(chain)
        if self.callers is not None and not self.callers:
            raise ValueError("callers is empty, so nobody could ask: name somebody, or leave it out for everybody")
        for caller in self.callers or ():
            if not _CALLER.fullmatch(caller):
                raise ValueError(f"{caller[:100]!r} is no caller: write it as 'uid:1000' or 'spiffe://…'")
        MessagePatterns.of(self.messages)

    def policy(self, fingerprint: str) -> KeyPolicy:
        """Return the table as the policy of the key with this fingerprint."""
        return KeyPolicy(
            fingerprint=fingerprint,
            chains=frozenset(self.chains),
            sign_modes=frozenset(SIGN_MODES[mode] for mode in self.sign_modes),
            messages=MessagePatterns.of(self.messages),
            callers=None if self.callers is None else frozenset(self.callers),
            arbitrary_data=self.arbitrary_data,
            unsafe_blind_signing=self.unsafe_blind_signing,
        )


@dataclass(frozen=True, slots=True)
class _File:
    """The top of the file."""

    version: int
    keys: Mapping[str, _Key] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version is {self.version}, this release reads version {VERSION}")


def load_policy(path: Path) -> Policy:
    """Read a policy file; see :meth:`Policy.load`."""
    try:
        content = bytes(read_trusted(path, what="policy", limit=LIMIT))
    except OSError as error:
        raise PolicyInvalid(f"{path}: cannot be read: {error.strerror or error}") from None
    return parse_policy(content, path)


def parse_policy(content: bytes, path: Path) -> Policy:
    """Return the policy that the TOML ``content`` of the file ``path`` describes.

    Raises:
        PolicyInvalid: Something in it is wrong.
    """
    said = build(_File, read_toml(content, path, error=PolicyInvalid), "", error=PolicyInvalid)
    keys = {}
    for name, key in said.keys.items():
        where = f"{path}: {key_path('keys', name)}"
        try:
            check_name(name)
        except InvalidName as error:
            raise PolicyInvalid(f"{where}: {error}") from None
        if key.fingerprint is None:
            raise PolicyInvalid(
                f"{where}.fingerprint: is missing; without it another key could get the name and with it this policy",
                hint=f"`hsm keys show {shlex.quote(name)}` prints the fingerprint of the key",
            )
        keys[name] = key.policy(key.fingerprint)
    return Policy(keys, sha256(content).hexdigest())
