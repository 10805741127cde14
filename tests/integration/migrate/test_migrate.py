"""Keyrings that the SDK wrote move into a SoftHSM2 token: the same addresses, proved, and no key twice."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cosmos_formats import address
from cosmos_formats.anyvalue import AnyValue
from cosmos_formats.multisig import pubkey_from_any
from cosmos_formats.pubkeys import KeyType, PublicKey
from cosmos_formats.verify import verify
from keyring_bridge.bridge import CHALLENGE_PREFIX
from keyring_bridge.errors import Exit
from keyring_bridge.store.base import LastSigned
from keyring_bridge.store.sqlite import SqliteStore
from tests.integration.cli.harness import COMMAND, Cli
from tests.integration.migrate.folders import private_objects, restore, snapshot

pytestmark = pytest.mark.softhsm

Copy = Callable[[str, str], Path]

# Of the fixtures: a second name of one address, and a name that the SDK itself would not find again.
ODD = ("--skip", "alice again", "--rename", "x.info=x", "--purpose", "account")


def expected(project_root: Path, version: str) -> dict[str, Any]:
    keys = json.loads((project_root / "fixtures" / "keyrings" / version / "keys.json").read_text())["keys"]
    return {key["name"]: key for key in keys}


def public_key(version: str, key: dict[str, Any]) -> PublicKey:
    data = bytes.fromhex(key["public_key"])
    if version == "v045":  # it has no packed form of single keys
        return PublicKey(KeyType.ED25519 if len(data) == 32 else KeyType.SECP256K1, data)
    found = pubkey_from_any(AnyValue.decode(data))
    assert isinstance(found, PublicKey)
    return found


def in_token(user: Cli) -> Counter[str]:
    """Labels of the keys in the token, with and without a record."""
    (provider,) = user.json("status")["providers"]
    keys = provider["keys"]
    assert keys["only_in_token"] == []
    assert keys["only_in_store"] == []
    return Counter(keys["in_both"])


@pytest.mark.parametrize(
    ("version", "backend"), [("v053", "file"), ("v053", "test"), ("v045", "file"), ("v045", "test")]
)
def test_a_keyring_keeps_its_addresses(
    token: Cli, keyring: Copy, password: str, project_root: Path, version: str, backend: str
) -> None:
    source = keyring(version, backend)
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    odd = ODD if version == "v053" else ("--purpose", "account")
    options = (*odd, *(("--password", password) if backend == "file" else ()))
    done = token.json("migrate", str(source), *options)
    wanted = expected(project_root, version)
    if version == "v053":
        del wanted["alice again"]
        wanted["x"] = wanted.pop("x.info")
    records = {record["name"]: record for record in token.json("keys", "list")}
    assert records.keys() == wanted.keys()
    local = {name for name, key in wanted.items() if key["type"] == "local"}
    assert local
    for name, record in records.items():
        assert address.decode(record["address"])[1].hex() == wanted[name]["address"], name
        assert (record["type"], record["provider"]) == (wanted[name]["type"], "pkcs11" if name in local else None)
    proved = {key["name"]: key for key in done["keys"] if "proof" in key}
    assert proved.keys() == local
    for name, key in proved.items():
        message, signature = (bytes.fromhex(key["proof"][part]) for part in ("message", "signature"))
        assert message.startswith(CHALLENGE_PREFIX)
        assert verify(public_key(version, wanted[name]), message, signature), name
        assert key["extractable"] is False
    assert in_token(token) == Counter(local)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before

    # Once more: everything is there, and proves itself again.
    again = token.json("migrate", str(source), *options)
    assert {key["action"] for key in again["keys"]} == {"nothing"}
    assert in_token(token) == Counter(local)
    assert token.run("audit", "verify").code == 0


def test_the_plan_touches_nothing(token: Cli, keyring: Copy, password: str) -> None:
    source = keyring("v053", "file")
    done = token.run("--output", "json", "migrate", str(source), "--password", password, "--dry-run")
    assert done.code == 5
    rows = {row["name"]: row for row in done.data["keys"]}
    assert (rows["alice"]["action"], rows["device"]["action"], rows["group"]["action"]) == ("import", "save", "save")
    assert "--purpose" in rows["consensus"]["problems"][0]
    assert "--rename" in rows["x.info"]["problems"][0]
    assert "the address of alice" in rows["alice again"]["problems"][0]
    assert any("lies" in warning for warning in done.data["warnings"])
    # The same without --dry-run refuses the whole, for one key would be left behind.
    token.fails("migrate", str(source), "--password", password, code=5, error="migration_refused")
    assert token.json("keys", "list") == []
    assert in_token(token) == Counter()


def test_a_wrong_password_is_tried_once_and_touches_nothing(token: Cli, keyring: Copy, tmp_path: Path) -> None:
    source = keyring("v053", "file")
    wrong = tmp_path / "wrong"
    wrong.touch(0o600)
    wrong.write_text("another password\n")
    error = token.fails(
        "migrate", str(source), *ODD, "--password", f"file:{wrong}", code=7, error="source_password_incorrect"
    )
    assert "another password" not in json.dumps(error)
    assert in_token(token) == Counter()


def test_a_damaged_item_stops_everything_before_the_token_is_touched(token: Cli, keyring: Copy, password: str) -> None:
    source = keyring("v053", "file")
    item = source / "alice.info"
    item.write_bytes(item.read_bytes()[:-20])
    done = token.run("--output", "json", "migrate", str(source), *ODD, "--password", password, "--dry-run")
    assert done.code == 5
    (alice,) = (row for row in done.data["keys"] if row["source_name"] == "alice")
    assert "cannot be read" in alice["problems"][0]
    token.fails("migrate", str(source), *ODD, "--password", password, code=5, error="migration_refused")
    assert in_token(token) == Counter()
    # Leaving it out is a decision of the officer's.
    token.ok("migrate", str(source), *ODD, "--skip", "alice", "--skip", "group", "--password", password)
    assert "alice" not in in_token(token)


def validator_key(project_root: Path, tmp_path: Path) -> Path:
    """A node's key file, with the state of what it signed beside it."""
    folder = project_root / "fixtures" / "validators" / "ed25519"
    home = tmp_path / "node"
    (home / "config").mkdir(parents=True, mode=0o700)
    (home / "data").mkdir(mode=0o700)
    for name, place in (
        ("priv_validator_key.json", "config/priv_validator_key.json"),
        ("state_precommit.json", "data/priv_validator_state.json"),
    ):
        shutil.copyfile(folder / name, home / place)
        (home / place).chmod(0o600)
    return home / "config" / "priv_validator_key.json"


