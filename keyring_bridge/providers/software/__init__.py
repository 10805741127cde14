"""Keys in an encrypted file: for trying out, for tests, and as a fallback that someone names on purpose."""

from __future__ import annotations

from keyring_bridge.providers.software.disk import create_key_file
from keyring_bridge.providers.software.provider import SoftwareProvider

__all__ = ["SoftwareProvider", "create_key_file"]
