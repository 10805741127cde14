"""Finding and reading the configuration file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from cosmos_formats.quickclass import dataclass
from keyring_bridge.config.build import Table, build, key_path
from keyring_bridge.config.files import read_trusted
from keyring_bridge.config.model import AgentConfig, Config, ProviderConfig, RpcConfig
from keyring_bridge.errors import ConfigError, ConfigMissing

ENVIRONMENT_VARIABLE = "KEYRING_BRIDGE_CONFIG"
VERSION = 1
LIMIT = 1 << 20
"""Largest configuration file, in bytes."""

_SECRETS = frozenset({"pin", "user_pin", "so_pin", "password", "passphrase", "secret"})


@dataclass(frozen=True, slots=True)
class _File:
    """The top of the TOML file, key by key."""

    version: int
    chain_id: str | None = None
    prefix: str = "ve"
    state_dir: Path | None = None
    policy: Path | None = None
    audit: Path | None = None
    default_provider: str = ""
    outside_providers: tuple[str, ...] = ()
    providers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    rpc: RpcConfig = field(default_factory=RpcConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version is {self.version}, this release reads version {VERSION}")


def default_path() -> Path:
    """Return where the configuration is by default: ``$XDG_CONFIG_HOME/keyring-bridge/config.toml``."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if os.path.isabs(base) else Path.home() / ".config"
    return folder / "keyring-bridge" / "config.toml"


def virtengine_path() -> Path:
    """Return where ``virtengine hsm init`` writes its configuration."""
    return Path.home() / ".virtengine" / "hsm.json"


def find() -> Path:
    """Return the configuration file to use.

    That is ``$KEYRING_BRIDGE_CONFIG``, else :func:`default_path`, else :func:`virtengine_path`.

    Raises:
        ConfigMissing: None of them exists.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return Path(named).expanduser()
    places = (default_path(), virtengine_path())
    for place in places:
        if place.exists():
            return place
    raise ConfigMissing(f"no configuration file: neither {places[0]} nor {places[1]} exists")


def load(path: Path | None = None) -> Config:
    """Read the configuration.

    Args:
        path: The file; a name ending in ``.json`` is read as VirtEngine's ``hsm.json``. None: see :func:`find`.

    Returns:
        The configuration, checked but for the options of its backends, which are checked when they are opened.

    Raises:
        ConfigMissing: There is no such file.
        InsecureFile: Others can write it (or read it, if there is a PIN in it).
        ConfigError: It cannot be read, or something in it is wrong.
    """
    file = Path(os.path.abspath(find() if path is None else path))
    try:
        if file.suffix == ".json":
            from keyring_bridge.config.hsm_json import load_hsm_json

            return load_hsm_json(file)
        content = read_trusted(file, what="configuration", limit=LIMIT)
    except FileNotFoundError:
        raise ConfigMissing(f"{file}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from None
    return parse(content, file)


def parse(content: bytes | bytearray | str, file: Path) -> Config:
    """Return the configuration that the TOML ``content`` of ``file`` describes.

    Raises:
        ConfigError: Something in it is wrong.
    """
    return _config(build(_File, read_toml(content, file), ""), file)


def read_toml(content: bytes | bytearray | str, file: Path, *, error: type[ConfigError] = ConfigError) -> Table:
    """Return the top table of a TOML file.

    Args:
        content: What is in it.
        file: Its path, for errors and relative paths.
        error: The class of errors to raise.

    Raises:
        ConfigError: It is not UTF-8, or not TOML.
    """
    import tomllib

    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        return Table(tomllib.loads(text), file)
    except RecursionError:
        raise error(f"{file}: nested too deeply") from None
    except UnicodeDecodeError as problem:
        raise error(f"{file}: not UTF-8 at byte {problem.start}") from None
    except ValueError as problem:
        raise error(f"{file}: {problem}") from None


def _config(said: _File, file: Path) -> Config:
    folder = file.parent
    state_dir = said.state_dir or folder / "state"
    providers = {name: _provider(name, table, file) for name, table in said.providers.items()}
    default = said.default_provider or (next(iter(providers)) if len(providers) == 1 else "")
    try:
        return Config(
            path=file,
            state_dir=state_dir,
            policy_path=said.policy or folder / "policy.toml",
            audit_path=said.audit or state_dir / "audit.jsonl",
            chain_id=said.chain_id,
            prefix=said.prefix,
            default_provider=default,
            providers=providers,
            outside_providers=said.outside_providers,
            rpc=said.rpc,
            agent=said.agent,
        )
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from None


def _provider(name: str, table: Mapping[str, object], file: Path) -> ProviderConfig:
    path = key_path("providers", name)
    backend = table.get("backend")
    if not isinstance(backend, str):
        raise ConfigError(f"{file}: {path}.backend: " + ("is missing" if backend is None else "expected a string"))
    for key in table:
        if key.lower() in _SECRETS:
            raise ConfigError(
                f"{file}: {path}.{key}: secrets do not belong into the configuration",
                hint='name a source, such as pin_source = "file:/etc/keyring-bridge/pin"',
            )
    options = {key: value for key, value in table.items() if key != "backend"}
    try:
        return ProviderConfig(name, backend, Table(options, file))
    except ValueError as error:
        raise ConfigError(f"{file}: {path}: {error}") from None