def test_whoever_may_not_import_leaves_no_trace(token: Cli, project_root: Path, tmp_path: Path) -> None:
    policy = token.folder / "policy.toml"
    allowed = policy.read_text()
    denied = re.sub(r"(?m)^import = .*$", "import = []", allowed)
    assert denied != allowed
    policy.write_text(denied)
    key = validator_key(project_root, tmp_path)
    token.fails("migrate", str(key), "--name", "val", code=6, error="policy_denied")
    assert token.json("migrate", "list") == []
    content = json.loads(key.read_text())
    fingerprint = sha256(base64.b64decode(content["pub_key"]["value"])).hexdigest()
    with SqliteStore(token.folder / "state" / "store.sqlite") as store:
        assert not store.last_signed(fingerprint)
    policy.write_text(allowed)
    token.ok("migrate", str(key), "--name", "val")
    with SqliteStore(token.folder / "state" / "store.sqlite") as store:
        assert store.last_signed(fingerprint)


def test_a_validators_key_waits_for_its_floor(token: Cli, project_root: Path, tmp_path: Path) -> None:
    key = validator_key(project_root, tmp_path)
    done = token.json("migrate", str(key), "--name", "val")
    (row,) = done["keys"]
    assert (row["purpose"], row["needs_floor"], row["key_type"]) == ("consensus", True, str(KeyType.ED25519))
    assert "NEEDS FLOOR" in token.ok("keys", "list")
    with SqliteStore(token.folder / "state" / "store.sqlite") as store:
        record = store.get("val")
        assert record is not None
        assert record.fingerprint is not None
        assert list(store.last_signed(record.fingerprint).values()) == [LastSigned(2**53 + 1, 2**31 - 1, 3)]
    token.fails("sign", "val", code=5, error="cannot_sign", stdin=b"{}")


def test_a_key_that_has_no_record_yet_is_adopted_and_not_imported_again(token: Cli, keyring: Copy) -> None:
    source = keyring("v053", "test")
    command = ("migrate", str(source), *ODD, "--key", "alice", "--key", "a/b", "--key", "x.info")
    token.ok(*command)
    once = Counter({"alice": 1, "a/b": 1, "x": 1})
    assert private_objects(token) == once
    # As a run leaves it that was killed after the token had the key, and before anybody wrote that down.
    with SqliteStore(token.folder / "state" / "store.sqlite") as store:
        store.delete("alice")
    (journal,) = (token.folder / "state" / "migrations").glob("*.jsonl")
    lines = [line for line in journal.read_text().splitlines(keepends=True) if json.loads(line).get("name") != "alice"]
    journal.write_text("".join(lines) + '{"v":1,"event":"rec')
    rows = {row["name"]: row for row in token.json(*command)["keys"]}
    assert {name: row["action"] for name, row in rows.items()} == {"alice": "adopt", "a/b": "nothing", "x": "nothing"}
    assert "proof" in rows["alice"]
    assert private_objects(token) == once


KILLS = int(os.environ.get("MIGRATION_KILLS", "40"))
"""How often a migration is killed; MIGRATION_KILLS=200 is the long run."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_any_moment_it_finishes_the_next_time(
    token: Cli, keyring: Copy, project_root: Path, tmp_path: Path
) -> None:
    source = keyring("v053", "test")
    command = [*COMMAND, "migrate", str(source), *ODD]
    local = {name for name, key in expected(project_root, "v053").items() if key["type"] == "local"}
    wanted = Counter(local - {"x.info"} | {"x"})
    chance = random.Random(os.environ.get("MIGRATION_SEED", "7"))  # noqa: S311  # of moments, not of keys
    state = token.folder / "state"
    journal = state / "migrations"
    # How long a run takes is measured here, so that the kills fall all over it on any machine.
    fresh, took = snapshot(token, tmp_path / "fresh"), timed(command, token)
    restore(token, fresh)
    unfinished = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            command, env=token.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(chance.uniform(0.3, 1.0) * took)
        process.send_signal(signal.SIGKILL)
        killed = process.wait() == -signal.SIGKILL
        unfinished += killed and journal.is_dir()
        again = token.run("--output", "json", "migrate", str(source), *ODD)
        if again.code == Exit.AUTH:
            # It died while the token was asked for the PIN: the guard lets nobody go on but a person.
            assert again.error["code"] == "pin_blocked"
            token.ok("unlock")
            again = token.run("--output", "json", "migrate", str(source), *ODD)
        assert again.code == 0, again
        assert in_token(token) == wanted
        assert private_objects(token) == wanted
        assert token.run("audit", "verify").code == 0
        restore(token, fresh)
    assert unfinished, "no run was killed at work"


def timed(command: list[str], user: Cli) -> float:
    started = time.monotonic()
    subprocess.run(command, env=user.env, check=True, capture_output=True)
    return time.monotonic() - started
