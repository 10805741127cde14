"""``hsm backup`` on one token, ``hsm restore`` on another, with real SoftHSM2 tokens and real processes."""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pyrage
import pytest

from keyring_bridge.backup.register import Register
from tests.integration.backup.conftest import AgeKey, User, make_user, private
from tests.integration.cli.harness import COMMAND
from tests.integration.migrate.folders import private_objects

pytestmark = pytest.mark.softhsm


def share_wrapping_key(age: AgeKey, *users: User) -> Path:
    """Make a wrapping key in the first user's token and bring it into the others'."""
    first, *others = users
    path = first.cli.home / "wrap.sealed"
    first.cli.ok(
        *("backup", "wrapping-key", "--new", "wrap", "--file", str(path), "--recipient", age.recipient),
        *("--so-pin", first.so_pin),
    )
    for other in others:
        other.cli.ok(
            *("backup", "wrapping-key", "--file", str(path), "--identity", age.identity, "--so-pin", other.so_pin)
        )
    return path


def make_keys(user: User) -> dict[str, Any]:
    """Two keys that can leave, one that cannot, a validator's, and one without a private half; their records."""
    for name in ("ops", "treasury"):
        user.cli.ok("keygen", "--label", name, "--wrappable")
    user.cli.ok("keygen", "--label", "stays")
    user.cli.ok("keygen", "--label", "val", "--purpose", "consensus")
    pubkey = json.dumps(
        {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": "AurroA7jvfPd1AadmmOvWM2rJSwipXfRf8yD6pLbA2DJ"}
    )
    user.cli.ok("keys", "add", "watched", "--pubkey", pubkey)
    return {record["name"]: record for record in user.cli.json("keys", "list")}


def back_up(user: User, age: AgeKey, name: str = "bundle") -> Path:
    path = user.cli.home / name
    user.cli.ok("backup", "--output", str(path), "--recipient", age.recipient)
    return path


def addresses(user: User) -> dict[str, str]:
    return {record["name"]: record["address"] for record in user.cli.json("keys", "list")}


def test_keys_come_back_on_another_token(desk: User, spare: User, age: AgeKey) -> None:
    share_wrapping_key(age, desk, spare)
    records = make_keys(desk)
    policy = desk.cli.folder / "policy.toml"
    policy.write_text(policy.read_text().replace("\nsign_modes", "\narbitrary_data = true\nsign_modes", 1))
    path = desk.cli.home / "bundle"
    done = desk.cli.json("backup", "--output", str(path), "--recipient", age.recipient)
    assert {key["name"]: (key["holds"], key["comes_back"]) for key in done["keys"]} == {
        "ops": ("wrapped", True),
        "treasury": ("wrapped", True),
        "stays": ("record", False),
        "val": ("record", False),
        "watched": ("record", True),
    }
    assert done["do_not_come_back"] == ["stays", "val"]
    good = desk.cli.json("backup", "verify", str(path), "--identity", age.identity)
    assert (good["good"], good["digest"], good["not_in_bundle"]) == (True, done["digest"], [])

    opening = (str(path), "--identity", age.identity)
    plan = spare.cli.run("--output", "json", "restore", *opening, "--dry-run")
    assert plan.code == 5
    assert {key["name"]: key["action"] for key in plan.data["keys"]} == {
        "ops": "unwrap",
        "stays": "leave out",
        "treasury": "unwrap",
        "val": "leave out",
        "watched": "save",
    }
    assert spare.cli.json("keys", "list") == []
    spare.cli.fails("restore", *opening, code=5, error="restore_refused")
    assert spare.cli.json("keys", "list") == []
    restored = spare.cli.json("restore", *opening, "--leave-out", "--with-policy")
    assert {key["name"]: key["proved"] for key in restored["keys"] if key["action"] == "unwrap"} == {
        "ops": True,
        "treasury": True,
    }
    assert addresses(spare) == {name: records[name]["address"] for name in ("ops", "treasury", "watched")}
    # The policy came along, so the key signs what it signed before.
    check_signature(spare, records["ops"]["address"])
    # And once more: nothing is imported twice.
    again = spare.cli.json("restore", *opening, "--leave-out")
    assert {key["action"] for key in again["keys"]} == {"nothing", "leave out"}
    assert len(spare.cli.json("keys", "list")) == 3
    assert spare.cli.json("audit", "verify")["ok"] is True


def check_signature(user: User, address: str) -> None:
    """Let a key sign data, by the policy that is in force, and verify the signature without any device."""
    signature = user.cli.home / "signature.json"
    signature.write_text(user.cli.ok("arbitrary", "sign", "ops", stdin=b"still me"))
    user.cli.ok("arbitrary", "verify", address, "--signature", str(signature), stdin=b"still me")


def behind_shim(user: User, folder: Path, library: Path, rule: str) -> Path:
    """Let a user's token be behind another PKCS#11 module from here on; return the module's control file."""
    lines = [line for line in user.cli.config.read_text().splitlines() if not line.startswith(("library", "preset"))]
    at = next(number for number, line in enumerate(lines) if line.startswith("[providers."))
    user.cli.config.write_text("\n".join([*lines[: at + 1], f'library = "{library}"', *lines[at + 1 :]]) + "\n")
    control = private(folder / "control", f"{rule}\n")
    user.cli.env |= {
        "SHIM_LIBRARY": str(user.hsm.library),
        "SHIM_CONTROL": str(control),
        "SHIM_TRACE": str(folder / "trace"),
    }
    return control


def test_keys_come_back_through_another_module(desk: User, tmp_path: Path, age: AgeKey, shim_library: Path) -> None:
    other = make_user(tmp_path / "other", "other")
    share_wrapping_key(age, desk)
    records = make_keys(desk)
    bundle = back_up(desk, age)
    behind_shim(other, tmp_path, shim_library, "quirk raw_ec_point")
    other.cli.ok(
        *("backup", "wrapping-key", "--file", str(desk.cli.home / "wrap.sealed"), "--identity", age.identity),
        *("--so-pin", other.so_pin),
    )
    other.cli.ok("restore", str(bundle), "--identity", age.identity, "--key", "ops", "--key", "treasury")
    assert addresses(other) == {name: records[name]["address"] for name in ("ops", "treasury")}
    # The trace has the calls that the shim steers; the key's objects came through it.
    assert "C_CreateObject" in (tmp_path / "trace").read_text()


def test_a_lost_host_comes_back_beside_its_token(desk: User, tmp_path: Path, age: AgeKey) -> None:
    """The commonest disaster: the token is well, what was known about it is gone. Nothing has to be wrappable."""
    records = make_keys(desk)
    bundle = back_up(desk, age)
    state = Path(desk.cli.json("config", "show")["state_dir"])
    for path in state.glob("store.sqlite*"):
        path.unlink()
    assert desk.cli.json("keys", "list") == []
    restored = desk.cli.json("restore", str(bundle), "--identity", age.identity)
    assert {key["name"]: key["action"] for key in restored["keys"]} == {
        **dict.fromkeys(("ops", "treasury", "stays", "val"), "adopt"),
        "watched": "save",
    }
    now = {record["name"]: record for record in desk.cli.json("keys", "list")}
    assert {name: (one["address"], one["purpose"]) for name, one in now.items()} == {
        name: (one["address"], one["purpose"]) for name, one in records.items()
    }
    # Nobody here knows what the validator signed meanwhile.
    assert now["val"]["needs_floor"] is True
    assert not records["val"].get("needs_floor")


def test_bundles_go_through_pipes(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    share_wrapping_key(age, desk, spare)
    desk.cli.ok("keygen", "--label", "ops", "--wrappable")
    made = subprocess.run(
        [*COMMAND, "backup", "--output", "-", "--recipient", age.recipient],
        env=desk.cli.env,
        cwd=desk.cli.home,
        capture_output=True,
        check=True,
    )
    assert made.stdout.startswith(b"keyring-bridge-sealed 1 backup recipients\n")
    assert b"ops" in made.stderr
    opening = ("-", "--identity", age.identity)
    assert spare.cli.run("backup", "verify", *opening, stdin=made.stdout).code == 0
    assert spare.cli.json("restore", *opening, stdin=made.stdout)["keys"][0]["proved"] is True
    desk.cli.fails("restore", "-", "--passphrase", "stdin", code=2, error="usage_error")


def test_a_passphrase_opens_what_it_sealed(desk: User, tmp_path: Path) -> None:
    right, wrong = private(tmp_path / "right", "correct horse\n"), private(tmp_path / "wrong", "battery staple\n")
    desk.cli.ok("keygen", "--label", "ops")
    path = desk.cli.home / "bundle"
    desk.cli.ok("backup", "--output", str(path), "--passphrase", f"file:{right}")
    desk.cli.ok("backup", "verify", str(path), "--passphrase", f"file:{right}")
    for command in (("backup", "verify"), ("restore",)):
        desk.cli.fails(
            *command, str(path), "--passphrase", f"file:{wrong}", code=7, error="sealed_passphrase_incorrect"
        )


def test_damaged_bundles_do_nothing(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    desk.cli.ok("keygen", "--label", "ops", "--wrappable")
    content = back_up(desk, age).read_bytes()
    end = content.index(b"\n", content.index(b"\n--- ") + 1)
    chosen = random.Random(7)  # noqa: S311 - picks places to damage
    damaged: dict[str, tuple[bytes, set[str]]] = {
        "newer": (content.replace(b"sealed 1 ", b"sealed 2 "), {"sealed_newer"}),
        "cut": (content[:-1], {"sealed_damaged"}),
        "empty": (b"", {"sealed_unknown", "sealed_damaged"}),
        "other": (b"not a bundle\n", {"sealed_unknown"}),
    }
    for at in (50, end - 5, end + 20, *chosen.sample(range(end, len(content)), 3)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << chosen.randrange(8)
        damaged[f"bit at {at}"] = (bytes(flipped), {"sealed_damaged"})
    for what, (data, codes) in damaged.items():
        path = private(tmp_path / "damaged", "")
        path.write_bytes(data)
        for command in (("backup", "verify"), ("restore",)):
            done = spare.cli.run("--output", "json", *command, str(path), "--identity", age.identity)
            assert (done.code, done.error["code"] in codes) == (9, True), (what, done)
    assert spare.cli.json("keys", "list") == []
    state = Path(spare.cli.json("config", "show")["state_dir"])
    assert not (state / "verified-backups").exists()


def test_clashes_are_refused(desk: User, spare: User, age: AgeKey) -> None:
    share_wrapping_key(age, desk, spare)
    for name in ("a", "ops"):
        desk.cli.ok("keygen", "--label", name, "--wrappable")
    bundle = back_up(desk, age)
    spare.cli.ok("keygen", "--label", "ops")
    before = spare.cli.json("keys", "list")
    error = spare.cli.fails("restore", str(bundle), "--identity", age.identity, code=5, error="restore_refused")
    assert "ops" in error["message"]
    assert spare.cli.json("keys", "list") == before


def test_without_the_wrapping_key_nothing_is_touched(desk: User, spare: User, age: AgeKey) -> None:
    share_wrapping_key(age, desk)
    desk.cli.ok("keygen", "--label", "ops", "--wrappable")
    bundle = back_up(desk, age)
    error = spare.cli.fails("restore", str(bundle), "--identity", age.identity, code=5, error="restore_refused")
    assert "wrapping key 'wrap'" in error["message"]
    assert spare.cli.json("keys", "list") == []


def test_a_full_disk_leaves_no_bundle(desk: User, age: AgeKey) -> None:
    desk.cli.ok("keygen", "--label", "ops")
    path = desk.cli.home / "bundle"
    # Files may not grow beyond 250 KiB in a process that was started so; the policy makes the bundle larger.
    policy = desk.cli.folder / "policy.toml"
    policy.write_text(policy.read_text() + "# " + "x" * 300_000 + "\n")
    limited = ("sh", "-c", 'trap "" XFSZ; ulimit -f 500; exec "$@"', "sh", *COMMAND)
    done = desk.cli.run(
        "--output", "json", "backup", "--output", str(path), "--recipient", age.recipient, command=limited
    )
    assert (done.code, done.error["code"]) == (10, "sealed_not_written"), done
    assert [one.name for one in desk.cli.home.iterdir() if "bundle" in one.name] == []


def test_nothing_is_overwritten(desk: User, age: AgeKey) -> None:
    path = private(desk.cli.home / "bundle", "old")
    desk.cli.fails(*("backup", "--output", str(path), "--recipient", age.recipient), code=5, error="sealed_file_exists")
    assert path.read_text() == "old"


def test_metadata_is_what_virtengine_means_by_a_backup(desk: User) -> None:
    make_keys(desk)
    shown = json.loads(desk.cli.ok("backup", "--metadata-only"))
    assert {key["label"]: key["algorithm"] for key in shown["keys"]} == {
        "ops": "secp256k1",
        "treasury": "secp256k1",
        "stays": "secp256k1",
        "val": "ed25519",
        "watched": "secp256k1",
    }
    assert all(len(key["fingerprint"]) == 64 for key in shown["keys"])
    path = desk.cli.home / "metadata.json"
    desk.cli.ok("backup", "--metadata-only", "--output", str(path), "--backend", "pkcs11")
    assert {key["label"] for key in json.loads(path.read_text())["keys"]} == {"ops", "treasury", "stays", "val"}


def test_nothing_secret_lies_about(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    """Neither the wrapping key nor PINs nor identities are in any file of the bridges, or in what commands print."""
    share_wrapping_key(age, desk, spare)
    desk.cli.ok("keygen", "--label", "ops", "--wrappable")
    bundle = back_up(desk, age)
    said = spare.cli.run("-vv", "restore", str(bundle), "--identity", age.identity)
    assert said.code == 0
    identity = Path(age.identity.removeprefix("file:")).read_text().splitlines()[1]
    sealed = (desk.cli.home / "wrap.sealed").read_bytes().split(b"\n", 2)[2]
    content = pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(identity)])
    secret = content[-32:]
    assert content.split(b"\n")[1] == b"wrap"
    canaries = [secret, secret.hex().encode(), b"77120934", identity.encode()]
    allowed = {Path(user.so_pin.removeprefix("file:")) for user in (desk, spare)}
    allowed.add(Path(age.identity.removeprefix("file:")))
    for path in (path for path in tmp_path.rglob("*") if path.is_file() and path not in allowed):
        data = path.read_bytes()
        assert not [canary for canary in canaries if canary in data], path
    assert not [canary for canary in canaries if canary in (said.out + said.err).encode()]


def test_the_policy_says_which_keys_are_backed_up(desk: User, age: AgeKey) -> None:
    share_wrapping_key(age, desk)
    for name in ("ops", "treasury"):
        desk.cli.ok("keygen", "--label", name, "--wrappable")
    policy = desk.cli.folder / "policy.toml"
    text = policy.read_text().replace("[keys.treasury]\n", '[keys.treasury]\noperations = ["sign", "rename"]\n', 1)
    assert "operations" in text
    policy.write_text(text)
    done = desk.cli.json("backup", "--output", str(desk.cli.home / "bundle"), "--recipient", age.recipient)
    assert {key["name"]: key["holds"] for key in done["keys"]} == {"ops": "wrapped", "treasury": "record"}
    assert "policy denies this (operations)" in done["keys"][1]["why_not"]
    forbidden = re.sub(r"(?m)^backup = .*$", "backup = []", text)
    assert forbidden != text
    policy.write_text(forbidden)
    desk.cli.fails(
        *("backup", "--output", str(desk.cli.home / "second"), "--recipient", age.recipient),
        code=6,
        error="policy_denied",
    )
    assert not (desk.cli.home / "second").exists()


def test_whoever_may_not_import_restores_nothing(desk: User, spare: User, age: AgeKey) -> None:
    share_wrapping_key(age, desk, spare)
    desk.cli.ok("keygen", "--label", "ops", "--wrappable")
    bundle = back_up(desk, age)
    policy = spare.cli.folder / "policy.toml"
    text = re.sub(r"(?m)^import = .*$", "import = []", policy.read_text())
    assert "import = []" in text
    policy.write_text(text)
    spare.cli.fails("restore", str(bundle), "--identity", age.identity, code=6, error="policy_denied")
    assert addresses(spare) == {}
    assert not (spare.cli.folder / "state" / "restores").exists()


def test_a_verified_backup_lets_a_migration_retire(desk: User, age: AgeKey) -> None:
    """Only one that has the key: a bundle with its record alone is no second copy."""
    state = Path(desk.cli.json("config", "show")["state_dir"])
    share_wrapping_key(age, desk)
    desk.cli.ok("keygen", "--label", "ops", "--wrappable")
    desk.cli.ok("keygen", "--label", "stays")
    bundle = back_up(desk, age)
    prints = {record["name"]: record["fingerprint"] for record in desk.cli.json("keys", "list")}
    assert Register(state).covers(prints["ops"]) is None
    desk.cli.ok("backup", "verify", str(bundle), "--identity", age.identity)
    covered = {name: Register(state).covers(fingerprint) for name, fingerprint in prints.items()}
    assert {name: one is not None and one.has_key for name, one in covered.items()} == {"ops": True, "stays": False}


def test_a_full_token_keeps_what_fitted(desk: User, tmp_path: Path, age: AgeKey, shim_library: Path) -> None:
    share_wrapping_key(age, desk)
    for name in ("one", "two", "three"):
        desk.cli.ok("keygen", "--label", name, "--wrappable")
    bundle, expected = back_up(desk, age), addresses(desk)
    other = make_user(tmp_path / "other", "other")
    other.cli.ok(
        *("backup", "wrapping-key", "--file", str(desk.cli.home / "wrap.sealed"), "--identity", age.identity),
        *("--so-pin", other.so_pin),
    )
    control = behind_shim(other, tmp_path, shim_library, "fail C_CreateObject 3+ 31")
    command = ("restore", str(bundle), "--identity", age.identity)
    other.cli.fails(*command, code=8, error="token_full")
    assert set(addresses(other)) == set(private_objects(other.cli)) < set(expected)
    control.write_text("")
    other.cli.ok(*command)
    assert addresses(other) == expected
    assert private_objects(other.cli) == dict.fromkeys(expected, 1)


def test_the_officers_pin_comes_from_a_person_or_a_file(desk: User, age: AgeKey) -> None:
    path = desk.cli.home / "wrap.sealed"
    command = ("backup", "wrapping-key", "--new", "wrap", "--file", str(path), "--recipient", age.recipient)
    for source in ("77120934", "env:SO_PIN", "command:/bin/echo 77120934", "stdin"):
        error = desk.cli.fails(*command, "--so-pin", source, code=2, error="usage_error")
        assert "77120934" not in str(error)
    wrong = private(desk.cli.home / "wrong", "00000000\n")
    desk.cli.fails(*command, "--so-pin", f"file:{wrong}", code=7, error="pin_incorrect")
    # A key that is in no token is of no use in a file.
    assert not path.exists()
    desk.cli.fails(*command, "--so-pin", desk.so_pin, code=7, error="pin_blocked")
    desk.cli.ok(*command, "--so-pin", desk.so_pin, "--retry-so-pin")
    assert [key["name"] for key in desk.cli.json("backup", "wrapping-key")["wrapping_keys"]] == ["wrap"]
    desk.cli.fails(*command, "--so-pin", desk.so_pin, code=5, error="sealed_file_exists")
