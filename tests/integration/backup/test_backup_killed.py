"""A restore that is killed, at chosen steps and at any moment: the next one finishes it, and no key is there twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyring_bridge.exit_codes import Exit
from tests.integration.backup.conftest import private
from tests.integration.backup.test_backup import addresses, back_up, share_wrapping_key
from tests.integration.cli.harness import COMMAND
from tests.integration.migrate.folders import private_objects, restore, snapshot
from tests.integration.migrate.husks import half_unwrapped
from tests.integration.migrate.killing import moments, run_until

if TYPE_CHECKING:
    from tests.integration.backup.conftest import AgeKey, User

pytestmark = [pytest.mark.softhsm, pytest.mark.slow, pytest.mark.timeout(1800)]

STEPS = (
    "keyring_bridge.backup.restoring:Restore._ids",
    "keyring_bridge.providers.pkcs11.cryptoki:Cryptoki.unwrap_key",
    "keyring_bridge.providers.pkcs11.metadata:write",
    "keyring_bridge.store.sqlite:SqliteStore.add",
)
KILLS = int(os.environ.get("RESTORE_KILLS", "10"))
"""How often a restore is killed at random; RESTORE_KILLS=200 is the long run."""


def prepared(desk: User, spare: User, age: AgeKey, *names: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that restores a bundle with these keys on the second token, and their addresses."""
    share_wrapping_key(age, desk, spare)
    for name in names:
        desk.cli.ok("keygen", "--label", name, "--wrappable")
    return ["restore", str(back_up(desk, age)), "--identity", age.identity], addresses(desk)


def check_whole(spare: User, expected: dict[str, str]) -> None:
    assert addresses(spare) == expected
    assert private_objects(spare.cli) == dict.fromkeys(expected, 1)
    assert not list((spare.cli.folder / "state" / "restores").glob("*.json"))
    assert spare.cli.run("audit", "verify").code == 0


def test_killed_at_each_step(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    command, expected = prepared(desk, spare, age, "one", "two")
    fresh = snapshot(spare.cli, tmp_path / "fresh")
    whole = run_until(spare.cli, STEPS, 0, "after", *command)
    assert (whole.code, whole.steps) == (0, ["_ids", *["unwrap_key", "write", "add"] * 2]), whole
    check_whole(spare, expected)
    for at, when in moments(whole.steps, "unwrap_key"):
        restore(spare.cli, fresh)
        assert run_until(spare.cli, STEPS, at, when, *command).killed, (at, when)
        spare.cli.ok(*command)
        check_whole(spare, expected)


def test_half_keys_of_another_bundle_are_removed_too(desk: User, spare: User, age: AgeKey) -> None:
    command, expected = prepared(desk, spare, age, "one")
    other = ["restore", str(back_up(desk, age, "other")), "--identity", age.identity]
    assert run_until(spare.cli, STEPS[1:2], 1, "after", *command).killed
    assert sum(private_objects(spare.cli).values()) == 1
    assert addresses(spare) == {}
    spare.cli.ok(*other)
    check_whole(spare, expected)


def test_a_key_that_was_being_unwrapped_is_removed(desk: User, spare: User, age: AgeKey) -> None:
    """A token may have written the label and the id of a key before the key itself."""
    command, expected = prepared(desk, spare, age, "one")
    (folder,) = (spare.cli.home.parent / "softhsm" / "tokens").iterdir()
    before = set(folder.glob("*.object"))
    assert run_until(spare.cli, STEPS[1:2], 1, "after", *command).killed
    (half,) = set(folder.glob("*.object")) - before
    half.write_bytes(half_unwrapped(half.read_bytes()))
    assert private_objects(spare.cli) == {"one": 1}
    spare.cli.ok(*command)
    check_whole(spare, expected)


def test_killed_at_any_moment(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    command, expected = prepared(desk, spare, age, "one", "two", "three")
    fresh = snapshot(spare.cli, tmp_path / "fresh")
    chance = random.Random(os.environ.get("RESTORE_SEED", "11"))  # noqa: S311 - of moments, not of keys
    # How long a run takes is measured here, so that the kills fall all over it on any machine.
    started = time.monotonic()
    spare.cli.ok(*command)
    took = time.monotonic() - started
    check_whole(spare, expected)
    unfinished = 0
    for _ in range(KILLS):
        restore(spare.cli, fresh)
        process = subprocess.Popen(
            [*COMMAND, *command],
            env=spare.cli.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(chance.uniform(0.3, 1.0) * took)
        process.send_signal(signal.SIGKILL)
        unfinished += process.wait() == -signal.SIGKILL and (spare.cli.folder / "state" / "restores").is_dir()
        again = spare.cli.run(*command)
        if again.code == Exit.AUTH:
            # It died while the token was asked for the PIN: the guard lets nobody go on but a person.
            spare.cli.ok("unlock")
            again = spare.cli.run(*command)
        assert again.code == 0, again
        check_whole(spare, expected)
    assert unfinished, "no run was killed at work"


def test_a_sealed_key_that_was_cut_off_is_not_there_twice(desk: User, spare: User, age: AgeKey, tmp_path: Path) -> None:
    path = private(tmp_path / "key.hex", os.urandom(32).hex())
    desk.cli.ok("migrate", str(path), "--name", "alone")
    bundle = desk.cli.home / "sealed"
    desk.cli.ok("backup", "--output", str(bundle), "--recipient", age.recipient, "--source", str(path))
    command = ["restore", str(bundle), "--identity", age.identity]
    assert run_until(spare.cli, STEPS[2:3], 1, "before", *command).killed
    assert sum(private_objects(spare.cli).values()) == 1
    assert addresses(spare) == {}
    spare.cli.ok(*command)
    check_whole(spare, addresses(desk))
