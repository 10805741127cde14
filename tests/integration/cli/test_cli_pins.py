"""PINs: sent once, remembered across processes, asked for on a terminal only, never shown."""

from __future__ import annotations

import os
from pathlib import Path

from tests.integration.cli.harness import Cli
from tests.softhsm import SoftHsm

PIN = "648219"
WRONG = "000000000000"


def pin_file(cli: Cli) -> Path:
    (file,) = [*cli.folder.glob("*.pin"), *cli.folder.glob("*.passphrase")]
    return file


def asking(tmp_path: Path) -> Cli:
    """A user whose token wants its PIN typed."""
    hsm = SoftHsm(tmp_path / "softhsm")
    token = hsm.create_token("desk", pin=PIN)
    cli = Cli(tmp_path / "home", hsm.env)
    cli.ok("init", "--backend", "softhsm", "--token-serial", token.serial, "--chain-id", "test-1")
    return cli


def test_a_wrong_pin_is_sent_once_and_blocks_until_unlock(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    file = pin_file(cli)
    right = file.read_text()
    file.write_text(WRONG)
    first = cli.fails("keygen", "--label", "x", code=7, error="pin_incorrect")
    assert "unlock" in first["hint"]
    for command in (["keygen", "--label", "x"], ["keys", "sync"], ["keys", "delete", "ops", "--destroy", "--yes"]):
        assert "no PIN was sent" in cli.fails(*command, code=7, error="pin_blocked")["message"]
    # Correcting the source alone does not unlock: nobody knows whether the correction is right.
    file.write_text(right)
    cli.fails("keygen", "--label", "x", code=7, error="pin_blocked")
    status = cli.run("status", "-o", "json")
    assert (status.code, status.data["problems"][0]["code"]) == (7, "pin_blocked")
    (blocked,) = status.data["blocked_logins"]
    assert blocked["status"] == "failed"
    assert str(file) in blocked["source"]
    assert "blocked logins" in cli.run("status").out
    unseen = cli.run("status", "--no-login", "-o", "json")
    assert (unseen.code, unseen.data["problems"][0]["code"]) == (7, "pin_blocked")
    assert "unlock" in unseen.data["problems"][0]["hint"]
    assert cli.json("unlock")["login"] == "ok"
    assert cli.json("status")["blocked_logins"] == []
    cli.ok("keygen", "--label", "x")


def test_unlock_with_a_wrong_pin_tries_once_and_blocks_again(cli: Cli) -> None:
    file = pin_file(cli)
    right = file.read_text()
    file.write_text(WRONG)
    cli.fails("unlock", code=7, error="pin_incorrect")
    cli.fails("keys", "sync", code=7, error="pin_blocked")
    file.write_text(right)
    assert "the login works" in cli.ok("unlock")
    kinds = [entry["kind"] for entry in cli.json("audit", "tail")]
    assert kinds == ["login.unlock.intent", "login.unlock.outcome"] * 2


def test_a_pin_never_appears_in_any_output_or_file(cli: Cli) -> None:
    secret = "Wr0ng-Secret-77123"
    file = pin_file(cli)
    file.write_text(secret)
    outputs = [
        cli.run(*command, "-vv", "-o", form)
        for command in (["keygen", "--label", "x"], ["status"], ["unlock"], ["config", "show"], ["config", "check"])
        for form in ("text", "json")
    ]
    assert [done for done in outputs if secret in done.out + done.err] == []
    files = [path for path in cli.home.rglob("*") if path.is_file() and path != file]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_a_pin_file_that_others_can_read_is_refused(cli: Cli) -> None:
    pin_file(cli).chmod(0o644)
    cli.fails("keygen", "--label", "x", code=3, error="insecure_file")
    done = cli.run("config", "check", "-o", "json")
    assert done.code == 3
    assert [one["error"]["code"] for one in done.data["findings"] if not one["ok"]] == ["insecure_file"]
    # Nothing was sent, so nothing is blocked.
    pin_file(cli).chmod(0o600)
    cli.ok("keygen", "--label", "x")


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    cli = asking(tmp_path)
    cli.fails("keygen", "--label", "x", code=7, error="pin_required")
    done = cli.run("status", "-o", "json", stdin=PIN.encode())
    assert done.code == 0
    assert any("not compared" in warning for warning in done.data["warnings"])
    assert done.data["providers"][0]["state"] == "locked"


def test_on_a_terminal_the_pin_is_asked_for_without_echo(tmp_path: Path) -> None:
    cli = asking(tmp_path)
    done = cli.on_terminal("keygen", "--label", "ops", answers={"PIN for token desk": PIN})
    assert done.code == 0, done
    assert "extractable" in done.out
    assert PIN not in done.out
    done = cli.on_terminal("status", "--login", answers={"PIN for token desk": PIN})
    assert done.code == 0, done
    assert "1 with a record" in done.out
    # Even on a terminal status asks for nothing by itself.
    assert "not compared" in cli.on_terminal("status", answers={}).out


def test_pins_from_a_file_descriptor_a_variable_and_a_command(tmp_path: Path) -> None:
    hsm = SoftHsm(tmp_path / "softhsm")
    token = hsm.create_token("desk", pin=PIN)
    cli = Cli(tmp_path / "home", hsm.env)
    base = ["init", "--backend", "softhsm", "--force", "--pin-source"]
    cli.ok(*base, f"command:/bin/cat {token.pin_file}")
    cli.ok("keygen", "--label", "a")
    cli.ok(*base, "env:TOKEN_PIN")
    assert cli.run("keygen", "--label", "b", env={"TOKEN_PIN": PIN}).code == 0
    cli.fails("keygen", "--label", "c", code=7, error="pin_required")
    read, write = os.pipe()
    try:
        os.write(write, PIN.encode())
        os.close(write)
        cli.ok(*base, f"fd:{read}")
        assert cli.run("keygen", "--label", "c", pass_fds=(read,)).code == 0
    finally:
        os.close(read)
    assert cli.json("keys", "list", "-n") == ["a", "b", "c"]


def test_init_asks_twice_for_a_new_passphrase(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "home")
    command = ["init", "--backend", "software", "--pin-source", "prompt"]
    differing = cli.on_terminal(*command, answers={"passphrase for": "correct horse", "again": "correct house"})
    assert differing.code == 7
    assert "differ" in differing.out
    assert not cli.config.exists()
    done = cli.on_terminal(*command, answers={"passphrase for": "correct horse", "again": "correct horse"})
    assert done.code == 0, done
    assert "correct horse" not in done.out
    assert cli.on_terminal("keygen", "--label", "x", answers={"passphrase": "correct horse"}).code == 0
    wrong = cli.on_terminal("keygen", "--label", "y", answers={"passphrase": "incorrect horse"})
    assert (wrong.code, "pin_incorrect" in wrong.out) == (7, True)
    assert "pin_blocked" in cli.on_terminal("keygen", "--label", "y", answers={}).out
    assert cli.on_terminal("unlock", answers={"passphrase": "correct horse"}).code == 0
