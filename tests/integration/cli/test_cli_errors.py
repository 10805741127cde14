"""What goes wrong ends in a stable code, an exit code, and one JSON document on standard output."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from cosmos_formats.pubkeys import PublicKey
from tests.integration.cli.conftest import CHAIN
from tests.integration.cli.harness import COMMAND, Cli
from tests.shim.shim import Shim
from tests.softhsm import SoftHsm, find_library
from tests.unit.bridge.sign_docs import send_doc

EVERY_COMMAND = [
    ["keygen", "--label", "x"],
    ["keys", "list"],
    ["keys", "show", "x"],
    ["keys", "add", "x", "--label", "x"],
    ["keys", "delete", "x", "--yes"],
    ["keys", "rename", "x", "y"],
    ["keys", "sync"],
    ["sign", "x"],
    ["status"],
    ["audit", "tail"],
    ["audit", "verify"],
    ["config", "show"],
    ["config", "check"],
    ["unlock"],
]


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
def test_without_a_configuration_the_way_to_one_is_shown(nobody: Cli, command: list[str]) -> None:
    error = nobody.fails(*command, code=3, error="config_missing")
    assert "hsm init" in error["hint"]
    assert not nobody.folder.exists()


def test_text_errors_go_to_standard_error(nobody: Cli) -> None:
    done = nobody.run("keys", "list")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: ")
    assert "[config_missing]" in done.err
    assert "hint: " in done.err


@pytest.mark.parametrize(
    "arguments",
    [["--output", "json"], ["keys", "--output", "json"], ["nothing", "-o", "json"], ["-o", "json", "keygen"],
     ["status", "--output=json", "--wrong"], ["keys", "list", "--outputs", "json", "--output", "json"]],
    ids=" ".join,
)  # fmt: skip
def test_errors_of_the_parser_are_json_too(nobody: Cli, arguments: list[str]) -> None:
    done = nobody.run(*arguments)
    assert done.code == 2
    assert done.error["code"] == "usage_error"
    assert done.err == ""


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ("default_provder = 1\n", "config_invalid", ["default_provder", "default_provider"]),
        ("version = 2\n", "config_invalid", ["version"]),
        ("chain_id = 7\n", "config_invalid", ["chain_id"]),
        ("[\n", "config_invalid", []),
        ("\x00", "config_invalid", []),
    ],
)
def test_a_wrong_configuration_names_the_place(nobody: Cli, change: str, code: str, told: list[str]) -> None:
    nobody.folder.mkdir(mode=0o700)
    base = "" if "version" in change else "version = 1\n"
    nobody.config.write_text(base + change)
    nobody.config.chmod(0o600)
    message = nobody.fails("keys", "list", code=3, error=code)["message"]
    assert all(word in message for word in told), message


def test_an_unknown_option_of_a_provider_names_the_nearest(token: Cli) -> None:
    token.config.write_text(token.config.read_text().replace("pin_source", "pin_sourc"))
    message = token.fails("keygen", "--label", "x", code=3, error="config_invalid")["message"]
    assert "providers.pkcs11.pin_sourc" in message
    assert "pin_source" in message
    assert token.run("config", "check").code == 3
    assert token.run("keys", "list").code == 0


def test_a_configuration_that_others_can_write_is_refused(cli: Cli) -> None:
    cli.config.chmod(0o666)
    cli.fails("status", code=3, error="insecure_file")


BAD_NAMES = ["", " x", "x ", "a\nb", "\x1b[2J", "evil\u202egnp", "n" * 10_000, "x.info", "e\u0301", "\u200b"]


def test_bad_names_are_refused(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    for name in BAD_NAMES:
        assert "\x1b" not in str(cli.fails("keygen", "--label", name, code=2, error="invalid_name"))
    cli.fails("keys", "rename", "ops", "evil\u202egnp", code=2, error="invalid_name")


def test_a_name_that_is_not_utf8_is_refused(settled: Cli) -> None:
    argv = [os.fsencode(word) for word in [*COMMAND, "keygen", "--label"]] + [b"\xff\xfe", b"-o", b"json"]
    done = subprocess.run(argv, env=settled.env, capture_output=True, check=False, start_new_session=True)
    assert done.returncode == 2
    assert b"invalid_name" in done.stdout


def test_unusual_names_work(cli: Cli) -> None:
    names = ["a/b", "../../etc/passwd", ".", "ключ", "鍵", "with space", "-", "quote'\"", "$(x)", "--help"]
    for name in names:
        assert cli.json("keygen", f"--label={name}")["name"] == name
    assert sorted(cli.json("keys", "list", "-n")) == sorted(names)
    text = cli.ok("keys", "list")
    assert all(name in text for name in names)
    for name in names[-2:]:
        assert cli.json("keys", "show", "--", name)["name"] == name
        assert cli.json("keys", "delete", "--destroy", "--yes", "--", name)["name"] == name


@pytest.mark.parametrize(
    ("library", "error"),
    [("/no/such/library.so", "library_missing"), ("plain.so", "library_invalid"), ("libc", "library_invalid")],
)
def test_init_refuses_what_is_not_a_pkcs11_library(nobody: Cli, library: str, error: str) -> None:
    (nobody.home / "plain.so").write_text("not a library")
    place = {"plain.so": str(nobody.home / "plain.so"), "libc": _libc()}.get(library, library)
    assert "--library" in nobody.fails("init", "--library", place, code=3, error=error)["hint"]
    assert not nobody.config.exists()


def _libc() -> str:
    maps = Path("/proc/self/maps").read_text().splitlines()
    return next(line.split()[-1] for line in maps if "/libc" in line)


@pytest.mark.parametrize(
    ("option", "value"), [("--chain-id", ""), ("--chain-id", "c" * 60), ("--message", "MsgSend"), ("--message", "")]
)
def test_no_key_is_made_or_added_for_a_policy_that_cannot_be_written(cli: Cli, option: str, value: str) -> None:
    cli.fails("keygen", "--label", "ops", option, value, code=2, error="usage_error")
    assert cli.json("status")["providers"][0]["keys"]["only_in_token"] == cli.json("keys", "list") == []
    cli.ok("keygen", "--label", "ops")
    cli.ok("keys", "delete", "ops", "--yes")
    cli.fails("keys", "add", "ops", "--label", "ops", option, value, code=2, error="usage_error")
    assert cli.json("keys", "list") == []


def test_an_empty_path_of_a_configuration_is_refused(nobody: Cli) -> None:
    for command in (["keys", "list"], ["init", "--backend", "software"]):
        nobody.fails(*command, "--config", "", code=2, error="usage_error")


def test_init_refuses_a_library_that_anybody_can_write(nobody: Cli) -> None:
    copy = nobody.home / "module.so"
    shutil.copy(find_library(), copy)
    copy.chmod(0o777)
    nobody.fails("init", "--library", str(copy), code=3, error="insecure_file")


def test_init_finds_one_token_or_says_which_there_are(tmp_path: Path) -> None:
    hsm = SoftHsm(tmp_path / "softhsm")
    cli = Cli(tmp_path / "home", hsm.env)
    missing = cli.fails("init", "--backend", "softhsm", "--token-label", "a", code=4, error="token_not_found")
    assert "hsm init --create-token" in missing["hint"]
    first, second = hsm.create_token("a"), hsm.create_token("b")
    error = cli.fails("init", "--backend", "softhsm", code=3, error="token_ambiguous")
    for one in (first, second):
        assert f"{one.label!r}, serial {one.serial}" in error["detail"]
    assert "--token-serial" in error["hint"]
    wanted = {
        "--token-label=b": second,
        f"--token-serial={first.serial}": first,
        f"--slot-id={second.slot_id}": second,
        "--slot=0": None,
    }
    for option, token in wanted.items():
        answer = cli.json("init", "--backend", "softhsm", option, "--force")
        assert answer["token"]["serial"] in ({token.serial} if token else {first.serial, second.serial})
        assert f'token_serial = "{answer["token"]["serial"]}"' in cli.config.read_text()
        assert answer["pin_source"] == "prompt"
    cli.fails("init", "--backend", "softhsm", "--slot", "7", "--force", code=4, error="token_not_found")


def test_init_makes_no_second_token_of_a_label_and_leaves_no_pin_behind(token: Cli) -> None:
    other = token.home / "other" / "config.toml"
    arguments = ["--config", str(other), "init", "--create-token", "--token-label", "desk"]
    token.fails(*arguments, code=3, error="token_ambiguous")
    assert [path.name for path in other.parent.iterdir()] == []
    # A PIN file that is there belongs to another token, and survives.
    kept = other.parent / "pkcs11.pin"
    kept.write_text("123456")
    kept.chmod(0o600)
    token.fails(*arguments, code=3, error="config_invalid")
    assert kept.read_text() == "123456"


def test_init_with_a_pin_that_does_not_fit_makes_no_token(tmp_path: Path) -> None:
    hsm = SoftHsm(tmp_path / "softhsm")
    cli = Cli(tmp_path / "home", hsm.env)
    short = f"file:{hsm.write_pin('12')}"
    told = cli.fails("init", "--create-token", "--pin-source", short, code=7, error="pin_incorrect")
    assert "4 to 255" in told["message"]
    assert [*hsm.token_dir.iterdir()] == []
    cli.ok("init", "--create-token")


def test_init_keeps_the_officers_pin_of_a_token_that_is_half_made(tmp_path: Path, shim_library: Path) -> None:
    shim = Shim(SoftHsm(tmp_path / "softhsm"), shim_library)
    cli = Cli(tmp_path / "home", shim.env)
    shim.control("fail C_Login * 5")
    told = cli.fails("init", "--create-token", "--library", str(shim.library), code=8, error="provider_failed")
    assert "security officer" in told["hint"]
    assert len((cli.folder / "pkcs11.so-pin").read_text()) == 24


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["--backend", "pkcs12"], 3, "backend_unknown"),
        (["--backend", "ledger"], 2, "not_available"),
        (["--backend", "aws"], 2, "not_available"),
        (["--backend", "software", "--slot", "1"], 2, "usage_error"),
        (["--backend", "software", "--create-token"], 2, "usage_error"),
        (["--backend", "software", "--prefix", "VE"], 2, "usage_error"),
        (["--backend", "software", "--chain-id", " "], 2, "usage_error"),
        (["--backend", "software", "--pin-source", "secret123"], 3, "config_invalid"),
        (["--backend", "software", "--pin-source", "prompt"], 7, "pin_required"),
        (["--backend", "software", "--config", "hsm.json"], 2, "usage_error"),
        (["--create-token", "--slot", "0"], 2, "usage_error"),
        (["--backend", "softhsm", "--slot", "-1"], 2, "usage_error"),
        (["--backend", "softhsm", "--slot-id", "-1"], 2, "usage_error"),
        (["--create-token", "--provider", "a/b"], 2, "usage_error"),
        (["--backend", "software", "--provider", ""], 2, "usage_error"),
        (["--preset", "nobody"], 3, "config_invalid"),
        ([], 3, "config_invalid"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_init_refuses(nobody: Cli, arguments: list[str], code: int, error: str) -> None:
    told = nobody.fails("init", *arguments, code=code, error=error)
    assert "secret123" not in str(told)
    assert not nobody.config.exists()
    assert [path.name for path in nobody.home.rglob("*.pin")] == []


def test_unknown_providers_and_backends_are_named(settled: Cli) -> None:
    settled.fails("keygen", "--label", "x", "--provider", "none", code=3, error="config_invalid")
    settled.fails("status", "--backend", "ledger", code=3, error="config_invalid")


def test_a_second_provider_is_reached_by_name_and_backend(token: Cli) -> None:
    config = token.config.read_text()
    other = token.home / "soft"
    passphrase = other / "software.passphrase"
    token.ok("init", "--backend", "software", "--config", str(other / "config.toml"))
    keys = other / "state" / "software.keys"
    token.config.write_text(
        f'{config}\n[providers.spare]\nbackend = "software"\nfile = "{keys}"\npin_source = "file:{passphrase}"\n'
    )
    assert token.json("keygen", "--label", "a", "--backend", "software")["provider"] == "spare"
    assert token.json("keygen", "--label", "b", "--provider", "spare")["provider"] == "spare"
    assert token.json("keygen", "--label", "c", "--backend", "softhsm")["provider"] == "pkcs11"
    assert token.json("keygen", "--label", "d")["provider"] == "pkcs11"
    status = {one["name"]: one for one in token.json("status")["providers"]}
    assert sorted(status["spare"]["keys"]["in_both"]) == ["a", "b"]
    assert sorted(status["pkcs11"]["keys"]["in_both"]) == ["c", "d"]
    assert [one["name"] for one in token.json("status", "--backend", "software")["providers"]] == ["spare"]


def test_a_token_that_is_gone_is_a_problem_and_not_the_end(token: Cli, tmp_path: Path) -> None:
    token.ok("keygen", "--label", "ops")
    shutil.rmtree(tmp_path / "softhsm" / "tokens")
    (tmp_path / "softhsm" / "tokens").mkdir()
    done = token.run("status", "-o", "json")
    assert done.code == 4
    assert done.data["providers"][0]["state"] == "disconnected"
    assert done.data["providers"][0]["hardware"] is None
    assert done.data["records"] == 1
    assert token.json("keys", "list", "-n") == ["ops"]
    key = PublicKey.from_proto_json(json.loads(token.ok("keys", "show", "ops", "-p")))
    token.fails("sign", "ops", code=4, error="token_not_found", stdin=send_doc(key, CHAIN))


def test_a_broken_policy_signs_nothing_makes_no_key_and_is_told(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    (cli.folder / "policy.toml").write_text("version = 1\nkeys = 7\n")
    done = cli.run("status", "-o", "json")
    assert (done.code, done.data["problems"][0]["code"]) == (3, "policy_invalid")
    key = PublicKey.from_proto_json(json.loads(cli.ok("keys", "show", "ops", "-p")))
    cli.fails("sign", "ops", code=3, error="policy_invalid", stdin=send_doc(key, CHAIN))
    cli.fails("keygen", "--label", "more", code=3, error="policy_invalid")
    assert cli.json("keys", "list", "-n") == ["ops"]
    assert cli.ok("keys", "sync", "--dry-run") == "store and token agree\n"


def test_a_damaged_store_is_told_by_every_command(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    (cli.folder / "state" / "store.sqlite").write_bytes(b"garbage" * 1000)
    for side in ("-wal", "-shm"):
        (cli.folder / "state" / f"store.sqlite{side}").unlink(missing_ok=True)
    cli.fails("keys", "list", code=9, error="store_failed")
    done = cli.run("status", "-o", "json")
    assert (done.code, done.data["problems"][0]["code"]) == (9, "store_failed")


def test_an_audit_log_that_cannot_be_written_stops_everything_but_reading(cli: Cli) -> None:
    cli.ok("keygen", "--label", "ops")
    log = cli.folder / "state" / "audit.jsonl"
    log.unlink()
    log.mkdir()
    assert cli.run("keygen", "--label", "more").code == 9
    assert cli.json("keys", "list", "-n") == ["ops"]
    status = cli.run("status", "-o", "json")
    assert (status.code, status.data["records"], status.data["policy"]["keys"]) == (9, 1, ["ops"])


def test_closed_and_full_streams_do_no_harm(settled: Cli) -> None:
    for redirection, code in ((">&-", 0), ("2>&-", 0), (">/dev/full", 1), ("<&-", 0)):
        line = f'"$@" {redirection}'
        done = subprocess.run(
            ["sh", "-c", line, "sh", *COMMAND, "keys", "list"], env=settled.env, capture_output=True, check=False
        )
        assert done.returncode == code, (redirection, done)
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["keys", "list"], ["--help"], ["keys", "show", "none", "-o", "json"]])
def test_nobody_reads_the_output(settled: Cli, command: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*COMMAND, *command], env=settled.env, stdout=write, stderr=subprocess.PIPE, check=False, timeout=60
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_ctrl_c_ends_quietly(settled: Cli) -> None:
    process = subprocess.Popen(
        [*COMMAND, "sign", "ops"],
        env=settled.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    try:
        while not _reads_pipe(process.pid):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err.strip()) == (130, b"", b"interrupted")


def _reads_pipe(pid: int) -> bool:
    """Whether the process sits in read(0, …)."""
    try:
        number, first = Path(f"/proc/{pid}/syscall").read_text().split()[:2]
    except (OSError, ValueError):
        return False
    return (number, first) == ("0", "0x0")


def test_output_survives_an_ascii_terminal(settled: Cli, tmp_path: Path) -> None:
    done = settled.run("keys", "show", "ключ", env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    assert done.code == 4
    assert "key not found" in done.err


def test_the_chain_of_a_starter_is_the_configured_one(cli: Cli) -> None:
    assert cli.json("keygen", "--label", "a")["policy"]["chains"] == [CHAIN]
    assert cli.json("keygen", "--label", "b", "--chain-id", "other-2")["policy"]["chains"] == ["other-2"]
