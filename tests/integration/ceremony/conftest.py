"""A user with a SoftHSM2 token, for ceremonies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import with_token

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli


@pytest.fixture
def token(tmp_path: Path) -> Cli:
    """See :func:`tests.integration.cli.conftest.with_token`."""
    return with_token(tmp_path)
