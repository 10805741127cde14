import os
import subprocess
import sys
from pathlib import Path

import pytest

from keyring_bridge.config import RpcConfig, default_path, find, load
from keyring_bridge.errors import ConfigError, ConfigMissing, InsecureFile

FULL = """
version = 1
chain_id = "virtengine-1"
prefix = "ve"
state_dir = "state-here"
policy = "/etc/policy.toml"
audit = "~/audit.jsonl"
default_provider = "main"
outside_providers = ["acme"]

[providers.main]
backend = "pkcs11"
library = "lib/module.so"
sessions = 4

[providers.spare]
backend = "software"

[rpc]
max_batch = 10
deadline_seconds = 5
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("KEYRING_BRIDGE_CONFIG", raising=False)
    return tmp_path


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return path


def test_everything(home: Path) -> None:
    config = load(put(home / "config.toml", FULL))
    assert config.path == home / "config.toml"
    assert config.chain_id == "virtengine-1"
    assert config.prefix == "ve"
    assert config.state_dir == home / "state-here"
    assert config.policy_path == Path("/etc/policy.toml")
    assert config.audit_path == home / "audit.jsonl"
    assert config.default_provider == "main"
    assert config.outside_providers == ("acme",)
    assert config.providers["main"].backend == "pkcs11"
    assert config.providers["main"].options == {"library": "lib/module.so", "sessions": 4}
    assert config.providers["main"].options.file == config.path  # type: ignore[attr-defined]  # it is a Table
    assert config.rpc == RpcConfig(max_batch=10, deadline_seconds=5.0)
    assert config.warnings == ()


def test_defaults(home: Path) -> None:
    config = load(put(home / "config.toml", 'version = 1\n[providers.only]\nbackend = "software"\n'))
    assert config.chain_id is None
    assert config.prefix == "ve"
    assert config.state_dir == home / "state"
    assert config.policy_path == home / "policy.toml"
    assert config.audit_path == home / "state" / "audit.jsonl"
    assert config.default_provider == "only"
    assert config.rpc == RpcConfig()
    assert load(put(home / "config.toml", "version = 1")).default_provider == ""


def test_relative_path_of_the_file_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home / "sub" / "config.toml", "version = 1")
    monkeypatch.chdir(home)
    assert load(Path("sub/config.toml")).state_dir == home / "sub" / "state"


# --- finding it ------------------------------------------------------------------------------------------------------


def test_the_order_of_places(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigMissing, match=r"neither .* nor") as caught:
        load()
    assert caught.value.hint == "run `hsm init` first"
    json = put(home / ".virtengine" / "hsm.json", "{}")
    assert find() == json
    toml = put(home / ".config" / "keyring-bridge" / "config.toml", "version = 1")
    assert find() == toml == default_path()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    assert find() == json
    xdg = put(home / "xdg" / "keyring-bridge" / "config.toml", "version = 1")
    assert find() == xdg
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert find() == toml
    monkeypatch.setenv("KEYRING_BRIDGE_CONFIG", "~/named.toml")
    assert find() == home / "named.toml"
    with pytest.raises(ConfigMissing, match=r"named\.toml: there is no such file"):
        load()
    put(home / "named.toml", "version = 1")
    assert load().path == home / "named.toml"
    monkeypatch.setenv("KEYRING_BRIDGE_CONFIG", "")
    assert find() == toml


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "version: is missing"),
        ("version = 2", "version is 2, this release reads version 1"),
        ('version = "1"', "version: expected an integer, got a string"),
        ("version = true", "version: expected an integer, got true or false"),
        ("version = 1\nchainid = 'x'", "chainid: unknown key; did you mean 'chain_id'?"),
        ("version = 1\n[provider.main]\nbackend='x'", "provider: unknown key; did you mean 'providers'?"),
        ("version = 1\nchain_id = ''", "is no chain id: 1 to 50 printable characters"),
        ("version = 1\nchain_id = ' x'", "is no chain id: 1 to 50 printable characters"),
        (f"version = 1\nchain_id = '{'x' * 51}'", "is no chain id: 1 to 50 printable characters"),
        ("version = 1\nprefix = 'VE'", "prefix must be lower-case"),
        ("version = 1\nprefix = ''", "prefix must be lower-case"),
        ("version = 1\nstate_dir = 1", "state_dir: expected a path, got an integer"),
        ("version = 1\nproviders = 1", "providers: expected a table, got an integer"),
        ("version = 1\n[providers]\nmain = 1", "providers.main: expected a table, got an integer"),
        ("version = 1\n[providers.main]", "providers.main.backend: is missing"),
        ("version = 1\n[providers.main]\nbackend = 1", "providers.main.backend: expected a string"),
        ("version = 1\n[providers.main]\nbackend = ''", "providers.main: the provider 'main' names no backend"),
        ("version = 1\n[providers.'a b']\nbackend = 'x'", "providers.\"a b\": 'a b' is no name for a provider"),
        (
            "version = 1\n[providers.a]\nbackend='x'\n[providers.b]\nbackend='x'",
            "default_provider is missing, and there is more than one provider: a, b",
        ),
        (
            "version = 1\ndefault_provider = 'c'\n[providers.a]\nbackend='x'",
            "default_provider is 'c', expected one of a",
        ),
        ("version = 1\n[rpc]\nworker = 1", "rpc.worker: unknown key; did you mean 'workers'?"),
        ("version = 1\n[rpc]\nworkers = 0", "rpc: workers must be between 1 and 256"),
        ("version = 1\n[rpc]\ndeadline_seconds = inf", "rpc.deadline_seconds: expected a finite number"),
        ("version = 1\noutside_providers = 'acme'", "outside_providers: expected a list, got a string"),
        ("version = 1\nversion = 1", "Cannot overwrite a value"),
        ("version = 1\nprefix = ve", "Invalid value (at line 2"),
        (b"version = 1 # \xff", "not UTF-8 at byte 14"),
        (f"version = {'9' * 5000}", "config.toml: "),
        ("version = 1\na = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("x" * ((1 << 20) + 1), "larger than"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(home: Path, content: str | bytes, message: str) -> None:
    path = put(home / "config.toml", content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("key", ["pin", "PIN", "so_pin", "password", "passphrase"])
def test_secrets_are_refused_and_not_repeated(home: Path, key: str) -> None:
    path = put(home / "config.toml", f"version = 1\n[providers.main]\nbackend = 'pkcs11'\n{key} = 'hunter2'\n")
    with pytest.raises(ConfigError, match=f"providers.main.{key}: secrets do not belong") as caught:
        load(path)
    assert "pin_source" in str(caught.value.hint)
    assert "hunter2" not in f"{caught.value} {caught.value.hint} {caught.value.detail}"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_file_that_others_can_write_is_refused(home: Path, mode: int) -> None:
    path = put(home / "config.toml", FULL)
    path.chmod(mode)
    with pytest.raises(InsecureFile, match=f"others can write the configuration {path}"):
        load(path)


def test_file_that_others_can_only_read_is_fine(home: Path) -> None:
    path = put(home / "config.toml", FULL)
    path.chmod(0o644)
    load(path)


def test_file_of_another_user_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(home / "config.toml", FULL)
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InsecureFile, match="belongs to uid"):
        load(path)


def test_directory_in_its_place(home: Path) -> None:
    with pytest.raises(ConfigError):
        load(home)


def test_importing_it_is_cheap() -> None:
    program = (
        "import sys\n"
        "import keyring_bridge.config, keyring_bridge.policy, keyring_bridge.secrets, keyring_bridge.login_guard\n"
        "heavy = {'tomlkit', 'tomllib', 'subprocess', 'ctypes', 'google.protobuf', 'cryptography', 'coincurve',\n"
        "         'asyncio', 'logging', 'sqlite3', 'difflib', 'termios', 'shlex'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-S", "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
