"""The page on adding a backend is true: its example is installed as an outside provider and keeps the contract."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from keyring_bridge import errors
from keyring_bridge.providers import BACKENDS
from keyring_bridge.providers.base import CAPABILITIES, ProviderBase
from keyring_bridge.testing import ProviderContract
from tests.processes import output

FILE = re.compile(r"^`(?P<name>[\w.]+)`:\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)", re.MULTILINE)


@pytest.fixture(scope="module")
def page(project_root: Path) -> str:
    return (project_root / "docs" / "add-a-backend.md").read_text()


@pytest.fixture
def files(page: str) -> dict[str, str]:
    return {found["name"]: found["text"] for found in FILE.finditer(page)}


@pytest.fixture
def site(files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example as pip would install it, importable by this process's children."""
    site = tmp_path / "site"
    site.mkdir()
    project = tomllib.loads(files["pyproject.toml"])["project"]
    info = site / "pemfiles-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text(points)
    for name in ("pemfiles.py", "test_pemfiles.py", "config.toml"):
        (site / name).write_text(files[name])
    for path in (site, *site.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    monkeypatch.syspath_prepend(site)
    return site


def test_the_page_has_every_file(files: dict[str, str]) -> None:
    assert set(files) == {"pemfiles.py", "pyproject.toml", "config.toml", "test_pemfiles.py"}


def test_the_example_keeps_the_contract(site: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    report = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-W", "error", "-p", "no:cacheprovider", "--rootdir", site, site],
        env=environment,
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert report.returncode == 0, report.stdout + report.stderr
    passed = {line.split("::")[-1].partition("[")[0] for line in report.stdout.splitlines() if "PASSED" in line}
    assert passed == {name for name in dir(ProviderContract) if name.startswith("test_")}


def test_the_example_is_loaded_from_its_configuration(site: Path) -> None:
    told = output(
        """
import json, sys
from pathlib import Path
from keyring_bridge.config import load
from keyring_bridge.providers import capability_matrix, open_provider
from keyring_bridge.testing import context_for_tests
config = load(Path(sys.argv[1]))
settings = config.providers[config.default_provider]
provider = open_provider(settings, context_for_tests(Path(sys.argv[2])), config.outside_providers)
provider.connect()
info = capability_matrix(config.outside_providers)[-1]
print(json.dumps([provider.scheme, provider.status().state, info.name, sorted(info.capabilities)]))
""",
        str(site / "config.toml"),
        str(site.parent),
    )
    assert json.loads(told) == ["pemfiles", "ready", "pemfiles", ["delete", "generate"]]
    assert (site / "keys").is_dir()


def test_the_subclass_is_short(files: dict[str, str]) -> None:
    text = files["test_pemfiles.py"]
    lines = [line for line in text[text.index("class ") :].splitlines() if line.strip()]
    assert len(lines) <= 10


def section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_hooks_are_those_of_the_base(page: str) -> None:
    assert set(ROW.findall(section(page, "Hooks"))) == ProviderBase.__abstractmethods__
    assert "implements seven hooks" in page
    assert len(ProviderBase.__abstractmethods__) == 7


def test_the_capabilities_are_those_of_the_base(page: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)\(", section(page, "Capabilities"), re.MULTILINE)
    methods = {name: next(n for n in vars(what) if not n.startswith("_")) for name, what in CAPABILITIES.items()}
    assert dict(rows) == methods


def test_the_errors_exist(page: str) -> None:
    named = re.findall(r"`([A-Z]\w+)`", section(page, "Places and errors"))
    assert named
    for name in named:
        assert issubclass(getattr(errors, name), errors.BridgeError)


def test_the_example_takes_no_name_of_ours() -> None:
    assert "pemfiles" not in BACKENDS
