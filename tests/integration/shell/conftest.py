"""Operators on the test chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.shell.harness import Operator, make_operator

if TYPE_CHECKING:
    from tests.chain.node import Chain


@pytest.fixture
def operator(tmp_path: Path, chain: Chain) -> Operator:
    """An operator without a key yet."""
    return make_operator(tmp_path, chain)
