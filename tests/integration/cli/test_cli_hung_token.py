"""A token that hangs: commands that sign, make and import keys end at the deadline, and say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyring_bridge.errors import Exit
from tests.integration.cli.test_tx_commands import unsigned
from tests.integration.plugin.test_plugin_process import through_shim

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli
    from tests.shim.shim import Shim

pytestmark = pytest.mark.softhsm

SECRET = "07" * 32
OFFLINE = ("--offline", "-a", "7", "-s", "1")


@pytest.fixture
def shim(token: Cli, shim_library: Path) -> Shim:
    """What stands between the user and the token; the user has the key ``ops`` and four seconds of patience."""
    token.ok("keygen", "--label", "ops")
    token.config.write_text(token.config.read_text() + "\n[rpc]\ndeadline_seconds = 4\n")
    return through_shim(token, shim_library)


def entries(cli: Cli) -> list[dict[str, object]]:
    return [json.loads(line) for line in (cli.folder / "state" / "audit.jsonl").read_text().splitlines()]


def test_a_transaction_that_is_to_be_signed(token: Cli, shim: Shim) -> None:
    file = token.home / "unsigned.json"
    file.write_text(json.dumps(unsigned(token.json("keys", "show", "ops")["address"])))
    command = ("tx", "sign", str(file), "--from", "ops", *OFFLINE)
    shim.control("hang C_Sign")
    error = token.fails(*command, code=Exit.UNAVAILABLE, error="deadline_exceeded")
    assert "deadline" in error["message"]
    last = entries(token)[-1]
    assert (last["kind"], last["result"]) == ("sign.outcome", "unknown")
    shim.control()
    assert '"signatures":["' in token.ok(*command)
    assert token.json("audit", "verify")["ok"] is True


@pytest.mark.parametrize(
    ("call", "command"),
    [
        ("C_CreateObject", ("keys", "add", "new", "--no-backup")),
        ("C_CreateObject", ("keys", "import-hex", "new", "--source", "SECRET")),
        ("C_Login", ("keys", "import-hex", "new", "--source", "SECRET")),
    ],
)
def test_a_key_that_is_to_be_made_or_imported(token: Cli, shim: Shim, call: str, command: tuple[str, ...]) -> None:
    secret = token.home / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    command = tuple(word.replace("SECRET", f"file:{secret}") for word in command)
    shim.control(f"hang {call}")
    error = token.fails(*command, code=Exit.UNAVAILABLE, error="deadline_exceeded")
    assert error["message"] == "the device did not answer before the deadline"
    assert SECRET not in json.dumps(error)
    shim.control()
    assert [key["name"] for key in token.json("keys", "list")] == ["ops"]
    assert token.json("audit", "verify")["ok"] is True
