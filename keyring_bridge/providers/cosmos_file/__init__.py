"""The keys of the SDK's own keyring directories, read where they are: a first step, before they move into a token."""

from __future__ import annotations

from keyring_bridge.providers.cosmos_file.provider import CosmosFileProvider

__all__ = ["CosmosFileProvider"]
