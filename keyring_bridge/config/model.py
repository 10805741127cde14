"""What a configuration says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from cosmos_formats.quickclass import dataclass

_PREFIX = re.compile(r"[a-z][a-z0-9]{0,19}")
_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One provider: a name of the operator's, a backend, and the backend's own options.

    Attributes:
        name: What the records of its keys call it.
        backend: A row of the table of backends, or an alias.
        options: Checked by the backend (:func:`keyring_bridge.config.build`). Never holds a secret.
    """

    name: str
    backend: str
    options: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _PROVIDER_NAME.fullmatch(self.name):
            raise ValueError(f"{self.name[:80]!r} is no name for a provider: letters, digits, - and _, at most 64")
        if not self.backend:
            raise ValueError(f"the provider {self.name!r} names no backend")


@dataclass(frozen=True, slots=True)
class RpcConfig:
    """Limits of the JSON-RPC server.

    Attributes:
        max_frame_bytes: Longest request, in bytes.
        max_batch: Most requests in one batch.
        max_depth: Deepest nesting of a request's JSON.
        max_in_flight: Requests served or waiting at the same time.
        workers: Requests served at the same time.
        deadline_seconds: How long a request may take if it does not say so itself.
    """

    max_frame_bytes: int = 1 << 20
    max_batch: int = 50
    max_depth: int = 64
    max_in_flight: int = 32
    workers: int = 8
    deadline_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_frame_bytes", 1024, 64 << 20),
            ("max_batch", 1, 1000),
            ("max_depth", 8, 200),
            ("max_in_flight", 1, 10_000),
            ("workers", 1, 256),
            ("deadline_seconds", 0.1, 3600),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be between {low} and {high}")


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """How the agent behaves.

    Attributes:
        start_on_demand: Whether commands that need an agent start one.
        idle_lock_seconds: Seconds without use of a key after which it logs out of everything; 0 for never.
        max_clients: Most connections at the same time.
    """

    start_on_demand: bool = True
    idle_lock_seconds: float = 900.0
    max_clients: int = 64

    def __post_init__(self) -> None:
        for name, low, high in (("idle_lock_seconds", 0, 31_536_000), ("max_clients", 1, 1000)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be between {low} and {high}")


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration, complete and checked; every path is absolute.

    Attributes:
        path: The file it was read from.
        chain_id: The chain that new keys get a policy for, or None.
        prefix: Prefix of account addresses.
        state_dir: Directory of the store and everything else that the bridge remembers.
        policy_path: The policy file; it need not exist.
        audit_path: The audit log.
        default_provider: Where keys go if nothing else is said; empty if there is no provider.
        providers: The providers by name.
        outside_providers: Names of backends from other packages that may be loaded.
        rpc: Limits of the JSON-RPC server.
        agent: How the agent behaves.
        warnings: What the operator should be told, a sentence each.
    """

    path: Path
    state_dir: Path
    policy_path: Path
    audit_path: Path
    chain_id: str | None = None
    prefix: str = "ve"
    default_provider: str = ""
    providers: Mapping[str, ProviderConfig] = field(default_factory=dict)
    outside_providers: tuple[str, ...] = ()
    rpc: RpcConfig = field(default_factory=RpcConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.chain_id is not None:
            check_chain_id(self.chain_id)
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError("prefix must be lower-case letters and digits, such as 've'")
        if self.providers and self.default_provider not in self.providers:
            names = ", ".join(sorted(self.providers))
            if self.default_provider:
                raise ValueError(f"default_provider is {self.default_provider!r}, expected one of {names}")
            raise ValueError(f"default_provider is missing, and there is more than one provider: {names}")


def check_chain_id(chain_id: str) -> None:
    """Check the form of a chain's id.

    Raises:
        ValueError: Says what is wrong.
    """
    # CometBFT's limit is 50.
    if not 0 < len(chain_id) <= 50 or not chain_id.isprintable() or chain_id.strip() != chain_id:
        raise ValueError(f"{chain_id[:60]!r} is no chain id: 1 to 50 printable characters, no white space around them")
