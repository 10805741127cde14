"""A migration's report: the truth, signed by every key, without a secret, and checked by others than us too."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cosmos_formats.file_keyring import TEST_PASSWORD
from keyring_bridge.keyring_directory import KeyringDirectory, KeyringKind
from tests.integration.migrate.folders import contents

if TYPE_CHECKING:
    from tests.integration.cli.harness import Cli

pytestmark = pytest.mark.softhsm

Copy = Callable[[str, str], Path]
ODD = ("--skip", "alice again", "--rename", "x.info=x", "--purpose", "account")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def reported(token: Cli, keyring: Copy, tmp_path: Path) -> tuple[Cli, Path, Path]:
    """A user who migrated a keyring, the keyring, and the report."""
    source, report = keyring("v053", "test"), tmp_path / "report.json"
    token.ok("migrate", str(source), *ODD, "--report", str(report))
    return token, source, report


def secrets(source: Path) -> list[bytes]:
    """The private keys of a `test` keyring."""
    directory = KeyringDirectory.find(source, KeyringKind.TEST)
    items = [item for item in directory.items() if item.endswith(".info")]
    entries = [directory.entry(item, TEST_PASSWORD) for item in items]
    return [bytes(entry.private_key) for entry in entries if entry.private_key]


def independent() -> str:
    """The program in the documentation."""
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/migration.md").read_text(), re.DOTALL)
    return str(program)


def others_say(report: Path) -> list[str] | None:
    """The addresses that the documentation's program finds to have signed; None if it refuses the report."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", independent(), str(report)], capture_output=True, text=True, check=False
    )
    return re.findall("signed by (.*)", done.stdout) if done.returncode == 0 else None


def test_a_report_tells_what_was_done_and_is_signed_by_every_key(reported: tuple[Cli, Path, Path]) -> None:
    user, source, path = reported
    report = json.loads(path.read_text())
    records = {record["name"]: record for record in user.json("keys", "list")}
    assert {key["name"]: key["address"] for key in report["keys"]} == {
        name: record["address"] for name, record in records.items()
    }
    local = {key["address"] for key in report["keys"] if key["type"] == "local"}
    digests = {one["name"]: one["sha256"] for key in report["keys"] for one in key["source_files"]}
    from hashlib import sha256

    files = contents(source)
    assert digests.items() <= {name: sha256(content).hexdigest() for name, content in files.items()}.items()
    assert {"alice.info", "device.info", "group.info"} <= digests.keys()
    alice = next(key for key in report["keys"] if key["name"] == "alice")
    assert (alice["attributes"]["extractable"], alice["attributes"]["generated_in_token"]) == (False, False)
    checked = user.json("migrate", "report", "--check", str(path))
    assert {one["address"] for one in checked["signed_by"]} == local
    assert set(others_say(path) or ()) == local
    text = path.with_suffix(".txt").read_text()
    assert all(key["address"] in text for key in report["keys"])
    assert checked["statement"] in text
    # Neither the report nor what it is made of has a secret in it, in any form that one would look for.
    import base64

    made = b"".join(one.read_bytes() for one in (path, path.with_suffix(".txt"), *journals(user)))
    for secret in secrets(source):
        assert not any(form in made.lower() for form in (secret, secret.hex().encode()))
        assert base64.b64encode(secret)[:-2] not in made


def journals(user: Cli) -> list[Path]:
    return list((user.folder / "state" / "migrations").iterdir())


def test_a_report_can_be_made_again_also_of_a_retired_source(reported: tuple[Cli, Path, Path], tmp_path: Path) -> None:
    user, source, path = reported
    user.ok("migrate", "retire", str(source), "--accept-single-copy", "--yes")
    again = tmp_path / "again"
    user.ok("migrate", "report", "--report", str(again))
    assert user.json("migrate", "report", "--check", str(again))["good"]
    first, second = json.loads(path.read_text()), json.loads(again.read_text())
    assert (first["state"], second["state"]) == ("done", "retired")
    assert [key["source_files"] for key in first["keys"]] == [key["source_files"] for key in second["keys"]]
    assert (tmp_path / "again.txt").exists()
    shown = user.json("migrate", "report")
    assert shown["report"] == second["report"]
    assert "signature of this report" in user.ok("migrate", "report")
    user.fails("migrate", "report", "--report", str(again), code=2, error="usage_error")
    assert json.loads(again.read_text()) == second


def forged(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Reports that somebody changed."""

    def copy() -> dict[str, Any]:
        return dict(json.loads(json.dumps(report)))

    made = []
    for words, change in (
        ("another time", lambda one: one.update(made_at="2020-01-01T00:00:00Z")),
        ("another path", lambda one: one["source"].update(path="/elsewhere")),
        ("another address", lambda one: one["keys"][0].update(address=one["keys"][1]["address"])),
        ("another attribute", lambda one: one["keys"][0]["attributes"].update(extractable=True)),
        ("another digest", lambda one: one["keys"][0]["source_files"][0].update(sha256="00" * 32)),
        ("a key more", lambda one: one["keys"].append(one["keys"][0])),
        ("a key less", lambda one: one["keys"].pop(0)),
        ("a member more", lambda one: one.update(added=1)),
        ("a signature less", lambda one: one["signatures"].pop()),
        ("signatures exchanged", lambda one: one["signatures"][0].update(signature=one["signatures"][1]["signature"])),
    ):
        changed = copy()
        change(changed)  # type: ignore[no-untyped-call]
        made.append((words, changed))
    return made


def test_a_report_that_was_changed_is_found_out(reported: tuple[Cli, Path, Path], tmp_path: Path) -> None:
    user, _, path = reported
    for words, report in forged(json.loads(path.read_text())):
        changed = tmp_path / "changed.json"
        changed.write_text(json.dumps(report))
        done = user.run("--output", "json", "migrate", "report", "--check", str(changed))
        assert (done.code, done.data["good"]) == (9, False), words
        assert others_say(changed) is None, words


def test_a_report_is_checked_where_nothing_else_is(nobody: Cli, reported: tuple[Cli, Path, Path]) -> None:
    _, _, path = reported
    assert nobody.json("migrate", "report", "--check", str(path))["good"]
    for content in (b"", b"{}", b"[1]", b"\xff", path.read_bytes()[:-5], b'{"report":1,"report":2}'):
        bad = path.with_name("bad.json")
        bad.write_bytes(content)
        nobody.fails("migrate", "report", "--check", str(bad), code=9, error="migration_report_invalid")
