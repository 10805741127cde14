"""People whose programs send transactions on the test chain, with keys in a file or in a token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.integration.agent.conftest import with_place
from tests.integration.agent.harness import Agent
from tests.integration.gomodule.harness import Operator, make_operator
from tests.softhsm import SoftHsm

if TYPE_CHECKING:
    from tests.chain.node import Chain

KEY = "ops"


@pytest.fixture(scope="module")
def software(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Somebody whose key ``ops`` is in a file and has coins."""
    operator = make_operator(tmp_path_factory.mktemp("software"), chain, "--backend", "software")
    with_place(operator.cli)
    operator.key(KEY)
    return operator


@pytest.fixture(scope="module")
def token(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """Somebody whose key ``ops`` is in a SoftHSM2 token and has coins."""
    folder = tmp_path_factory.mktemp("token")
    init = ("--create-token", "--token-label", "desk")
    operator = make_operator(folder, chain, *init, env=SoftHsm(folder / "softhsm").env)
    with_place(operator.cli)
    operator.key(KEY)
    return operator


@pytest.fixture(params=["software", pytest.param("token", marks=pytest.mark.softhsm)])
def operator(request: pytest.FixtureRequest) -> Operator:
    """Either of them."""
    made = request.getfixturevalue(request.param)
    assert isinstance(made, Operator)
    return made


@pytest.fixture
def agent(operator: Operator) -> Iterator[Agent]:
    """The agent of ``operator``."""
    running = Agent(operator.cli).ready()
    yield running
    running.kill()
