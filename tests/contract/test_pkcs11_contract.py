"""The PKCS#11 provider keeps the contract, on SoftHSM2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cosmos_formats.pubkeys import TOKEN_TYPES, KeyType
from keyring_bridge.providers.pkcs11 import Pkcs11Provider
from keyring_bridge.testing import ProviderContract, context_for_tests
from keyring_bridge.uri import Pkcs11Uri
from tests.softhsm import SoftHsm, softhsm

if TYPE_CHECKING:
    from keyring_bridge.model import KeyInfo

__all__ = ["softhsm"]


class TestPkcs11Provider(ProviderContract):
    key_types = frozenset(TOKEN_TYPES)
    capabilities = frozenset({"generate", "import", "delete", "rename", "derive", "discover", "wrap"})
    deriving_types = frozenset({KeyType.X25519, KeyType.SECP256K1, KeyType.SECP256R1})

    @pytest.fixture
    def provider(self, softhsm: SoftHsm, tmp_path: Path) -> Iterator[Pkcs11Provider]:
        options = softhsm.options(softhsm.create_token(), sessions=4)
        provider = Pkcs11Provider(options, context_for_tests(tmp_path))
        provider.connect()
        yield provider
        provider.close()

    def ambiguous_uri(self, info: KeyInfo) -> str:
        return Pkcs11Uri(serial=Pkcs11Uri.parse(info.uri).serial, object=info.label).format()
