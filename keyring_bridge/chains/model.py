"""What is known of a chain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from cosmos_formats.pubkeys import ETH_TYPE_URLS
from keyring_bridge.config.model import check_chain_id

_PREFIX: Final = re.compile(r"[a-z][a-z0-9]{0,19}")
_BINARY: Final = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]{0,99})?")
_VARIABLES: Final = re.compile(r"([A-Z][A-Z0-9_]{0,39})?")
_COINS: Final = re.compile(r"([0-9]{1,30}[a-zA-Z][a-zA-Z0-9/:._-]{2,127}(,(?=[0-9])|$))*")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST_COIN_TYPE: Final = (1 << 31) - 1

KeyAlgorithm = Literal["secp256k1", "eth_secp256k1"]


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """What the operator says of a chain; no node is asked for it.

    Attributes:
        chain_id: The chain's id, as sign documents name it.
        prefix: Of its account addresses.
        coin_type: Of its derivation paths (SLIP-44), None where the keyring's own default holds.
        key_algorithm: Of its account keys, None where the keyring's own default holds.
        pubkey_type_url: How the chain calls eth_secp256k1 keys; empty for the most common name.
        grpc: ``host:port`` of a node, empty if it has none.
        tls: Whether that node is asked over TLS.
        binary: Name of the chain's own program, for the shell; empty if nobody said.
        env_prefix: Of that program's variables, such as ``VE``; empty for what follows from its name.
        max_fee: Most that a transaction may cost whose fee a node determines, such as ``5000000uve``; empty for the
            shell's own ceiling.

    Raises:
        ValueError: Says what is wrong.
    """

    chain_id: str
    prefix: str
    coin_type: int | None = None
    key_algorithm: KeyAlgorithm | None = None
    pubkey_type_url: str = ""
    grpc: str = ""
    tls: bool = False
    binary: str = ""
    env_prefix: str = ""
    max_fee: str = ""

    def __post_init__(self) -> None:
        check_chain_id(self.chain_id)
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError("the prefix must be lower-case letters and digits, such as 've'")
        if self.coin_type is not None and not 0 <= self.coin_type <= _LARGEST_COIN_TYPE:
            raise ValueError(f"the coin type must be between 0 and {_LARGEST_COIN_TYPE}")
        if not _BINARY.fullmatch(self.binary):
            raise ValueError("the binary is the name of a program, such as 'virtengine', without a path")
        if not _VARIABLES.fullmatch(self.env_prefix):
            raise ValueError("the prefix of variables must be capitals, such as 'VE'")
        if not _COINS.fullmatch(self.max_fee):
            raise ValueError("the highest fee must be whole coins, such as '5000000uve'")
        if self.pubkey_type_url and self.key_algorithm != "eth_secp256k1":
            raise ValueError("only eth_secp256k1 keys have a type URL for each chain")
        if self.pubkey_type_url and self.pubkey_type_url not in ETH_TYPE_URLS:
            raise ValueError(f"the type URL of eth_secp256k1 keys must be one of {', '.join(ETH_TYPE_URLS)}")


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain that was added.

    Attributes:
        settings: What the operator said of it.
        digest: What was accepted: of its messages and its coins together, 64 hexadecimal digits.
        schema_digest: Of its messages alone.
        source: Where they came from, such as ``grpc 127.0.0.1:9090``.
        accepted_at: When, as RFC 3339 text in UTC.
        prefer_shipped: Whether shipped files stand for those of the chain's that contradict them.
        files: Number of files in its descriptor set, shipped ones included.
        messages: Number of top-level messages that can be found in it.
        coins: Number of coins whose metadata is known.
        content: SHA-256 of each stored file by its role: ``descriptors``, ``index`` and ``metadata``.
    """

    settings: ChainSettings
    digest: str
    schema_digest: str
    source: str
    accepted_at: str
    prefer_shipped: bool
    files: int
    messages: int
    coins: int
    content: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        digests = (self.digest, self.schema_digest, *self.content.values())
        if not all(map(_DIGEST.fullmatch, digests)) or set(self.content) != {"descriptors", "index", "metadata"}:
            raise ValueError("a digest is missing or malformed")

    @property
    def chain_id(self) -> str:
        """The chain's id."""
        return self.settings.chain_id

    @property
    def prefix(self) -> str:
        """Prefix of its account addresses."""
        return self.settings.prefix

    @property
    def coin_type(self) -> int | None:
        """Of its derivation paths, if the operator said."""
        return self.settings.coin_type

    @property
    def key_algorithm(self) -> KeyAlgorithm | None:
        """Of its account keys, if the operator said."""
        return self.settings.key_algorithm

    @property
    def grpc(self) -> str:
        """``host:port`` of its node, or empty."""
        return self.settings.grpc
