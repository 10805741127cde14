"""The published package, in an empty environment without any extra."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.environments import Distributions, Installation, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

IMPORT_EVERYTHING = """
import importlib, json, pkgutil
names = []
for package in ("cosmos_formats", "keyring_bridge", "keyring_plugin"):
    root = importlib.import_module(package)
    names += [package] + [found.name for found in pkgutil.walk_packages(root.__path__, package + ".")]
failed = {}
for name in names:
    if name.rpartition(".")[2] == "__main__":
        continue
    try:
        importlib.import_module(name)
    except Exception as error:
        failed[name] = f"{type(error).__name__}: {error}; {getattr(error, 'hint', '')}"
print(json.dumps({"count": len(names), "failed": failed}))
"""


def test_every_module_imports_without_extras(installation: Installation, tmp_path: Path) -> None:
    answer = json.loads(installation.python(IMPORT_EVERYTHING, tmp_path))
    assert answer["count"] > 50
    # What cannot be imported must at least say which line installs what it needs.
    assert all(re.search(r"pip install '?keyring-bridge\[\w+\]", text) for text in answer["failed"].values())
    assert set(answer["failed"]) <= {"keyring_plugin.cosmpy_wallet", "keyring_bridge.testing"}


def test_every_public_name_is_there(installation: Installation, tmp_path: Path) -> None:
    source = (
        "import cosmos_formats, keyring_bridge, keyring_plugin\n"
        "for package in (cosmos_formats, keyring_bridge, keyring_plugin):\n"
        "    for name in getattr(package, '__all__', ()):\n"
        "        getattr(package, name)\n"
        "print('ok')\n"
    )
    assert installation.python(source, tmp_path) == "ok\n"


def test_the_wallet_names_the_extra_it_needs(installation: Installation, tmp_path: Path) -> None:
    source = (
        "try:\n"
        "    from keyring_plugin.cosmpy_wallet import BridgeWallet\n"
        "    BridgeWallet(None, 'alice')\n"
        "except Exception as error:\n"
        "    print(error, getattr(error, 'hint', ''))\n"
    )
    assert "pip install 'keyring-bridge[cosmpy]'" in installation.python(source, tmp_path)


def test_the_commands_start(installation: Installation, tmp_path: Path) -> None:
    help_text = run(installation.program("hsm"), "--help", cwd=tmp_path).stdout
    assert all(word in help_text for word in ("init", "keygen", "keys", "status", "backends", "audit", "config"))
    backends = json.loads(run(installation.program("hsm"), "backends", "--output", "json", cwd=tmp_path).stdout)
    assert "pkcs11" in json.dumps(backends)


def test_the_plugin_shakes_hands(installation: Installation, tmp_path: Path) -> None:
    state = tmp_path / "state"
    config = tmp_path / "config.toml"
    config.write_text(
        f'version = 1\nchain_id = "test-1"\nstate_dir = "{state}"\ndefault_provider = "soft"\n\n'
        f'[providers.soft]\nbackend = "software"\n'
    )
    config.chmod(0o600)
    request = {"jsonrpc": "2.0", "id": 1, "method": "bridge.handshake", "params": {"protocol_version": 1}}
    answer = run(
        installation.program("keyring-plugin"), "--config", config, cwd=tmp_path, input=json.dumps(request) + "\n"
    )
    (line,) = answer.stdout.splitlines()
    assert json.loads(line)["id"] == 1
    assert "result" in json.loads(line), line


def test_the_plugin_says_what_is_missing_without_a_configuration(installation: Installation, tmp_path: Path) -> None:
    answer = subprocess.run(
        [installation.program("keyring-plugin")],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        input='{"jsonrpc": "2.0", "id": 1, "method": "keyring.list"}\n',
        capture_output=True,
        text=True,
        check=False,
    )
    assert "hsm init" in answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr


def test_wheel_and_sdist_hold_the_same_modules(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    with tarfile.open(distributions.sdist) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    roots = {"cosmos_formats": "cosmos/", "keyring_bridge": "", "keyring_plugin": "plugin/"}
    expected = {roots[name.partition("/")[0]] + name for name in packed if name != "keyring_plugin/openrpc.json"}
    assert expected <= inside
    assert {"plugin/openrpc.json", "LICENSE", "README.md", "pyproject.toml"} <= inside
    assert {name.partition("/")[0] for name in packed} == set(roots), "nothing else may be installed at the top"
    assert {f"{name}/py.typed" for name in roots} <= packed
    assert any(name.startswith("cosmos_formats/data/") and name.endswith(".binpb") for name in packed)


def test_the_licence_is_in_both(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as wheel:
        assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
