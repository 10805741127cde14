"""The software provider keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cosmos_formats.pubkeys import TOKEN_TYPES, KeyType
from keyring_bridge.providers.software import SoftwareProvider
from keyring_bridge.testing import ProviderContract, context_for_tests
from tests.key_files import make_key_file


class TestSoftwareProvider(ProviderContract):
    key_types = frozenset(TOKEN_TYPES)
    capabilities = frozenset({"generate", "import", "delete", "rename", "derive"})
    deriving_types = frozenset({KeyType.X25519, KeyType.SECP256K1, KeyType.SECP256R1})

    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[SoftwareProvider]:
        provider = SoftwareProvider(make_key_file(tmp_path), context_for_tests(tmp_path))
        provider.connect()
        yield provider
        provider.close()
