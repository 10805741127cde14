"""Configuration: what the bridge is told, read strictly.

Writing it is in :mod:`keyring_bridge.config.write`, which needs tomlkit and is imported where it is used.
"""

from __future__ import annotations

from keyring_bridge.config.build import Table, build
from keyring_bridge.config.files import check_code_file, private_dir, write_atomic
from keyring_bridge.config.load import default_path, find, load
from keyring_bridge.config.model import AgentConfig, Config, ProviderConfig, RpcConfig

__all__ = [
    "AgentConfig",
    "Config",
    "ProviderConfig",
    "RpcConfig",
    "Table",
    "build",
    "check_code_file",
    "default_path",
    "find",
    "load",
    "private_dir",
    "write_atomic",
]
