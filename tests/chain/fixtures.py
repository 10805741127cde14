"""The pytest plugin with the fixture ``chain``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.chain.node import Chain

_TIMEOUT = 900
"""Seconds for a test of the chain: the first one may have to build it."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a chain, before ``-m`` selects by the marks."""
    for item in items:
        if "chain" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.chain)
        if item.get_closest_marker("chain"):
            item.add_marker(pytest.mark.go)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(_TIMEOUT))


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A chain with one validator, the same for all tests of a session."""
    from tests.chain.node import running_chain

    with running_chain(tmp_path_factory.mktemp("chain")) as running:
        yield running
