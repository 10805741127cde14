"""The provider of keyring directories keeps the contract, as far as a backend can that only reads.

Its keys are written here, as the SDK writes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.pubkeys import KeyType
from keyring_bridge.errors import KeyExists
from keyring_bridge.providers.cosmos_file import CosmosFileProvider
from keyring_bridge.testing import ProviderContract, context_for_tests
from keyring_bridge.uri import CosmosFileUri
from tests.keyring_directories import item_path, make_keyring, new_secret, write_key

if TYPE_CHECKING:
    from keyring_bridge.model import KeyInfo, KeySpec
    from keyring_bridge.providers.base import ProviderBase


class TestCosmosFileProvider(ProviderContract):
    key_types = frozenset({KeyType.SECP256K1, KeyType.ED25519})
    capabilities: frozenset[str] = frozenset()

    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[CosmosFileProvider]:
        provider = CosmosFileProvider(make_keyring(tmp_path), context_for_tests(tmp_path))
        provider.connect()
        yield provider
        provider.close()

    def new_key(self, provider: ProviderBase, spec: KeySpec) -> KeyInfo:
        assert isinstance(provider, CosmosFileProvider)
        if item_path(provider.options.directory, spec.label).exists():
            raise KeyExists("a name is taken once")
        write_key(provider.options.directory, spec.label, spec.key_type, new_secret(spec.key_type))
        return next(info for info in provider.list_keys() if info.label == spec.label)

    def drop_key(self, provider: ProviderBase, info: KeyInfo) -> None:
        assert isinstance(provider, CosmosFileProvider)
        item_path(provider.options.directory, info.label).unlink()

    def missing_uri(self, provider: ProviderBase) -> str:
        return CosmosFileUri("missing").format()
