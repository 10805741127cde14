"""A node that says what it is told to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.chains.reflection_server import ReflectionServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> ReflectionServer:
    """The program, built once."""
    return ReflectionServer.build(tmp_path_factory.mktemp("reflection"))


@pytest.fixture(scope="session")
def honest(server: ReflectionServer) -> Iterator[str]:
    """The address of a node of ``market-1`` that tells the truth in both of its reflection services."""
    with server.serving() as target:
        yield target
