"""What every test gets: a home and configuration of its own, never the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

_OURS = ("KEYRING_BRIDGE_CONFIG", "CREDENTIALS_DIRECTORY", "SOFTHSM2_CONF", "PKCS11_MODULE")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point everything that looks for the user's files at an empty directory."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", *_OURS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parent.parent
