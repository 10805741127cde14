"""Users with a token, and keyrings that the SDK wrote."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.cli.conftest import nobody, shim_library, software, token

__all__ = ["nobody", "shim_library", "software", "token"]

PASSWORD = "throw-away password"


@pytest.fixture
def keyring(tmp_path: Path, project_root: Path) -> Callable[[str, str], Path]:
    """Returns a private copy of a fixture's directory: ``keyring("v053", "file")``."""

    def copy(version: str, backend: str) -> Path:
        made = tmp_path / f"{version}-{backend}" / f"keyring-{backend}"
        shutil.copytree(project_root / "fixtures" / "keyrings" / version / f"keyring-{backend}", made)
        made.chmod(0o700)
        for path in made.iterdir():
            path.chmod(0o600)
        return made

    return copy


@pytest.fixture
def password(tmp_path: Path) -> str:
    """A source of the keyrings' password."""
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text(f"{PASSWORD}\n")
    return f"file:{path}"
