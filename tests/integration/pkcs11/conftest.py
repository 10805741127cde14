"""Fixtures for tests of the PKCS#11 provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keyring_bridge.login_guard import LoginGuard
from keyring_bridge.providers.base import ProviderContext
from keyring_bridge.providers.pkcs11 import Pkcs11Provider
from tests.shim.shim import Shim, shim, shim_library
from tests.softhsm import SoftHsm, SoftToken, softhsm

__all__ = ["shim", "shim_library", "softhsm"]

MakeProvider = Callable[..., Pkcs11Provider]


@pytest.fixture
def token(softhsm: SoftHsm) -> SoftToken:
    """A fresh token."""
    return softhsm.create_token()


@pytest.fixture
def context(tmp_path: Path) -> ProviderContext:
    """What the bridge lends to a provider, without anybody to ask."""
    return ProviderContext("test", tmp_path / "state", LoginGuard(tmp_path / "logins"))


@pytest.fixture
def make(softhsm: SoftHsm, token: SoftToken, context: ProviderContext) -> Iterator[MakeProvider]:
    """Makes providers for the token; keyword arguments change their options. They are closed in the end."""
    made: list[Pkcs11Provider] = []

    def make_provider(context: ProviderContext = context, **changes: object) -> Pkcs11Provider:
        provider = Pkcs11Provider(softhsm.options(token, **changes), context)
        made.append(provider)
        return provider

    yield make_provider
    for provider in made:
        provider.close()


@pytest.fixture
def provider(make: MakeProvider) -> Pkcs11Provider:
    """A provider on SoftHSM2."""
    return make()


@pytest.fixture
def shimmed(shim: Shim, make: MakeProvider) -> MakeProvider:
    """Makes providers that go through the shim."""

    def make_provider(**changes: object) -> Pkcs11Provider:
        return make(library=str(shim.library), **changes)

    return make_provider
