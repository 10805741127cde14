"""What every test gets: a home and configuration of its own, never the user's."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.chain.fixtures"]

_OURS = ("KEYRING_BRIDGE_CONFIG", "CREDENTIALS_DIRECTORY", "SOFTHSM2_CONF")
_PLACES = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")


# How long an example takes says what else the machine does. `--hypothesis-profile=thorough` tries many more of them;
# where CI is set, hypothesis draws the same ones in every run.
_QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("usual", settings.get_profile("ci" if "CI" in os.environ else "default"), **_QUIET)
settings.register_profile("thorough", max_examples=2000, **_QUIET)
settings.load_profile("usual")


def pytest_configure() -> None:
    """Keep the caches of Go and pip where they are, although tests have another home; let Ctrl-C mean something."""
    home = Path.home()
    os.environ.setdefault("GOPATH", str(home / "go"))
    os.environ.setdefault("XDG_CACHE_HOME", str(home / ".cache"))
    # A run in the background, or under nohup, ignores these, and so would every process that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def _own_home(_homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point everything that looks for the user's files at an empty directory."""
    monkeypatch.setenv("HOME", tempfile.mkdtemp(dir=_homes))
    for name in (*_PLACES, *_OURS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parent.parent
