"""The units for systemd, against what the agent expects."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from keyring_bridge.errors import Exit
from keyring_plugin.agent import place
from keyring_plugin.agent.command import _parser

UNITS = Path(__file__).resolve().parents[3] / "plugin" / "systemd"


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read_string((UNITS / name).read_text())
    return parser


def test_the_socket_is_where_clients_look(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEYRING_BRIDGE_SOCKET", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    told = unit("keyring-bridge-agent.socket")["Socket"]
    assert told["ListenStream"].replace("%t", "/run/user/1000") == place.socket_path()
    assert (told["SocketMode"], told["DirectoryMode"]) == ("0600", "0700")


def test_the_service_runs_the_agent() -> None:
    service = unit("keyring-bridge-agent.service")
    words = service["Service"]["ExecStart"].split()
    program = words.index("keyring-plugin")
    assert words[program + 1] == "agent"
    assert _parser().parse_args(words[program + 2 :]).handler.__name__ == "start"
    assert "--background" not in words
    assert service["Unit"]["Requires"] == "keyring-bridge-agent.socket"
    # Statuses with which another start ends the same way.
    assert set(re.findall(r"\d+", service["Service"]["RestartPreventExitStatus"])) == {
        str(int(Exit.CONFIG)),
        str(int(Exit.CONFLICT)),
    }
    assert service["Service"]["LimitCORE"] == "0"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"KEYRING_BRIDGE_SOCKET": "/x/y.sock", "XDG_RUNTIME_DIR": "/run/user/7"}, "/x/y.sock"),
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, "/run/user/7/keyring-bridge/agent.sock"),
        ({"XDG_RUNTIME_DIR": "run"}, "/home/ops/.local/state/keyring-bridge/agent.sock"),
        ({"XDG_STATE_HOME": "/states"}, "/states/keyring-bridge/agent.sock"),
        ({}, "/home/ops/.local/state/keyring-bridge/agent.sock"),
    ],
)
def test_where_the_socket_is(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str) -> None:
    for name in ("KEYRING_BRIDGE_SOCKET", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ops", **environment}.items():
        monkeypatch.setenv(name, value)
    assert place.socket_path() == expected


@pytest.mark.parametrize("named", ["x.sock", "./x.sock", "/x/"])
def test_a_place_that_is_none(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("KEYRING_BRIDGE_SOCKET", named)
    with pytest.raises(place.UnsafePlace):
        place.socket_path()


def test_the_configuration_that_a_relay_compares_is_the_one_that_would_be_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from keyring_bridge.config import find

    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KEYRING_BRIDGE_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    places = [
        tmp_path / ".virtengine" / "hsm.json",
        tmp_path / ".config" / "keyring-bridge" / "config.toml",
        tmp_path / "elsewhere" / "keyring-bridge" / "config.toml",
    ]
    for path in places:
        path.parent.mkdir(parents=True)
        path.touch()
        if "elsewhere" in str(path):
            monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
        assert place.own_configuration() == str(find()) == str(path)
    monkeypatch.setenv("KEYRING_BRIDGE_CONFIG", "~/mine.toml")
    assert place.own_configuration() == str(find()) == str(tmp_path / "mine.toml")
