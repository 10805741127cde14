"""Configuration: what the bridge is told, read strictly."""

from __future__ import annotations

from keyring_bridge.config.files import private_dir, write_atomic

__all__ = ["private_dir", "write_atomic"]
