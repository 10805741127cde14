"""SIGKILL at every step of a ceremony: nothing is in use that nobody can recover, and the next run clears up."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.ceremony.custodians import custodian
from tests.integration.ceremony.desk import marks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm

# Runs the command, and dies where its first argument says.
RUN = """
import os, signal, sys
from keyring_bridge.ceremony import custody, keys
from keyring_bridge.ceremony.keys import CeremonyKeys
from keyring_bridge.cli.main import main
from keyring_bridge.device import Device
from keyring_bridge.providers.pkcs11.cryptoki import Cryptoki
from keyring_bridge.store.sqlite import SqliteStore

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def then_die(function):
    def wrapper(*arguments, **named):
        function(*arguments, **named)
        die()
    return wrapper

step = sys.argv[1]
if step == "marked":
    Device.import_key = die
elif step == "half imported":
    Cryptoki.create_object = then_die(Cryptoki.create_object)
elif step == "imported":
    Device.import_key = then_die(Device.import_key)
elif step == "proved":
    custody.Shares.hand_out = die
elif step == "one file written":
    custody.Shares._write = then_die(custody.Shares._write)
elif step == "handed out":
    custody.Shares.hand_out = then_die(custody.Shares.hand_out)
elif step == "recorded":
    SqliteStore.add = then_die(SqliteStore.add)
raise SystemExit(main(sys.argv[2:]))
"""

BEFORE_THE_RECORD = ("marked", "half imported", "imported", "proved", "one file written", "handed out")


def keygen(tmp_path: Path, folder: str, label: str = "ops") -> list[str]:
    command = ["keygen", "--recoverable", "--label", label, "-o", "json", "--shares", "2of2"]
    command += ["--share-dir", str(tmp_path / folder)]
    for number, name in enumerate(("anna", "bela"), 1):
        command += ["--custodian", f"share-{number}={custodian(tmp_path, name).recipient}"]
    return command


@pytest.mark.parametrize("step", BEFORE_THE_RECORD)
def test_before_the_record_the_next_run_begins_anew(token: Cli, tmp_path: Path, step: str) -> None:
    killed = token.run(*keygen(tmp_path, "first"), command=[sys.executable, "-c", RUN, step])
    assert killed.code == -9, killed
    (mark,) = marks(token)
    after = token.json("status")
    assert after["records"] == 0
    assert labels(after) == ([] if step in ("marked", "half imported") else ["ops"])
    assert "UNFINISHED CEREMONY of ops:" in " ".join(after["warnings"])
    assert token.json("keys", "sync")["added"] == []
    made = token.json(*keygen(tmp_path, "second"))
    assert made["fingerprint"] != mark
    assert marks(token) == []
    then = token.json("status")
    assert then["providers"][0]["keys"]["in_both"] == ["ops"]
    assert labels(then) == []
    assert "UNFINISHED" not in " ".join(then["warnings"])


def labels(status: dict[str, Any]) -> list[str]:
    """Labels of keys in the token that have no record."""
    return [one["label"] for one in status["providers"][0]["keys"]["only_in_token"]]


def test_after_the_record_the_key_is_in_use(token: Cli, tmp_path: Path) -> None:
    killed = token.run(*keygen(tmp_path, "first"), command=[sys.executable, "-c", RUN, "recorded"])
    assert killed.code == -9, killed
    assert token.json("keys", "list", "-n") == ["ops"]
    assert "UNFINISHED" not in " ".join(token.json("status")["warnings"])
    assert len(list((tmp_path / "first").iterdir())) == 2
    token.fails(*keygen(tmp_path, "second"), code=5, error="key_exists")
    token.ok(*keygen(tmp_path, "third", "more"))
    assert marks(token) == []
    token.ok("audit", "verify")
